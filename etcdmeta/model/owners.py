"""The words that records carry, and the table of an owner's life.

Everything that decides which status may follow which is in this file; whether the circumstances fit (the
source serves, enough owners stay) is checked by `etcdmeta.commands.owner`, which sees the snapshot. Each row
of the table names those circumstances by its `Condition`.

A stored word that this version does not know is kept as a plain ``str``: shown, never dropped, and never left
by a transition, since nobody here knows what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from etcdmeta.errors import TransitionRefused


class OwnerStatus(StrEnum):
    """What an owner of a shard can do now (the design's "Owners and their statuses")."""

    ACTIVE = "active"  # serves
    COPYING = "copying"  # does not serve yet
    LEAVING = "leaving"  # serves until its successor does
    FAILED = "failed"  # needs a decision


Status = OwnerStatus | str

SERVING: Final[frozenset[Status]] = frozenset({OwnerStatus.ACTIVE, OwnerStatus.LEAVING})


def owner_status(word: str) -> Status:
    """The status of a stored word; "" is active (data from before statuses), an unknown word stays itself."""
    return _STATUS_OF_WORD.get(word, word)


_STATUS_OF_WORD: Final[Mapping[str, OwnerStatus]] = MappingProxyType(
    {"": OwnerStatus.ACTIVE} | {status.value: status for status in OwnerStatus}
)


class NodeState(StrEnum):
    """Where a database node stands in its life. Only a joined one takes new shards."""

    JOINED = "joined"
    DRAINING = "draining"
    REMOVING = "removing"
    REMOVED = "removed"  # a tombstone: the id is never used again


class Privilege(StrEnum):
    """What a user may do in a database; the numbers are InfluxDB's own."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    ALL = "all"

    @property
    def number(self) -> int:
        """InfluxDB's number: 0 none, 1 read, 2 write, 3 all."""
        return _NUMBER_OF_PRIVILEGE[self]

    @classmethod
    def from_number(cls, number: int) -> Privilege:
        """The privilege of InfluxDB's number; ValueError for any other."""
        for privilege, known in _NUMBER_OF_PRIVILEGE.items():
            if known == number:
                return privilege
        raise ValueError(f"InfluxDB has no privilege {number}")

    def allows(self, wanted: Privilege) -> bool:
        """Whether this privilege covers ``wanted``. Read and write do not imply each other."""
        return self.number & wanted.number == wanted.number  # the numbers are sets of bits


_NUMBER_OF_PRIVILEGE: Final[Mapping[Privilege, int]] = MappingProxyType(
    {Privilege.NONE: 0, Privilege.READ: 1, Privilege.WRITE: 2, Privilege.ALL: 3}
)


class SubscriptionMode(StrEnum):
    """Whether each point goes to one destination or to all."""

    ANY = "ANY"
    ALL = "ALL"


class Condition(StrEnum):
    """What else must hold for a transition; the command that asks for it checks, on its snapshot."""

    GROUP_CREATED = "group created"
    COPY_BEGINS = "copy begins"
    SAME_ATTEMPT = "same attempt"
    COPY_FAILED = "copy failed"
    COPY_AGAIN = "copy again"
    COPY_CANCELLED = "copy cancelled"
    MOVE_BEGINS = "move begins"
    MOVE_CALLED_OFF = "move called off"
    CANNOT_SERVE = "cannot serve"
    OWNER_GOES = "owner goes"


RULES: Final[Mapping[Condition, str]] = MappingProxyType(
    {
        Condition.GROUP_CREATED: "an owner starts out active only where its group is created or imported",
        Condition.COPY_BEGINS: "a copy goes from an active or leaving owner to a node that takes shards",
        Condition.SAME_ATTEMPT: "only the attempt that was begun last can finish",
        Condition.COPY_FAILED: "a failed copy keeps its reason",
        Condition.COPY_AGAIN: "a copy begun again is a new attempt, from an owner that is active or leaving",
        Condition.COPY_CANCELLED: "an owner that does not serve can be cancelled",
        Condition.MOVE_BEGINS: "an active owner can begin to leave",
        Condition.MOVE_CALLED_OFF: "an owner that is leaving can stay",
        Condition.CANNOT_SERVE: "an active owner can fail while another one serves, or forced with a reason",
        Condition.OWNER_GOES: "a serving owner can go while as many active owners stay as the policy wants, "
        "or forced with a reason; the last one only with a second consent",
    }
)


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table; None stands for "is no owner"."""

    before: OwnerStatus | None
    after: OwnerStatus | None
    condition: Condition

    @property
    def rule(self) -> str:
        """The condition in a sentence for people."""
        return RULES[self.condition]


TRANSITIONS: Final[tuple[Transition, ...]] = (
    Transition(None, OwnerStatus.ACTIVE, Condition.GROUP_CREATED),
    Transition(None, OwnerStatus.COPYING, Condition.COPY_BEGINS),
    Transition(OwnerStatus.COPYING, OwnerStatus.ACTIVE, Condition.SAME_ATTEMPT),
    Transition(OwnerStatus.COPYING, OwnerStatus.FAILED, Condition.COPY_FAILED),
    Transition(OwnerStatus.FAILED, OwnerStatus.COPYING, Condition.COPY_AGAIN),
    Transition(OwnerStatus.COPYING, None, Condition.COPY_CANCELLED),
    Transition(OwnerStatus.FAILED, None, Condition.COPY_CANCELLED),
    Transition(OwnerStatus.ACTIVE, OwnerStatus.LEAVING, Condition.MOVE_BEGINS),
    Transition(OwnerStatus.LEAVING, OwnerStatus.ACTIVE, Condition.MOVE_CALLED_OFF),
    Transition(OwnerStatus.ACTIVE, OwnerStatus.FAILED, Condition.CANNOT_SERVE),
    Transition(OwnerStatus.LEAVING, None, Condition.OWNER_GOES),
    Transition(OwnerStatus.ACTIVE, None, Condition.OWNER_GOES),
)

_TABLE: Final[Mapping[tuple[Status | None, Status | None], Transition]] = MappingProxyType(
    {(row.before, row.after): row for row in TRANSITIONS}
)


def check_transition(before: Status | None, after: Status | None) -> Transition:
    """The row that allows the step, whose condition is then the caller's to check.

    Raises `TransitionRefused` where the table has no such step, as from or to a status of a later version.
    """
    before = None if before is None else owner_status(before)
    row = _TABLE.get((before, after))
    if row is not None:
        return row
    step = f"{_shown(before)} → {_shown(after)}"
    ways = ", ".join(_shown(row.after) for row in transitions_from(before))
    if ways:
        rule, remedy = f"from {_shown(before)} the next step is one of: {ways}", None
    else:
        rule = f"status {before!r} was written by a later version, whose rules this one does not know"
        remedy = "use that version"
    raise TransitionRefused(f"an owner cannot go {step}", value=step, rule=rule, remedy=remedy)


def transitions_from(status: Status | None) -> tuple[Transition, ...]:
    """The rows that leave this status; none for an unknown one."""
    return tuple(row for row in TRANSITIONS if row.before == status)


def _shown(status: Status | None) -> str:
    return "no owner" if status is None else str(status)
