"""The service ``stuck``: says which copies have given no sign for long. It decides nothing: a copy that is slow to say
something may still end, and who gives it up is the operator, or a plan.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

from etcdmeta.model.copying import copying_owners
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import format_time
from etcdmeta.services.service import Note, Turn

log = logging.getLogger(__name__)

AFTER = 15 * 60 * 10**9


class StuckCopy(NamedTuple):
    """``last_sign``: when it was begun, or reported last; ns."""

    shard_id: int
    node_id: int
    attempt: int
    last_sign: int


def stuck_copies(snapshot: Snapshot, now: int, after: int = AFTER) -> Iterator[StuckCopy]:
    """Copies that neither began nor reported in the last ``after`` nanoseconds, one without any report included."""
    for _, shard, owner in copying_owners(snapshot):
        progress = snapshot.progress(shard.id, owner.node_id)
        reported = 0 if progress is None or progress.attempt != owner.attempt else progress.updated
        last = max(reported, owner.since or 0)
        if now - last >= after:
            yield StuckCopy(shard.id, owner.node_id, owner.attempt, last)


class StuckCopies:
    """``every``: seconds; ``after``: nanoseconds without a sign. Each is logged once by a leader, and stands in `agent
    status` and the metrics for as long as it is stuck; `shard status` and `shard explain` say it by themselves, sooner.
    """

    name = "stuck"

    def __init__(self, *, every: float = 60.0, after: int = AFTER) -> None:
        self.every = every
        self._after = after
        self._told: set[tuple[int, int, int]] = set()

    def run(self, turn: Turn) -> str:
        copies = stuck_copies(turn.store.latest(), turn.now(), self._after)
        found = {(copy.shard_id, copy.node_id, copy.attempt): copy for copy in copies}
        for key in found.keys() - self._told:
            log.warning("%s", _told(found[key]))
        self._told = set(found)
        if found:
            longest = min(found.values(), key=lambda copy: copy.last_sign)
            more = f"; and {len(found) - 1} more: `etcdmeta shard status --copying`" if len(found) > 1 else ""
            turn.notes.append(Note(_told(longest) + more, len(found)))
        return ""

    def doing(self) -> str:
        """Its passes are told when they are over."""
        return ""

    def interrupt(self) -> None:
        """A pass is a look at the picture."""


def _told(copy: StuckCopy) -> str:
    return (
        f"the copy of shard {copy.shard_id} to node {copy.node_id} gives no sign since {format_time(copy.last_sign)}; "
        f"see `etcdmeta shard explain {copy.shard_id}`"
    )
