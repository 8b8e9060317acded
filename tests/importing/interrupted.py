"""A connection that dies at a given transaction: before it is sent, after it was done, or with its answer lost."""

from __future__ import annotations

import threading
from enum import Enum
from typing import TYPE_CHECKING, Any

from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.consensus.protocol import Ambiguous

if TYPE_CHECKING:
    from etcdmeta.records.transaction import Transaction, TxnResult


class Killed(BaseException):
    """The process is gone: nothing after it runs."""


class How(Enum):
    BEFORE = "before it is sent"
    AFTER = "after it was done"
    LOST = "its answer was lost"


class Dying(LocalStrategy):
    """Dies at its ``at``-th transaction, counted from 0, and is dead from then on; ``LOST`` only loses that answer."""

    def __init__(self, cluster: LocalCluster, at: int, how: How) -> None:
        super().__init__(cluster)
        self._at = at
        self._how = how
        self._count = 0
        self._mutex = threading.Lock()

    @property
    def count(self) -> int:
        """How many were asked for."""
        return self._count

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        with self._mutex:
            number = self._count
            self._count += 1
        if number < self._at or (self._how is How.LOST and number > self._at):
            return super().transact(txn, deadline=deadline)
        if number == self._at and self._how is not How.BEFORE:
            super().transact(txn, deadline=deadline)
        if self._how is How.LOST:
            raise Ambiguous("the answer was lost")
        raise Killed


def records(cluster: LocalCluster, name: str = "default") -> dict[bytes, Any]:
    """Every key of a cluster, but for the ledger and the generation: relative key → value."""
    strategy = LocalStrategy(cluster)
    prefix = f"/etcdmeta/{name}/".encode()
    found = {}
    for page in strategy.list(prefix, prefix[:-1] + b"0", deadline=float("inf")):
        for kv in page.kvs:
            key = kv.key[len(prefix) :]
            if not key.startswith(b"ledger/") and key != b"state/generation":
                found[key] = kv.value
    return found
