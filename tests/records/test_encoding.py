"""Model ↔ bytes: every record comes back as it was, old data reads as it was meant, and nothing too large is made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdmeta.errors import RecordTooLarge
from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import (
    Cluster,
    ContinuousQuery,
    Database,
    Grant,
    Liveness,
    Node,
    Progress,
    Record,
    RetentionPolicy,
    ShardGroup,
    Subscription,
    User,
)
from etcdmeta.model.imports import Import
from etcdmeta.model.moveplans import Move, MovePlan
from etcdmeta.model.owners import NodeState, OwnerStatus
from etcdmeta.records import decoding, keys
from etcdmeta.records.decoding import RecordDecoder
from etcdmeta.records.encoding import MAX_VALUE, encode, encode_moves, encode_name_ref, encode_secret
from etcdmeta.records.keys import Kind
from etcdmeta.records.pb import records_pb2 as pb
from tests.records.strategies import RECORDS, groups, ids, moves

MOD, CREATE = 20, 10


def decode(record: Record, value: bytes) -> Record:
    """As a snapshot does it: what the value does not say is in the key."""
    decoder, row = RecordDecoder(), (value, MOD, CREATE)
    match record:
        case Cluster():
            return decoder.cluster(row)
        case Node():
            return decoder.node(row)
        case User():
            return decoder.user(row)
        case Database():
            return decoder.database(row)
        case RetentionPolicy():
            return decoder.policy(row, record.database_id)
        case ContinuousQuery():
            return decoder.query(row, record.database_id)
        case Grant():
            return decoder.grant(row, record.database_id, record.user_id)
        case Subscription():
            return decoder.subscription(row, record.database_id, record.policy_id)
        case ShardGroup():
            return decoder.group((*row, record.database_id, record.policy_id))
        case Liveness():
            return decoder.liveness(row, record.node_id)
        case MovePlan():
            return decoder.plan(row)
        case Import():
            return decoder.imported(row)
        case Progress():
            place = record.database_id, record.policy_id
            return decoder.progress((*row, *place), record.shard_id, record.node_id)
    raise AssertionError(record)


def as_stored(record: Record, value: bytes) -> Record:
    return record.model_copy(update={"mod_revision": MOD, "create_revision": CREATE, "stored": value})


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_record_comes_back_as_it_was(kind: type[Record], data: st.DataObject) -> None:
    record = data.draw(RECORDS[kind])
    value = encode(record)
    found = decode(record, value)
    assert found == as_stored(record, value)
    assert encode(found) == value, "encoding again changes nothing"


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_rewrite_says_what_was_changed_and_nothing_of_before(kind: type[Record], data: st.DataObject) -> None:
    """One record's fields over another's bytes: of the older one nothing may be left."""
    before, after = data.draw(RECORDS[kind]), data.draw(RECORDS[kind])
    rewritten = encode(after.model_copy(update={"stored": encode(before)}))
    assert decode(after, rewritten) == as_stored(after, rewritten)


def test_every_kind_of_record_is_tried() -> None:
    assert set(RECORDS) == set(Record.__subclasses__())


@given(groups)
def test_the_facts_for_the_indexes_are_those_of_the_model(group: ShardGroup) -> None:
    value = encode(group)
    assert decoding.group_facts(value) == (
        group.id,
        group.start,
        group.end,
        group.effective_end,
        group.is_deleted,
        group.truncated_at is not None,
        tuple(shard.id for shard in group.shards),
    )
    decoder = RecordDecoder()
    assert decoder.group_is_deleted(value) == group.is_deleted
    assert decoder.group_owners(value) == tuple(o.node_id for shard in group.shards for o in shard.owners)


@given(st.lists(moves, max_size=8))
def test_a_page_of_moves_comes_back(page: list[Move]) -> None:
    assert RecordDecoder().moves((encode_moves(page), MOD, CREATE)) == tuple(page)


@given(ids)
def test_a_names_key_leads_to_the_record(record_id: int) -> None:
    assert RecordDecoder().named_id((encode_name_ref(record_id), 1, 1)) == record_id


@given(st.binary(max_size=80))
def test_a_secret_comes_back(hashed: bytes) -> None:
    assert decoding.decode_secret(encode_secret(hashed)) == hashed


# --- data of before


def test_an_owner_without_a_status_is_active() -> None:
    old = pb.ShardGroup(id=1, end=9, shards=[pb.Shard(id=7, owners=[pb.ShardOwner(node_id=3)])])
    group = RecordDecoder().group((old.SerializeToString(), 1, 1, 1, 1))
    owner = group.shards[0].owners[0]
    assert owner.status is OwnerStatus.ACTIVE
    assert owner.serves
    assert (owner.source, owner.since) == (None, None)
    assert encode(group) == old.SerializeToString(), "and stays stored as it was"


def test_a_node_without_a_state_has_joined() -> None:
    node = RecordDecoder().node((pb.Node(id=1, host="h:1").SerializeToString(), 1, 1))
    assert node.state is NodeState.JOINED
    assert not node.reports_liveness


def test_zero_is_a_time_and_absent_is_none() -> None:
    at_epoch = ShardGroup(id=1, database_id=1, policy_id=1, start=-5, end=5, deleted_at=0, truncated_at=0)
    found = decode(at_epoch, encode(at_epoch))
    assert isinstance(found, ShardGroup)
    assert (found.deleted_at, found.truncated_at, found.effective_end) == (0, 0, 0)


# --- what cannot be

KINDS_WITH_A_VALUE = [kind for kind in Kind if kind is not Kind.OTHER]


@pytest.mark.parametrize("kind", KINDS_WITH_A_VALUE, ids=lambda kind: kind.value)
def test_garbage_is_told_from_every_kind(kind: Kind) -> None:
    with pytest.raises(ValueError, match=r"^no [A-Z]"):
        decoding.check(kind, b"\xff\xff no protobuf")
    decoding.check(kind, b"")  # every field has a meaning for "absent"


def test_kinds_that_are_not_ours_are_not_judged() -> None:
    decoding.check(Kind.OTHER, b"\xff\xff no protobuf")


def test_a_record_that_no_transaction_could_hold_is_refused() -> None:
    fits = ContinuousQuery(database_id=1, name="", query="x" * (MAX_VALUE - 4))
    assert len(encode(fits)) == MAX_VALUE
    with pytest.raises(RecordTooLarge) as caught:
        encode(fits.model_copy(update={"query": "x" * (MAX_VALUE - 3)}))
    assert caught.value.value == MAX_VALUE + 1
    assert caught.value.rule
    assert caught.value.remedy


def test_equal_records_are_equal_bytes_whatever_the_order_of_labels() -> None:
    """Two clients that write the same must not seem to conflict."""
    one = Node(id=1, host="h:1", labels={"zone": "a", "rack": "7"})
    other = Node(id=1, host="h:1", labels={"rack": "7", "zone": "a"})
    assert encode(one) == encode(other)


def test_secrets_stay_out_of_what_is_shown() -> None:
    node = Node(id=1, host="h:1", identity_hash=b"0123456789abcdef")
    assert "0123456789abcdef" not in repr(node)
    assert "identity_hash" not in node.model_dump()


def test_durations_come_back_as_durations() -> None:
    policy = RetentionPolicy(
        id=1, database_id=1, name="p", replicas=1, duration=Duration.parse("INF"), group_duration=Duration.parse("7d")
    )
    found = decode(policy, encode(policy))
    assert isinstance(found, RetentionPolicy)
    assert found.group_duration.influxql() == "1w"
    assert found.duration.influxql() == "INF"


def test_the_decoder_knows_where_a_record_stands() -> None:
    """What a snapshot asks it for, a floor below the keys."""
    decoder = RecordDecoder()
    assert decoder.key("database name", "a/b") == keys.database_name("a/b")
    assert decoder.key("policy", 1, 2) == keys.policy_info(1, 2)
