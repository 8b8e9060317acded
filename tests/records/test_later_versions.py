"""An older reader keeps what it does not know: fields, and words, of a version that does not exist yet.

The later version is made here: the present schema with more fields in each message, in a descriptor pool of its own.
What it wrote is decoded, changed and encoded by the code as it is, and read again with the later schema.
"""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import Node, RetentionPolicy, Shard, ShardGroup, ShardOwner
from etcdmeta.model.owners import OwnerStatus, Privilege
from etcdmeta.records.decoding import RecordDecoder
from etcdmeta.records.encoding import encode
from etcdmeta.records.pb import records_pb2 as pb

DECODER = RecordDecoder()
FIELD = descriptor_pb2.FieldDescriptorProto


@pytest.fixture(scope="module")
def later() -> dict[str, Any]:
    """The messages of the later version: each has four more fields, of all ways to be stored."""
    schema = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(schema)
    for message in schema.message_type:
        for number, (name, kind) in enumerate(
            [
                ("later_text", FIELD.TYPE_STRING),
                ("later_number", FIELD.TYPE_SINT64),
                ("later_fixed", FIELD.TYPE_FIXED32),
            ],
            start=1000,
        ):
            message.field.add(name=name, number=number, type=kind, label=FIELD.LABEL_OPTIONAL)
        message.field.add(
            name="later_parts",
            number=1003,
            type=FIELD.TYPE_MESSAGE,
            type_name=".etcdmeta.v1.NameRef",
            label=FIELD.LABEL_REPEATED,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(schema)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"etcdmeta.v1.{message.name}"))
        for message in schema.message_type
    }


def mark(message: Any, text: str) -> Any:
    """Fills the fields of the later version."""
    message.later_text, message.later_number, message.later_fixed = text, -7, 77
    message.later_parts.add(id=5)
    return message


def is_marked(message: Any, text: str) -> bool:
    seen = message.later_text, message.later_number, message.later_fixed, [part.id for part in message.later_parts]
    return seen == (text, -7, 77, [5])


def test_a_node(later: dict[str, Any]) -> None:
    stored = mark(later["Node"](id=3, host="old:1", labels={"zone": "a"}, state="resting"), "node")
    node = DECODER.node((stored.SerializeToString(), 2, 1))
    assert node.state == "resting"
    assert not node.takes_shards
    changed = node.model_copy(update={"host": "new:1", "labels": {"rack": "7"}})
    found = later["Node"].FromString(encode(changed))
    assert is_marked(found, "node")
    assert (found.host, dict(found.labels), found.state) == ("new:1", {"rack": "7"}, "resting")


def test_a_policy(later: dict[str, Any]) -> None:
    stored = mark(later["RetentionPolicy"](id=3, name=b"p", replicas=2, duration=9), "policy")
    policy = DECODER.policy((stored.SerializeToString(), 2, 1), 1)
    changed = policy.model_copy(update={"name": "q", "duration": Duration(0), "replicas": 0})
    found = later["RetentionPolicy"].FromString(encode(changed))
    assert is_marked(found, "policy")
    assert (found.name, found.duration, found.replicas) == (b"q", 0, 0)


@pytest.fixture
def stored_group(later: dict[str, Any]) -> Any:
    """Two shards of two owners, all of them marked."""
    group = mark(later["ShardGroup"](id=9, start=0, end=100, truncated_at=50), "group")
    for shard_id in (1, 2):
        shard = mark(group.shards.add(id=shard_id, last_attempt=4), f"shard {shard_id}")
        for node_id in (1, 2):
            mark(shard.owners.add(node_id=node_id, status="resting"), f"owner {shard_id}.{node_id}")
    return group


def decoded(stored: Any) -> ShardGroup:
    return DECODER.group((stored.SerializeToString(), 2, 1, 1, 1))


def test_a_group_in_all_its_parts(later: dict[str, Any], stored_group: Any) -> None:
    group = decoded(stored_group)
    owner = group.shards[0].owners[0]
    assert owner.status == "resting"
    assert not owner.serves, "what is not known to serve does not count as serving"
    changed = group.with_shard(
        group.shards[0].model_copy(
            update={
                "owners": (
                    owner.model_copy(update={"reason": "why", "since": 5}),
                    group.shards[0].owners[1],
                    ShardOwner(node_id=3, status=OwnerStatus.COPYING),
                )
            }
        )
    ).model_copy(update={"deleted_at": 7, "truncated_at": None})
    found = later["ShardGroup"].FromString(encode(changed))
    assert is_marked(found, "group")
    assert (found.deleted_at, found.HasField("truncated_at")) == (7, False)
    first, second = found.shards
    assert is_marked(first, "shard 1")
    assert is_marked(second, "shard 2")
    assert [o.node_id for o in first.owners] == [1, 2, 3]
    assert is_marked(first.owners[0], "owner 1.1")
    assert is_marked(first.owners[1], "owner 1.2")
    assert [o.status for o in first.owners] == ["resting", "resting", "copying"]
    assert (first.owners[0].reason, first.owners[0].since) == ("why", 5)
    assert not first.owners[2].later_text, "a new owner has nobody's fields"
    assert second == stored_group.shards[1]


def test_parts_are_matched_by_id_and_node_not_by_position(later: dict[str, Any], stored_group: Any) -> None:
    group = decoded(stored_group)
    turned = tuple(
        shard.model_copy(update={"owners": tuple(reversed(shard.owners))}) for shard in reversed(group.shards)
    )
    found = later["ShardGroup"].FromString(encode(group.model_copy(update={"shards": turned})))
    assert [s.id for s in found.shards] == [2, 1]
    for shard in found.shards:
        assert is_marked(shard, f"shard {shard.id}")
        assert [o.node_id for o in shard.owners] == [2, 1]
        for owner in shard.owners:
            assert is_marked(owner, f"owner {shard.id}.{owner.node_id}")


def test_what_goes_takes_its_fields_with_it(later: dict[str, Any], stored_group: Any) -> None:
    group = decoded(stored_group)
    kept = group.shards[1].model_copy(update={"owners": group.shards[1].owners[1:]})
    found = later["ShardGroup"].FromString(encode(group.model_copy(update={"shards": (kept,)})))
    assert [s.later_text for s in found.shards] == ["shard 2"]
    assert [o.later_text for o in found.shards[0].owners] == ["owner 2.2"]


def test_a_new_record_takes_nothing_over(later: dict[str, Any]) -> None:
    group = ShardGroup(id=1, database_id=1, policy_id=1, start=0, end=9, shards=(Shard(id=1),))
    found = later["ShardGroup"].FromString(encode(group))
    assert (found.later_text, len(found.later_parts), found.shards[0].later_text) == ("", 0, "")


@pytest.mark.parametrize("change", [{}, {"duration": Duration(3_600_000_000_000)}])
def test_the_lost_bytes_would_be_seen(later: dict[str, Any], change: dict[str, object]) -> None:
    """These tests can fail: without the stored bytes the fields are gone."""
    stored = mark(later["RetentionPolicy"](id=3, name=b"p", replicas=2), "policy")
    policy = DECODER.policy((stored.SerializeToString(), 2, 1), 1)
    assert isinstance(policy, RetentionPolicy)
    forgetful = policy.model_copy(update={**change, "stored": b""})
    assert not is_marked(later["RetentionPolicy"].FromString(encode(forgetful)), "policy")


def test_unknown_words_survive_everywhere() -> None:
    subscription = DECODER.subscription((pb.Subscription(name=b"s", mode="SOME").SerializeToString(), 2, 1), 1, 1)
    assert subscription.mode == "SOME"
    changed = subscription.model_copy(update={"destinations": ("udp://h:1",)})
    assert pb.Subscription.FromString(encode(changed)).mode == "SOME"

    grant = DECODER.grant((pb.Grant(privilege="admin of this").SerializeToString(), 2, 1), 1, 1)
    assert not isinstance(grant.privilege, Privilege)
    assert pb.Grant.FromString(encode(grant)).privilege == "admin of this"

    node = DECODER.node((pb.Node(id=1, host="h:1", state="asleep").SerializeToString(), 2, 1))
    assert isinstance(node, Node)
    assert pb.Node.FromString(encode(node.model_copy(update={"host": "i:1"}))).state == "asleep"
