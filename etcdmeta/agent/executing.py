"""Execute and its kin: commands of others, planned and committed by this agent's store."""

from __future__ import annotations

import time

from etcdmeta.agent.call import Call
from etcdmeta.agent.facts import Facts
from etcdmeta.agent.feed import Feed
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.standing import Standing
from etcdmeta.commands.joining import JoinNode
from etcdmeta.commands.node import AddNode
from etcdmeta.commands.plan import Command
from etcdmeta.errors import ClusterRestored, CommandTooLarge, InvalidInput, UnreadableRequest
from etcdmeta.store import MetaStore
from etcdmeta.store.operations import Fence, Operation, operation_time
from etcdmeta.store.outcomes import outcome_to_wire
from etcdmeta.wire.commands import from_wire
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import decode_position, encode_position

MOST_OPERATIONS = 100
"""A transaction takes no more: each has an entry in the ledger (law 5)."""
_LONGEST_ACTOR = 200
_ADMITTING = frozenset({JoinNode.NAME, AddNode.NAME})


def also_called(request: pb.ExecuteRequest) -> tuple[str, ...]:
    """The methods that the caller must be allowed to call, too: what its commands do, others do by them.

    Whoever makes a node a member joins one. Not so the other commands: ``init cluster`` founds a cluster without
    anybody in it, and accepting a restore or raising the ledger's floor is an operator's repair of what is there.
    """
    return ("Join",) if any(operation.command.name in _ADMITTING for operation in request.operations) else ()


class Executing:
    """Of one agent. All of it is repeatable: an id is looked up in the ledger before anything is done."""

    def __init__(self, store: MetaStore, feed: Feed, standing: Standing, facts: Facts, limits: Limits) -> None:
        self._store = store
        self._feed = feed
        self._standing = standing
        self._facts = facts
        self._limits = limits

    async def execute(self, call: Call, request: pb.ExecuteRequest) -> pb.ExecuteResponse:
        """Raises what `MetaStore.submit` raises, and `AgentBehind`."""
        actor = self._actor(call, request.actor)
        now = time.time_ns()
        operations = [
            Operation(o.id, from_wire(o.command), actor, now, external=True, once=request.once, fence=_fence(o))
            for o in _checked(request.operations)
        ]
        await self._reach(call, request.position, [operation.command for operation in operations])
        outcomes = await call.in_thread(self._store.submit, operations, timeout=call.timeout())
        tip = self._feed.log.tip  # the store tells of each picture before it lets go who waited for it
        assert tip is not None
        return pb.ExecuteResponse(
            outcomes=[outcome_to_wire(outcome) for outcome in outcomes],
            position=encode_position(tip.snapshot.position),
            generation=tip.snapshot.generation,
        )

    async def conclude(self, call: Call, request: pb.ConcludeRequest) -> pb.ConcludeResponse:
        """Raises `OutcomeUnknown`."""
        outcome = await call.in_thread(self._store.outcome, request.operation_id, timeout=call.timeout())
        return pb.ConcludeResponse(outcome=None if outcome is None else outcome_to_wire(outcome))

    async def verify_password(self, call: Call, request: pb.VerifyPasswordRequest) -> pb.VerifyPasswordResponse:
        correct = await call.in_thread(
            self._store.verify_password, request.user, request.password, timeout=call.timeout()
        )
        return pb.VerifyPasswordResponse(correct=correct)

    async def prune_ledger(self, call: Call, _: pb.PruneLedgerRequest) -> pb.PruneLedgerResponse:
        pruned = await call.in_thread(self._store.prune_ledger, timeout=call.timeout())
        return pb.PruneLedgerResponse(
            forgotten=pruned.forgotten, unreadable=pruned.unreadable, unreadable_count=pruned.unreadable_count
        )

    async def _reach(self, call: Call, position: bytes, commands: list[Command]) -> None:
        """Waits for what the caller has seen. A caller of another history, and we, cannot both be right: only what
        mends that is done."""
        asked = decode_position(position)
        placed = await self._standing.place(asked, call.before(self._limits.catch_up))
        if asked is None or placed.revision is not None or not asked.epoch or all(c.REPAIRS for c in commands):
            return
        raise ClusterRestored(
            "the caller has seen another history of etcd than this agent",
            value=asked.revision,
            rule="a restored cluster takes no writes from who has seen what was lost",
            remedy="read the picture anew; where the restore is not accepted: `etcdmeta cluster accept-restore`",
        )

    def _actor(self, call: Call, claimed: str) -> str:
        """What stands in the history: the claim, and behind it what we know. Whatever is claimed, the last " via " is
        ours."""
        if len(claimed) > _LONGEST_ACTOR or not claimed.isprintable():
            raise InvalidInput(
                "the actor cannot be used",
                value=claimed[:_LONGEST_ACTOR],
                rule=f"at most {_LONGEST_ACTOR} printable characters",
                remedy="give a shorter one",
            )
        shown = f"{claimed or 'somebody'} via {self._facts.name}"
        return f"{shown}, {call.who}" if call.who else shown


def _fence(operation: pb.Operation) -> Fence | None:
    """A compare only: whatever key the caller names, nothing of it is told but whether it stands."""
    if not operation.HasField("fence"):
        return None
    fence = operation.fence
    return Fence(fence.key, fence.create_revision, fence.what[:_LONGEST_ACTOR])


def _checked(operations: object) -> list[pb.Operation]:
    found: list[pb.Operation] = list(operations)  # type: ignore[call-overload]
    if not found:
        raise UnreadableRequest("an Execute without operations", rule="there is at least one")
    if len(found) > MOST_OPERATIONS:
        raise CommandTooLarge(
            f"{len(found)} operations in one transaction",
            value=len(found),
            rule=f"at most {MOST_OPERATIONS}",
            remedy="send fewer at once",
        )
    for operation in found:
        operation_time(operation.id)
    ids = {operation.id for operation in found}
    if len(ids) < len(found):
        raise InvalidInput("two operations with one id", rule="each operation has an id of its own")
    return found
