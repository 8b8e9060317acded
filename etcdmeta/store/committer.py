"""The commit loop: requests become transactions, outcomes are settled, what waits is committed together.

Group commit by the callers themselves: the first one leads, takes along what is queued (plans that neither write what
another writes nor what another compares), commits, and hands the lead to the next that waits. A lone caller pays
nothing for it: it leads, and no other thread is involved. One transaction of a store is in flight at a time, which
measured better than two, and lets commands on the same keys queue up instead of conflicting.

A request goes through turns until one of them is final::

    plan ─ needs ids ────────────────► reserve, again
      │ ── refused, or nothing to do ─► final on a picture proven current; else prove, again
      ▼
    commit ─ committed ──────────────► wait until the own cache has it
      │ ──── a compare failed ───────► wait for what was seen, again (alone)
      └ ──── no answer ──────────────► settle by writing ─ committed, or void: again as the next attempt
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

from etcdmeta.commands.guard import RaiseLedgerFloor
from etcdmeta.commands.plan import Plan
from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import ConflictPersists, EtcdMetaError, OutcomeUnknown, Unavailable, WaitTimedOut
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.decoding import decode_secret
from etcdmeta.records.keys import Keyspace
from etcdmeta.store.clock import Clock
from etcdmeta.store.ids import IdReserver
from etcdmeta.store.leader import Leader, Picture, is_own_void, outcome_of
from etcdmeta.store.operations import Fence, Operation, Outcome, new_operation_id, operation_time
from etcdmeta.store.passwords import UNKNOWN_USER, verify
from etcdmeta.store.preview import preview
from etcdmeta.store.pruning import Pruned, prunable, prune
from etcdmeta.store.requests import (
    Answer,
    Behind,
    Conflicted,
    Failed,
    NeedsIds,
    NothingToDo,
    RefusedOn,
    Request,
    Settled,
    Voided,
)
from etcdmeta.store.resolution import Resolver
from etcdmeta.store.turns import Turns
from etcdmeta.store.waiters import seconds_until

LEDGER_REACH = 30 * 86_400_000_000_000
"""Nanoseconds. Entries are kept for at least so long."""


class Committer:
    """Thread-safe. ``clock`` gives nanoseconds since 1970, for the plans."""

    def __init__(self, strategy: Strategy, keyspace: Keyspace, picture: Picture, clock: Clock) -> None:
        self._strategy = strategy
        self._keyspace = keyspace
        self._picture = picture
        self._clock = clock
        self._ids = IdReserver(strategy, keyspace)
        self._turns = Turns()
        self._closing = threading.Event()
        self._leader = Leader(strategy, keyspace, picture, clock, self._turns, self._closing)

    @property
    def resolver(self) -> Resolver:
        return self._leader.resolver

    def outcome(self, operation_id: str, deadline: float) -> Outcome | None:
        entry = self.resolver.conclude(operation_id, deadline=deadline)
        if entry is None:
            raise OutcomeUnknown(
                f"the ledger has nothing of operation {operation_id}",
                operation_id=operation_id,
                value=operation_id,
                rule="absence proves nothing: it may still be on its way, or be older than the ledger",
                remedy="ask again, or execute the same command under the same id",
            )
        if entry.void:
            return None
        base = cluster.generation_base if (cluster := self._picture.snapshot().cluster) else 0
        generation = self.resolver.generation_at(entry.revision, base=base, deadline=deadline)
        return Outcome(operation_id, generation, entry.revision, entry.changed, entry.result, entry.summary)

    def verify_password(self, name: str, password: str, deadline: float) -> bool:
        user = self._picture.prove(deadline).find_user(name)
        if user is None:
            return verify(password, UNKNOWN_USER)
        kvs = self._strategy.read(self._keyspace.absolute(keys.secret(user.id)), deadline=deadline).kvs
        return verify(password, decode_secret(kvs[0].value) if kvs else UNKNOWN_USER)

    def prune(self, actor: str, deadline: float, fence: Fence | None = None, now: int | None = None) -> Pruned:
        before = (self._clock.now() if now is None else now) - LEDGER_REACH
        found = prunable(self._strategy, self._keyspace, before, deadline)
        if not found.old:
            return found.pruned(0)
        raising = RaiseLedgerFloor(floor=found.old[-1].revision + 1)
        self.run([Operation(new_operation_id(), raising, actor, self._clock.now(), fence=fence)], deadline)
        return found.pruned(
            prune(self._strategy, self._keyspace, self._picture.snapshot(), found.old, deadline, fence)
        )

    def preview(self, operation: Operation, snapshot: Snapshot, deadline: float) -> Plan:
        """What an operation would check and write on that picture; nothing is written, and no id is taken."""
        return preview(operation, snapshot, self._ids, self._clock.now(), deadline)

    def close(self) -> None:
        """What is being settled gives up as unknown; what waits in the queue is refused."""
        self._closing.set()
        self._turns.close()

    def run(self, operations: Sequence[Operation], deadline: float) -> tuple[Outcome, ...]:
        """Commit operations together; returns when the own cache shows it. ``deadline``: monotonic seconds.

        Raises the commands' refusals, `ConflictPersists`, `OutcomeUnknown`, `OperationIdReused`, `Unavailable` and the
        strategy's other errors; `WaitTimedOut` where it is committed, but the cache is late.
        """
        request = Request(tuple(operations), deadline)
        if operations[0].repeatable:
            stored = self._look_up(request)
            if stored is not None:
                return self._shown(stored, request)
        while True:
            if self._turns.led:
                self._leader.prepare(request)
            answer = self._turns.take(request, self._leader.lead)
            match answer:
                case Settled():
                    return self._shown(answer, request)
                case Failed(error):
                    raise error
                case NeedsIds(wanted):
                    lacking = {k: n - len(request.ids.get(k, ())) for k, n in wanted.items()}
                    for kind, ids in self._ids.reserve(lacking, deadline=deadline).items():
                        request.ids.setdefault(kind, []).extend(ids)
                    continue  # an answer of the network, not a conflict: the deadline was its own
                case RefusedOn(error, snapshot):
                    if request.is_final_on(snapshot):
                        stored = self._never_or_done(request) if operations[0].repeatable else None
                        if stored is None:
                            raise error
                        return self._shown(stored, request)
                    request.proven = self._picture.prove(deadline).position
                case NothingToDo(plans, snapshot):
                    if request.is_final_on(snapshot):
                        return _unchanged(request, plans, snapshot)
                    request.proven = self._picture.prove(deadline).position
                case Conflicted():
                    self._after_conflict(request, answer)
                case Behind(revision):
                    self._picture.waiters.wait(revision, deadline)
                case Voided(revisions):
                    request.voids.append(revisions)
            if time.monotonic() >= deadline:
                raise self._given_up(request, answer)

    def _look_up(self, request: Request) -> Settled | None:
        """Ids from outside may have run before: their entries first, linearizably."""
        request.voids.clear()
        found = [self.resolver.look_up(o.id, deadline=request.deadline) for o in request.operations]
        while True:
            of_attempt = [entries[request.attempt] for entries in found if len(entries) > request.attempt]
            if not of_attempt:
                break
            if len(of_attempt) < len(found):
                # They commit together, so only some have an entry where somebody concluded one of them as void.
                of_attempt = list(self.resolver.settle([request], self._closing)[0])
            if not any(entry.void for entry in of_attempt):
                answer = self._leader.by_entries(request, of_attempt, self._picture.prove(request.deadline))
                if isinstance(answer, Failed):
                    raise answer.error
                return answer if isinstance(answer, Settled) else None
            request.voids.append(tuple(entry.revision for entry in of_attempt))
        for operation in request.operations:
            self._refuse_too_old(operation)
        return None

    def _never_or_done(self, request: Request) -> Settled | None:
        """Of a repeatable request that is refused. Perhaps because it was done: by another sending, which may be on its
        way still, and land when the reason for the refusal is gone. So that is settled, by writing."""
        while True:
            stored = self._look_up(request)
            if stored is not None:
                return stored
            entries = self.resolver.settle([request], self._closing)[0]
            if is_own_void(request, entries):
                return None
            if time.monotonic() >= request.deadline:
                raise self._given_up(request, Voided(tuple(entry.revision for entry in entries)))

    def _refuse_too_old(self, operation: Operation) -> None:
        """Of an id from before the ledger's reach nobody can tell whether it ran: it is never executed."""
        if self._clock.now() - operation_time(operation.id) > LEDGER_REACH:
            raise OutcomeUnknown(
                f"operation {operation.id} is older than the ledger reaches",
                operation_id=operation.id,
                value=operation.id,
                rule="an id may be sent again for 30 days",
                remedy="look whether it was done, and make a new id",
            )

    def _after_conflict(self, request: Request, conflict: Conflicted) -> None:
        request.conflicts += 1
        if not self._picture.waiters.wait(conflict.revision, request.deadline):
            return
        now = self._picture.snapshot()
        if now.revision == conflict.planned_on.revision and now.revision >= conflict.revision:
            self._picture.distrust(f"a compare of {request.what!r} failed, and the picture does not say why")
        if request.conflicts > 1:
            longest = min(0.2, 0.002 * 2**request.conflicts)
            self._closing.wait(random.uniform(0, min(longest, seconds_until(request.deadline))))

    def _given_up(self, request: Request, answer: Answer) -> EtcdMetaError:
        if isinstance(answer, Voided):
            return Unavailable(
                f"etcd did not commit {request.what!r} in time",
                value=request.operations[0].id,
                rule="it is proven not committed, for ever",
                remedy="look at `etcdmeta health`, and try again",
            )
        return ConflictPersists(
            f"{request.what!r} could not be committed in time: {request.conflicts} conflicts",
            value=request.operations[0].id,
            rule=f"the last try ended with {type(answer).__name__}",
            remedy="try again, or with a longer timeout; nothing was changed",
        )

    # --- read your writes

    def _shown(self, settled: Settled, request: Request) -> tuple[Outcome, ...]:
        if not self._picture.waiters.wait(settled.revision, request.deadline):
            first = settled.outcomes[0]
            raise WaitTimedOut(
                f"{request.what!r} is committed (revision {settled.revision}), but the local picture is not there yet",
                value=first.operation_id,
                rule="a command returns when the own cache shows it",
                remedy="do not repeat it; wait for the picture, or read consistently",
            )
        return settled.outcomes


def _unchanged(request: Request, plans: Sequence[Plan], snapshot: Snapshot) -> tuple[Outcome, ...]:
    return tuple(
        outcome_of(operation.id, snapshot.generation, snapshot.revision, plan)
        for operation, plan in zip(request.operations, plans, strict=True)
    )
