"""Groups that are converted by columns come out as those that protobuf makes one by one."""

from __future__ import annotations

import random

import pytest

from etcdmeta.influxdb import Data, Dialect, decode, encode, for_dialect
from etcdmeta.influxdb.columns import LEAST, convert, shape_of
from etcdmeta.influxdb.data import DatabaseInfo, RetentionPolicyInfo, ShardGroupInfo, ShardInfo
from etcdmeta.influxdb.stored import StoredGroups
from etcdmeta.influxdb.writing import encode_as_is
from etcdmeta.records.decoding import parse_group
from etcdmeta.records.pb import records_pb2 as pb

HOUR = 3600 * 10**9
MONDAY = 1_440_979_200_000_000_000


def slow(m: pb.ShardGroup) -> ShardGroupInfo:
    shards = tuple(ShardInfo(s.id, (), tuple(o.node_id for o in s.owners)) for s in m.shards)
    truncated_at = m.truncated_at if m.HasField("truncated_at") else None
    return ShardGroupInfo(m.id, m.start, m.end, m.deleted_at, truncated_at, shards)


def data_of(groups: object) -> Data:
    policy = RetentionPolicyInfo("p", 0, HOUR, 3, groups)  # type: ignore[arg-type]
    return Data(databases=(DatabaseInfo("d", "p", (policy, RetentionPolicyInfo("q", 0, HOUR, 1))),))


def same(values: list[bytes]) -> StoredGroups:
    stored = StoredGroups(values, slow)
    plain = tuple(slow(parse_group(value)) for value in values)
    assert stored == plain
    assert stored[1:3] == plain[1:3]
    assert encode_as_is(data_of(stored)) == encode_as_is(data_of(plain))
    for dialect in Dialect:
        made = encode(data_of(stored), dialect, lossy=True)
        assert made == encode(data_of(plain), dialect, lossy=True)
        assert decode(made) == for_dialect(data_of(plain), dialect)
    return stored


def group(number: int, **more: object) -> pb.ShardGroup:
    owners = [pb.ShardOwner(node_id=1 + (number + place) % 9, since=MONDAY) for place in range(3)]
    start = MONDAY + number * HOUR
    return pb.ShardGroup(
        id=number, start=start, end=start + HOUR, shards=[pb.Shard(id=number, owners=owners)], **more  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_long_policy_has_nothing_special() -> None:
    stored = same([group(number).SerializeToString() for number in range(1, 20_000)])
    assert not stored.special


def test_what_is_unlike_its_neighbours_goes_the_long_way() -> None:
    values = [group(number).SerializeToString() for number in range(130, 400)]
    values[50] = group(180, truncated_at=5).SerializeToString()
    values[90] = group(220, deleted_at=5).SerializeToString()
    stored = same(values)
    assert {50, 90} <= stored.special.keys()
    assert len(stored.special) < 5


@pytest.mark.parametrize("place", range(60))
def test_a_run_that_is_not_of_one_shape_is_found(place: int) -> None:
    """The same length, and a byte that is not of the shape: whatever it means, it is read, not copied."""
    values = [group(number).SerializeToString() for number in range(130, 130 + 4 * LEAST)]
    shape = shape_of(values[0])
    assert shape is not None
    if place >= shape.size:
        return
    changed = bytearray(values[7])
    changed[place] ^= 0x80
    (run,) = convert([*values[:7], bytes(changed), *values[8:]])
    assert run[2] is None


NUMBERS = (1, 2, 127, 128, 300, 2**14, 2**63 - 1)


def test_any_groups(rng: random.Random) -> None:
    """Out of few numbers, so that lengths meet where shapes do not."""
    for _ in range(150):
        kinds = [(rng.random() < 0.8, *(rng.random() < 0.1 for _ in range(3)), rng.randint(0, 2)) for _ in range(3)]
        made: list[pb.ShardGroup] = []
        while len(made) < 60:
            kind, big = rng.choice(kinds), rng.choice(NUMBERS)
            made += [_any_group(rng, *kind, big) for _ in range(rng.randint(1, 20))]
        made.sort(key=lambda m: (m.start, m.id))
        same([m.SerializeToString() for m in made])


def _any_group(
    rng: random.Random, one: bool, deleted: bool, truncated: bool, status: bool, owners: int, big: int
) -> pb.ShardGroup:
    m = pb.ShardGroup(id=rng.choice([big, *NUMBERS]), start=-rng.choice([0, *NUMBERS]), end=rng.choice([0, *NUMBERS]))
    for _ in range(1 if one else rng.randint(0, 2)):
        shard = m.shards.add(id=rng.choice([big, 5]), last_attempt=rng.choice([0, 0, 1]))
        for _ in range(owners):
            owner = shard.owners.add(node_id=rng.choice([1, 2, big]), attempt=rng.choice([0, 0, 1]))
            owner.source = rng.choice([0, 0, 3])
            if rng.random() < 0.5:
                owner.since = big
            if status:
                owner.status = "leaving"
    if deleted:
        m.deleted_at = 5
    if truncated:
        m.truncated_at = 0
    return m
