"""The service ``ledger``: forgets old operations; what it keeps, `MetaStore.prune_ledger` says."""

from __future__ import annotations

from etcdmeta.services.service import Turn


class LedgerPruning:
    """``every``: seconds."""

    name = "ledger"

    def __init__(self, *, every: float = 3600.0) -> None:
        self.every = every

    def run(self, turn: Turn) -> str:
        forgotten = turn.store.prune_ledger(fence=turn.fence(), now=turn.now())
        return f"forgot {forgotten} old operations" if forgotten else ""

    def doing(self) -> str:
        """Its passes are told when they are over."""
        return ""

    def interrupt(self) -> None:
        """A pass is a number of short commits."""
