"""The ledger: every operation's own key, in its own transaction. Proof, audit trail, answer to a retry.

An entry is at most 8 KiB and holds no secret: commands give their public fields only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from etcdmeta.commands.plan import Plan
from etcdmeta.errors import RecordUnreadable
from etcdmeta.records.decoding import parse
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import DeleteRange, RawKeyValue, Write
from etcdmeta.store.operations import Operation

MAX_ENTRY = 8 * 1024
MAX_ACTOR = 256
_MAX_TOUCHED = 4 * 1024
_MAX_SUMMARY = 1024
_COMPACT = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One settled operation. ``void``: it is proven not committed, for ever. ``time`` in nanoseconds since 1970.

    ``touched`` are keys relative to the cluster's prefix; ``touched_count`` says how many there were, where
    the list was cut.
    """

    operation_id: str
    revision: int
    void: bool
    command: str
    fingerprint: bytes
    summary: str
    result: Mapping[str, Any]
    actor: str
    time: int
    touched: tuple[str, ...]
    touched_count: int
    lasting: bool = False

    @property
    def changed(self) -> bool:
        """False: an operation from outside that found its work done."""
        return self.touched_count > 0


def encode_entry(operation: Operation, plan: Plan) -> bytes:
    touched, size = [], 0
    for key in map(_touched, plan.writes):
        size += len(key) + 3
        if size > _MAX_TOUCHED:
            break
        touched.append(key)
    return pb.LedgerEntry(
        operation_id=operation.id,
        command=operation.command.NAME,
        fingerprint=operation.command.fingerprint(),
        summary=clean(plan.summary)[:_MAX_SUMMARY],
        result=_COMPACT.encode(plan.result).encode(),
        actor=clean(operation.actor)[:MAX_ACTOR],
        time=operation.issued,
        touched=touched,
        touched_count=len(plan.writes),
        lasting=operation.command.lasting or plan.lasting,
    ).SerializeToString()


def encode_void(operation: Operation) -> bytes:
    """What settles an operation as never committed."""
    return pb.LedgerEntry(
        operation_id=operation.id,
        void=True,
        command=operation.command.NAME,
        fingerprint=operation.command.fingerprint(),
        actor=clean(operation.actor)[:MAX_ACTOR],
        time=operation.issued,
    ).SerializeToString()


def encode_later_void(operation_id: str) -> bytes:
    """The same, by somebody who knows no more of the operation than its id."""
    return pb.LedgerEntry(operation_id=operation_id, void=True).SerializeToString()


def decode_entry(kv: RawKeyValue) -> LedgerEntry:
    """Raises `RecordUnreadable` where the value is no ledger entry."""
    try:
        m = parse(pb.LedgerEntry, kv.value)
        result = json.loads(m.result) if m.result else {}
        if not isinstance(result, dict):
            raise ValueError("its result is no JSON object")
    except (ValueError, RecursionError) as error:
        raise RecordUnreadable(
            f"the ledger entry {shown_key(kv.key)} cannot be decoded ({error})",
            value=kv.key,
            rule="only etcdmeta writes to the ledger",
            remedy="use a newer etcdmeta, or see who wrote it with `etcdctl get`",
        ) from None
    return LedgerEntry(
        operation_id=m.operation_id,
        revision=kv.mod_revision,
        void=m.void,
        command=m.command,
        fingerprint=m.fingerprint,
        summary=m.summary,
        result=result,
        actor=m.actor,
        time=m.time,
        touched=tuple(m.touched),
        touched_count=m.touched_count,
        lasting=m.lasting,
    )


def encode_generation(nonce: int, operation_ids: Iterable[str]) -> bytes:
    return pb.Generation(nonce=nonce, operation_ids=operation_ids).SerializeToString()


def generation_keys(value: bytes) -> tuple[str, ...]:
    """The ledger keys, without ``ledger/``, of the operations that a generation came from; none where the value cannot
    be read."""
    try:
        return tuple(parse(pb.Generation, value).operation_ids)
    except ValueError:
        return ()


def shown_key(key: bytes) -> str:
    """A key as people see it, whoever wrote it: whatever a terminal would obey, or is no ASCII, is escaped."""
    return key.decode("latin-1").encode("unicode_escape").decode("ascii")


def clean(text: str) -> str:
    """Text that protobuf's strings can hold: names that are no UTF-8 are shown with their bytes escaped."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _touched(write: Write) -> str:
    if isinstance(write, DeleteRange):
        return write.start.decode("ascii", "backslashreplace") + "*"
    return write.key.decode("ascii", "backslashreplace")
