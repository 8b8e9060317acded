"""The records as models: frozen, strict, and with the rules that InfluxDB's reference has for them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from etcdmeta.model.entities import Cluster, Database, Node, Record, Shard, ShardGroup, ShardOwner, User
from etcdmeta.model.owners import NodeState, OwnerStatus
from tests.model.pictures import group

NODE = Node(id=1, host="h:1", labels={"zone": "a"}, identity_hash=b"secret!!", stored=b"bytes")


def test_records_are_frozen() -> None:
    with pytest.raises(ValidationError):
        NODE.host = "other:1"  # type: ignore[misc]
    with pytest.raises(TypeError):
        NODE.labels["zone"] = "b"  # type: ignore[index]
    labels = {"zone": "a"}
    node = Node(id=1, host="h:1", labels=labels)
    labels["zone"] = "b"
    assert node.labels == {"zone": "a"}, "it holds its own copy"


def test_a_word_too_many_is_an_error_not_ignored() -> None:
    with pytest.raises(ValidationError):
        Node(id=1, host="h:1", hots="h:1")  # type: ignore[call-arg]


@pytest.mark.parametrize("number", [-1, 2**64])
@pytest.mark.parametrize("kind", [Node, User, Database, Shard, ShardOwner, Cluster])
def test_ids_are_unsigned_and_of_64_bits(kind: type[Record], number: int) -> None:
    field = next(name for name in ("id", "node_id", "cluster_id") if name in kind.model_fields)
    others = {"host": "h:1", "name": "n", "epoch": 1}
    with pytest.raises(ValidationError):
        kind(**{field: number, **{k: v for k, v in others.items() if k in kind.model_fields}})


def test_what_is_internal_or_secret_is_not_shown() -> None:
    for text in (repr(NODE), str(NODE), NODE.model_dump_json()):
        assert "secret" not in text
        assert "bytes" not in text
    assert json.loads(NODE.model_dump_json())["labels"] == {"zone": "a"}
    assert NODE.model_dump()["labels"] == {"zone": "a"}


def test_a_copy_keeps_what_newer_versions_stored() -> None:
    assert NODE.model_copy(update={"host": "i:1"}).stored == b"bytes"


@pytest.mark.parametrize("state", [*NodeState, "resting"])
def test_only_a_joined_node_takes_shards(state: NodeState | str) -> None:
    assert Node(id=1, host="h:1", state=state).takes_shards == (state == NodeState.JOINED)


# --- shard groups


@pytest.mark.parametrize(
    ("deleted_at", "truncated_at", "time", "holds"),
    [
        (None, None, -1, False),
        (None, None, 0, True),
        (None, None, 9, True),
        (None, None, 10, False),
        (None, 5, 4, True),
        (None, 5, 5, False),  # t < truncated-at
        (None, 0, 0, False),  # truncated at its own start: it holds nothing
        (None, 99, 9, True),  # beyond its end: no more than its end
        (None, 99, 10, False),
        (0, None, 5, False),  # deleted at the epoch is deleted
        (7, 5, 4, False),
    ],
)
def test_a_group_holds_a_time(deleted_at: int | None, truncated_at: int | None, time: int, holds: bool) -> None:
    one = group(1, 0, 10, deleted_at=deleted_at, truncated_at=truncated_at)
    assert one.contains(time) is holds
    assert one.is_deleted == (deleted_at is not None)


@pytest.mark.parametrize(
    ("low", "high", "meets"),
    [(-5, -1, False), (-5, 0, True), (9, 99, True), (10, 99, False), (3, 3, True), (-5, 99, True)],
)
def test_a_group_overlaps_a_closed_range(low: int, high: int, meets: bool) -> None:
    assert group(1, 0, 10).overlaps(low, high) is meets
    assert group(1, 0, 10, truncated_at=1).overlaps(low, high) is meets, "by the whole span"


@given(st.integers(0, 2**64 - 1), st.integers(1, 50))
def test_a_point_lives_in_shard_hash_modulo_their_number(point_hash: int, count: int) -> None:
    one = group(1, 0, 10, 7, shards=count)
    assert one.shard_for(point_hash) is one.shards[point_hash % count]


def test_one_shard_is_replaced_and_the_others_stay() -> None:
    one = group(1, 0, 10, 7, shards=3)
    changed = one.with_shard(Shard(id=11, last_attempt=5))
    assert [s.id for s in changed.shards] == [10, 11, 12]
    assert changed.shard(11) == Shard(id=11, last_attempt=5)
    assert (changed.shards[0], changed.shards[2]) == (one.shards[0], one.shards[2])
    assert one.shards[1].owners, "the group itself is what it was"
    assert one.shard(99) is None


# --- owners


class Known:
    """A liveness that knows some nodes."""

    def __init__(self, live: dict[int, bool]) -> None:
        self._live = live

    def is_live(self, node_id: int) -> bool | None:
        return self._live.get(node_id)


@pytest.mark.parametrize(
    ("status", "live", "serves"),
    [
        (OwnerStatus.ACTIVE, True, True),
        (OwnerStatus.ACTIVE, False, False),
        (OwnerStatus.ACTIVE, None, True),  # never reported: its status alone counts
        (OwnerStatus.LEAVING, True, True),
        (OwnerStatus.LEAVING, False, False),
        (OwnerStatus.COPYING, True, False),
        (OwnerStatus.FAILED, True, False),
        ("resting", True, False),  # a later version's word
    ],
)
def test_an_owner_serves_by_its_status_and_its_nodes_life(
    status: OwnerStatus | str, live: bool | None, serves: bool
) -> None:
    shard = Shard(id=1, owners=(ShardOwner(node_id=5, status=status),))
    assert bool(shard.serving_owners(Known({} if live is None else {5: live}))) is serves
    assert shard.owners[0].serves == (status in {OwnerStatus.ACTIVE, OwnerStatus.LEAVING})
    owner = shard.owner(5)
    assert owner is shard.owners[0]
    assert shard.owner(6) is None


def test_a_shard_without_owners_is_legal() -> None:
    """A single InfluxDB server's file has only such."""
    assert Shard(id=1).serving_owners() == ()
    assert ShardGroup(id=1, database_id=1, policy_id=1, start=0, end=9, shards=(Shard(id=1),)).shards[0].owners == ()
