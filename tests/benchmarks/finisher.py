"""Database nodes that copy in no time, as a process of its own: each copy that begins is finished at once.

They do it by bare transactions of up to 40 copies, without a store, so that they take as little as can be from the
cores that are measured; what they write is what `FinishCopy` would, but for the entries in the ledger.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import grpc

from etcdmeta.consensus.etcd.messages import rpc
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.store import new_operation_id
from etcdmeta.store.ledger import encode_generation
from tests.benchmarks.raw import RawMember, RawWatch

_PATIENCE = 60.0
_COPYING = "copying"
_AT_ONCE = 40
"""Copies; two operations each, and etcd takes 128."""


class Finisher:
    """Works while it is entered."""

    def __init__(self, endpoint: str, cluster: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, endpoint, cluster))

    def __enter__(self) -> Self:
        self._process.start()
        if not self._pipe.poll(_PATIENCE):
            raise RuntimeError("the nodes do not come up")
        self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.send("end")
        self._process.join(_PATIENCE)


def _work(pipe: Connection, endpoint: str, cluster: str) -> None:
    keyspace = Keyspace(cluster)
    member = RawMember(endpoint)
    groups = keyspace.absolute(b"state/db/"), keyspace.absolute(b"state/db0")
    with closing(member), closing(member.watch(*groups)) as watch:
        # The end comes from beside: whoever reads a watch waits for it.
        ending = threading.Thread(target=lambda: (pipe.recv(), watch.close()))
        ending.start()
        pipe.send("ready")
        for copies in _begun(watch):
            for first in range(0, len(copies), _AT_ONCE):
                member.txn(_finish(keyspace, copies[first : first + _AT_ONCE]), timeout=_PATIENCE)
        ending.join(_PATIENCE)


def _begun(watch: RawWatch) -> Iterator[list[tuple[Any, Any]]]:
    """The groups, as etcd has them and as messages, in which a copy begins; until the watch is closed."""
    try:
        for answer in watch:
            changed = [e.kv for e in answer.events if b"/group/" in e.kv.key and _COPYING.encode() in e.kv.value]
            found = [(kv, pb.ShardGroup.FromString(kv.value)) for kv in changed]
            if found:
                yield found
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.CANCELLED:
            raise


def _finish(keyspace: Keyspace, copies: list[tuple[Any, Any]]) -> Any:
    request = rpc.TxnRequest()
    for stored, group in copies:
        same = request.compare.add(key=stored.key, target=rpc.Compare.MOD, result=rpc.Compare.EQUAL)
        same.mod_revision = stored.mod_revision
        for shard in group.shards:
            for owner in shard.owners:
                if owner.status == _COPYING:
                    owner.ClearField("status")
                    owner.ClearField("source")
                    progress = keyspace.absolute(keys.progress(1, 1, shard.id, owner.node_id))
                    request.success.add().request_delete_range.key = progress
        put = request.success.add().request_put
        put.key, put.value = stored.key, group.SerializeToString(deterministic=True)
    mark = request.success.add().request_put
    mark.key, mark.value = keyspace.absolute(keys.GENERATION), encode_generation(1, [new_operation_id()])
    return request
