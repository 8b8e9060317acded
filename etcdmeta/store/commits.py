"""What `MetaStore` asks of whatever commits for it: etcd's transactions, or an agent that does it for us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from etcdmeta.commands.plan import Plan
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.store.operations import Fence, Operation, Outcome
from etcdmeta.store.pruning import Pruned


class Commits(Protocol):
    """Thread-safe. Deadlines are in seconds of ``time.monotonic()``; errors are those of `etcdmeta.errors`."""

    def run(self, operations: Sequence[Operation], deadline: float) -> tuple[Outcome, ...]:
        """Commit operations together; returns when the own cache shows it."""

    def preview(self, operation: Operation, snapshot: Snapshot, deadline: float) -> Plan:
        """What an operation would check and write on that picture; nothing is written, and no id is taken."""

    def outcome(self, operation_id: str, deadline: float) -> Outcome | None:
        """How an operation ended: see `MetaStore.outcome`."""

    def verify_password(self, name: str, password: str, deadline: float) -> bool:
        """Whether that is the user's password: see `MetaStore.verify_password`."""

    def prune(self, actor: str, deadline: float, fence: Fence | None = None, now: int | None = None) -> Pruned:
        """Forget old operations: see `MetaStore.prune_ledger`."""

    def close(self) -> None:
        """What is being settled gives up as unknown; what waits is refused."""
