"""What is held while measuring: one database with one policy of many hourly groups, each of one shard on three nodes.

One policy, because that is the harder case for the search by time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from etcdmeta.consensus.etcd.messages import rpc
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import KeyValue
from etcdmeta.replica.loader import Loader
from etcdmeta.store import MetaStore
from tests.benchmarks.raw import RawMember, Recorder

DATABASE = "metrics"
NODES = (1, 2, 3)
HOUR = 3_600_000_000_000
FIRST = 1_420_070_400_000_000_000
"""2015-01-01 in nanoseconds, on the grid of hourly groups."""
_PUTS = 100
"""A transaction: etcd takes at most 128."""


def start_of(group_id: int) -> int:
    return FIRST + (group_id - 1) * HOUR


def shard_of(group_id: int) -> int:
    return group_id


def group_value(group_id: int, status: str = "") -> bytes:
    """As the commands store it; ``status`` is that of the first owner, "" meaning active."""
    start = start_of(group_id)
    message = pb.ShardGroup(id=group_id, start=start, end=start + HOUR)
    shard = message.shards.add(id=shard_of(group_id))
    for node_id in NODES:
        shard.owners.add(node_id=node_id, since=start)
    shard.owners[0].status = status
    return message.SerializeToString(deterministic=True)


def group_key(group_id: int) -> bytes:
    """Relative to the cluster's prefix."""
    return keys.group(1, 1, start_of(group_id), group_id)


def make_cluster(endpoints: list[str], cluster: str, groups: int) -> Keyspace:
    """The database by commands, then its groups put straight into etcd, where no cache looks yet."""
    keyspace = Keyspace(cluster)
    with MetaStore.open(endpoints, cluster=cluster) as store:
        for node_id in NODES:
            store.add_node(f"node-{node_id}.example.com:8088")
        store.create_database(DATABASE, replicas=len(NODES), group_duration="1h")
    member = RawMember(endpoints[0])
    for first in range(1, groups + 1, _PUTS):
        request = rpc.TxnRequest()
        for group_id in range(first, min(first + _PUTS, groups + 1)):
            put = request.success.add().request_put
            put.key, put.value = keyspace.absolute(group_key(group_id)), group_value(group_id)
        member.txn(request, timeout=30.0)
    member.close()
    return keyspace


def open_store(endpoints: list[str], cluster: str) -> tuple[MetaStore, Recorder]:
    """A store that is current, and the strategy under it."""
    strategy = Recorder(endpoints)
    store = MetaStore(strategy, cluster=cluster, timeout=30.0)
    store.wait_live()
    return store, strategy


def snapshot_of(groups: int) -> Snapshot:
    """The same picture without etcd, loaded as a listing is. Keys have no prefix: ``state/…``."""
    loader = Loader(0)
    loader.add(_records(groups))
    return loader.finish(groups + 10)


def _records(groups: int) -> Iterator[KeyValue]:
    cluster = pb.Cluster(cluster_id=1, epoch=1, oldest_reader=1, oldest_writer=1)
    yield KeyValue(keys.CLUSTER, cluster.SerializeToString(), 1, 1)
    yield KeyValue(keys.GENERATION, pb.Generation(nonce=1).SerializeToString(), 1, 1)
    database = pb.Database(id=1, name=DATABASE.encode(), default_policy_id=1)
    policy = pb.RetentionPolicy(id=1, name=b"autogen", replicas=len(NODES), group_duration=HOUR)
    reference = pb.NameRef(id=1).SerializeToString()
    yield KeyValue(keys.database_name(DATABASE), reference, 2, 2)
    yield KeyValue(keys.database_info(1), database.SerializeToString(), 2, 2)
    yield KeyValue(keys.policy_name(1, "autogen"), reference, 2, 2)
    yield KeyValue(keys.policy_info(1, 1), policy.SerializeToString(), 2, 2)
    for group_id in range(1, groups + 1):
        yield KeyValue(group_key(group_id), group_value(group_id), group_id + 2, group_id + 2)


def shuffled(groups: int, count: int, seed: int) -> list[int]:
    """Ids of groups, uniformly random."""
    chosen = random.Random(seed)
    return [chosen.randint(1, groups) for _ in range(count)]
