"""Operations with ids from outside: done once however often they are sent, and answered the same."""

from __future__ import annotations

import uuid

import pytest

from etcdmeta import errors
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.node import AddNode
from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.store import new_operation_id
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import NOW, World, at_once, with_nodes


def test_sent_twice_it_is_done_once_and_answered_the_same(world: World) -> None:
    store, other = world.open(), world.open()
    store.init_cluster()
    operation_id = new_operation_id()
    first = store.execute(CreateDatabase(name="metrics"), operation_id=operation_id)
    store.drop_database("metrics")
    # Not done again though it would now do something: the answer is the ledger's.
    assert other.execute(CreateDatabase(name="metrics"), operation_id=operation_id) == first
    assert store.read_consistent().find_database("metrics") is None
    assert first == store.outcome(operation_id)
    check_ledger(world)


def test_what_found_its_work_done_is_recorded_all_the_same(world: World) -> None:
    store = world.open()
    store.init_cluster()
    store.create_database("metrics")
    operation_id = new_operation_id()
    first = store.execute(CreateDatabase(name="metrics"), operation_id=operation_id)
    assert not first.changed
    store.drop_database("metrics")
    assert store.execute(CreateDatabase(name="metrics"), operation_id=operation_id) == first
    assert store.snapshot().find_database("metrics") is None
    check_ledger(world)


def test_a_refused_operation_may_be_sent_again(world: World) -> None:
    store = world.open()
    store.init_cluster()
    operation_id = new_operation_id()
    query = CreateContinuousQuery(database="metrics", name="q", query="select 1")
    with pytest.raises(errors.DatabaseNotFound):
        store.execute(query, operation_id=operation_id)
    assert store.outcome(operation_id) is None, "proven not committed, for ever: no sending of before is on its way"
    store.create_database("metrics")
    assert store.execute(query, operation_id=operation_id).changed
    check_ledger(world)


def test_one_id_is_one_command(world: World) -> None:
    store = world.open()
    store.init_cluster()
    operation_id = new_operation_id()
    store.execute(CreateDatabase(name="metrics"), operation_id=operation_id)
    revision = world.revision()
    for command in (CreateDatabase(name="other"), DropDatabase(name="metrics")):
        with pytest.raises(errors.OperationIdReused) as caught:
            store.execute(command, operation_id=operation_id)
        assert caught.value.value == operation_id
    assert world.revision() == revision


def test_a_retried_join_may_bring_other_candidates(world: World) -> None:
    """Cluster id and epoch are chance, not intent: the same operation, sent again, has others."""
    store = world.open()
    operation_id = new_operation_id()
    first = store.execute(AddNode(host="a:1", cluster_id=1, epoch=2), operation_id=operation_id)
    assert store.execute(AddNode(host="a:1", cluster_id=3, epoch=4), operation_id=operation_id) == first
    check_cache(world, store)


@pytest.mark.parametrize(
    "text",
    ["", "x", str(uuid.UUID(int=1)), str(uuid.uuid4()), new_operation_id().upper()],
    ids=["empty", "a word", "no version", "version 4", "upper case"],
)
def test_what_is_no_operation_id(world: World, text: str) -> None:
    store = world.open()
    store.init_cluster()
    revision = world.revision()
    for call in (
        lambda: store.execute(CreateDatabase(name="metrics"), operation_id=text),
        lambda: store.outcome(text),
    ):
        with pytest.raises(errors.InvalidInput) as caught:
            call()
        assert caught.value.rule is not None
    assert world.revision() == revision


def test_an_operation_that_nobody_knows_is_unknown(world: World) -> None:
    store = world.open()
    store.init_cluster()
    operation_id = new_operation_id()
    with pytest.raises(errors.OutcomeUnknown) as caught:
        store.outcome(operation_id)
    assert caught.value.operation_id == operation_id


@pytest.mark.parametrize("stores", [1, 2])
@pytest.mark.parametrize("there_before", [False, True])
def test_sent_by_many_at_once_it_is_done_once(world: World, stores: int, there_before: bool) -> None:
    opened = [world.open() for _ in range(stores)]
    opened[0].init_cluster()
    if there_before:
        opened[0].create_database("metrics")
    operation_id = new_operation_id()
    command = CreateDatabase(name="metrics")
    others = [CreateDatabase(name=f"other{number}") for number in range(8)]
    answers = at_once(
        [
            *(lambda n=n: opened[n % stores].execute(command, operation_id=operation_id) for n in range(8)),
            *(lambda n=n: opened[n % stores].execute(others[n]) for n in range(8)),
        ]
    )
    assert not [answer for answer in answers if isinstance(answer, errors.EtcdMetaError)]
    assert len({(a.operation_id, a.generation, a.revision, str(a.result)) for a in answers[:8]}) == 1  # type: ignore[union-attr]
    check_cache(world, opened[0])
    check_ledger(world)


def test_the_history_says_who_did_what(world: World) -> None:
    store = world.open(actor="ann@host")
    with_nodes(store, 1)
    store.create_database("metrics", duration="1d")
    store.create_shard_group("metrics", "", at=NOW)
    other = world.open(actor="ben@host")
    outcome = other.execute(DropDatabase(name="metrics"))
    entries = store.history()
    assert [entry.command for entry in entries] == [
        "add node",
        "create database",
        "create shard group",
        "drop database",
    ]
    # An agent says behind it through whom it came.
    assert [entry.actor.partition(" via ")[0] for entry in entries] == ["ann@host"] * 3 + ["ben@host"]
    assert [entry.generation for entry in entries] == [1, 2, 3, 4]
    assert not any(entry.void for entry in entries)
    assert "metrics" in entries[1].summary
    assert "state/name/db/=metrics" in entries[1].touched
    assert store.history(limit=1) == entries[-1:]
    assert store.history(limit=0) == []
    assert store.history(operation_id=outcome.operation_id) == entries[-1:]
    world.compact(world.revision())
    compacted = store.history()
    assert [entry.generation for entry in compacted][-1] == 4
    assert compacted[0].generation is None or world.kind == "agent", "agents remember what they have seen"


def test_an_operation_is_not_refused_for_having_been_done(world: World) -> None:
    """Sent twice at once, the second is planned on what the first has left: nothing to drop any more."""
    stores = [world.open() for _ in range(2)]
    stores[0].init_cluster()
    for turn in range(8):
        stores[0].create_database("metrics")
        operation_id = new_operation_id()
        answers = at_once(
            lambda n=n, op=operation_id: stores[n % 2].execute(DropDatabase(name="metrics"), operation_id=op)
            for n in range(6)
        )
        assert not [answer for answer in answers if isinstance(answer, errors.EtcdMetaError)], (turn, answers)
    check_ledger(world)
