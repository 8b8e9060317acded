"""The floor: the same requests by etcd's bare stubs, without anything of etcdmeta's around them.

The bytes are those of a real command: its transaction is recorded on the way to etcd, and sent again under another
prefix of the same length, with new operation ids. So compares, writes, reads and their sizes are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
from grpc.experimental import ChannelOptions

from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.consensus.etcd.messages import rpc
from etcdmeta.consensus.etcd.requests import encode_transaction
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Transaction, TxnResult
from etcdmeta.store import new_operation_id

_UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1))
_DEADLINE = 30.0


class Recorder(EtcdStrategy):
    """Keeps the last transaction, and which member answered."""

    transaction: Transaction
    member_id: int

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        result = super().transact(txn, deadline=deadline)
        self.transaction, self.member_id = txn, result.header.member_id
        return result


class RawMember:
    """One member by its stubs: a channel for calls, and one for each watch."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint.removeprefix("http://")
        self._channel = grpc.insecure_channel(self.endpoint, _UNLIMITED)
        kv = rpc.KVStub(self._channel)
        self.txn, self.range = kv.Txn, kv.Range

    def close(self) -> None:
        self._channel.close()

    def read_all(self, start: bytes, end: bytes, page: int) -> int:
        """A range in pages, all at one revision; how many keys there were."""
        request = rpc.RangeRequest(key=start, range_end=end, limit=page)
        count = 0
        while True:
            answer = self.range(request, timeout=_DEADLINE)
            count += len(answer.kvs)
            if not answer.more:
                return count
            request.revision = answer.header.revision
            request.key = answer.kvs[-1].key + b"\0"

    def watch(self, start: bytes, end: bytes) -> RawWatch:
        return RawWatch(self.endpoint, start, end)


class RawWatch:
    """A watch, single-threaded as ours is: the fastest that grpcio has. It stands when the constructor returns."""

    def __init__(self, endpoint: str, start: bytes, end: bytes) -> None:
        self._channel = grpc.insecure_channel(
            endpoint, (*_UNLIMITED, (ChannelOptions.SingleThreadedUnaryStream, 1))
        )
        watch = self._channel.unary_stream(
            "/etcdserverpb.Watch/Watch", rpc.WatchRequest.SerializeToString, rpc.WatchResponse.FromString
        )
        create = rpc.WatchCreateRequest(key=start, range_end=end)
        self._answers = watch(rpc.WatchRequest(create_request=create))
        next(self._answers)

    def __iter__(self) -> Iterator[Any]:
        yield from self._answers

    def until(self, revision: int) -> None:
        """Blocks until the events of that revision are here."""
        for answer in self._answers:
            if answer.events and answer.events[-1].kv.mod_revision >= revision:
                return

    def close(self) -> None:
        self._answers.cancel()
        self._channel.close()


class RawCommand:
    """A recorded transaction of one record, to be sent again and again under ``prefix``: each time with a new
    operation id, and comparing the record's last revision."""

    def __init__(self, recorded: Transaction, source: Keyspace, target: Keyspace) -> None:
        if len(source.prefix) != len(target.prefix):
            raise ValueError("the prefixes must be equally long, so that the bytes stay what they are")
        self._template = encode_transaction(recorded).replace(source.prefix, target.prefix)
        request = rpc.TxnRequest.FromString(self._template)
        head = target.absolute(b"ledger/")
        self._operation_id = next(c.key for c in request.compare if c.key.startswith(head))[len(head) :]
        self._guard_key = target.absolute(keys.CLUSTER)
        self._guard = 0
        self._record = 0

    def begin(self, member: RawMember) -> None:
        """Write guard and records as if they had been there, or take them as they are where they are."""
        request = rpc.TxnRequest.FromString(self._template)
        for compare in request.compare:
            if compare.target == rpc.Compare.MOD:
                found = member.range(rpc.RangeRequest(key=compare.key), timeout=_DEADLINE)
                revision = found.kvs[0].mod_revision if found.kvs else self._put(member, compare.key)
                if compare.key == self._guard_key:
                    self._guard = revision
                else:
                    self._record = revision

    def _put(self, member: RawMember, key: bytes) -> int:
        put = rpc.RequestOp(request_put=rpc.PutRequest(key=key, value=b"x"))
        return int(member.txn(rpc.TxnRequest(success=[put]), timeout=_DEADLINE).header.revision)

    def prepare(self) -> Any:
        """The next request, complete but for the record's revision."""
        request = rpc.TxnRequest.FromString(
            self._template.replace(self._operation_id, new_operation_id().encode())
        )
        for compare in request.compare:
            if compare.target == rpc.Compare.MOD and compare.key == self._guard_key:
                compare.mod_revision = self._guard
        return request

    def send(self, member: RawMember, request: Any) -> int:
        """The revision that it became."""
        for compare in request.compare:
            if compare.target == rpc.Compare.MOD and compare.key != self._guard_key:
                compare.mod_revision = self._record
        answer = member.txn(request, timeout=_DEADLINE)
        if not answer.succeeded:
            raise RuntimeError("a raw transaction met another's")
        self._record = int(answer.header.revision)
        return self._record
