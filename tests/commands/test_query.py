"""Continuous queries: InfluxDB 1.x's rules, and the protocol's compares and writes."""

from __future__ import annotations

import pytest

from etcdmeta.commands.database import CreateDatabase
from etcdmeta.commands.query import CreateContinuousQuery, DropContinuousQuery
from etcdmeta.errors import (
    DatabaseNotFound,
    EtcdMetaError,
    InvalidInput,
    InvalidName,
    QueryExists,
    QueryNotFound,
    RecordTooLarge,
    RecordUnreadable,
)
from etcdmeta.records import keys
from etcdmeta.records.transaction import Compare, Delete, Put

from .conftest import World

TEXT = "SELECT mean(value) INTO week FROM cpu GROUP BY time(1h)"


@pytest.fixture
def world(world: World) -> World:
    """The database ``m``."""
    world.run(CreateDatabase(name="m"))
    return world


def test_create_compares_and_writes(world: World) -> None:
    database = world.snapshot.database("m")
    plan = world.run(CreateContinuousQuery(database="m", name="a/b", query=TEXT))
    key = keys.query(database.id, "a/b")
    assert set(plan.compares) == {
        Compare.absent(key),
        Compare.created(keys.database_info(database.id), database.create_revision),
    }
    assert [write.key for write in plan.writes if isinstance(write, Put)] == [key]
    assert world.snapshot.database("m").query("a/b").query == TEXT


@pytest.mark.parametrize("text", [TEXT, TEXT.lower(), TEXT.upper()])
def test_the_same_text_in_any_case_is_unchanged(world: World, text: str) -> None:
    world.run(CreateContinuousQuery(database="m", name="q", query=TEXT))
    assert not world.run(CreateContinuousQuery(database="m", name="q", query=text)).changed
    assert world.snapshot.database("m").query("q").query == TEXT


def test_another_text_under_its_name_is_refused(world: World) -> None:
    world.run(CreateContinuousQuery(database="m", name="q", query=TEXT))
    with pytest.raises(QueryExists):
        world.run(CreateContinuousQuery(database="m", name="q", query=TEXT + " "))


def test_names_are_each_databases_own(world: World) -> None:
    world.run(CreateDatabase(name="n"))
    for database in ("m", "n"):
        assert world.run(CreateContinuousQuery(database=database, name="q", query=database)).changed


def test_queries_list_in_order_of_creation(world: World) -> None:
    for name in ("z", "a", "m"):
        world.run(CreateContinuousQuery(database="m", name=name, query=TEXT))
    assert [query.name for query in world.snapshot.database("m").queries()] == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": ""}, InvalidName),
        ({"name": "\0"}, InvalidName),
        ({"name": "x" * 256}, InvalidName),
        ({"name": "\udcff"}, InvalidName),
        ({"query": ""}, InvalidInput),
        ({"query": " \n"}, InvalidInput),
        ({"query": "\udcff"}, InvalidInput),
        ({"query": b"\xff"}, InvalidInput),
        ({"query": "x" * (1 << 20)}, RecordTooLarge),
        ({"database": "nothing"}, DatabaseNotFound),
    ],
)
def test_bad_input(world: World, fields: dict[str, object], error: type[EtcdMetaError]) -> None:
    before = dict(world.kvs)
    with pytest.raises(error) as refused:
        world.run(CreateContinuousQuery(**{"database": "m", "name": "q", "query": TEXT, **fields}))
    assert len(str(refused.value)) < 500
    assert world.kvs == before


def test_drop_compares_and_writes(world: World) -> None:
    world.run(CreateContinuousQuery(database="m", name="q", query=TEXT))
    database = world.snapshot.database("m")
    key, mod = keys.query(database.id, "q"), database.query("q").mod_revision
    plan = world.run(DropContinuousQuery(database="m", name="q"))
    assert plan.compares == (Compare.modified(key, mod),)
    assert plan.writes == (Delete(key),)
    assert world.snapshot.database("m").queries() == ()
    assert world.run(CreateContinuousQuery(database="m", name="q", query="another")).changed


def test_drop_of_what_is_not_there(world: World) -> None:
    for name in ("nothing", "", "\0", "\udcff", "x" * 1_000):
        with pytest.raises(QueryNotFound):
            world.run(DropContinuousQuery(database="m", name=name))
    with pytest.raises(DatabaseNotFound):
        world.run(DropContinuousQuery(database="nothing", name="q"))


def test_a_drop_of_the_one_before_does_not_take_the_one_after(world: World) -> None:
    world.run(CreateContinuousQuery(database="m", name="q", query=TEXT))
    late = world.plan(DropContinuousQuery(database="m", name="q"))
    world.run(DropContinuousQuery(database="m", name="q"))
    world.run(CreateContinuousQuery(database="m", name="q", query="another"))
    assert not world.commit(late)


def test_an_unreadable_query_is_not_taken_for_absent(world: World) -> None:
    world.run(CreateContinuousQuery(database="m", name="q", query=TEXT))
    world.write([Put(keys.query(1, "q"), b"\xff\xff"), Put(keys.GENERATION, b"2")])
    for command in (
        CreateContinuousQuery(database="m", name="q", query=TEXT),
        DropContinuousQuery(database="m", name="q"),
    ):
        with pytest.raises(RecordUnreadable):
            world.run(command)
