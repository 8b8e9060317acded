"""Commands over the wire: each there and back, and whatever else comes in."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from google.protobuf import json_format, struct_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import etcdmeta.commands
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.group import CreateShardGroup
from etcdmeta.commands.node import AddNode, UpdateNode
from etcdmeta.commands.plan import Command
from etcdmeta.commands.policy import CreatePolicy
from etcdmeta.commands.subscription import CreateSubscription
from etcdmeta.commands.user import CreateUser
from etcdmeta.errors import InvalidDuration, InvalidInput, InvalidName, InvalidTime, UnknownCommand
from etcdmeta.model.durations import DAY, HOUR, Duration
from etcdmeta.model.owners import NodeState, SubscriptionMode
from etcdmeta.wire.commands import COMMANDS, TIMES, from_wire, to_wire
from etcdmeta.wire.pb import agent_pb2 as pb
from tests.wire.commands_made import any_of

HASH = b"$2a$04$" + b"x" * 53
BY_NAME = pytest.mark.parametrize("kind", COMMANDS.values(), ids=COMMANDS)


def _written(called: str, /, **fields: Any) -> pb.Command:
    """As grpcurl sends what a person wrote."""
    message = pb.Command(name=called)
    json_format.ParseDict(fields, message.fields)
    return pb.Command.FromString(message.SerializeToString())


def _over(command: Command) -> Command:
    return from_wire(pb.Command.FromString(to_wire(command).SerializeToString()))


# --- all of them


def test_no_command_is_missing() -> None:
    for module in pkgutil.iter_modules(etcdmeta.commands.__path__):
        import_module(f"etcdmeta.commands.{module.name}")
    ours = {kind for kind in Command.__subclasses__() if kind.__module__.startswith("etcdmeta.")}
    assert set(COMMANDS.values()) == ours
    assert all(name == kind.NAME for name, kind in COMMANDS.items())


@BY_NAME
def test_round_trip(kind: type[Command]) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(any_of(kind))
    def check(command: Command) -> None:
        arrived = _over(command)
        assert type(arrived) is kind
        assert arrived == command
        assert arrived.fingerprint() == command.fingerprint()
        assert arrived.model_dump() == command.model_dump()  # the secrets, too

    check()


NUMBERS = {
    "at_once", "attempt", "cluster_id", "databases", "epoch", "expected_cluster_id", "first_database", "first_group",
    "first_policy", "first_shard", "first_user", "floor", "generation", "group_id", "groups", "import_id", "most",
    "node_id", "number", "page", "per_source", "per_target", "plan_id", "policies", "records", "replacement",
    "replicas", "shard_id", "source", "target", "total", "undoes", "users",
}  # fmt: skip


@BY_NAME
def test_what_the_fields_are_is_known(kind: type[Command]) -> None:
    """A new int field is a time or a number: say which, here or in TIMES. A type that no Struct holds fails above."""
    for name, field in kind.model_fields.items():
        union = get_origin(field.annotation) in (Union, UnionType)
        parts = set(get_args(field.annotation)) if union else {field.annotation}
        if int in parts:
            assert (name in NUMBERS) != (name in TIMES), f"{kind.__name__}.{name}"


def test_what_is_as_it_would_be_anyhow_is_not_sent() -> None:
    assert set(to_wire(CreateDatabase(name="d")).fields.fields) == {"name"}
    assert set(to_wire(CreateDatabase(name="d", duration=None, replicas=2)).fields.fields) == {"name", "replicas"}


# --- what people write


def test_durations() -> None:
    for written in ("720h", "30d", "2592000000000000", 2592000000000000):
        command = from_wire(_written("create policy", database="d", name="p", duration=written, replicas=1))
        assert command == CreatePolicy(database="d", name="p", duration=Duration(30 * DAY), replicas=1)
    command = from_wire(_written("create policy", database="d", name="p", duration="INF", replicas="3"))
    assert command == CreatePolicy(database="d", name="p", duration=Duration(0), replicas=3)
    arrived = _over(CreatePolicy(database="d", name="p", duration=HOUR, replicas=1, group_duration=Duration(2**63 - 1)))
    assert isinstance(arrived, CreatePolicy)
    assert arrived.group_duration == 2**63 - 1


def test_times() -> None:
    for written in ("2026-11-23T00:00:00Z", "2026-11-23", "1795392000000000000"):
        command = from_wire(_written("create shard group", database="d", at=written))
        assert command == CreateShardGroup(database="d", at=1795392000000000000)
    assert from_wire(_written("create shard group", database="d", at=-5)) == CreateShardGroup(database="d", at=-5)
    with pytest.raises(InvalidTime, match="2026-11-23T00"):
        from_wire(_written("create shard group", database="d", at="now-2h"))
    with pytest.raises(InvalidInput, match=r"2\^53"):
        from_wire(_written("create shard group", database="d", at=1795392000000000000))


def test_ints_of_64_bits() -> None:
    command = AddNode(host="h1:8088", cluster_id=2**64 - 1, epoch=2**53 + 1)
    fields = to_wire(command).fields.fields
    assert fields["cluster_id"].string_value == "18446744073709551615"
    assert fields["epoch"].string_value == "9007199254740993"
    assert from_wire(_written("update node", node_id="7", state="draining")) == UpdateNode(
        node_id=7, state=NodeState.DRAINING
    )
    for odd in (2.5, 1e300, 2**64, "2" * 5000, str(2**64), "seven", [7], {"a": 7}, None):
        with pytest.raises(InvalidInput):
            from_wire(_written("update node", node_id=odd))


def test_lists_and_maps() -> None:
    command = from_wire(
        _written("create subscription", database="d", name="s", mode="ALL", destinations=["http://h1:9092"])
    )
    assert command == CreateSubscription(
        database="d", name="s", mode=SubscriptionMode.ALL, destinations=("http://h1:9092",)
    )
    labels = {"base64": "QQ==", "zone": "a"}
    assert _over(UpdateNode(node_id=1, labels=labels)) == UpdateNode(node_id=1, labels=labels)
    assert _over(UpdateNode(node_id=1, labels={"base64": "QQ=="})) == UpdateNode(node_id=1, labels={"base64": "QQ=="})
    assert _over(UpdateNode(node_id=1, labels={})) == UpdateNode(node_id=1, labels={})


def test_names_that_are_no_utf8_survive() -> None:
    """Old imports hold them, and somebody has to drop those databases."""
    command = DropDatabase(name="caf\udce9")
    message = to_wire(command)
    assert json_format.MessageToDict(message.fields) == {"name": {"base64": "Y2Fm6Q=="}}
    assert _over(command) == command
    for bad in ({"base64": "Y2Fm6Q==", "more": 1}, {"base64": 7}, {}, {"base64": "?"}, {"base64": "é"}):
        with pytest.raises(InvalidInput):
            from_wire(_written("drop database", name=bad))


def test_text_that_no_bytes_stand_behind_is_refused() -> None:
    with pytest.raises(InvalidName):
        to_wire(DropDatabase(name="\ud83d"))
    with pytest.raises(InvalidInput):
        to_wire(UpdateNode(node_id=1, labels={"caf\udce9": "x"}))


# --- what nobody should have sent


def test_unknown_commands_and_fields() -> None:
    with pytest.raises(UnknownCommand, match="frobnicate") as unknown:
        from_wire(_written("frobnicate"))
    assert unknown.value.value == "frobnicate"
    assert "create database" in str(unknown.value.rule)
    with pytest.raises(UnknownCommand):
        from_wire(pb.Command(name="x" * 100_000))
    with pytest.raises(InvalidInput, match="no field 'self'") as no_field:
        from_wire(_written("drop database", name="d", self=1))
    assert no_field.value.rule == "its fields are name"
    with pytest.raises(InvalidInput, match="name cannot be that"):
        from_wire(_written("drop database"))


def test_a_command_that_is_not_registered_is_not_sent() -> None:
    class Odd(DropDatabase):
        NAME = "drop database"

    with pytest.raises(UnknownCommand):
        to_wire(Odd(name="d"))


SECRETS = ["hunter2", {"base64": "aHVudGVyMg=="}, ["hunter2"], {"hunter2": 1}, 7, True, None, "aHVudGVyMg"]


@pytest.mark.parametrize("secret", SECRETS, ids=str)
@pytest.mark.parametrize("name", ["create user", "set password"])
def test_a_secret_is_in_no_error(name: str, secret: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_wire(_written(name, name="u", password_hash=secret))
    error = refused.value
    told = f"{error!r} {error.value!r} {error.rule!r} {error.remedy!r} {error.__cause__!r}"
    assert "hunter2" not in told
    assert "aHVudGVy" not in told


def test_a_secret_travels() -> None:
    arrived = _over(CreateUser(name="u", password_hash=HASH))
    assert isinstance(arrived, CreateUser)
    assert arrived.password_hash == HASH
    assert "2a" not in repr(arrived)


_leaves = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**70), 2**70).map(str)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
    | st.sampled_from(["30d", "INF", "now", "now-1h", "2026-11-23", "QUJD", "joined", "active", "ALL", "9" * 5000])
)
_values = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["base64", "a", "database"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def _fill(into: struct_pb2.Value, value: Any) -> None:
    """Without json_format, which refuses what a peer can send, as infinities."""
    match value:
        case None:
            into.null_value = struct_pb2.NULL_VALUE
        case bool():
            into.bool_value = value
        case float():
            into.number_value = value
        case str():
            into.string_value = value
        case list():
            into.list_value.SetInParent()
            for part in value:
                _fill(into.list_value.values.add(), part)
        case dict():
            into.struct_value.SetInParent()
            for key, part in value.items():
                _fill(into.struct_value.fields[key], part)


@BY_NAME
def test_whatever_the_fields_hold(kind: type[Command]) -> None:
    names = st.sampled_from([*kind.model_fields, *kind.model_fields, *kind.model_fields, "self", "plan", ""])

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(names, _values | st.just(...), max_size=len(kind.model_fields) + 1))
    def check(fields: dict[str, Any]) -> None:
        message = pb.Command(name=kind.NAME)
        for name, value in fields.items():
            _fill(message.fields.fields[name], value)  # ...: a value of no kind
        try:
            command = from_wire(pb.Command.FromString(message.SerializeToString()))
        except InvalidInput:
            return
        assert type(command) is kind
        assert _over(command) == command

    check()


@given(st.binary(max_size=200))
def test_whatever_bytes(encoded: bytes) -> None:
    """What the gate hands on: bytes that are a message of some kind."""
    from google.protobuf.message import DecodeError

    try:
        message = pb.Command.FromString(encoded)
    except DecodeError:
        return  # the gate's `UnreadableRequest`
    with pytest.raises((UnknownCommand, InvalidInput)):
        from_wire(message)


def test_a_deep_struct() -> None:
    value = struct_pb2.Value(string_value="x")
    for _ in range(40):
        value = struct_pb2.Value(list_value=struct_pb2.ListValue(values=[value]))
    message = pb.Command(name="create subscription")
    message.fields.fields["destinations"].CopyFrom(value)
    with pytest.raises(InvalidInput, match="not a list"):
        from_wire(message)


def test_durations_keep_their_own_errors() -> None:
    with pytest.raises(InvalidDuration, match="30 fortnights"):
        from_wire(_written("create database", name="d", duration="30 fortnights"))
