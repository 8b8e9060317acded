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
from etcdmeta.services.service import Turn

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
    """``every``: seconds; ``after``: nanoseconds without a sign. Each is told once by a leader."""

    name = "stuck"

    def __init__(self, *, every: float = 60.0, after: int = AFTER) -> None:
        self.every = every
        self._after = after
        self._told: set[tuple[int, int, int]] = set()

    def run(self, turn: Turn) -> str:
        copies = stuck_copies(turn.store.latest(), turn.now(), self._after)
        found = {(copy.shard_id, copy.node_id, copy.attempt): copy for copy in copies}
        for key in found.keys() - self._told:
            copy = found[key]
            log.warning(
                "the copy of shard %d to node %d gives no sign since %s; see `etcdmeta shard explain %d`",
                copy.shard_id, copy.node_id, format_time(copy.last_sign), copy.shard_id,
            )  # fmt: skip
        self._told = set(found)
        return ""

    def interrupt(self) -> None:
        """A pass is a look at the picture."""
