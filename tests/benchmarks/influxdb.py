"""Reading and writing InfluxDB's encoding, against protobuf's runtime doing the same to its own messages. No etcd."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

from etcdmeta.influxdb.data import (
    Data,
    DatabaseInfo,
    NodeInfo,
    RetentionPolicyInfo,
    ShardGroupInfo,
    ShardInfo,
)
from etcdmeta.influxdb.reading import decode
from etcdmeta.influxdb.schema import DataMessage
from etcdmeta.influxdb.writing import encode_as_is
from tests.benchmarks.measure import Pair, Result, Scale, Spread, alternate, ratio, seconds

HOUR = 3_600_000_000_000
_DATABASES = 20
_BEGIN = 1_440_000_000_000_000_000


def run(scale: Scale) -> Iterator[Result]:
    raw = encode_as_is(data_of(scale.groups))
    setting = f"no etcd; {scale.groups:,} groups of 3 owners, {len(raw) / 1e6:.2g} MB"
    times = max(3, scale.operations // 40)

    def floor() -> float:
        return seconds(lambda: DataMessage.FromString(raw))

    pairs = [_in_ms(alternate(floor, lambda: seconds(lambda: decode(raw)), times)) for _ in range(scale.rounds)]
    yield ratio(11, "InfluxDB's data decoded ÷ parsed by protobuf", setting, pairs, unit="ms", reach=2.0)
    pairs = [_in_ms(alternate(floor, lambda: seconds(lambda: _look_at(decode(raw))), 1)) for _ in range(scale.rounds)]
    what = "… and every group looked at ÷ parsed by protobuf"
    yield ratio(11, what, setting, pairs, unit="ms", reach=None)
    data = decode(raw)
    message = DataMessage.FromString(raw)
    pairs = [
        _in_ms(alternate(lambda: seconds(message.SerializeToString), lambda: seconds(lambda: encode_as_is(data)), 1))
        for _ in range(scale.rounds)
    ]
    what = "InfluxDB's data encoded ÷ serialised by protobuf"
    yield ratio(11, what, setting, pairs, unit="ms", reach=None)
    tracemalloc.start()
    _look_at(decode(raw))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    what = "peak of Python's memory while decoding and looking at every group ÷ input"
    yield Result(11, what, setting, Spread.of([peak / len(raw)]), "×")


def data_of(groups: int) -> Data:
    """``groups`` in all, in equal parts in some databases, with three owners each."""
    per = max(1, groups // _DATABASES)
    databases = []
    for number in range(_DATABASES):
        first = number * per + 1
        made = tuple(
            ShardGroupInfo(n, _BEGIN + (n - first) * HOUR, _BEGIN + (n - first + 1) * HOUR, 0, None, _shards(n))
            for n in range(first, first + per)
        )
        databases.append(DatabaseInfo(f"db{number}", "p", (RetentionPolicyInfo("p", 0, HOUR, 3, made),)))
    nodes = tuple(NodeInfo(n, f"h{n}:8088") for n in range(1, 10))
    highest = _DATABASES * per
    return Data(1, 1, 7, nodes, tuple(databases), (), 9, highest, highest)


def _shards(number: int) -> tuple[ShardInfo, ...]:
    return (ShardInfo(number, (), tuple(1 + (number + owner) % 9 for owner in range(3))),)


def _look_at(data: Data) -> int:
    return sum(
        len(group.shards)
        for database in data.databases
        for policy in database.retention_policies
        for group in policy.shard_groups
    )


def _in_ms(pair: Pair) -> Pair:
    return Pair(1e3 * pair.ours, 1e3 * pair.floor)
