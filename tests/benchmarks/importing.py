"""Importing a file of InfluxDB's, from its bytes to the last generation, against the same transactions sent raw.

Ours: reading, checking, mapping, writing in steps, and the own cache that has it all. The floor sends what ours sent,
one transaction after the other by the bare stub, ready-made: the same keys and values under another prefix, the same
number of compares, all of which hold. They are taken from an import of their own, which is not timed: to hold them all
would give the garbage collector more to walk than the import does.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Iterator
from typing import Any

from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.consensus.etcd.messages import rpc
from etcdmeta.consensus.etcd.requests import encode_transaction
from etcdmeta.embedded import Cluster
from etcdmeta.influxdb import arrive, detect, encode_as_is, hand_on
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Transaction, TxnResult
from etcdmeta.store import MetaStore
from etcdmeta.store.importing import Intake, run_import
from tests.benchmarks.influxdb import data_of
from tests.benchmarks.measure import Pair, Result, Scale, ratio, seconds
from tests.benchmarks.raw import RawMember

NOW = 1_800_000_000_000_000_000


class Keeping(EtcdStrategy):
    """Keeps every transaction that it sends."""

    kept: list[Transaction]

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        self.kept.append(txn)
        return super().transact(txn, deadline=deadline)


def run(scale: Scale) -> Iterator[Result]:
    raw = encode_as_is(data_of(scale.groups))
    with Cluster(1, unsafe_no_fsync=True) as cluster:
        endpoint = cluster.endpoints[0]
        member = RawMember(endpoint)
        keeping = Keeping(endpoint)
        keeping.kept = []
        _import(keeping, Keyspace("kept"), raw)
        pairs = []
        for number in range(max(1, scale.rounds // 2)):
            target = Keyspace(f"{number:04}")
            ours = _import(EtcdStrategy(endpoint), Keyspace(f"ours{number}"), raw)
            requests = [_raw(txn, Keyspace("kept"), target) for txn in keeping.kept]
            gc.collect()
            floor = seconds(lambda: [member.txn(request, timeout=30) for request in requests])  # noqa: B023
            pairs.append(Pair(ours, floor))
        member.close()
    setting = f"1 member, {scale.groups:,} groups of 3 owners, {len(keeping.kept):,} transactions"
    yield ratio(13, "importing InfluxDB's file ÷ the same transactions, raw", setting, pairs, unit="s", reach=1.3)


def _import(strategy: EtcdStrategy, keyspace: Keyspace, raw: bytes) -> float:
    """Seconds."""
    intake = Intake(
        "benchmark", hashlib.sha256(raw).digest(), lambda now: hand_on(arrive(detect(raw).decode(), now=now))
    )
    with MetaStore(strategy, cluster=keyspace.cluster, timeout=60) as store:
        store.wait_live()
        gc.collect()
        begun = time.perf_counter()
        record = run_import(store, intake, now=NOW)
        took = time.perf_counter() - begun
        if sum(1 for _ in store.snapshot().tables.groups) != record.groups:
            raise RuntimeError("the import is not complete")
    return took


def _raw(txn: Transaction, source: Keyspace, target: Keyspace) -> Any:
    request = rpc.TxnRequest.FromString(encode_transaction(txn).replace(source.prefix, target.prefix))
    for compare in request.compare:
        if compare.WhichOneof("target_union") == "mod_revision":
            compare.result, compare.mod_revision = rpc.Compare.LESS, 2**62
    return request
