"""Fetch: current, changes, picture, waiting; and the rule that nothing older is ever answered."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from etcdmeta.agent import standing
from etcdmeta.agent.facts import Facts
from etcdmeta.agent.limits import Limits
from etcdmeta.errors import AgentBehind, DeadlineInvalid, TooStale, UnreadableRequest
from etcdmeta.model.snapshot import Position
from etcdmeta.records import keys
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.replica.listing import listing
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import decode_position, encode_position
from tests.agent.talking import SECONDS, in_background, refusal, wait_until

if TYPE_CHECKING:
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore
    from tests.agent.conftest import Agents
    from tests.agent.talking import Client, Fetched

CURRENT, CHANGES, PICTURE = pb.FetchResponse.CURRENT, pb.FetchResponse.CHANGES, pb.FetchResponse.PICTURE


def holds(fetched: Fetched, snapshot: Snapshot, store: MetaStore) -> None:
    wanted = [(store.keyspace.absolute(key), value, mod, create) for key, value, mod, create in listing(snapshot)]
    got = [(r.key, r.value, r.mod_revision, r.create_revision) for r in fetched.records.values()]
    assert got == wanted


def ahead(position: bytes, revisions: int) -> bytes:
    at = decode_position(position)
    assert at is not None
    return encode_position(Position(at.epoch, at.revision + revisions))


def test_the_whole_picture(agents: Agents, client: Client) -> None:
    client.create("metrics")
    fetched = client.fetch()
    store = agents.stores[0]
    snapshot = store.snapshot()
    assert fetched.kind == PICTURE
    holds(fetched, snapshot, store)
    assert fetched.head.generation == snapshot.generation == 2
    assert fetched.head.revision == snapshot.revision
    assert decode_position(fetched.head.position) == snapshot.position
    assert fetched.head.freshness.live
    assert fetched.head.freshness.HasField("age")
    mark = fetched.records[store.keyspace.absolute(keys.GENERATION)]
    assert mark.version == 2


def test_the_picture_comes_in_bounded_pieces(agents: Agents) -> None:
    client = agents.add(limits=Limits(piece_bytes=1000))
    for number in range(12):
        client.create(f"db{number}")
    fetched = client.fetch()
    assert len(fetched.pieces) > 3
    assert all(len(piece.SerializeToString()) < 1600 for piece in fetched.pieces)
    assert [piece.kind for piece in fetched.pieces[1:]] == [pb.FetchResponse.UNSET] * (len(fetched.pieces) - 1)
    assert not any(piece.position for piece in fetched.pieces[1:])
    holds(fetched, agents.stores[0].snapshot(), agents.stores[0])


def test_an_empty_place_is_an_empty_picture(agents: Agents) -> None:
    from etcdmeta.testing import local_store
    from etcdmeta.testing.agents import serve_agent
    from tests.agent.talking import Client

    with local_store(init=False) as store, serve_agent(store) as agent, Client(agent.address) as client:
        fetched = client.fetch()
        assert fetched.kind == PICTURE
        assert not fetched.records
        assert fetched.head.position
        assert client.fetch(fetched.head.position).kind == CURRENT


def test_current_and_changes(client: Client) -> None:
    start = client.fetch().head
    assert client.fetch(start.position).kind == CURRENT
    client.create("a")
    client.create("b")
    changed = client.fetch(start.position)
    assert changed.kind == CHANGES
    assert [r.generation for r in changed.revisions] == [2, 3]
    assert not any(r.joined for r in changed.revisions)
    assert changed.head.position == changed.revisions[-1].position
    assert changed.head.generation == 3
    assert changed.head.revision == changed.revisions[-1].revision
    half = client.fetch(changed.revisions[0].position)
    assert [r.generation for r in half.revisions] == [3]
    assert client.fetch(changed.head.position).kind == CURRENT


def test_changes_come_in_bounded_pieces(agents: Agents) -> None:
    client = agents.add(limits=Limits(piece_bytes=1500))
    start = client.fetch().head
    for number in range(8):
        client.create(f"db{number}")
    changed = client.fetch(start.position)
    assert len(changed.pieces) > 2
    assert [r.generation for r in changed.revisions] == list(range(2, 10))
    assert changed.head.position == changed.revisions[-1].position


def test_what_the_log_forgot_is_a_picture(agents: Agents) -> None:
    client = agents.add(limits=Limits(log_entries=4))
    start = client.fetch().head
    for number in range(6):
        client.create(f"db{number}")
    assert client.fetch(start.position).kind == PICTURE


def test_waiting_ends_with_the_news(agents: Agents, client: Client) -> None:
    start = client.fetch().head
    waiting = in_background(lambda: client.fetch(start.position, wait=True))
    next(waiting)
    wait_until(lambda: agents.served[0].server.streams == 1, "the fetch waits")
    client.create("metrics")
    fetched = next(waiting)
    assert fetched.kind == CHANGES
    assert [r.generation for r in fetched.revisions] == [2]


def test_waiting_does_not_wait_where_there_is_news(client: Client) -> None:
    start = client.fetch().head
    client.create("metrics")
    assert client.fetch(start.position, wait=True).kind == CHANGES


def test_waiting_until_the_deadline_is_no_error(client: Client) -> None:
    start = client.fetch().head
    fetched = client.fetch(start.position, wait=True, timeout=1.0)
    assert fetched.kind == CURRENT
    assert fetched.head.position == start.position
    assert fetched.head.generation == 1


def test_waiting_needs_a_deadline(client: Client) -> None:
    start = client.fetch().head
    error, _ = refusal(lambda: list(client.stub.Fetch(pb.FetchRequest(position=start.position, wait=True))))
    assert isinstance(error, DeadlineInvalid)
    assert "-max-time" in (error.remedy or "")


def test_a_position_is_taken_as_it_was_given_only(client: Client) -> None:
    error, _ = refusal(lambda: client.fetch(b"nonsense"))
    assert isinstance(error, UnreadableRequest)


# --- never older


def test_an_agent_that_is_behind_waits_until_it_is_there(agents: Agents) -> None:
    first, second = agents.add(), agents.add()
    held, entered = threading.Event(), threading.Event()
    # The second agent's store is held in the middle of publishing, as on a machine that is busy.
    listeners = agents.stores[1]._driver.listeners
    publish = listeners.publish

    def slowly(*args: Any) -> None:
        entered.set()
        held.wait(SECONDS)
        publish(*args)

    listeners.publish = slowly  # type: ignore[method-assign]
    try:
        made = first.create("metrics")
        assert entered.wait(SECONDS)
        asking = in_background(lambda: second.fetch(made.position))
        next(asking)
        assert agents.served[1].server.streams <= 1
    finally:
        held.set()
    fetched = next(asking)
    assert fetched.kind == CURRENT
    assert fetched.head.generation == 2


def test_an_agent_that_cannot_get_there_points_elsewhere(agents: Agents) -> None:
    facts = Facts(agents=lambda: ("10.0.0.7:8188",))
    first = agents.add()
    second = agents.add(facts=facts, limits=Limits(patience=0.3))
    agents.links[1].disconnect()
    wait_until(lambda: second.status().state == "stale", "it is cut off")
    made = first.create("metrics")
    error, _ = refusal(lambda: second.fetch(made.position))
    assert isinstance(error, AgentBehind)
    assert error.value == made.outcomes[0].revision
    assert "10.0.0.7:8188" in (error.remedy or "")
    # What it has, it serves, as old as it is.
    fetched = second.fetch()
    assert fetched.kind == PICTURE
    assert fetched.head.generation == 1
    assert not fetched.head.freshness.live


def test_a_revision_of_something_else_in_etcd_is_nothing_to_wait_for(agents: Agents, client: Client) -> None:
    start = client.fetch().head
    put = Put(b"/elsewhere", b"1")
    for _ in range(3):
        agents.links[0].transact(Transaction((), (put,)), deadline=time.monotonic() + SECONDS)
    fetched = client.fetch(ahead(start.position, 3))
    assert fetched.kind == CURRENT
    assert fetched.head.position == ahead(start.position, 3)  # never below what the caller has
    assert fetched.head.revision == start.revision + 3


def test_many_who_are_ahead_share_the_question_to_etcd(
    agents: Agents, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "_GRACE", 0.0)
    start = client.fetch().head
    link = agents.links[0]
    link.transact(Transaction((), (Put(b"/elsewhere", b"1"),)), deadline=time.monotonic() + SECONDS)
    asked: list[bytes] = []
    all_here, original = threading.Event(), link.read

    def counted(key: bytes, **more: Any) -> Any:
        if threading.current_thread().name.startswith("etcdmeta-picture") and key.endswith(keys.GENERATION):
            asked.append(key)
            all_here.wait(1.5)  # less than the question may take
        return original(key, **more)

    link.read = counted  # type: ignore[method-assign]
    asking = [in_background(lambda: client.fetch(ahead(start.position, 1))) for _ in range(20)]
    for each in asking:
        next(each)
    wait_until(lambda: agents.served[0].server.streams == 20, "all ask")
    all_here.set()
    assert {next(each).kind for each in asking} == {CURRENT}
    assert 1 <= len(asked) <= 3


def test_liveness_is_waited_for_though_it_moves_no_generation(agents: Agents) -> None:
    """A caller has seen a live/ record at another agent; this one does not follow, but can read."""
    client = agents.add(limits=Limits(catch_up=0.5))
    start = client.fetch().head
    store = agents.stores[0]
    ends = store._driver.listeners
    ends.publish = lambda *args: None  # type: ignore[method-assign]
    key = store.keyspace.absolute(keys.live(1))
    agents.links[0].transact(Transaction((), (Put(key, b""),)), deadline=time.monotonic() + SECONDS)
    error, _ = refusal(lambda: client.fetch(ahead(start.position, 1)))
    assert isinstance(error, AgentBehind)


def test_a_position_past_etcds_own_revision_is_of_another_history(client: Client) -> None:
    start = client.fetch().head
    fetched = client.fetch(ahead(start.position, 1000))
    assert fetched.kind == PICTURE
    assert fetched.head.position == start.position


def test_a_position_of_another_epoch_gets_the_picture(client: Client) -> None:
    start = client.fetch().head
    fetched = client.fetch(encode_position(Position(12345, start.revision)))
    assert fetched.kind == PICTURE
    assert fetched.head.position == start.position


def test_a_position_of_another_epoch_is_not_answered_by_who_cannot_prove(agents: Agents) -> None:
    client = agents.add(limits=Limits(patience=0.3))
    start = client.fetch().head
    agents.links[0].disconnect()
    error, _ = refusal(lambda: client.fetch(encode_position(Position(12345, start.revision))))
    assert isinstance(error, AgentBehind)


def test_beyond_the_greatest_age_reads_are_refused(agents: Agents) -> None:
    client = agents.add(max_age=0.5)
    start = client.fetch().head
    stream = client.watch()
    agents.links[0].disconnect()
    wait_until(lambda: client.status().freshness.age > 0.5, "it is old")
    for ask in (client.fetch, lambda: client.fetch(start.position), client.watch):
        error, _ = refusal(ask)
        assert isinstance(error, TooStale)
    assert "TOO_STALE" in str(stream.failure().trailing_metadata())  # type: ignore[attr-defined]


def test_an_age_that_is_not_known_is_absent(agents: Agents) -> None:
    client = agents.add()
    feed = agents.served[0].server._feed
    store = agents.stores[0]
    known = store.freshness()
    from dataclasses import replace

    store.freshness = lambda: replace(known, age=math.inf)  # type: ignore[method-assign]
    assert not feed.freshness().HasField("age")
    assert not client.fetch().head.freshness.HasField("age")


@pytest.mark.parametrize("waiting", [False, True])
def test_on_etcd(etcd_store: MetaStore, waiting: bool) -> None:
    from etcdmeta.testing.agents import serve_agent
    from tests.agent.talking import Client

    with serve_agent(etcd_store) as agent, Client(agent.address) as client:
        start = client.fetch().head
        holds(client.fetch(), etcd_store.snapshot(), etcd_store)
        etcd_store.create_database("metrics")
        changed = client.fetch(start.position, wait=waiting)
        assert changed.kind == CHANGES
        assert [r.generation for r in changed.revisions] == [2]
        # Ids, ledger and other clusters move etcd's revision, too.
        assert client.fetch(ahead(changed.head.position, 1)).kind in {CURRENT, PICTURE}
