"""What a store shows of what was written: its own writes, everybody's, in order, none lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from etcdmeta import errors
from etcdmeta.commands.database import CreateDatabase
from etcdmeta.replica.changes import Change, Lagged
from etcdmeta.replica.states import FollowerState
from etcdmeta.store import listeners
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import NOW, SECONDS, World, at_once, with_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable


def told(changes: Iterable[Change | Lagged]) -> list[tuple[str, str, str]]:
    items = list(changes)
    assert not [item for item in items if isinstance(item, Lagged)]
    return [(item.kind, item.where, item.action) for item in items if isinstance(item, Change)]


def test_a_writer_reads_its_writes(world: World) -> None:
    store = world.open()
    store.init_cluster()
    for number in range(30):
        outcome = store.execute(CreateDatabase(name=f"db{number}"))
        snapshot = store.snapshot()
        assert snapshot.revision >= outcome.revision
        assert snapshot.generation == outcome.generation == number + 2
        assert snapshot.database(f"db{number}").id == outcome.result["database_id"]
    check_cache(world, store)


def test_a_consistent_read_has_all_that_others_committed(world: World) -> None:
    writer, reader = world.open(), world.open()
    writer.init_cluster()
    for number in range(30):
        outcome = writer.execute(CreateDatabase(name=f"db{number}"))
        snapshot = reader.read_consistent()
        assert snapshot.revision >= outcome.revision
        snapshot.database(f"db{number}")


def test_a_snapshot_stays_as_it_was(world: World) -> None:
    store = world.open()
    with_nodes(store)
    store.create_database("metrics")
    old = store.snapshot()
    store.create_shard_group("metrics", "", at=NOW)
    store.drop_database("metrics")
    assert old.database("metrics").name == "metrics"
    assert list(old.groups()) == []
    assert old.revision < store.snapshot().revision


def test_generations_have_no_gaps_whoever_writes(world: World) -> None:
    stores = [world.open() for _ in range(3)]
    stores[0].init_cluster()
    results = at_once(
        lambda store=store, name=f"{index}-{n}": store.execute(CreateDatabase(name=name)).generation
        for index, store in enumerate(stores)
        for n in range(6)
    )
    last = stores[0].read_consistent().generation
    assert set(results) == set(range(2, last + 1))
    check_cache(world, stores[0])
    check_ledger(world)


def test_waiting_ends_when_it_is_there_or_at_the_deadline(world: World) -> None:
    writer, reader = world.open(), world.open()
    writer.init_cluster()
    found: list[int] = []
    waiter = threading.Thread(
        target=lambda: found.append(reader.wait_for(lambda snapshot: snapshot.find_database("metrics"), SECONDS).id)
    )
    waiter.start()
    made = writer.create_database("metrics")
    waiter.join(SECONDS)
    assert found == [made.id]
    with pytest.raises(errors.WaitTimedOut):
        reader.wait_for(lambda snapshot: snapshot.find_database("none"), 0.05)
    with pytest.raises(TimeoutError):
        reader.wait_for(lambda _: False, 0)


def test_changes_tell_all_in_order(world: World) -> None:
    writer, reader = world.open(), world.open()
    writer.init_cluster()
    since = reader.read_consistent()
    news = reader.changes(since=since, timeout=SECONDS)
    with_nodes(writer, 2)
    writer.create_database("metrics", replicas=2)
    group = writer.create_shard_group("metrics", "", at=NOW)
    writer.create_policy("metrics", "p", duration="1d")
    writer.alter_policy("metrics", "p", new_name="q")
    writer.drop_database("metrics")
    got = [next(news) for _ in range(10)]
    where = f"metrics.autogen group {group.id}"
    assert told(got)[:7] == [
        ("node", "n1 n0:1", "created"),
        ("node", "n2 n1:1", "created"),
        ("database", "metrics", "created"),
        ("policy", "metrics.autogen", "created"),
        ("group", where, "created"),
        ("policy", "metrics.p", "created"),
        ("policy", "metrics.q", "changed"),
    ]
    assert sorted(told(got)[7:]) == [
        ("database", "metrics", "removed"),
        ("group", where, "removed"),
        ("policy", "metrics.autogen", "removed"),
    ]
    revisions = [item.revision for item in got if isinstance(item, Change)]
    assert revisions == sorted(revisions)
    renamed = got[6]
    assert isinstance(renamed, Change)
    assert (renamed.before.name, renamed.after.name) == ("p", "q")  # type: ignore[union-attr]
    assert not any(item.joined for item in got if isinstance(item, Change))


def test_changes_since_an_old_picture_bridge_what_was_missed(world: World) -> None:
    store = world.open()
    store.init_cluster()
    first = store.snapshot()
    store.create_database("one")
    second = store.snapshot()
    store.create_database("two")
    assert told(store.changes(since=first, timeout=0)) == [
        ("database", "one", "created"),
        ("policy", "one.autogen", "created"),
        ("database", "two", "created"),
        ("policy", "two.autogen", "created"),
    ]
    assert told(store.changes(since=second, timeout=0)) == [
        ("database", "two", "created"),
        ("policy", "two.autogen", "created"),
    ]
    assert told(store.changes(since=store.snapshot(), timeout=0)) == []
    assert told(store.changes(timeout=0)) == []


def test_a_slow_listener_is_told_once_that_it_lags(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners.Listener.__init__, "__defaults__", (5,))
    store = world.open()
    store.init_cluster()
    news = store.changes(timeout=0)
    for number in range(6):
        store.create_database(f"db{number}")
    lagged, *rest = list(news)
    assert isinstance(lagged, Lagged)
    assert rest == []
    assert len(lagged.snapshot.databases()) == 6
    store.create_database("after")
    assert told(store.changes(since=lagged.snapshot, timeout=0)) == [
        ("database", "after", "created"),
        ("policy", "after.autogen", "created"),
    ]


def test_freshness_says_how_far_the_picture_can_be_trusted(world: World) -> None:
    store = world.open()
    store.init_cluster()
    freshness = store.freshness()
    assert freshness.state is FollowerState.LIVE
    assert freshness.age < SECONDS
    assert freshness.generation == 1
    assert freshness.revision == store.snapshot().revision
    assert freshness.endpoint in store._strategy.endpoints
    assert freshness.problem is None


def test_a_dead_deadline_is_a_typed_error(world: World) -> None:
    store = world.open()
    store.init_cluster()
    records = world.records()
    for call in (
        lambda: store.execute(CreateDatabase(name="late"), timeout=0),
        lambda: store.read_consistent(timeout=0),
        lambda: store.plan(CreateDatabase(name="late"), timeout=0),
        lambda: store.history(timeout=0),
    ):
        with pytest.raises((errors.Unavailable, errors.ConflictPersists, errors.WaitTimedOut)):
            call()
    assert world.records() == records
    assert store.create_database("late").name == "late"


def test_a_plan_writes_nothing_and_takes_no_id(world: World) -> None:
    store = world.open()
    with_nodes(store)
    revision = world.revision()
    plan = store.plan(CreateDatabase(name="metrics"))
    assert plan.changed
    assert plan.writes
    assert plan.result["database_id"] == 1
    assert store.plan(CreateDatabase(name="metrics")) == plan
    assert world.revision() == revision
    assert store.create_database("metrics").id == 1
    assert not store.plan(CreateDatabase(name="metrics")).changed
    with pytest.raises(errors.InvalidName):
        store.plan(CreateDatabase(name=""))


def test_a_picture_past_its_age_is_refused(world: World) -> None:
    store = world.open()
    store.init_cluster()
    strict = world.open(max_age=3600.0)
    assert strict.snapshot().cluster is not None
    strict._max_age = -1.0
    with pytest.raises(errors.TooStale) as caught:
        strict.snapshot()
    assert caught.value.remedy is not None
