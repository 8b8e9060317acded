"""Transactions and reads as etcd's messages, and etcd's answers as ours."""

from __future__ import annotations

from typing import Any

from etcdmeta.consensus.etcd.messages import rpc
from etcdmeta.errors import RecordTooLarge
from etcdmeta.records.transaction import (
    Counter,
    Delete,
    Put,
    ReadResult,
    Transaction,
    TxnResult,
)

MAX_REQUEST_BYTES = 1_572_864
"""etcd's default (--max-request-bytes): 1.5 MiB. The protocol's own bound, 1 MiB, is the plan's to keep."""

_EQUAL, _LESS = rpc.Compare.EQUAL, rpc.Compare.LESS
_TARGETS = {
    Counter.CREATE: (rpc.Compare.CREATE, "create_revision"),
    Counter.MOD: (rpc.Compare.MOD, "mod_revision"),
    Counter.VERSION: (rpc.Compare.VERSION, "version"),
}


def encode_transaction(txn: Transaction) -> bytes:
    """The request's bytes. Raises `RecordTooLarge` above `MAX_REQUEST_BYTES`."""
    # Filled in place, defaults left out: half the time of building message by message.
    request = rpc.TxnRequest()
    add = request.compare.add
    for compare in txn.compares:
        target, field = _TARGETS[compare.counter]
        message = add(target=target, key=compare.key)
        setattr(message, field, compare.number)
        message.result = _LESS if compare.less else _EQUAL
        if compare.range_end is not None:
            message.range_end = compare.range_end
    add = request.success.add
    for write in txn.writes:
        if isinstance(write, Put):
            put = add().request_put
            put.key, put.value = write.key, write.value
            if write.lease:
                put.lease = write.lease
            if write.return_previous:
                put.prev_kv = True
        else:
            delete = add().request_delete_range
            if isinstance(write, Delete):
                delete.key = write.key
            else:
                delete.key, delete.range_end = write.start, write.end
    add = request.failure.add
    for read in txn.reads:
        wanted = add().request_range
        wanted.key = read.key
        if read.range_end is not None:
            wanted.range_end = read.range_end
        if read.keys_only:
            wanted.keys_only = True
    encoded: bytes = request.SerializeToString()
    if len(encoded) > MAX_REQUEST_BYTES:
        raise too_large(len(encoded))
    return encoded


def too_large(size: int) -> RecordTooLarge:
    """The refusal of a request of ``size`` bytes, before it is sent."""
    return RecordTooLarge(
        f"the transaction is {size:,} bytes large",
        value=size,
        rule=f"etcd takes at most {MAX_REQUEST_BYTES:,} bytes a request",
        remedy="make the record smaller, or do less in one command or batch",
    )


def decode_transaction(txn: Transaction, response: Any) -> TxnResult:
    """The answer to ``txn``; etcd's messages in it are handed on as they are."""
    if not response.succeeded:
        reads = tuple(answer.response_range.kvs for answer in response.responses)
        return TxnResult(False, response.header, {}, reads)
    previous = {}
    for position, write in enumerate(txn.writes):
        if isinstance(write, Put) and write.return_previous:
            answer = response.responses[position].response_put
            if answer.HasField("prev_kv"):
                previous[write.key] = answer.prev_kv
    return TxnResult(True, response.header, previous)


def decode_range(response: Any) -> ReadResult:
    """The answer to a read; etcd's messages in it are handed on as they are."""
    return ReadResult(response.header, response.kvs, response.more)
