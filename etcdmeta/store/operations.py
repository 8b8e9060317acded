"""One issuing of a command: its id, who issues it, and how it ended."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etcdmeta.commands.plan import Command
from etcdmeta.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Fence:
    """What a commit of a service, or of a node as itself, also compares: that an incarnation of a key still stands.

    ``key``: relative, ``lead/<service>`` or ``state/live/<node>``; ``create_revision``: of the incarnation; ``what``:
    its name for people. Whoever slept past its lease finds the key gone, or created anew, and has committed nothing.
    """

    key: bytes
    create_revision: int
    what: str


@dataclass(frozen=True, slots=True)
class Operation:
    """``issued`` is nanoseconds since 1970; ``external``: the id came from the caller, so it may have run before.

    ``once``: an external one that is sent for the first time, and by who made its id for this call alone. ``fence``:
    what has to stand still when it is committed.
    """

    id: str
    command: Command
    actor: str
    issued: int
    external: bool = False
    once: bool = False
    fence: Fence | None = None

    @property
    def repeatable(self) -> bool:
        """An earlier sending may be on its way still, and a later one may come: only the ledger answers all alike."""
        return self.external and not self.once


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended: it is committed, or found its work done (``changed`` False).

    ``generation`` and ``revision`` are those it became, or those it was found done at; the generation is None
    where the commit had to be settled by the ledger after etcd had compacted its revision away.
    ``more``: a step of a workflow was done, and another is left.
    """

    operation_id: str
    generation: int | None
    revision: int
    changed: bool
    result: Mapping[str, Any]
    summary: str
    more: bool = False
    notices: tuple[str, ...] = ()


def new_operation_id() -> str:
    """A UUIDv7 (RFC 9562): its first 48 bits are the milliseconds since 1970, so that ids sort by age."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def operation_time(operation_id: str) -> int:
    """Nanoseconds since 1970, from the id. Raises `InvalidInput` where it is no UUIDv7 in canonical form."""
    try:
        parsed = uuid.UUID(operation_id)
    except ValueError:
        parsed = None
    if parsed is None or parsed.version != 7 or str(parsed) != operation_id:
        raise InvalidInput(
            f"{operation_id!r} is no operation id",
            value=operation_id,
            rule="operation ids are UUIDv7 in lower case, with hyphens",
            remedy="make one with etcdmeta.new_operation_id(), or give none",
        )
    return (parsed.int >> 80) * 1_000_000
