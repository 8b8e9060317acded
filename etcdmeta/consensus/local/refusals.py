"""What etcd refuses about a transaction before it looks at any key, in the words of the same errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etcdmeta.consensus.local.history import in_range
from etcdmeta.errors import CommandTooLarge, InvalidInput, RecordTooLarge
from etcdmeta.records.transaction import Delete, DeleteRange, Put

if TYPE_CHECKING:
    from etcdmeta.records.transaction import Transaction

MAX_REQUEST_BYTES = 1_572_864
MAX_OPERATIONS = 128
_MESSAGE_BYTES = 8
"""About what a message costs beside its keys and values."""


def check_transaction(txn: Transaction) -> None:
    """Raises `RecordTooLarge`, `CommandTooLarge`, `InvalidInput`."""
    size = _size(txn)
    if size > MAX_REQUEST_BYTES:
        raise RecordTooLarge(
            f"the transaction is {size:,} bytes large",
            value=size,
            rule=f"etcd takes at most {MAX_REQUEST_BYTES:,} bytes a request",
            remedy="make the record smaller, or do less in one command or batch",
        )
    most = max(len(txn.compares), len(txn.writes), len(txn.reads))
    if most > MAX_OPERATIONS:
        raise CommandTooLarge(
            f"the transaction has {most} operations",
            value=most,
            rule=f"etcd takes at most {MAX_OPERATIONS} compares, or operations, in a transaction",
            remedy="do less in one command or batch",
        )
    keys = [compare.key for compare in txn.compares] + [read.key for read in txn.reads]
    keys += [write.start if isinstance(write, DeleteRange) else write.key for write in txn.writes]
    if not all(keys):
        raise InvalidInput("a key of the transaction is empty", value=b"", rule="etcd's keys have at least a byte")
    _check_written_once(txn)


def _check_written_once(txn: Transaction) -> None:
    puts: set[bytes] = set()
    for write in txn.writes:
        if isinstance(write, Put):
            if write.key in puts:
                raise _written_twice(write.key)
            puts.add(write.key)
    for write in txn.writes:
        for key in puts:
            if (isinstance(write, Delete) and write.key == key) or (
                isinstance(write, DeleteRange) and in_range(key, write.start, write.end)
            ):
                raise _written_twice(key)


def _written_twice(key: bytes) -> InvalidInput:
    return InvalidInput(
        f"the transaction writes {key!r} twice",
        value=key,
        rule="a transaction writes a key once, or deletes it",
    )


def _size(txn: Transaction) -> int:
    size = sum(len(each.key) + len(each.range_end or b"") + _MESSAGE_BYTES for each in txn.compares)
    size += sum(len(each.key) + len(each.range_end or b"") + _MESSAGE_BYTES for each in txn.reads)
    for write in txn.writes:
        match write:
            case Put():
                size += len(write.key) + len(write.value) + _MESSAGE_BYTES
            case Delete():
                size += len(write.key) + _MESSAGE_BYTES
            case DeleteRange():
                size += len(write.start) + len(write.end) + _MESSAGE_BYTES
    return size
