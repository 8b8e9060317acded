"""Reading and writing InfluxDB's encoding, against protobuf's runtime doing the same to its own messages; and our own
files. No etcd."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

from etcdmeta.archive import read_document, write_document
from etcdmeta.influxdb import Counters, Dialect, depart, encode
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
from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import Cluster, Database, Node, RetentionPolicy
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode as encode_record
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import KeyValue
from etcdmeta.replica.loader import Loader
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
    picture = picture_of(scale.groups)
    exported = _exported(picture)
    message = DataMessage.FromString(exported)
    times = max(3, scale.operations // 40)
    pairs = [
        _in_ms(
            alternate(lambda: seconds(message.SerializeToString), lambda: seconds(lambda: _exported(picture)), times)
        )
        for _ in range(scale.rounds)
    ]
    yield ratio(11, "exporting the picture ÷ serialised by protobuf", setting, pairs, unit="ms", reach=3.0)
    yield from _documents(picture, scale, f"no etcd; {scale.groups:,} groups of 3 owners")
    what = "peak memory (RSS) of reading a file for an import ÷ its size"
    peaks = [_peak(raw) / len(raw) for _ in range(max(1, scale.rounds // 2))]
    yield Result(11, what, setting, Spread.of(peaks), "×")


_READING = r"""
import re, sys
from etcdmeta.influxdb import arrive, detect, hand_on
def high():  # not ru_maxrss, which begins with the parent's
    return int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1])
raw = open(sys.argv[1], "rb").read()
before = high()
incoming = hand_on(arrive(detect(raw).decode(), now=1))
assert sum(len(policy.groups) for database in incoming.databases for policy in database.policies)
print((high() - before) * 1024)
"""


def _peak(raw: bytes) -> int:
    """Bytes, of a process of its own that reads, checks and repairs: what tracemalloc would not see, too."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(raw)
        file.flush()
        command = [sys.executable, "-c", _READING, file.name]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _exported(picture: Snapshot) -> bytes:
    return encode(depart(picture, hashes={}, counters=Counters()).data, Dialect.V0_9_6)


def _documents(picture: Snapshot, scale: Scale, setting: str) -> Iterator[Result]:
    """Our own JSON, against Python's json doing the same to plain objects."""
    blob = _document(picture)
    plain = json.loads(blob)
    floors = (lambda: json.dumps(plain), lambda: json.loads(blob))
    ours = (lambda: _document(picture), lambda: read_document(blob))
    for what, floor, own in zip(("written ÷ json.dumps", "read ÷ json.loads"), floors, ours, strict=True):
        pairs = [_in_ms(_pair(floor, own)) for _ in range(scale.rounds)]
        size = f"{setting}, {len(blob) / 1e6:.2g} MB"
        yield ratio(11, f"the JSON document {what}", size, pairs, unit="ms", reach=None)


def _pair(floor: Callable[[], object], ours: Callable[[], object]) -> Pair:
    return alternate(lambda: seconds(floor), lambda: seconds(ours), 1)


def _document(picture: Snapshot) -> bytes:
    return b"".join(write_document(picture, hashes={}, counters={}))


def picture_of(groups: int) -> Snapshot:
    """A picture of ours with the same."""
    data = data_of(groups)
    kvs: list[KeyValue] = []

    def put(key: bytes, value: bytes) -> None:
        kvs.append(KeyValue(key, value, len(kvs) + 2, len(kvs) + 2))

    put(keys.CLUSTER, encode_record(Cluster(cluster_id=7, epoch=9)))
    put(keys.GENERATION, b"")
    for node in data.nodes:
        put(keys.node(node.id), encode_record(Node(id=node.id, host=node.host)))
    for number, database in enumerate(data.databases, 1):
        put(keys.database_info(number), encode_record(Database(id=number, name=database.name)))
        policy = RetentionPolicy(
            id=number, database_id=number, name="p", replicas=3, duration=Duration(0), group_duration=Duration(HOUR)
        )
        put(keys.policy_info(number, number), encode_record(policy))
        for group in database.retention_policies[0].shard_groups:
            owners = [pb.ShardOwner(node_id=node_id, since=_BEGIN) for node_id in group.shards[0].owners]
            shards = [pb.Shard(id=group.id, owners=owners)]
            stored = pb.ShardGroup(id=group.id, start=group.start_time, end=group.end_time, shards=shards)
            put(keys.group(number, number, group.start_time, group.id), stored.SerializeToString())
    loader = Loader(0)
    loader.add(kvs)
    return loader.finish(len(kvs) + 2)


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
