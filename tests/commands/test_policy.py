"""Retention policies: InfluxDB 1.x's rules, and the protocol's compares and writes."""

from __future__ import annotations

import pytest

from etcdmeta.commands.database import CreateDatabase
from etcdmeta.commands.group import CreateShardGroup
from etcdmeta.commands.plan import Command
from etcdmeta.commands.policy import AlterPolicy, CreatePolicy, DropPolicy, SetDefaultPolicy
from etcdmeta.commands.subscription import CreateSubscription
from etcdmeta.errors import (
    DatabaseNotFound,
    DurationTooLow,
    EtcdMetaError,
    IncompatibleDurations,
    InvalidInput,
    InvalidName,
    PolicyExists,
    PolicyNotFound,
    RecordUnreadable,
    ReplicationFactorTooLow,
)
from etcdmeta.model.durations import DAY, HOUR, WEEK, Duration
from etcdmeta.model.owners import SubscriptionMode
from etcdmeta.records import keys
from etcdmeta.records.transaction import Compare, Delete, DeleteRange, Put

from .conftest import MONDAY, World


@pytest.fixture
def world(world: World) -> World:
    """A node; the database ``m`` with ``autogen`` (default) and ``week``."""
    world.add_nodes(1)
    world.run(CreateDatabase(name="m"))
    world.run(CreatePolicy(database="m", name="week", duration="7d", replicas=2))
    return world


def put_keys(writes: tuple[object, ...]) -> set[bytes]:
    return {write.key for write in writes if isinstance(write, Put)}


def numbers(world: World, name: str) -> tuple[Duration, int, Duration]:
    policy = world.snapshot.policy("m", name)
    return policy.duration, policy.replicas, policy.group_duration


# --- create


@pytest.mark.parametrize("default", [False, True])
def test_create_compares_and_writes(world: World, default: bool) -> None:
    database = world.snapshot.database("m")
    plan = world.run(CreatePolicy(database="m", name="day", duration="1d", replicas=1, default=default))
    d, p = database.id, plan.result["policy_id"]
    info = keys.database_info(d)
    assert set(plan.compares) == {
        Compare.absent(keys.policy_name(d, "day")),
        Compare.modified(info, database.mod_revision) if default else Compare.created(info, database.create_revision),
    }
    written = {keys.policy_name(d, "day"), keys.policy_info(d, p)} | ({info} if default else set())
    assert put_keys(plan.writes) == written
    assert len(plan.writes) == len(written)
    assert world.snapshot.policy("m", "day").is_default is default
    assert world.snapshot.policy("m", "week").is_default is False


@pytest.mark.parametrize(
    ("duration", "given", "kept"),
    [("INF", None, WEEK), ("180d", None, WEEK), ("2d", None, DAY), ("1h", None, HOUR), ("1d", "1ns", HOUR)],
)
def test_group_duration(world: World, duration: str, given: str | None, kept: Duration) -> None:
    world.run(CreatePolicy(database="m", name="p", duration=duration, replicas=1, group_duration=given))
    assert numbers(world, "p")[2] == kept


@pytest.mark.parametrize("fields", [{}, {"group_duration": "1d"}, {"group_duration": "0"}, {"default": False}])
def test_the_same_again_is_unchanged(world: World, fields: dict[str, object]) -> None:
    again = world.run(CreatePolicy(database="m", name="week", duration="7d", replicas=2, **fields))
    assert not again.changed
    assert again.result["policy_id"] == world.snapshot.policy("m", "week").id


@pytest.mark.parametrize(
    "fields",
    [{"duration": "8d"}, {"duration": "INF"}, {"replicas": 1}, {"group_duration": "1h"}, {"default": True}],
)
def test_another_one_under_its_name_is_refused(world: World, fields: dict[str, object]) -> None:
    with pytest.raises(PolicyExists) as refused:
        world.run(CreatePolicy(**{"database": "m", "name": "week", "duration": "7d", "replicas": 2, **fields}))
    assert refused.value.rule
    assert refused.value.remedy


def test_the_default_again_with_default_is_unchanged(world: World) -> None:
    assert not world.run(CreatePolicy(database="m", name="autogen", duration="INF", replicas=1, default=True)).changed


BAD = [
    ({"name": ""}, InvalidName),
    ({"name": ".."}, InvalidName),
    ({"name": "a/b"}, InvalidName),
    ({"name": "x" * 256}, InvalidName),
    ({"name": "\udcff"}, InvalidName),
    ({"replicas": 0}, ReplicationFactorTooLow),
    ({"replicas": 2**32}, InvalidInput),
    ({"replicas": "many"}, InvalidInput),
    ({"duration": "1m"}, DurationTooLow),
    ({"duration": "1d", "group_duration": "2d"}, IncompatibleDurations),
    ({"database": "nothing"}, DatabaseNotFound),
    ({"database": ""}, DatabaseNotFound),
]


@pytest.mark.parametrize(("fields", "error"), BAD)
def test_bad_input(world: World, fields: dict[str, object], error: type[EtcdMetaError]) -> None:
    before = dict(world.kvs)
    with pytest.raises(error) as refused:
        world.run(CreatePolicy(**{"database": "m", "name": "p", "duration": "7d", "replicas": 1, **fields}))
    assert str(refused.value).isprintable()
    assert world.kvs == before


def test_policies_list_in_order_of_creation(world: World) -> None:
    world.run(CreatePolicy(database="m", name="a", duration="7d", replicas=2))
    world.run(AlterPolicy(database="m", name="autogen", new_name="zzz"))
    assert [policy.name for policy in world.snapshot.database("m").policies()] == ["zzz", "week", "a"]


# --- alter


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"duration": "30d"}, (30 * DAY, 2, DAY)),
        ({"duration": "INF"}, (0, 2, DAY)),  # the group duration stays
        ({"replicas": 3}, (WEEK, 3, DAY)),
        ({"group_duration": "1h"}, (WEEK, 2, HOUR)),
        ({"group_duration": "1m"}, (WEEK, 2, HOUR)),
        ({"group_duration": "0", "duration": "1d"}, (DAY, 2, HOUR)),  # what follows from the new duration
        ({"duration": "1h", "group_duration": "1h", "replicas": 1}, (HOUR, 1, HOUR)),
    ],
)
def test_alter(world: World, fields: dict[str, object], kept: tuple[int, int, int]) -> None:
    policy = world.snapshot.policy("m", "week")
    plan = world.run(AlterPolicy(database="m", name="week", **fields))
    key = keys.policy_info(policy.database.id, policy.id)
    assert plan.compares == (Compare.modified(key, policy.mod_revision),)
    assert put_keys(plan.writes) == {key}
    assert numbers(world, "week") == kept


@pytest.mark.parametrize(
    "fields",
    [{}, {"new_name": "week"}, {"duration": "7d"}, {"duration": "7d", "replicas": 2, "group_duration": "1d"}],
)
def test_nothing_to_alter(world: World, fields: dict[str, object]) -> None:
    assert not world.run(AlterPolicy(database="m", name="week", **fields)).changed


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "nothing"}, PolicyNotFound),
        ({"name": ""}, PolicyNotFound),
        ({"database": "nothing"}, DatabaseNotFound),
        ({"new_name": "autogen"}, PolicyExists),
        ({"new_name": ""}, InvalidName),
        ({"new_name": "a/b"}, InvalidName),
        ({"duration": "1m"}, DurationTooLow),
        ({"duration": "1h"}, IncompatibleDurations),
        ({"group_duration": "8d"}, IncompatibleDurations),
        ({"replicas": 0}, ReplicationFactorTooLow),
    ],
)
def test_refused_to_alter(world: World, fields: dict[str, object], error: type[EtcdMetaError]) -> None:
    before = dict(world.kvs)
    with pytest.raises(error):
        world.run(AlterPolicy(**{"database": "m", "name": "week", **fields}))
    assert world.kvs == before


def test_durations_that_came_so_do_not_stand_in_the_way_of_other_changes(world: World) -> None:
    policy = world.snapshot.policy("m", "week").record
    world.put_policy(policy.model_copy(update={"duration": Duration(5)}))
    world.run(AlterPolicy(database="m", name="week", replicas=1))
    assert numbers(world, "week") == (5, 1, DAY)


def test_rename_compares_and_writes(world: World) -> None:
    policy = world.snapshot.policy("m", "week")
    d = policy.database.id
    old, new = keys.policy_name(d, "week"), keys.policy_name(d, "seven days")
    plan = world.run(AlterPolicy(database="m", name="week", new_name="seven days"))
    assert set(plan.compares) == {
        Compare.modified(keys.policy_info(d, policy.id), policy.mod_revision),
        Compare.modified(old, policy.name_revision),
        Compare.absent(new),
    }
    assert Delete(old) in plan.writes
    assert put_keys(plan.writes) == {new, keys.policy_info(d, policy.id)}
    assert world.snapshot.policy("m", "seven days").id == policy.id
    with pytest.raises(PolicyNotFound):
        world.snapshot.policy("m", "week")


def test_a_renamed_default_stays_the_default_and_keeps_its_groups(world: World) -> None:
    group = world.add_group(MONDAY, "m")
    world.run(AlterPolicy(database="m", name="autogen", new_name="forever", duration="8d"))
    policy = world.snapshot.policy("m")
    assert policy.name == "forever"
    found = policy.group_at(MONDAY)
    assert found is not None
    assert found.id == group.id


def test_a_name_that_was_given_up_can_be_taken(world: World) -> None:
    world.run(AlterPolicy(database="m", name="week", new_name="old"))
    made = world.run(CreatePolicy(database="m", name="week", duration="7d", replicas=2))
    assert made.changed
    assert world.snapshot.policy("m", "old").id != made.result["policy_id"]


def test_alter_everything_at_once(world: World) -> None:
    world.run(AlterPolicy(database="m", name="week", new_name="w", duration="14d", replicas=1, default=True))
    assert numbers(world, "w") == (2 * WEEK, 1, DAY)
    assert world.snapshot.policy("m").name == "w"


# --- default


@pytest.mark.parametrize(
    "command",
    [SetDefaultPolicy(database="m", name="week"), AlterPolicy(database="m", name="week", default=True)],
    ids=lambda command: command.NAME,
)
def test_set_default_compares_and_writes(world: World, command: Command) -> None:
    policy = world.snapshot.policy("m", "week")
    d = policy.database.id
    plan = world.run(command)
    assert set(plan.compares) == {
        Compare.modified(keys.database_info(d), policy.database.mod_revision),
        Compare.modified(keys.policy_info(d, policy.id), policy.mod_revision),
    }
    assert put_keys(plan.writes) == {keys.database_info(d)}
    assert world.snapshot.policy("m").name == "week"
    assert not world.run(command).changed


def test_no_default_of_what_is_not_there(world: World) -> None:
    with pytest.raises(PolicyNotFound):
        world.run(SetDefaultPolicy(database="m", name="nothing"))


# --- drop


@pytest.mark.parametrize("name", ["week", "autogen"])
def test_drop_compares_and_writes(world: World, name: str) -> None:
    world.add_group(MONDAY, "m", name)
    policy = world.snapshot.policy("m", name)
    d, info = policy.database.id, keys.database_info(policy.database.id)
    plan = world.run(DropPolicy(database="m", name=name))
    assert set(plan.compares) == {
        Compare.modified(keys.policy_name(d, name), policy.name_revision),
        Compare.created(keys.policy_info(d, policy.id), policy.create_revision),
        Compare.modified(info, policy.database.mod_revision),
    }
    assert {
        Delete(keys.policy_name(d, name)),
        DeleteRange(*keys.policy_span(d, policy.id)),
        DeleteRange(*keys.progress_span(d, policy.id)),
    } <= set(plan.writes)
    assert put_keys(plan.writes) == ({info} if name == "autogen" else set())
    assert list(world.snapshot.groups()) == []
    assert not [key for key in world.kvs if b"/rp/%016x" % policy.id in key]


def test_without_its_default_a_database_has_none(world: World) -> None:
    plan = world.run(DropPolicy(database="m", name="autogen"))
    assert plan.notices
    assert world.snapshot.database("m").default_policy is None
    with pytest.raises(PolicyNotFound, match="default"):
        world.snapshot.policy("m")


def test_drop_of_what_is_not_there(world: World) -> None:
    for name in ("nothing", "", "\0", "\udcff", "x" * 1_000):
        with pytest.raises(PolicyNotFound):
            world.run(DropPolicy(database="m", name=name))


# --- together

LATE: list[tuple[Command, Command]] = [
    (CreatePolicy(database="m", name="p", duration="7d", replicas=1),) * 2,
    (
        AlterPolicy(database="m", name="week", new_name="p"),
        CreatePolicy(database="m", name="p", duration="7d", replicas=1),
    ),
    (AlterPolicy(database="m", name="week", new_name="p"), AlterPolicy(database="m", name="autogen", new_name="p")),
    (AlterPolicy(database="m", name="week", new_name="p"), DropPolicy(database="m", name="week")),
    (AlterPolicy(database="m", name="week", replicas=1), AlterPolicy(database="m", name="week", replicas=3)),
    (
        AlterPolicy(database="m", name="week", group_duration="1h"),
        CreateShardGroup(database="m", policy="week", at=MONDAY),
    ),
    (DropPolicy(database="m", name="week"), CreateShardGroup(database="m", policy="week", at=MONDAY)),
    (DropPolicy(database="m", name="week"), SetDefaultPolicy(database="m", name="week")),
    (DropPolicy(database="m", name="week"), AlterPolicy(database="m", name="week", replicas=3)),
    (SetDefaultPolicy(database="m", name="week"), DropPolicy(database="m", name="week")),
    (
        SetDefaultPolicy(database="m", name="week"),
        CreatePolicy(database="m", name="p", duration="7d", replicas=1, default=True),
    ),
    (AlterPolicy(database="m", name="week", new_name="p"), SetDefaultPolicy(database="m", name="week")),
    (
        AlterPolicy(database="m", name="week", new_name="p"),
        CreateSubscription(
            database="m", policy="week", name="s", mode=SubscriptionMode.ANY, destinations=("udp://h:1",)
        ),
    ),
]


@pytest.mark.parametrize(("first", "second"), LATE, ids=lambda command: command.NAME)
def test_what_was_planned_before_does_not_commit_after(world: World, first: Command, second: Command) -> None:
    late = world.plan(second)
    world.run(first)
    before = dict(world.kvs)
    assert not world.commit(late)
    assert world.kvs == before


def test_policies_of_other_names_do_not_conflict(world: World) -> None:
    one = world.plan(CreatePolicy(database="m", name="a", duration="7d", replicas=1))
    two = world.plan(CreatePolicy(database="m", name="b", duration="7d", replicas=1))
    assert world.commit(one)
    assert world.commit(two)


@pytest.mark.parametrize(
    "command",
    [
        CreatePolicy(database="m", name="week", duration="7d", replicas=2),
        AlterPolicy(database="m", name="autogen", new_name="week"),
        AlterPolicy(database="m", name="week", replicas=1),
        DropPolicy(database="m", name="week"),
    ],
    ids=["create", "rename", "alter", "drop"],
)
@pytest.mark.parametrize("which", ["name", "info"])
def test_an_unreadable_record_is_not_taken_for_absent(world: World, which: str, command: Command) -> None:
    policy = world.snapshot.policy("m", "week")
    d = policy.database.id
    key = keys.policy_name(d, "week") if which == "name" else keys.policy_info(d, policy.id)
    world.write([Put(key, b"\xff\xff"), Put(keys.GENERATION, b"2")])
    with pytest.raises(RecordUnreadable):
        world.run(command)
