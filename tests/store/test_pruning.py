"""The ledger does not grow for ever, and nobody takes what was pruned for a restore of etcd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etcdmeta import MetaStore, new_operation_id
from etcdmeta.commands.moveplan import FinishPlan
from etcdmeta.commands.owner import RemoveOwner
from etcdmeta.commands.planning import decommission
from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.model.times import format_time
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.store import pruning, touching
from etcdmeta.store.pruning import Pruned

DAY = 86_400_000_000_000


class Calendar:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time = 1_795_000_000_000_000_000

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return self.time


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def store(calendar: Calendar, monkeypatch: pytest.MonkeyPatch) -> Iterator[MetaStore]:
    monkeypatch.setattr(pruning, "KEPT_ENTRIES", 5)
    with MetaStore(LocalStrategy(LocalCluster()), cluster="prod", clock=calendar) as opened:
        opened.wait_live(10)
        opened.init_cluster()
        opened.create_database("metrics")
        yield opened


def fill(store: MetaStore, count: int, word: str) -> None:
    for number in range(count):
        store.create_continuous_query("metrics", f"{word}{number}", "select 1")


def test_the_old_go_the_young_and_the_newest_stay(store: MetaStore, calendar: Calendar) -> None:
    fill(store, 150, "old")
    calendar.time += 31 * DAY
    fill(store, 10, "young")
    assert store.prune_ledger().forgotten == 152
    summaries = [entry.summary for entry in store.history(limit=None)]
    assert len(summaries) == 11
    assert "raised the ledger's floor" in summaries[-1]
    assert store.prune_ledger() == Pruned()


def test_the_newest_stay_however_old(store: MetaStore, calendar: Calendar) -> None:
    fill(store, 20, "old")
    calendar.time += 400 * DAY
    store.prune_ledger()
    assert len(store.history(limit=None)) == 5 + 1


def test_what_was_forced_stays_for_ever(store: MetaStore, calendar: Calendar) -> None:
    store.set_read_only(True)
    store.set_read_only(False)
    fill(store, 20, "old")
    calendar.time += 400 * DAY
    store.prune_ledger()
    assert [entry.command for entry in store.history(limit=None)][:2] == ["set read-only", "set read-only"]


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff", b"2\x04nope", b"2\x02[]", b"2\xa0\x8d\x06" + b"[" * 100_000])
def test_what_nobody_can_read_stays_is_named_and_holds_nothing_up(
    store: MetaStore, calendar: Calendar, garbage: bytes
) -> None:
    """No protobuf, no JSON, no JSON object, and JSON that is too deep to read."""
    strange = [f"ledger/{number}-\x1b[31m" for number in range(12)]
    fill(store, 10, "old")
    for key in strange:
        write = Put(store.keyspace.absolute(key.encode()), garbage)
        store.strategy.transact(Transaction((), (write,)), deadline=store.deadline(5))
    fill(store, 10, "later")
    calendar.time += 31 * DAY
    fill(store, 10, "young")
    said = store.prune_ledger()
    assert said.forgotten == 22
    assert said.unreadable_count == 12
    assert said.unreadable == tuple(f"/etcdmeta/prod/ledger/{number}-\\x1b[31m" for number in range(10))
    left = store.history(limit=None)
    assert [entry.operation_id for entry in left[:12]] == [key.removeprefix("ledger/") for key in strange]
    assert store.prune_ledger() == Pruned(0, said.unreadable, 12)


def test_the_floor_is_raised_before_anything_goes(store: MetaStore, calendar: Calendar) -> None:
    fill(store, 20, "old")
    newest = store.history(limit=6)[0].revision
    calendar.time += 31 * DAY
    store.prune_ledger()
    cluster = store.snapshot().cluster
    assert cluster is not None
    assert store.history(limit=None)[0].revision >= cluster.ledger_floor > newest


def test_an_operation_younger_than_the_reach_is_still_answered(store: MetaStore, calendar: Calendar) -> None:
    fill(store, 20, "old")
    calendar.time += 31 * DAY
    operation_id = new_operation_id()
    command = CreateContinuousQuery(database="metrics", name="q", query="select 1")
    first = store.execute(command, operation_id=operation_id)
    fill(store, 20, "young")
    store.prune_ledger()
    assert store.execute(command, operation_id=operation_id) == first


def test_of_what_lasts_the_newest_stay(store: MetaStore, calendar: Calendar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "KEPT_LASTING", 2)
    for read_only in (True, False, True, False):
        store.set_read_only(read_only)
    lasting = [entry.operation_id for entry in store.history(commands=("set read-only",))]
    fill(store, 20, "old")
    calendar.time += 400 * DAY
    store.prune_ledger()
    assert [entry.operation_id for entry in store.history(commands=("set read-only",))] == lasting[2:]


def test_who_dropped_what_stays(store: MetaStore, calendar: Calendar) -> None:
    store.create_policy("metrics", "week", duration="7d", replicas=1)
    node = store.add_node("a:1")
    group = store.create_shard_group("metrics", "week", calendar.time)
    store.delete_shard_group(group.id)
    store.drop_policy("metrics", "week")
    store.create_database("scratch")
    store.drop_database("scratch")
    store.create_user("bob", "secret words")
    store.drop_user("bob")
    store.remove_node(node.id)
    fill(store, 20, "old")
    calendar.time += 400 * DAY
    store.prune_ledger()
    assert [entry.summary for entry in store.history(limit=None)][:-6] == [
        f"marked shard group {group.id} deleted: {format_time(group.start)} to {format_time(group.end)}",
        "dropped policy 'week' of database 'metrics' and everything in it",
        "dropped database 'scratch' and everything in it",
        "dropped user 'bob'",
        f"removed node {node.id} (a:1)",
    ]
    (dropped,) = store.history(touching=touching(store.snapshot(), "database", "scratch"))
    assert dropped.command == "drop database"


@pytest.mark.parametrize(
    ("counts", "most", "share"),
    [
        ([], 10, 10),
        ([10], 10, 10),
        ([11], 10, 10),
        ([2, 3, 5], 10, 10),
        ([2, 3, 6], 10, 5),
        ([100, 2, 100], 10, 4),
        ([100, 100, 100], 10, 3),
    ],
)
def test_the_most_frequent_of_what_lasts_give_way(counts: list[int], most: int, share: int) -> None:
    assert pruning._share(counts, most) == share
    assert sum(min(count, share) for count in counts) <= most


def test_what_is_dropped_all_day_takes_nobody_s_plans_away(
    store: MetaStore, calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "KEPT_LASTING", 6)
    store.set_read_only(True)
    store.set_read_only(False)
    for number in range(20):
        store.create_database(f"scratch{number}")
        store.drop_database(f"scratch{number}")
    fill(store, 20, "later")
    calendar.time += 400 * DAY
    store.prune_ledger()
    assert [(entry.command, entry.summary) for entry in store.history(limit=None)][:-6] == [
        ("set read-only", "the cluster is read-only"),
        ("set read-only", "the cluster takes writes"),
        *(("drop database", f"dropped database 'scratch{number}' and everything in it") for number in range(16, 20)),
    ]


def test_who_took_the_last_owner_away_lasts() -> None:
    assert RemoveOwner(shard_id=1, node_id=1, allow_last=True).lasting
    assert not RemoveOwner(shard_id=1, node_id=1).lasting


def test_what_has_to_be_known_later_is_known_after_pruning_and_compaction(
    calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who took a shard's last owners away, however it was done, and what became of plans."""
    monkeypatch.setattr(pruning, "KEPT_ENTRIES", 5)
    cluster = LocalCluster()
    with MetaStore(LocalStrategy(cluster), cluster="prod", clock=calendar) as store:
        store.wait_live(10)
        for host in ("a:1", "b:1", "c:1"):
            store.add_node(host)
        store.create_database("metrics", duration="inf")
        shards = [store.create_shard_group("metrics", "autogen", day * 7 * DAY).shards[0] for day in range(3)]
        first, second, third = [(shard.id, shard.owners[0].node_id) for shard in shards]
        store.remove_owner(*first, force=True, allow_last=True, reason="the disk is gone")
        other = next(node.id for node in store.snapshot().nodes() if node.id != second[1])
        store.begin_copy(second[0], second[1], other)
        store.remove_owner(*second, force=True, allow_last=True, reason="this one, too")
        store.cancel_copy(second[0], other)
        plan = store.propose(decommission(store.snapshot(), [third[1]]), reason="old machine")
        store.start_plan(plan.id)
        store.abort_plan(plan.id, "after all not")
        store.execute(FinishPlan(plan_id=plan.id))
        fill(store, 20, "later")
        calendar.time += 400 * DAY
        assert store.prune_ledger().forgotten > 0
        cluster.compact(store.read_consistent().revision)

        def of(noun: str, number: int) -> list[str]:
            return [entry.summary for entry in store.history(touching=touching(store.snapshot(), noun, number))]

        (removed,) = of("shard", first[0])
        assert "the disk is gone" in removed
        assert [event.summary for event in store.owner_history(first[0])] == [removed]
        last = of("shard", second[0])
        assert len(last) == 2
        assert last[1] == f"node {other} owns shard {second[0]} no more; it was copying"
        assert not store.snapshot().shard(second[0]).owners
        states = [text.rpartition(" is ")[2].partition(";")[0] for text in of("plan", plan.id)]
        assert states[1:] == ["running", "aborting", "aborted"]
        assert store.snapshot().plan(plan.id).state == "aborted"
        assert "create shard group" not in [entry.command for entry in store.history(limit=None)]
