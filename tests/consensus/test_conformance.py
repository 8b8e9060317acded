"""Same inputs, same outcomes, same errors: every test here runs on both kinds of strategy."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etcdmeta import errors
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.consensus.protocol import Compacted, FutureRevision
from etcdmeta.records.transaction import (
    DELETE_EVENT,
    PUT_EVENT,
    Compare,
    Counter,
    Delete,
    DeleteRange,
    Put,
    Read,
    Transaction,
)
from tests.consensus.conftest import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.consensus.conftest import World

# --- compares


@pytest.mark.parametrize("counter", Counter)
@pytest.mark.parametrize("less", [False, True])
@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_compare_of_one_key(world: World, counter: Counter, less: bool, offset: int) -> None:
    world.put("k")
    world.put("k")
    kv = world.get("k")
    assert kv is not None
    actual = {
        Counter.CREATE: kv.create_revision,
        Counter.MOD: kv.mod_revision,
        Counter.VERSION: kv.version,
    }[counter]
    result = world.commit(when=(Compare(world.key("k"), counter, actual + offset, less=less),))
    assert result.succeeded == (actual < actual + offset if less else offset == 0)


@pytest.mark.parametrize(
    ("counter", "number", "less", "holds"),
    [
        (Counter.CREATE, 0, False, True),
        (Counter.MOD, 0, False, True),
        (Counter.VERSION, 0, False, True),
        (Counter.CREATE, 7, False, False),
        (Counter.MOD, 7, True, True),
        (Counter.MOD, 0, True, False),
    ],
)
@pytest.mark.parametrize("as_range", [False, True])
def test_what_is_absent_has_counters_of_zero(
    world: World, counter: Counter, number: int, less: bool, holds: bool, as_range: bool
) -> None:
    start, end = world.span
    compare = Compare(start + b"x", counter, number, less=less, range_end=end if as_range else None)
    assert world.commit(when=(compare,)).succeeded is holds


def test_every_key_of_a_range_must_satisfy_a_compare(world: World) -> None:
    world.put("a")
    seen = world.put("b")
    start, end = world.span
    assert world.commit(when=(Compare.unchanged_in(start, end, seen),)).succeeded
    assert not world.commit(when=(Compare.unchanged_in(start, end, seen - 1),)).succeeded
    assert not world.commit(when=(Compare.none_in(start, end),)).succeeded
    world.put("a")
    assert not world.commit(when=(Compare.unchanged_in(start, end, seen),)).succeeded


def test_law_1_a_delete_is_invisible_to_a_range_compare(world: World) -> None:
    world.put("a")
    seen = world.put("b")
    world.commit(Delete(world.key("b")))
    start, end = world.span
    assert world.commit(when=(Compare.unchanged_in(start, end, seen),)).succeeded
    world.commit(Delete(world.key("a")))
    assert world.commit(when=(Compare.unchanged_in(start, end, seen),)).succeeded
    assert world.commit(when=(Compare.none_in(start, end),)).succeeded


def test_a_range_ends_before_its_end(world: World) -> None:
    world.put("b")
    assert world.commit(when=(Compare.none_in(world.key("a"), world.key("b")),)).succeeded
    assert not world.commit(when=(Compare.none_in(world.key("a"), world.key("b\0")),)).succeeded


def test_all_compares_must_hold(world: World) -> None:
    world.put("a")
    both = (Compare.absent(world.key("x")), Compare.absent(world.key("a")))
    assert not world.commit(Put(world.key("x"), b"1"), when=both).succeeded
    assert world.get("x") is None


# --- writes


def test_a_failed_compare_reads_and_writes_nothing(world: World) -> None:
    first = world.put("a", b"1")
    start, end = world.span
    result = world.commit(
        Put(world.key("a"), b"2"),
        when=(Compare.absent(world.key("a")),),
        otherwise=(Read(world.key("a")), Read(start, end, keys_only=True), Read(world.key("nothing"))),
    )
    assert not result.succeeded
    assert result.previous == {}
    one, many, none = result.reads
    assert [(kv.key, kv.value, kv.mod_revision) for kv in one] == [(world.key("a"), b"1", first)]
    assert [(kv.key, kv.value, kv.create_revision) for kv in many] == [(world.key("a"), b"", first)]
    assert len(none) == 0
    assert world.get("a").value == b"1"  # type: ignore[union-attr]


def test_all_writes_are_one_revision(world: World) -> None:
    before = world.put("gone")
    result = world.commit(Put(world.key("a"), b"1"), Put(world.key("b"), b"2"), Delete(world.key("gone")))
    assert result.succeeded
    assert result.header.revision == before + 1
    assert [world.get(name).mod_revision for name in "ab"] == [before + 1] * 2  # type: ignore[union-attr]
    assert world.names() == ["a", "b"]


def test_the_versions_count_the_changes_of_one_life(world: World) -> None:
    created = world.put("k")
    for version in (2, 3):
        world.put("k")
        kv = world.get("k")
        assert kv is not None
        assert (kv.version, kv.create_revision) == (version, created)
    world.commit(Delete(world.key("k")))
    again = world.put("k")
    kv = world.get("k")
    assert kv is not None
    assert (kv.version, kv.create_revision, kv.mod_revision) == (1, again, again)


def test_previous_values_come_with_the_answer(world: World) -> None:
    world.put("old", b"1")
    result = world.commit(
        Put(world.key("old"), b"2", return_previous=True),
        Put(world.key("new"), b"2", return_previous=True),
        Put(world.key("other"), b"2"),
    )
    assert list(result.previous) == [world.key("old")]
    assert (result.previous[world.key("old")].value, result.previous[world.key("old")].version) == (b"1", 1)


def test_a_range_is_deleted_to_its_end_and_not_beyond(world: World) -> None:
    for name in ("a", "b", "c"):
        world.put(name)
    world.commit(DeleteRange(world.key("a"), world.key("c")))
    assert world.names() == ["c"]


def test_what_changes_nothing_is_no_revision(world: World) -> None:
    before = world.put("a")
    result = world.commit(Delete(world.key("nothing")), DeleteRange(world.key("x"), world.key("z")))
    assert result.succeeded
    assert result.header.revision == before


@pytest.mark.parametrize(
    "writes",
    [
        pytest.param(lambda k: (Put(k("a"), b""), Put(k("a"), b"")), id="put twice"),
        pytest.param(lambda k: (Put(k("a"), b""), Delete(k("a"))), id="put and deleted"),
        pytest.param(lambda k: (Delete(k("a")), Put(k("a"), b"")), id="deleted and put"),
        pytest.param(lambda k: (Put(k("b"), b""), DeleteRange(k("a"), k("c"))), id="law 4: put in a span"),
        pytest.param(lambda k: (DeleteRange(k("a"), k("c")), Put(k("b"), b"")), id="law 4: the other order"),
    ],
)
def test_a_key_is_written_once(world: World, writes: Callable[..., tuple[Any, ...]]) -> None:
    with pytest.raises(errors.InvalidInput):
        world.commit(*writes(world.key))
    assert world.names() == []


def test_a_key_may_be_deleted_twice_and_put_at_the_end_of_a_deleted_span(world: World) -> None:
    world.put("a")
    end = world.key("c")
    assert world.commit(Delete(world.key("a")), DeleteRange(world.key("a"), end), Put(end, b"")).succeeded
    assert world.names() == ["c"]


@pytest.mark.parametrize("part", ["compares", "writes", "reads"])
def test_128_operations_and_no_more(world: World, part: str) -> None:
    make: dict[str, Callable[[int], Any]] = {
        "compares": lambda n: Compare.absent(world.key(f"x{n}")),
        "writes": lambda n: Put(world.key(f"{n:03}"), b""),
        "reads": lambda n: Read(world.key(f"{n}")),
    }
    empty: dict[str, Any] = {"compares": (), "writes": (), "reads": ()}

    def of(count: int) -> Transaction:
        return Transaction(**{**empty, part: tuple(make[part](n) for n in range(count))})

    assert world.strategy.transact(of(128), deadline=world.soon()).succeeded
    before = world.names()
    with pytest.raises(errors.CommandTooLarge):
        world.strategy.transact(of(129), deadline=world.soon())
    assert world.names() == before


def test_a_request_of_one_and_a_half_mebibytes_is_too_large(world: World) -> None:
    with pytest.raises(errors.RecordTooLarge) as caught:
        world.put("a", b"x" * 1_572_864)
    assert caught.value.rule is not None
    assert world.names() == []
    world.put("a", b"x" * 1_500_000)
    assert world.names() == ["a"]


def test_a_key_is_not_empty(world: World) -> None:
    for txn in (
        Transaction((), (Put(b"", b""),)),
        Transaction((), (Delete(b""),)),
        Transaction((Compare.absent(b""),), ()),
    ):
        with pytest.raises(errors.InvalidInput):
            world.strategy.transact(txn, deadline=world.soon())
    with pytest.raises(errors.InvalidInput):
        world.strategy.read(b"", deadline=world.soon())


def test_any_byte_can_stand_in_a_key(world: World) -> None:
    key = world.prefix + bytes(range(256))
    world.commit(Put(key, bytes(range(256))))
    (kv,) = world.strategy.read(key, deadline=world.soon()).kvs
    assert (kv.key, kv.value) == (key, bytes(range(256)))


# --- reads


def test_a_pinned_read_sees_what_was(world: World) -> None:
    first = world.put("a", b"1")
    second = world.put("a", b"2")
    world.put("b")
    gone = world.commit(Delete(world.key("a"))).header.revision
    assert world.get("a", first).value == b"1"  # type: ignore[union-attr]
    assert world.get("a", second).value == b"2"  # type: ignore[union-attr]
    assert world.get("a", gone) is None
    assert world.names(second) == ["a"]
    assert world.names(gone) == ["b"]


def test_a_revision_in_the_future_is_refused(world: World) -> None:
    revision = world.put("a")
    with pytest.raises(FutureRevision):
        world.get("a", revision + 1_000_000)


def test_a_compacted_revision_is_refused(world: World) -> None:
    first = world.put("a")
    second = world.put("a", b"2")
    world.put("a", b"3")
    world.compact(second)
    assert world.get("a", second).value == b"2"  # type: ignore[union-attr]
    with pytest.raises(Compacted):
        world.get("a", first)
    with pytest.raises(Compacted):
        list(world.strategy.list(*world.span, revision=first, deadline=world.soon()))


def test_compaction_keeps_what_stands_and_forgets_what_was_deleted(world: World) -> None:
    world.put("stays")
    world.put("goes")
    world.commit(Delete(world.key("goes")))
    revision = world.put("other")
    world.compact(revision)
    assert world.names(revision) == ["other", "stays"]
    assert world.put("goes") == revision + 1
    assert world.get("goes").version == 1  # type: ignore[union-attr]


def test_a_limit_says_that_there_is_more(world: World) -> None:
    for name in "abc":
        world.put(name)
    start, end = world.span
    read = world.strategy.read
    some = read(start, range_end=end, limit=2, keys_only=True, deadline=world.soon())
    assert [kv.key for kv in some.kvs] == [world.key("a"), world.key("b")]
    assert [kv.value for kv in some.kvs] == [b"", b""]
    assert some.more
    assert not read(start, range_end=end, limit=3, deadline=world.soon()).more


def test_pages_are_of_one_revision_while_writes_go_on(world: World) -> None:
    for n in range(10):
        world.put(f"{n}", b"old")
    pages = []
    for page in world.strategy.list(*world.span, page=3, deadline=world.soon()):
        pages.append([(kv.key, kv.value) for kv in page.kvs])
        world.put("9", b"new")
        world.put("55", b"new")
        world.commit(Delete(world.key("7")))
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    assert [kv for page in pages for kv in page] == [(world.key(f"{n}"), b"old") for n in range(10)]


@pytest.mark.parametrize("count", [0, 3, 6])
def test_pages_end_where_the_range_does(world: World, count: int) -> None:
    for n in range(count):
        world.put(f"{n}")
    pages = list(world.strategy.list(*world.span, page=3, deadline=world.soon()))
    assert sum(len(page.kvs) for page in pages) == count
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]


def test_a_list_that_is_given_up_leaves_nothing_behind(world: World) -> None:
    for n in range(5):
        world.put(f"{n}")
    pages = world.strategy.list(*world.span, page=1, deadline=world.soon())
    next(pages)
    pages.close()  # type: ignore[attr-defined]  # and no thread: the fixture looks


def test_a_list_ends_when_the_client_closes(world: World) -> None:
    for n in range(5):
        world.put(f"{n}")
    pages = world.strategy.list(*world.span, page=1, deadline=world.soon())
    next(pages)
    world.strategy.close()
    with pytest.raises(errors.StoreClosed):
        list(pages)


# --- watches


def test_a_watch_tells_what_happened_since(world: World) -> None:
    first = world.put("a", b"1")
    world.put("a", b"2")
    reader = world.watch(first).created()
    world.commit(Put(world.key("b"), b"3"), Delete(world.key("a")))
    told = [(event.type, event.kv.key, event.kv.value, event.kv.mod_revision) for event in reader.events(4)]
    assert sorted(told[2:]) == [
        (PUT_EVENT, world.key("b"), b"3", first + 2),
        (DELETE_EVENT, world.key("a"), b"", first + 2),
    ]
    assert told[:2] == [
        (PUT_EVENT, world.key("a"), b"1", first),
        (PUT_EVENT, world.key("a"), b"2", first + 1),
    ]
    reader.cancel()


def test_a_watch_from_now_tells_no_past_and_no_other_range(world: World) -> None:
    revision = world.put("a")
    reader = world.watch(revision + 1).created()
    world.commit(Put(world.prefix[:-1] + b"~outside", b""))
    world.put("b")
    assert [event.kv.key for event in reader.events(1)] == [world.key("b")]


def test_a_transaction_comes_in_one_answer(world: World) -> None:
    reader = world.watch(world.put("a") + 1).created()
    world.commit(*(Put(world.key(f"{n}"), b"") for n in range(50)))
    reader.events(50)
    (response,) = [each for each in reader.until(bool) if each.events]
    assert len(response.events) == 50
    assert response.header.revision == response.events[0].kv.mod_revision


def test_the_header_can_be_ahead_of_the_events_while_catching_up(world: World) -> None:
    first = world.put("a")
    for _ in range(20):
        world.put("a")
    reader = world.watch(first)
    reader.events(21)
    responses = [each for each in reader.until(bool) if each.events]
    assert responses[0].header.revision >= responses[0].events[-1].kv.mod_revision
    assert [e.kv.mod_revision for r in responses for e in r.events] == list(range(first, first + 21))


def test_a_watch_of_a_compacted_revision_says_so_and_ends(world: World) -> None:
    first = world.put("a")
    for _ in range(3):
        last = world.put("a")
    world.compact(last)
    reader = world.watch(first)
    assert reader.end() is None
    final = reader.until(bool)[-1]
    assert (final.canceled, final.compact_revision) == (True, last)


def test_a_watch_of_the_future_is_silent_until_then(world: World) -> None:
    revision = world.put("a")
    reader = world.watch(revision + 2).created()
    world.put("a", b"too early")
    world.put("a", b"as asked")
    assert [event.kv.value for event in reader.events(1)] == [b"as asked"]


@pytest.mark.parametrize("busy", [False, True])
def test_a_watch_is_cancelled_from_another_thread(world: World, busy: bool) -> None:
    reader = world.watch(world.put("a")).created()
    if busy:
        reader.events(1)
    reader.cancel()
    reader.stream.cancel()


def test_a_watch_that_is_cancelled_before_it_begins_is_empty(world: World) -> None:
    stream = world.strategy.watch(*world.span, from_revision=1, endpoint=world.strategy.endpoints[0])
    stream.cancel()
    assert [response.events for response in stream if response.events] == []


def test_an_unknown_endpoint_is_refused(world: World) -> None:
    with pytest.raises(errors.InvalidAddress):
        world.strategy.watch(*world.span, from_revision=1, endpoint="elsewhere:1")
    with pytest.raises(errors.InvalidAddress):
        world.strategy.read(b"x", endpoint="elsewhere:1", deadline=world.soon())


# --- leases


def test_a_lease_is_renewed_and_revoked_with_its_keys(world: World) -> None:
    lease = world.strategy.grant_lease(30, deadline=world.soon())
    world.put("a", lease=lease)
    assert world.get("a").lease == lease  # type: ignore[union-attr]
    assert world.strategy.keep_alive(lease, deadline=world.soon()) == 30
    world.strategy.revoke_lease(lease, deadline=world.soon())
    assert world.names() == []
    assert world.strategy.keep_alive(lease, deadline=world.soon()) == 0
    world.strategy.revoke_lease(lease, deadline=world.soon())


def test_a_lease_runs_out_and_a_watch_tells(world: World) -> None:
    lease = world.strategy.grant_lease(2, deadline=world.soon())
    revision = world.put("a", lease=lease)
    world.put("stays")
    reader = world.watch(revision + 2).created()
    world.pass_time(1.5)
    assert "stays" in world.names()
    world.pass_time(1.0)
    (event,) = reader.events(1)
    assert (event.type, event.kv.key) == (DELETE_EVENT, world.key("a"))
    assert world.names() == ["stays"]


def test_the_last_put_says_which_lease_a_key_has(world: World) -> None:
    lease = world.strategy.grant_lease(30, deadline=world.soon())
    world.put("a", lease=lease)
    world.put("a")
    world.strategy.revoke_lease(lease, deadline=world.soon())
    assert world.names() == ["a"]


def test_a_put_under_a_lease_that_is_gone_is_fenced(world: World) -> None:
    lease = world.strategy.grant_lease(30, deadline=world.soon())
    world.strategy.revoke_lease(lease, deadline=world.soon())
    with pytest.raises(errors.Fenced):
        world.commit(Put(world.key("b"), b""), Put(world.key("a"), b"", lease=lease))
    assert world.names() == []
    # Only the branch that is taken is looked at.
    absent = (Compare.created(world.key("a"), 1),)
    assert not world.commit(Put(world.key("a"), b"", lease=lease), when=absent).succeeded


# --- the strategy itself


def test_two_clients_see_one_cluster(world: World) -> None:
    other = world.connect()
    reader = other.watch(world.put("a") + 1).created()
    world.put("b")
    assert other.names() == ["a", "b"]
    assert [event.kv.key for event in reader.events(1)] == [world.key("b")]


def test_of_many_writers_of_one_revision_one_wins(world: World) -> None:
    won: list[int] = []

    def write(n: int) -> None:
        if world.commit(Put(world.key("k"), b"%d" % n), when=(Compare.absent(world.key("k")),)).succeeded:
            won.append(n)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert world.get("k").value == b"%d" % won[0]  # type: ignore[union-attr]


def test_a_deadline_in_the_past_sends_nothing(world: World) -> None:
    with pytest.raises(errors.Unavailable):
        world.strategy.transact(Transaction((), (Put(world.key("a"), b""),)), deadline=world.soon(-1))
    with pytest.raises(errors.Unavailable):
        world.strategy.read(world.key("a"), deadline=world.soon(-1))
    assert world.names() == []


def test_a_member_says_how_it_is(world: World) -> None:
    world.put("a")
    statuses = [world.strategy.status(each, deadline=world.soon()) for each in world.strategy.endpoints]
    assert {status.leader for status in statuses} == {status.member_id for status in statuses if status.is_leader}
    assert max(status.revision for status in statuses) >= world.get("a").mod_revision  # type: ignore[union-attr]
    assert all(status.version and status.alarms == () for status in statuses)


def test_close_ends_streams_and_calls_and_leaves_no_thread(world: World) -> None:
    reader = world.watch(world.put("a")).created()
    world.strategy.close()
    assert reader.end() is None
    world.strategy.close()
    for call in (
        lambda: world.put("b"),
        world.names,
        lambda: next(iter(world.strategy.list(*world.span, deadline=world.soon()))),
        lambda: world.strategy.watch(*world.span, from_revision=1, endpoint=world.strategy.endpoints[0]),
        lambda: world.strategy.grant_lease(5, deadline=world.soon()),
    ):
        with pytest.raises(errors.StoreClosed):
            call()


@pytest.mark.parametrize("kind", ["local", "etcd"])
def test_a_forked_child_is_refused_at_once(kind: str, request: pytest.FixtureRequest, etcd_prefix: str) -> None:
    """In a process of its own: gRPC's servers, which other tests run in this one, do not survive a fork."""
    endpoints = request.getfixturevalue("etcd_cluster").endpoints if kind == "etcd" else ()
    call = f"import sys; from {__name__} import fork_and_use; sys.exit(fork_and_use({endpoints!r}, {etcd_prefix!r}))"
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", call]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def fork_and_use(endpoints: tuple[str, ...], prefix: str) -> int:
    """0 where all is well."""
    strategy = EtcdStrategy(endpoints) if endpoints else LocalStrategy(LocalCluster())
    client = Client(strategy, f"{prefix}/".encode())
    client.put("a")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            client.names()
        except errors.ForkedProcess:
            try:
                client.put("b")
            except errors.ForkedProcess:
                strategy.close()
                code = 0
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert client.names() == ["a"]
    strategy.close()
    return status
