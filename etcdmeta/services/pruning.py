"""The service ``ledger``: forgets old operations; what it keeps, `MetaStore.prune_ledger` says."""

from __future__ import annotations

import logging

from etcdmeta.services.service import Note, Turn
from etcdmeta.store.pruning import Pruned

log = logging.getLogger(__name__)


class LedgerPruning:
    """``every``: seconds."""

    name = "ledger"

    def __init__(self, *, every: float = 3600.0) -> None:
        self.every = every

    def run(self, turn: Turn) -> str:
        pruned = turn.store.prune_ledger(fence=turn.fence(), now=turn.now())
        if pruned.unreadable_count:
            turn.notes.append(_told(pruned))
            log.warning("%s", turn.notes[-1].text)
        return f"forgot {pruned.forgotten} old operations" if pruned.forgotten else ""

    def doing(self) -> str:
        """Its passes are told when they are over."""
        return ""

    def interrupt(self) -> None:
        """A pass is a number of short commits."""


def _told(pruned: Pruned) -> Note:
    first, count = pruned.unreadable[0], pruned.unreadable_count
    what = f"the entry {first}" if count == 1 else f"{count} entries, such as {first},"
    stays = "it stays" if count == 1 else "they stay"
    return Note(
        f"nobody can read {what} of the ledger, so that {stays}: a newer etcdmeta, or `etcdctl get {first}`, may tell "
        f"what wrote it; `etcdctl del {first}` takes it away",
        count,
    )
