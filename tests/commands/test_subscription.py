"""Subscriptions: InfluxDB 1.x's rules, and the protocol's compares and writes."""

from __future__ import annotations

import pytest

from etcdmeta.commands.database import CreateDatabase
from etcdmeta.commands.plan import Command
from etcdmeta.commands.policy import CreatePolicy, DropPolicy, SetDefaultPolicy
from etcdmeta.commands.subscription import CreateSubscription, DropSubscription
from etcdmeta.errors import (
    DatabaseNotFound,
    EtcdMetaError,
    InvalidAddress,
    InvalidInput,
    InvalidName,
    PolicyNotFound,
    RecordUnreadable,
    SubscriptionExists,
    SubscriptionNotFound,
)
from etcdmeta.model.owners import SubscriptionMode
from etcdmeta.records import keys
from etcdmeta.records.transaction import Compare, Delete, Put

from .conftest import World

ANY, ALL = SubscriptionMode.ANY, SubscriptionMode.ALL
TO = ("http://h1:9092", "udp://h2:9093")


@pytest.fixture
def world(world: World) -> World:
    """The database ``m`` with ``autogen`` (default) and ``week``."""
    world.run(CreateDatabase(name="m"))
    world.run(CreatePolicy(database="m", name="week", duration="7d", replicas=1))
    return world


def create(name: str = "s", **fields: object) -> CreateSubscription:
    given = {"database": "m", "policy": "week", "name": name, "mode": ALL, "destinations": TO, **fields}
    return CreateSubscription(**given)


@pytest.mark.parametrize("policy", ["week", ""])
def test_create_compares_and_writes(world: World, policy: str) -> None:
    view = world.snapshot.policy("m", policy)
    d, p = view.database.id, view.id
    plan = world.run(create(policy=policy))
    key = keys.subscription(d, p, "s")
    expected = {Compare.absent(key), Compare.modified(keys.policy_info(d, p), view.mod_revision)}
    if not policy:  # the database said which policy is meant
        expected.add(Compare.modified(keys.database_info(d), view.database.mod_revision))
    assert set(plan.compares) == expected
    assert [write.key for write in plan.writes if isinstance(write, Put)] == [key]
    found = world.snapshot.policy("m", policy).subscription("s")
    assert (found.mode, found.destinations) == (ALL, TO)


@pytest.mark.parametrize("destinations", [TO, TO[::-1], list(TO)])
def test_the_same_again_is_unchanged(world: World, destinations: object) -> None:
    world.run(create())
    assert not world.run(create(destinations=destinations)).changed


@pytest.mark.parametrize("fields", [{"mode": ANY}, {"destinations": TO[:1]}, {"destinations": (*TO, TO[0])}])
def test_another_one_under_its_name_is_refused(world: World, fields: dict[str, object]) -> None:
    world.run(create())
    with pytest.raises(SubscriptionExists):
        world.run(create(**fields))


def test_names_are_each_policys_own(world: World) -> None:
    for policy in ("week", "autogen"):
        assert world.run(create(policy=policy)).changed


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": ""}, InvalidName),
        ({"name": "\0"}, InvalidName),
        ({"name": "x" * 256}, InvalidName),
        ({"mode": "SOME"}, InvalidInput),
        ({"destinations": ()}, InvalidInput),
        ({"destinations": ("ftp://h1:21",)}, InvalidAddress),
        ({"destinations": ("http://h1",)}, InvalidAddress),
        ({"destinations": (TO[0], "")}, InvalidAddress),
        ({"policy": "nothing"}, PolicyNotFound),
        ({"database": "nothing"}, DatabaseNotFound),
    ],
)
def test_bad_input(world: World, fields: dict[str, object], error: type[EtcdMetaError]) -> None:
    before = dict(world.kvs)
    with pytest.raises(error):
        world.run(create(**fields))
    assert world.kvs == before


@pytest.mark.parametrize("policy", ["autogen", ""])
def test_drop_compares_and_writes(world: World, policy: str) -> None:
    world.run(create(policy=policy))
    view = world.snapshot.policy("m", policy)
    d, p = view.database.id, view.id
    key = keys.subscription(d, p, "s")
    expected = {
        Compare.modified(key, view.subscription("s").mod_revision),
        Compare.modified(keys.policy_info(d, p), view.mod_revision),
    }
    if not policy:
        expected.add(Compare.modified(keys.database_info(d), view.database.mod_revision))
    plan = world.run(DropSubscription(database="m", policy=policy, name="s"))
    assert set(plan.compares) == expected
    assert plan.writes == (Delete(key),)
    assert world.snapshot.policy("m", policy).subscriptions() == ()


def test_drop_of_what_is_not_there(world: World) -> None:
    for name in ("nothing", "", "\0", "\udcff"):
        with pytest.raises(SubscriptionNotFound):
            world.run(DropSubscription(database="m", policy="week", name=name))


@pytest.mark.parametrize(
    "first",
    [create(), DropPolicy(database="m", name="week"), SetDefaultPolicy(database="m", name="week")],
    ids=["the same", "the policy goes", "another default"],
)
def test_what_was_planned_before_does_not_commit_after(world: World, first: Command) -> None:
    late = world.plan(create(policy="" if isinstance(first, SetDefaultPolicy) else "week"))
    world.run(first)
    assert not world.commit(late)


def test_an_unreadable_subscription_is_not_taken_for_absent(world: World) -> None:
    world.run(create())
    view = world.snapshot.policy("m", "week")
    world.write([Put(keys.subscription(1, view.id, "s"), b"\xff\xff"), Put(keys.GENERATION, b"2")])
    for command in (create(), DropSubscription(database="m", policy="week", name="s")):
        with pytest.raises(RecordUnreadable):
            world.run(command)
