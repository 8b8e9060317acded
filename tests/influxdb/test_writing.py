"""What is written reads back, in every dialect; what a dialect cannot hold is listed, and refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings

from etcdmeta.errors import InvalidInput
from etcdmeta.influxdb import (
    Data,
    Dialect,
    DialectCannotHold,
    arrive,
    decode,
    encode,
    encode_as_is,
    encoding_notes,
    for_dialect,
    likely_dialects,
    what_is_lost,
)
from etcdmeta.influxdb.data import (
    DatabaseInfo,
    NodeInfo,
    RetentionPolicyInfo,
    ShardGroupInfo,
    ShardInfo,
    SubscriptionInfo,
)
from etcdmeta.influxdb.walking import walk
from tests.influxdb.strategies import DATA
from tests.influxdb.worlds import FIXTURES

GROUP = ShardGroupInfo(1, 0, 10, 0, 5, (ShardInfo(1, (1, 2), (3,)),))
POLICY = RetentionPolicyInfo("p", 0, 10, 1, (GROUP,), (SubscriptionInfo("s", "ANY", ("udp://h:1",)),))
OLD = Data(1, 2, 3, (NodeInfo(1, "a:1"),), (DatabaseInfo("d", "p", (POLICY,)),))
SPLIT = Data(data_nodes=(NodeInfo(1, "a:80", "a:1"),), meta_nodes=(NodeInfo(1, "b", "a:1"), NodeInfo(2, "c", "c:1")))


@settings(max_examples=200)
@given(DATA)
def test_any_data_come_back_as_they_were(data: Data) -> None:
    raw = encode_as_is(data)
    assert decode(raw) == data
    assert raw == encode_as_is(decode(raw))
    assert not walk(raw).notes
    assert not encoding_notes(raw).notes


@settings(max_examples=100)
@given(DATA)
def test_a_dialect_holds_what_is_not_listed_as_lost(data: Data) -> None:
    for dialect in Dialect:
        raw = encode(data, dialect, lossy=True)
        reduced = for_dialect(data, dialect)
        assert decode(raw) == reduced
        assert not what_is_lost(reduced, dialect)
        assert encode(reduced, dialect) == raw


@settings(max_examples=100)
@given(DATA)
def test_any_data_arrive_or_are_refused(data: Data) -> None:
    arrival = arrive(data, now=1)
    groups = [group for d in arrival.databases for p in d.policies for group in p.groups]
    assert len({group.id for group in groups}) == len(groups)
    for database in arrival.databases:
        names = [policy.name for policy in database.policies]
        assert len(set(names)) == len(names)
        for policy in database.policies:
            live = sorted((g.start, min(g.end, g.end if g.truncated_at is None else g.truncated_at))
                          for g in policy.groups if g.deleted_at is None and g.start < g.end)  # fmt: skip
            ends = [(start, end) for start, end in live if start < end]
            assert all(one[1] <= other[0] for one, other in pairwise(ends))
    assert len({database.name for database in arrival.databases}) == len(arrival.databases)


@pytest.mark.parametrize(
    ("data", "dialect", "lost"),
    [
        (OLD, Dialect.V0_9_4, {"subscription": 1, "truncation of a shard group": 1}),
        (OLD, Dialect.V0_9_6, {"truncation of a shard group": 1}),
        (OLD, Dialect.V0_10, {"truncation of a shard group": 1}),
        (OLD, Dialect.V1, {"node": 1}),
        (SPLIT, Dialect.V0_9_6, {"node that is only a meta node": 1, "node's HTTP address": 1}),
        (SPLIT, Dialect.V0_10, {}),
    ],
)
def test_what_is_lost(data: Data, dialect: Dialect, lost: dict[str, int]) -> None:
    assert {loss.what: loss.number for loss in what_is_lost(data, dialect)} == lost
    if lost:
        with pytest.raises(DialectCannotHold, match=next(iter(lost))):
            encode(data, dialect)
    else:
        assert decode(encode(data, dialect)) == data


def test_owner_ids_are_written_as_owners() -> None:
    (group,) = for_dialect(OLD, Dialect.V1).databases[0].retention_policies[0].shard_groups
    assert group.shards == (ShardInfo(1, (), (1, 2)),)


def test_required_fields_are_written_though_zero() -> None:
    zero = (FIXTURES / "v0.9.6" / "zero.bin").read_bytes()
    assert encode(Data(), Dialect.V0_9_6) == encode(Data(), Dialect.V1) == zero


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInput):
        encode_as_is(Data(term=2**64))


def test_the_version_that_wrote_it() -> None:
    words = {d: likely_dialects(decode((FIXTURES / d / "small.bin").read_bytes())) for d in ("v0.9-ownerids", "v0.9.6", "v0.10.0", "v1.0.0")}  # fmt: skip # noqa: E501
    assert list(words.values()) == [
        "0.9.0 – 0.9.3", "0.9.4 – 0.9.6", "0.10", "1.x, or any version without nodes",
    ]  # fmt: skip
