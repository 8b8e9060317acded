"""Databases: InfluxDB 1.x's rules, and the protocol's compares and writes."""

from __future__ import annotations

import pytest

from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.node import AddNode
from etcdmeta.commands.plan import Command
from etcdmeta.commands.policy import CreatePolicy, DropPolicy
from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.commands.subscription import CreateSubscription
from etcdmeta.commands.user import CreateUser, GrantPrivilege
from etcdmeta.errors import (
    DatabaseExists,
    DatabaseNotFound,
    DurationTooLow,
    EtcdMetaError,
    IncompatibleDurations,
    InvalidDuration,
    InvalidInput,
    InvalidName,
    RecordUnreadable,
    ReplicationFactorTooLow,
)
from etcdmeta.model.durations import DAY, WEEK
from etcdmeta.model.owners import Privilege, SubscriptionMode
from etcdmeta.records import keys
from etcdmeta.records.transaction import Compare, Delete, DeleteRange, Put

from .conftest import MONDAY, World

HASH = b"$2a$10$" + b"x" * 53


def puts(plan_writes: tuple[object, ...]) -> set[bytes]:
    return {write.key for write in plan_writes if isinstance(write, Put)}


def test_create_compares_and_writes(world: World) -> None:
    plan = world.run(CreateDatabase(name="a b"))
    d, p = plan.result["database_id"], plan.result["policy_id"]
    assert set(plan.compares) == {
        Compare.absent(b"state/name/db/=a%20b"),
        Compare.none_in(*keys.database_span(d)),
    }
    assert puts(plan.writes) == {
        b"state/name/db/=a%20b",
        keys.database_info(d),
        keys.policy_info(d, p),
        b"state/db/%016x/name/=autogen" % d,
    }
    assert len(plan.writes) == 4


def test_a_new_database_has_autogen_as_its_default(world: World) -> None:
    world.run(CreateDatabase(name="metrics"))
    policy = world.snapshot.database("metrics").default_policy
    assert policy is not None
    assert policy.is_default
    assert (policy.name, policy.duration, policy.replicas, policy.group_duration) == ("autogen", 0, 1, WEEK)


def test_create_with_options(world: World) -> None:
    world.run(CreateDatabase(name="metrics", policy="month", duration="30d", replicas=2))
    policy = world.snapshot.policy("metrics")
    assert (policy.name, policy.duration, policy.replicas, policy.group_duration) == ("month", 30 * DAY, 2, DAY)


SAME = [
    {},
    {"policy": "month"},
    {"duration": "30d"},
    {"duration": "720h0m0s", "replicas": 2},
    {"group_duration": "1d"},
    {"policy": "month", "duration": "30d", "replicas": 2, "group_duration": "1d"},
    {"group_duration": "0"},  # counts as not given: what follows from 30 days is a day
]
OTHER = [
    {"policy": "autogen"},
    {"duration": "INF"},
    {"duration": "31d"},
    {"replicas": 1},
    {"group_duration": "1h"},
    {"policy": "month", "duration": "30d", "replicas": 3},
]


@pytest.mark.parametrize("options", SAME)
def test_the_same_again_is_unchanged(world: World, options: dict[str, object]) -> None:
    first = world.run(CreateDatabase(name="m", policy="month", duration="30d", replicas=2))
    again = world.run(CreateDatabase(name="m", **options))
    assert not again.changed
    assert again.result == first.result


@pytest.mark.parametrize("options", OTHER)
def test_another_one_under_its_name_is_refused(world: World, options: dict[str, object]) -> None:
    world.run(CreateDatabase(name="m", policy="month", duration="30d", replicas=2))
    with pytest.raises(DatabaseExists) as refused:
        world.run(CreateDatabase(name="m", **options))
    assert refused.value.value == "m"
    assert refused.value.rule
    assert refused.value.remedy


def test_again_without_a_default_policy(world: World) -> None:
    world.run(CreateDatabase(name="m"))
    world.run(DropPolicy(database="m", name="autogen"))
    assert world.run(CreateDatabase(name="m")).result["policy_id"] == 0
    with pytest.raises(DatabaseExists, match="no default policy"):
        world.run(CreateDatabase(name="m", replicas=1))


BAD = [
    ({"name": ""}, InvalidName),
    ({"name": "."}, InvalidName),
    ({"name": ".."}, InvalidName),
    ({"name": "a/b"}, InvalidName),
    ({"name": "a\\b"}, InvalidName),
    ({"name": "a\0b"}, InvalidName),
    ({"name": "\udcff"}, InvalidName),
    ({"name": "x" * 256}, InvalidName),
    ({"name": "\u202eabc"}, InvalidName),
    ({"name": 5}, InvalidInput),
    ({"name": "m", "nonsense": 1}, InvalidInput),
    ({}, InvalidInput),
    ({"name": "m", "policy": ""}, InvalidName),
    ({"name": "m", "policy": "a/b"}, InvalidName),
    ({"name": "m", "replicas": 0}, ReplicationFactorTooLow),
    ({"name": "m", "replicas": -1}, ReplicationFactorTooLow),
    ({"name": "m", "replicas": 2**32}, InvalidInput),
    ({"name": "m", "duration": "59m"}, DurationTooLow),
    ({"name": "m", "duration": "6d", "group_duration": "1w"}, IncompatibleDurations),
    ({"name": "m", "duration": "soon"}, InvalidDuration),
    ({"name": "m", "duration": -1}, InvalidDuration),
    ({"name": "m", "duration": 2**63}, InvalidDuration),
    ({"name": "m", "duration": "300000w"}, InvalidDuration),
]


@pytest.mark.parametrize(("fields", "error"), BAD)
def test_bad_input(world: World, fields: dict[str, object], error: type[EtcdMetaError]) -> None:
    with pytest.raises(error) as refused:
        world.run(CreateDatabase(**fields))
    assert str(refused.value).isprintable()
    assert refused.value.rule
    assert not world.kvs


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "...", "a b", "%=", "データ", "شبكة", "📈", '"'])
def test_any_printable_name(world: World, name: str) -> None:
    world.run(CreateDatabase(name=name))
    assert [database.name for database in world.snapshot.databases()] == [name]
    assert world.snapshot.database(name).name_revision > 0
    world.run(DropDatabase(name=name))
    assert world.kvs.keys() == {keys.GENERATION}


def test_databases_list_in_order_of_creation(world: World) -> None:
    for name in ("z", "a", "m"):
        world.run(CreateDatabase(name=name))
    assert [database.name for database in world.snapshot.databases()] == ["z", "a", "m"]


def test_drop_compares_and_writes(world: World) -> None:
    d = world.run(CreateDatabase(name="m")).result["database_id"]
    world.run(CreatePolicy(database="m", name="week", duration="7d", replicas=1))
    database = world.snapshot.database("m")
    plan = world.plan(DropDatabase(name="m"))
    assert set(plan.compares) == {
        Compare.modified(keys.database_name("m"), database.name_revision),
        Compare.created(keys.database_info(d), database.create_revision),
    }
    assert set(plan.writes) == {
        Delete(keys.database_name("m")),
        DeleteRange(*keys.database_span(d)),
        DeleteRange(*keys.progress_span(d)),
    }
    assert plan.result == {"database_id": d}


def filled(world: World) -> World:
    world.run(AddNode(host="h1:8088", cluster_id=7, epoch=9))
    world.run(CreateDatabase(name="m"))
    world.run(CreateDatabase(name="other"))
    world.add_group(MONDAY, "m")
    world.run(CreateContinuousQuery(database="m", name="q", query="SELECT 1"))
    world.run(
        CreateSubscription(
            database="m", policy="autogen", name="s", mode=SubscriptionMode.ALL, destinations=("udp://h:1",)
        )
    )
    world.run(CreateUser(name="u", password_hash=HASH))
    world.run(GrantPrivilege(user="u", database="m", privilege=Privilege.READ))
    return world


def test_drop_takes_all_that_is_below(world: World) -> None:
    d = filled(world).snapshot.database("m").id
    world.run(DropDatabase(name="m"))
    assert not [key for key in world.kvs if b"/%016x" % d in key and key.startswith(b"state/db")]
    snapshot = world.snapshot
    assert [database.name for database in snapshot.databases()] == ["other"]
    assert list(snapshot.groups()) == []
    assert snapshot.privileges(snapshot.user("u")) == {}
    with pytest.raises(DatabaseNotFound):
        world.run(DropDatabase(name="m"))


def test_a_name_that_is_made_anew_is_another_database(world: World) -> None:
    first = filled(world).snapshot.database("m").id
    world.run(DropDatabase(name="m"))
    second = world.run(CreateDatabase(name="m")).result["database_id"]
    assert second != first
    assert not world.snapshot.database("m").queries()
    assert not world.snapshot.allows("u", Privilege.READ, "m")


BELOW: list[Command] = [
    CreatePolicy(database="m", name="week", duration="7d", replicas=1),
    CreatePolicy(database="m", name="week", duration="7d", replicas=1, default=True),
    CreateContinuousQuery(database="m", name="q2", query="SELECT 2"),
    CreateSubscription(
        database="m", policy="autogen", name="s2", mode=SubscriptionMode.ALL, destinations=("udp://h:1",)
    ),
    GrantPrivilege(user="u", database="m", privilege=Privilege.WRITE),
    DropPolicy(database="m", name="autogen"),
    DropDatabase(name="m"),
]


@pytest.mark.parametrize("command", BELOW, ids=lambda command: command.NAME)
def test_nothing_appears_below_a_database_that_was_dropped(world: World, command: Command) -> None:
    late = filled(world).plan(command)
    world.run(DropDatabase(name="m"))
    world.run(CreateDatabase(name="m"))
    assert not world.commit(late)


def test_two_that_create_the_same_database(world: World) -> None:
    one, two = world.plan(CreateDatabase(name="m")), world.plan(CreateDatabase(name="m"))
    assert world.commit(one)
    assert not world.commit(two)


@pytest.mark.parametrize("name", ["", "nothing", "a/b", "\0", "\udcff", "x" * 1_000, "📈"])
def test_drop_of_what_is_not_there(world: World, name: str) -> None:
    with pytest.raises(DatabaseNotFound):
        world.run(DropDatabase(name=name))


@pytest.mark.parametrize("key", [keys.database_name("m"), keys.database_info(1)])
@pytest.mark.parametrize("command", [CreateDatabase(name="m"), DropDatabase(name="m")], ids=["create", "drop"])
def test_an_unreadable_record_is_not_taken_for_absent(world: World, key: bytes, command: Command) -> None:
    assert world.run(CreateDatabase(name="m")).result["database_id"] == 1
    world.write([Put(key, b"\xff\xff"), Put(keys.GENERATION, b"2")])
    with pytest.raises(RecordUnreadable):
        world.run(command)
