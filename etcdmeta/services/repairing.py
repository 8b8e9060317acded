"""The service ``repair``: new owners for shards that lost some, without being asked. Off unless it is asked for.

It is careful, since moving data by itself has made many an outage worse: what is lost has to stay lost for a while; one
plan at a time, of a limited number of shards; and where more than a third of the nodes are down, nothing, since that is
no lost disk but a lost rack or network, and somebody has to look. What it does is a plan as any other: seen, paused,
aborted and undone.

How long something is lost is told by what is stored, so that a change of leader resets nothing: a failed owner says
``since`` when, and which nodes are down is noted at each pass (`etcdmeta.services.absences`). A shard that has fewer
owners than its policy wants, none of them being lost (an owner was removed, the policy wants more), has been so since
its group and its policy changed last, and could be helped since a node joined last, or a plan that had it ended: for as
long as a revision is old that somebody saw after all of these (`etcdmeta.services.standstill`). What nothing stored
tells, such as an owner on a node that was removed, is measured by the leader's own monotonic clock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping

from etcdmeta.commands.moveplan import StartPlan
from etcdmeta.commands.planning import repair as plan_repair
from etcdmeta.model.moveplans import ACTIVE_STATES, PlanKind
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.services.absences import down_since
from etcdmeta.services.service import Note, Turn
from etcdmeta.services.standstill import revision_before

log = logging.getLogger(__name__)

DELAY = 900.0
MOST_SHARDS = 100


class Repairing:
    """``every`` and ``delay``: seconds between two looks, and how long something has to be lost; ``most``: shards of
    one plan. ``monotonic``, in seconds, is for tests."""

    name = "repair"

    def __init__(
        self,
        *,
        every: float = 60.0,
        delay: float = DELAY,
        most: int = MOST_SHARDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.every = every
        self._delay = delay
        self._most = most
        self._monotonic = monotonic
        self._seen: dict[int, float] = {}
        """When each shard that lost something was first found, by ``monotonic``, under the present lead."""
        self._lead = 0

    def run(self, turn: Turn) -> str:
        snapshot, now = turn.store.latest(), turn.now()
        down = down_since(turn, snapshot, now)
        lost = {move.shard_id for move in plan_repair(snapshot, now=now).moves}
        before = revision_before(turn, snapshot, now, int(self._delay * 1e9), noting=bool(lost))
        at, lead = self._monotonic(), turn.fence().create_revision
        if lead != self._lead:
            self._seen, self._lead = {}, lead  # another looked meanwhile, or nobody
        self._seen = {shard_id: self._seen.get(shard_id, at) for shard_id in lost}
        young = {s for s in lost if self._lost_for(snapshot, s, now, down, at) < self._delay}
        ripe = sorted((lost - young) | short_before(snapshot, young, before))
        if not ripe or any(p.kind == PlanKind.REPAIR and p.state in ACTIVE_STATES for p in snapshot.plans()):
            return ""
        missing, nodes = down_of(snapshot)
        if 3 * missing > nodes:
            text = (
                f"{missing} of {nodes} nodes are down: nothing is repaired by itself; see `etcdmeta node list`, and "
                "`etcdmeta shard repair` where they do not come back"
            )
            turn.notes.append(Note(text, len(ripe)))
            log.warning("%s", text)
            return ""
        ripe = ripe[: self._most]
        draft = plan_repair(snapshot, shards=ripe, now=now)
        if not draft.moves:
            return ""
        create = turn.store.proposal(draft, reason="lost owners (automatic repair)")
        plan_id = int(turn.store.execute(create, fence=turn.fence()).result["plan_id"])
        turn.store.execute(StartPlan(plan_id=plan_id), fence=turn.fence())
        return f"began plan {plan_id}: {len(draft.moves)} moves for {len(ripe)} shards that lost owners"

    def _lost_for(self, snapshot: Snapshot, shard_id: int, now: int, down: Mapping[int, int], at: float) -> float:
        """Seconds since the first of what the shard lost was; by the own clock where nothing that is stored tells."""
        owners = snapshot.shard(shard_id).owners
        since = [owner.since for owner in owners if owner.status == OwnerStatus.FAILED and owner.since]
        since += [down[owner.node_id] for owner in owners if owner.node_id in down]
        return max([at - self._seen[shard_id], *((now - told) / 1e9 for told in since)])

    def doing(self) -> str:
        """Its passes are told when they are over."""
        return ""

    def interrupt(self) -> None:
        """A pass is two commits."""


def short_before(snapshot: Snapshot, shard_ids: Collection[int], revision: int) -> set[int]:
    """Those that had fewer owners than their policies want at that revision already, and could be helped; 0: none."""
    if not revision or any(node.create_revision > revision for node in snapshot.nodes()):
        return set()
    freed = {
        move.shard_id
        for plan in snapshot.plans()
        if plan.has_ended and plan.mod_revision > revision
        for move in snapshot.plan_moves(plan.id)
    }
    return {shard_id for shard_id in shard_ids if shard_id not in freed and _is_short(snapshot, shard_id, revision)}


def _is_short(snapshot: Snapshot, shard_id: int, revision: int) -> bool:
    group = snapshot.group_of_shard(shard_id)
    policy = snapshot.database_by_id(group.database_id).policy_by_id(group.policy_id)
    owners = [owner for owner in snapshot.shard(shard_id).owners if owner.status != OwnerStatus.LEAVING]
    return max(group.mod_revision, policy.mod_revision) <= revision and len(owners) < policy.replicas


def down_of(snapshot: Snapshot) -> tuple[int, int]:
    """How many nodes are down, of how many; who never reported liveness is not down."""
    nodes = snapshot.nodes()
    return sum(snapshot.is_live(node.id) is False for node in nodes), len(nodes)
