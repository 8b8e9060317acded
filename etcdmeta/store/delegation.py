"""Committing through agents: commands travel, with id, position and deadline; the agent plans, commits and answers.

An answer that is lost, or an agent that goes away, leads to the same ids at the next agent: done once, whichever of
them did it. The first sending is made ``once``, so that a command that changes nothing leaves no trace; every later one
is not, and the agent makes sure of its answer by the ledger: a refusal then is proof that no earlier sending will land.
What an agent sends on for another's call, it sends once to each, within the caller's deadline: the caller repeats it.
Group commit, ids and retries after conflicts are the agent's. Here a command returns when the own cache shows it,
whichever agent feeds that.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from etcdmeta.commands.plan import Plan
from etcdmeta.consensus.protocol import Ambiguous, Delegate
from etcdmeta.errors import (
    CommandTooLarge,
    ConflictPersists,
    DeadlineInvalid,
    EtcdMetaError,
    Fenced,
    InvalidInput,
    LimitReached,
    MessageTooLarge,
    NotFound,
    OperationIdReused,
    OutcomeUnknown,
    ReadOnly,
    Refused,
    StoreClosed,
    Unavailable,
    UnknownCommand,
    UnreadableRequest,
    WaitTimedOut,
)
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Keyspace
from etcdmeta.store.clock import Clock
from etcdmeta.store.committer import LEDGER_REACH
from etcdmeta.store.ids import IdReserver
from etcdmeta.store.ledger import clean
from etcdmeta.store.operations import Fence, Operation, Outcome, operation_time
from etcdmeta.store.outcomes import outcome_from_wire
from etcdmeta.store.preview import preview
from etcdmeta.store.pruning import Pruned
from etcdmeta.store.resolution import GRACE
from etcdmeta.store.waiters import RevisionWaiters
from etcdmeta.wire.commands import to_wire
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import encode_position
from etcdmeta.wire.via import relayed

SHARE = 0.6
"""Of the time that is left, for one sending, where there is another agent: a silent one must not take it all."""
FIRST_PAUSE, LAST_PAUSE = 0.02, 0.5
"""Seconds between two rounds over all agents, at the most; doubling, with full jitter."""
LONGEST_ACTOR = 200
"""Characters that agents take; they add how they know the caller."""
_NOT_SENT = (Unavailable, LimitReached, ConflictPersists)
"""That sending is certain to have done nothing; another may."""
_NOTHING = "nothing was done"
_PROOFS = (InvalidInput, NotFound, Refused, OperationIdReused, Fenced)
_NO_PROOFS = (UnreadableRequest, UnknownCommand, MessageTooLarge, DeadlineInvalid, CommandTooLarge, ReadOnly)
"""Of the refusals, those that agents give without looking what became of an earlier sending."""


class Picture(Protocol):
    """The local cache, as delegation needs it."""

    waiters: RevisionWaiters

    def snapshot(self) -> Snapshot:
        """The published picture. Raises where there is none, and where the store is closed."""

    def wait_until(self, done: Callable[[], bool], deadline: float) -> bool:
        """Until ``done()``, asked again at every publication. False: too late, or closed."""


class Delegation:
    """Thread-safe; `etcdmeta.store.commits.Commits`. ``clock`` gives nanoseconds since 1970."""

    def __init__(self, agents: Delegate, keyspace: Keyspace, picture: Picture, clock: Clock) -> None:
        self._agents = agents
        self._cluster = keyspace.cluster
        self._picture = picture
        self._clock = clock
        self._ids = IdReserver(agents, keyspace)
        self._closing = threading.Event()

    def run(self, operations: Sequence[Operation], deadline: float) -> tuple[Outcome, ...]:
        """Commit operations together; returns when the own cache shows it. ``deadline``: monotonic seconds.

        Raises what the agent's store raises. `Unavailable`: certainly not committed; `OutcomeUnknown`: an answer was
        lost, and no agent could be asked for it in time; `WaitTimedOut`: committed, but the own cache is late.
        """
        if self._closing.is_set():
            raise StoreClosed("the store was closed")
        request = pb.ExecuteRequest(
            cluster=self._cluster,
            operations=[_operation(each) for each in operations],
            position=encode_position(self._picture.snapshot().position),
            actor=clean(operations[0].actor)[:LONGEST_ACTOR],
            once=not any(operation.repeatable for operation in operations),
        )
        what = " + ".join(operation.command.NAME for operation in operations)
        response = self._send(request, what, deadline)
        return self._shown(tuple(map(outcome_from_wire, response.outcomes)), what, deadline)

    def preview(self, operation: Operation, snapshot: Snapshot, deadline: float) -> Plan:
        return preview(operation, snapshot, self._ids, self._clock.now(), deadline)

    def outcome(self, operation_id: str, deadline: float) -> Outcome | None:
        request = pb.ConcludeRequest(cluster=self._cluster, operation_id=operation_id)
        response = self._agents.conclude(request, deadline=deadline)
        return outcome_from_wire(response.outcome) if response.HasField("outcome") else None

    def verify_password(self, name: str, password: str, deadline: float) -> bool:
        request = pb.VerifyPasswordRequest(cluster=self._cluster, user=name, password=password)
        return self._agents.verify_password(request, deadline=deadline).correct

    def prune(self, actor: str, deadline: float, fence: Fence | None = None, now: int | None = None) -> Pruned:  # noqa: ARG002
        """By the agent, and by its clock: a service, which has asked more than one, leads, and so has etcd."""
        request = pb.PruneLedgerRequest(cluster=self._cluster)
        said = self._agents.prune_ledger(request, deadline=deadline)
        return Pruned(said.forgotten, tuple(said.unreadable), said.unreadable_count)

    def close(self) -> None:
        """What is under way gives up as unknown."""
        self._closing.set()

    # --- sending

    def _send(self, request: pb.ExecuteRequest, what: str, deadline: float) -> pb.ExecuteResponse:
        """To one agent after the other, until one answers; for another's call, one round.

        A round has each agent once. Were each sending to ask anew who is the likeliest, a whole round could go to one
        agent while the others are in their back-off, and in a circle of agents each call would become many.
        """
        once_round = relayed() is not None
        several = len(self._agents.endpoints) > 1
        lost: BaseException | None = None
        reason: EtcdMetaError | None = None
        pause = FIRST_PAUSE
        to_ask: list[str] = []
        while not self._closing.is_set():
            # A sure answer is worth more than a punctual one; but nobody waits for us beyond another's deadline.
            end = deadline if lost is None or once_round else deadline + GRACE
            left = end - time.monotonic()
            if left <= 0:
                break
            endpoint, *to_ask = to_ask or self._agents.order()
            try:
                share = left * SHARE if several else left
                return self._agents.execute(request, endpoint, deadline=time.monotonic() + share)
            except Ambiguous as error:
                if isinstance(error.__cause__, KeyboardInterrupt | SystemExit):
                    raise _unknown(request, what, error.__cause__) from error.__cause__
                lost = error
            except OutcomeUnknown as error:
                if self._is_too_old(error.operation_id):
                    raise
                lost = error
            except WaitTimedOut as error:  # before its commit, or after
                lost = error
            except _NOT_SENT as error:
                reason = error
            except EtcdMetaError as error:
                if lost is None or (isinstance(error, _PROOFS) and not isinstance(error, _NO_PROOFS)):
                    raise
                raise _unknown(request, what, error) from error
            request.once = request.once and lost is None
            if not to_ask:
                if once_round:
                    break
                self._closing.wait(min(random.uniform(0, pause), max(0.0, end - time.monotonic())))
                pause = min(2 * pause, LAST_PAUSE)
        if lost is not None:
            raise _unknown(request, what, lost) from lost
        if self._closing.is_set():
            raise StoreClosed("the store was closed")
        raise _not_done(what, reason)

    def _is_too_old(self, operation_id: str) -> bool:
        """Whether the ledger does not reach back to an id: no agent will ever know more of it."""
        return self._clock.now() - operation_time(operation_id) > LEDGER_REACH

    # --- read your writes

    def _shown(self, outcomes: tuple[Outcome, ...], what: str, deadline: float) -> tuple[Outcome, ...]:
        if not outcomes:
            raise Unavailable(f"the agent's answer to {what!r} is empty")
        last = outcomes[-1]
        if any(outcome.changed for outcome in outcomes):
            there = self._picture.waiters.wait(last.revision, deadline)
        else:
            # The revision may be one at which the agent's own picture stands, and which brought no event to ours.
            there = self._picture.wait_until(lambda: self._shows(last), deadline)
        if not there:
            raise WaitTimedOut(
                f"{what!r} is committed (revision {last.revision}), but the local picture is not there yet",
                value=last.operation_id,
                rule="a command returns when the own cache shows it",
                remedy="do not repeat it; wait for the picture, or read consistently",
            )
        return outcomes

    def _shows(self, outcome: Outcome) -> bool:
        snapshot = self._picture.snapshot()
        generation = outcome.generation
        return snapshot.revision >= outcome.revision or (generation is not None and snapshot.generation >= generation)


def _operation(operation: Operation) -> pb.Operation:
    message = pb.Operation(id=operation.id, command=to_wire(operation.command))
    if operation.fence is not None:
        fence = operation.fence
        message.fence.CopyFrom(pb.Fence(key=fence.key, create_revision=fence.create_revision, what=clean(fence.what)))
    return message


def _not_done(what: str, reason: EtcdMetaError | None) -> EtcdMetaError:
    """Certain: each sending has failed before anything was done, or there was none. ``reason``: of the last."""
    if reason is None:
        return Unavailable(
            f"no time was left to send {what!r} to an agent: {_NOTHING}",
            rule="the caller's deadline had passed",
            remedy="give more time: --timeout",
        )
    if type(reason) is not Unavailable or _NOTHING in reason.message:
        return reason  # what it is says it
    return Unavailable(
        f"{reason.message}: {_NOTHING}",
        value=reason.value,
        rule=reason.rule,
        remedy=reason.remedy or "repeat it later; see `etcdmeta agent status`",
    )


def _unknown(request: pb.ExecuteRequest, what: str, problem: BaseException) -> OutcomeUnknown:
    operation_id = request.operations[0].id
    return OutcomeUnknown(
        f"whether {what!r} was committed is not known: no agent gave a sure answer ({problem})",
        operation_id=operation_id,
        value=operation_id,
        rule="it may have happened, or may yet happen",
        remedy=f"ask again with store.outcome({operation_id!r}) or `etcdmeta history --operation {operation_id}`",
    )
