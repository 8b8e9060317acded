"""Leading a turn: what is queued and fits together becomes one transaction, and its outcome everybody's answer."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from etcdmeta.commands.plan import IdsWanted, Plan
from etcdmeta.consensus.protocol import Ambiguous, Strategy
from etcdmeta.errors import (
    ClusterDestroyed,
    ClusterRestored,
    CommandTooLarge,
    EtcdMetaError,
    Fenced,
    InvalidInput,
    OperationIdReused,
    OutcomeUnknown,
    ReadOnly,
    SchemaTooNew,
)
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Transaction, TxnResult
from etcdmeta.store.clock import Clock
from etcdmeta.store.ledger import MAX_ACTOR, LedgerEntry, clean, decode_entry
from etcdmeta.store.limits import GroupSize, check_guard
from etcdmeta.store.merging import Footprint
from etcdmeta.store.operations import Fence, Operation, Outcome
from etcdmeta.store.requests import (
    Answer,
    Behind,
    Conflicted,
    Failed,
    NeedsIds,
    NothingToDo,
    Proposal,
    RefusedOn,
    Request,
    Settled,
    Voided,
    compose,
    propose,
)
from etcdmeta.store.resolution import Resolver
from etcdmeta.store.turns import Ticket, Turns
from etcdmeta.store.waiters import RevisionWaiters

MOST_SECONDS = 2.5
"""That one sending may take, until it is settled by the ledger instead."""
MAX_GROUP = 32
"""Requests in one transaction; measured alike from 8 on."""
REMEMBERED = 8
"""Own commits whose writes are known still: a picture is rarely more than one behind."""


_FINAL = (InvalidInput, CommandTooLarge, ReadOnly, SchemaTooNew, ClusterRestored, ClusterDestroyed)
"""Refusals that no newer picture changes, or that say that there will be none."""


class Picture(Protocol):
    """The local cache, as the commit loop needs it."""

    waiters: RevisionWaiters

    def snapshot(self) -> Snapshot:
        """The published picture. Raises where there is none, and where the store is closed."""

    def prove(self, deadline: float) -> Snapshot:
        """A picture at least as new as etcd was at some moment after the call."""

    def writable(self) -> None:
        """Raises the problem that forbids writing (destroyed, restored, too new), if there is one."""

    def distrust(self, reason: str) -> None:
        """A compare failed though nothing differs: list anew."""


class Leader:
    """One a store. `lead` runs in the thread whose turn it is, never in two at once."""

    def __init__(
        self,
        strategy: Strategy,
        keyspace: Keyspace,
        picture: Picture,
        clock: Clock,
        turns: Turns,
        closing: threading.Event,
    ) -> None:
        self._strategy = strategy
        self._keyspace = keyspace
        self._picture = picture
        self._clock = clock
        self._turns = turns
        self._closing = closing
        self._recent: deque[tuple[int, Footprint]] = deque(maxlen=REMEMBERED)
        self.resolver = Resolver(strategy, keyspace)

    def prepare(self, request: Request) -> None:
        """Plan in the caller's own thread, while another's transaction is under way: with 16 threads that all wait,
        planning for all of them took the leader a quarter of its turn.

        What does not come out as a plan that acts is left to the leader, on whose picture it counts.
        """
        if request.alone:
            return
        try:
            proposal = propose(request, self._picture.snapshot(), self._clock.now())
        except (IdsWanted, EtcdMetaError):
            return
        if proposal.acts:
            request.prepared = proposal

    def lead(self, own: Ticket) -> None:
        taken = [own]
        try:
            snapshot = self._picture.snapshot()
            self._gather(own, taken, snapshot)
        except BaseException as error:
            for ticket in taken:
                ticket.settle(Failed(error), own)
            if not isinstance(error, Exception):
                raise

    def _gather(self, own: Ticket, taken: list[Ticket], snapshot: Snapshot) -> None:
        proposals: list[tuple[Ticket, Proposal]] = []
        footprint = Footprint()
        ledger: set[bytes] = set()
        size = GroupSize()
        now = self._clock.now()
        if not own.request.alone:
            taken += self._turns.join(MAX_GROUP - 1)
        put_back: list[Ticket] = []
        for ticket in taken:
            if put_back or (ticket is not own and ticket.request.alone):
                put_back.append(ticket)  # and all behind it, so that nobody is overtaken for ever
                continue
            proposal = self._propose(ticket, snapshot, now, own)
            if proposal is None:
                continue
            own_keys = ticket.request.ledger_keys()
            fits = (
                size.fits(proposal)
                and footprint.is_disjoint(proposal.footprint)
                and ledger.isdisjoint(own_keys)  # else the same operation, sent by two threads
            )
            if proposals and not fits:
                ticket.request.prepared = proposal  # planning is the dearest part: for the turn that takes it
                put_back.append(ticket)
                continue
            ledger.update(own_keys)
            size.add(proposal)
            footprint.add(proposal.footprint)
            proposals.append((ticket, proposal))
        if put_back:
            self._turns.put_back(put_back)
            for ticket in put_back:
                taken.remove(ticket)
        if proposals:
            self._commit(own, proposals, snapshot, footprint)

    def _propose(self, ticket: Ticket, snapshot: Snapshot, now: int, own: Ticket) -> Proposal | None:
        """A ticket's plans; None where planning itself is the answer."""
        request = ticket.request
        try:
            if not request.repairs:
                self._picture.writable()
            proposal = self._prepared(request, snapshot) or propose(request, snapshot, now)
            check_guard(snapshot, proposal)
        except IdsWanted as wanted:
            ticket.settle(NeedsIds(wanted.wanted), own)
            return None
        except _FINAL as error:
            ticket.settle(Failed(error), own)
            return None
        except EtcdMetaError as error:
            ticket.settle(RefusedOn(error, snapshot), own)
            return None
        except Exception as error:  # noqa: BLE001 - goes to the caller whose command it is, not to the leader
            ticket.settle(Failed(error), own)
            return None
        if not proposal.changes or (not proposal.acts and not request.is_final_on(snapshot)):
            ticket.settle(NothingToDo(proposal.plans, snapshot), own)
            return None
        written = self._written_after(proposal)
        if written is not None:
            ticket.settle(Behind(written), own)
            return None
        return proposal

    def _prepared(self, request: Request, snapshot: Snapshot) -> Proposal | None:
        """What `prepare` made, unless it is known to look different by now. All else its compares find out."""
        proposal, request.prepared = request.prepared, None
        if proposal is None or request.alone:
            return None
        then, now = proposal.planned_on.tables, snapshot.tables
        same_world = then.cluster is now.cluster and then.unreadable is now.unreadable
        return proposal if same_world and self._written_after(proposal) is None else None

    def _written_after(self, proposal: Proposal) -> int | None:
        """The revision of this store's last commit that wrote what the proposal relies on, and that its picture did
        not show."""
        for revision, footprint in reversed(self._recent):
            if revision <= proposal.planned_on.revision:
                return None
            if footprint.writes_touch(proposal.footprint):
                return revision
        return None

    def _commit(
        self,
        own: Ticket,
        proposals: Sequence[tuple[Ticket, Proposal]],
        snapshot: Snapshot,
        footprint: Footprint,
    ) -> None:
        txn = compose([proposal for _, proposal in proposals], snapshot, self._keyspace)
        deadline = max(ticket.request.deadline for ticket, _ in proposals)
        try:
            # Not all of the time, so that there is some left to settle a lost answer in.
            result = self._strategy.transact(txn, deadline=_share(deadline))
        except Ambiguous as lost:
            self._settle(own, proposals, snapshot, lost)
            return
        if result.succeeded:
            self._recent.append((result.header.revision, footprint))
            self._committed(own, proposals, snapshot, result)
            return
        newest = self._newest_seen(result, snapshot)
        oldest = min((proposal.planned_on for _, proposal in proposals), key=lambda planned_on: planned_on.revision)
        for ticket, _ in proposals:
            ticket.request.alone = True
            final = self._final_word(ticket.request, txn, result) if len(proposals) == 1 else None
            ticket.settle(final or Conflicted(newest, oldest), own)

    def _committed(
        self,
        own: Ticket,
        proposals: Sequence[tuple[Ticket, Proposal]],
        snapshot: Snapshot,
        result: TxnResult,
    ) -> None:
        previous = result.previous.get(self._keyspace.absolute(keys.GENERATION))
        base = snapshot.cluster.generation_base if snapshot.cluster else 0
        generation = base + (previous.version if previous is not None else 0) + 1
        revision = result.header.revision
        for ticket, proposal in proposals:
            outcomes = tuple(
                outcome_of(operation.id, generation, revision, plan)
                for operation, plan in zip(proposal.request.operations, proposal.plans, strict=True)
            )
            ticket.answer = Settled(outcomes, revision)
            if ticket is not own:
                # Woken once, when its own cache shows the commit, not twice.
                self._picture.waiters.release_at(revision, ticket.wake)

    def _settle(
        self,
        own: Ticket,
        proposals: Sequence[tuple[Ticket, Proposal]],
        snapshot: Snapshot,
        lost: Ambiguous,
    ) -> None:
        requests = [ticket.request for ticket, _ in proposals]
        try:
            if isinstance(lost.__cause__, KeyboardInterrupt):
                raise lost.__cause__
            shares = self.resolver.settle(requests, self._closing)
        except BaseException as error:  # noqa: BLE001 - goes to every caller in the group, as what it means to them
            for ticket, _ in proposals:
                ticket.settle(Failed(_unknown(ticket.request, error)), own)
            return
        for (ticket, _), entries in zip(proposals, shares, strict=True):
            ticket.request.alone = True
            ticket.settle(self.by_entries(ticket.request, entries, snapshot), own)

    # --- the ledger's word

    def by_entries(self, request: Request, entries: Sequence[LedgerEntry], snapshot: Snapshot) -> Answer:
        if any(entry.void for entry in entries):
            if any(operation.external for operation in request.operations) and not is_own_void(request, entries):
                return Failed(_concluded(request))
            return Voided(tuple(entry.revision for entry in entries))
        for operation, entry in zip(request.operations, entries, strict=True):
            if entry.fingerprint != operation.command.fingerprint():
                return Failed(_reused(operation, entry))
        revision = entries[0].revision
        base = snapshot.cluster.generation_base if snapshot.cluster else 0
        generation = self.resolver.generation_at(revision, base=base, deadline=time.monotonic() + 1.0)
        outcomes = tuple(
            Outcome(entry.operation_id, generation, revision, entry.changed, entry.result, entry.summary)
            for entry in entries
        )
        return Settled(outcomes, revision)

    def _final_word(self, request: Request, txn: Transaction, result: TxnResult) -> Answer | None:
        """What else a failed compare may mean than that others were faster: done already, or fenced off."""
        own_entry = self._own_entry(request, result)
        if own_entry is not None:
            return own_entry
        found = {read.key: kvs for read, kvs in zip(txn.reads, result.reads, strict=False)}
        for fence in request.fences:
            kvs = found.get(self._keyspace.absolute(fence.key), ())
            if (kvs[0].create_revision if kvs else 0) != fence.create_revision:
                return Failed(_fenced(request, fence))
        return None

    def _own_entry(self, request: Request, result: TxnResult) -> Answer | None:
        """The compare that failed may be that of our own ledger key: an earlier sending of the same operation."""
        entries = [decode_entry(kvs[0]) for kvs in result.reads[2 : 2 + len(request.operations)] if kvs]
        if len(entries) < len(request.operations):
            return None
        return self.by_entries(request, entries, self._picture.snapshot())

    def _newest_seen(self, result: TxnResult, snapshot: Snapshot) -> int:
        """The newest commit that the else-branch shows. Raises `ClusterDestroyed` where the guard is gone."""
        generation, guard = result.reads[0], result.reads[1]
        if snapshot.cluster is not None and not guard:
            raise ClusterDestroyed(
                "the cluster's guard is gone from etcd", rule="nothing is written without it", remedy=_RESTORE
            )
        return max((kv.mod_revision for kv in (*generation, *guard)), default=0)


_RESTORE = "restore etcd from a backup, or start a new cluster under another name"


def is_own_void(request: Request, entries: Sequence[LedgerEntry]) -> bool:
    """Whether this very sending wrote them, so that it may go on as the next attempt. Another's may be the proof that
    was given to somebody that the operation never happens."""
    return all(
        entry.void and (entry.actor, entry.time) == (clean(operation.actor)[:MAX_ACTOR], operation.issued)
        for operation, entry in zip(request.operations, entries, strict=True)
    )


def outcome_of(operation_id: str, generation: int, revision: int, plan: Plan) -> Outcome:
    return Outcome(operation_id, generation, revision, plan.changed, plan.result, plan.summary, plan.more, plan.notices)


def _share(deadline: float) -> float:
    """A deadline that leaves two fifths of the time for settling, and is no longer than an election needs: what a
    member had queued for a leader that died is answered after seven seconds only."""
    now = time.monotonic()
    return now + min(MOST_SECONDS, max(0.05, (deadline - now) * 0.6))


def _unknown(request: Request, error: BaseException) -> BaseException:
    """Each request of a group by its own id."""
    operation_id = request.operations[0].id
    if isinstance(error, OutcomeUnknown) and error.operation_id == operation_id:
        return error
    unknown = OutcomeUnknown(
        f"whether {request.what!r} was committed is not known ({error})",
        operation_id=operation_id,
        value=operation_id,
        rule="it may have happened, or may yet happen",
        remedy=f"ask with store.outcome({operation_id!r})",
    )
    unknown.__cause__ = error
    return unknown


def _fenced(request: Request, fence: Fence) -> Fenced:
    return Fenced(
        f"{request.what!r} was not committed: {fence.what} was lost meanwhile",
        value=request.operations[0].id,
        rule="who acts for a service, or as a node, commits under its lease only",
        remedy="look again, and act under the new lease",
    )


def _concluded(request: Request) -> OutcomeUnknown:
    operation_id = request.operations[0].id
    return OutcomeUnknown(
        f"this sending of {request.what!r} was settled as not committed by another one",
        operation_id=operation_id,
        value=operation_id,
        rule="one operation may be sent several times; what another sending came to is not known here",
        remedy=f"ask with store.outcome({operation_id!r}), or send it again under the same id",
    )


def _reused(operation: Operation, entry: LedgerEntry) -> OperationIdReused:
    return OperationIdReused(
        f"operation {operation.id} is {entry.command!r} in the ledger",
        value=operation.id,
        rule="one operation id stands for one command",
        remedy="make a new id for a new command",
    )
