"""What the shortcuts stand on: executing, durations as people write them, and workflows to their end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from etcdmeta.commands.plan import Command
from etcdmeta.errors import InvalidDuration, InvalidInput
from etcdmeta.model.durations import Duration
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.store.operations import Outcome

AnyDuration = str | int | Duration | timedelta

E = TypeVar("E", bound=StrEnum)


class Executes(Protocol):
    """What a shortcut asks of the store that it belongs to."""

    def execute(
        self, command: Command, *, timeout: float | None = None, operation_id: str | None = None
    ) -> Outcome: ...
    def execute_all(self, commands: Sequence[Command], *, timeout: float | None = None) -> tuple[Outcome, ...]: ...
    def snapshot(self) -> Snapshot: ...


def duration(value: AnyDuration) -> Duration:
    """Text as InfluxQL or Go write it, nanoseconds, or a timedelta. Raises `InvalidDuration`."""
    if isinstance(value, str):
        return Duration.parse(value)
    if isinstance(value, timedelta):
        whole = value.days * 86_400_000_000 + value.seconds * 1_000_000 + value.microseconds
        value = whole * 1000
    if not 0 <= value < 2**63:
        raise InvalidDuration(f"{value} ns is no duration", value=value, rule="0 (forever) to 2^63-1 nanoseconds")
    return Duration(value)


def optional_duration(value: AnyDuration | None) -> Duration | None:
    return None if value is None else duration(value)


def word(kind: type[E], value: str) -> E:
    """One of an enumeration's words, in whatever case. Raises `InvalidInput`."""
    for known in kind:
        if known.value.lower() == value.lower():
            return known
    raise InvalidInput(f"{value!r} is none of the words that go here", value=value, rule=f"one of {', '.join(kind)}")


def all_steps(store: Executes, command: Command) -> tuple[Outcome, ...]:
    """The steps of a workflow until none is left. Each is a commit of its own, and a valid picture."""
    outcomes = [store.execute(command)]
    while outcomes[-1].more:
        command = command.following(outcomes[-1].result)
        outcomes.append(store.execute(command))
    return tuple(outcomes)
