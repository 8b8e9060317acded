"""Several commands, one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from etcdmeta.commands.plan import Command
from etcdmeta.errors import Defect
from etcdmeta.store.operations import Outcome


class Batch:
    """Collects commands and commits them together when the ``with`` block ends without an error; all or nothing.

    Each is planned on the picture that the one before leaves, so a batch may create a database and what goes into
    it. Their outcomes are in `outcomes` afterwards, in order.
    """

    def __init__(self, commit: Callable[[Sequence[Command]], tuple[Outcome, ...]]) -> None:
        self._commit = commit
        self._commands: list[Command] = []
        self._outcomes: tuple[Outcome, ...] | None = None

    def execute(self, command: Command) -> None:
        """Adds a command; nothing is sent before the end of the block."""
        self._commands.append(command)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        if self._outcomes is None:
            raise Defect("the batch is not committed: its outcomes are there after the with block")
        return self._outcomes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._outcomes = self._commit(self._commands)
