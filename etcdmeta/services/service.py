"""What a service of the cluster is: something that one process does at a time, pass after pass, while it leads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from etcdmeta.errors import Fenced
from etcdmeta.services.clocks import agreed_time
from etcdmeta.store import Fence, MetaStore
from etcdmeta.store.clock import Clock


class Note(NamedTuple):
    """What waits for a person: a sentence that says what to type, and how many things it is about."""

    text: str
    things: int = 1


@dataclass(frozen=True, slots=True)
class Turn:
    """A pass of a leader. ``store`` has proven its picture current after the lead was won. ``node_id``: the node that
    it is made at, 0 for none. ``notes``: what the pass leaves to people, shown until the next one is over."""

    store: MetaStore
    name: str
    held: Callable[[], Fence | None]
    stopping: threading.Event
    clock: Clock
    node_id: int
    notes: list[Note] = field(default_factory=list)

    def fence(self) -> Fence:
        """What every commit of the pass compares. Raises `Fenced` where the lead is not held, or not for certain."""
        fence = self.held()
        if fence is None:
            raise Fenced(
                f"the lead of {self.name} is not held any more",
                rule="a service acts at one process at a time",
                remedy="whoever leads now goes on",
            )
        return fence

    def now(self) -> int:
        """What time it is by more than one clock, ns. Raises `TooStale`: see `etcdmeta.services.clocks`."""
        return agreed_time(self.store, self.clock.now(), self.node_id)


class Service(Protocol):
    """``name`` is that of its election, ``every`` the seconds between two passes."""

    @property
    def name(self) -> str: ...
    @property
    def every(self) -> float: ...

    def run(self, turn: Turn) -> str:
        """One pass; what it did, in words, "" for nothing. Errors of `etcdmeta.errors` end the pass, and are told."""

    def doing(self) -> str:
        """What the pass under way has done so far, where passes are long; "" for nothing. From any thread."""

    def interrupt(self) -> None:
        """End the pass soon; from any thread. ``turn.stopping`` is set already."""
