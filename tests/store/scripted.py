"""Clients of an in-process cluster whose every step the test decides: when they look, and what is lost.

The commit loop is the real one. Its picture moves only when the loop itself waits for it or proves it, so two clients
can be made to plan on the same picture; and the transaction of a command can be lost in every way there is, while
other clients do something in between.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.errors import EtcdMetaError
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.replica.apply import apply
from etcdmeta.replica.loader import Loader
from etcdmeta.store.committer import Committer
from etcdmeta.store.operations import Operation, Outcome, new_operation_id
from tests.store.worlds import NOW, soon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from etcdmeta.commands.plan import Command
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.records.transaction import Transaction, TxnResult

KEYSPACE = Keyspace("pairs")
_GENERATION = KEYSPACE.absolute(keys.GENERATION)


class Fate(Enum):
    """What becomes of the transaction of a command, before it is settled."""

    CLEAN = "nothing is lost"
    ANSWER_LOST = "it is applied, the answer is lost"
    REQUEST_LOST = "it never arrives"
    LANDS_BEFORE = "it arrives late, and before it is settled"
    LANDS_AFTER = "it arrives after it was settled, and after all else"
    TWICE = "it is lost, and so is the next try; both arrive after all else"


_LOSSES = {
    Fate.CLEAN: (),
    Fate.ANSWER_LOST: (Fate.ANSWER_LOST,),
    Fate.REQUEST_LOST: (Fate.REQUEST_LOST,),
    Fate.LANDS_BEFORE: (Fate.LANDS_BEFORE,),
    Fate.LANDS_AFTER: (Fate.LANDS_AFTER,),
    Fate.TWICE: (Fate.LANDS_AFTER, Fate.LANDS_AFTER),
}


class Scripted(LocalStrategy):
    """Loses the transactions of commands, and nothing else, by the script; ``meanwhile`` happens at the first loss."""

    def __init__(self, cluster: LocalCluster, fate: Fate, meanwhile: Callable[[], None]) -> None:
        super().__init__(cluster)
        self._losses = list(_LOSSES[fate])
        self._meanwhile: Callable[[], None] | None = meanwhile
        self.late: list[Transaction] = []

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        if not self._losses or not any(getattr(write, "key", b"") == _GENERATION for write in txn.writes):
            return super().transact(txn, deadline=deadline)
        loss = self._losses.pop(0)
        if loss is Fate.ANSWER_LOST:
            super().transact(txn, deadline=deadline)
        elif loss is Fate.LANDS_AFTER:
            self.late.append(txn)
        self.happen_meanwhile()
        if loss is Fate.LANDS_BEFORE:
            super().transact(txn, deadline=deadline)
        raise Ambiguous(loss.value)

    def happen_meanwhile(self) -> None:
        """Once."""
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()


class StillPicture:
    """A cache that moves when it is waited for, and never by itself."""

    def __init__(self, cluster: LocalCluster, snapshot: Snapshot) -> None:
        self._cluster = cluster
        self._snapshot = snapshot
        self.waiters: Any = self

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def writable(self) -> None:
        """Always."""

    def distrust(self, reason: str) -> None:
        raise AssertionError(f"a compare failed, and nobody knows why: {reason}")

    def prove(self, deadline: float) -> Snapshot:
        self._catch_up()
        return self._snapshot

    def wait(self, revision: int, deadline: float) -> bool:
        self._catch_up()
        return self._cluster.revision >= revision

    def release_at(self, revision: int, due: threading.Lock) -> None:
        self._catch_up()
        due.release()

    def _catch_up(self) -> None:
        with self._cluster.changed:
            answer = self._cluster.watched(*KEYSPACE.state_range, self._snapshot.revision + 1)
        revisions: dict[int, list[Any]] = {}
        for event in answer.events:
            revisions.setdefault(event.kv.mod_revision, []).append(event)
        for revision, events in revisions.items():
            self._snapshot, _ = apply(self._snapshot, events, revision, len(KEYSPACE.prefix))


class StillClock:
    def now(self) -> int:
        return NOW


@dataclass
class Doing:
    """One command of one client, and how it ended."""

    command: Command
    fate: Fate = Fate.CLEAN
    operation_id: str = field(default_factory=new_operation_id)
    answer: Outcome | EtcdMetaError | None = None

    @property
    def ending(self) -> str:
        """In a word that does not depend on ids."""
        if isinstance(self.answer, Outcome):
            return "changed" if self.answer.changed else "unchanged"
        return type(self.answer).__name__


def do_all(cluster: LocalCluster, base: Snapshot, doings: Iterable[Doing]) -> None:
    """Each in its client, all planned on ``base`` first; the next ones happen while the first is lost.

    Last arrives what was held up all the time.
    """
    first, *rest = doings
    late: list[Transaction] = []

    def others() -> None:
        if rest:
            do_all(cluster, base, rest)

    strategy = Scripted(cluster, first.fate, others)
    committer = Committer(strategy, KEYSPACE, StillPicture(cluster, base), StillClock())
    operation = Operation(first.operation_id, first.command, "test", NOW)
    try:
        (first.answer,) = committer.run([operation], soon())
    except EtcdMetaError as error:
        first.answer = error
    strategy.happen_meanwhile()  # where nothing was lost, or nothing was sent
    late += strategy.late
    for txn in late:
        assert not cluster.transact(txn).succeeded, f"{first.command!r} was done after it was settled"


def moved_on(cluster: LocalCluster, snapshot: Snapshot) -> Snapshot:
    """The picture that a client has which had that one, and has caught up."""
    return StillPicture(cluster, snapshot).prove(soon())


def picture_of(cluster: LocalCluster) -> Snapshot:
    """What a new client would list."""
    start, end = KEYSPACE.state_range
    result = cluster.read(start, end, revision=0, limit=0, keys_only=False)
    loader = Loader(len(KEYSPACE.prefix))
    loader.add(result.kvs)
    return loader.finish(result.header.revision)
