"""The service ``repair``: new owners for shards that lost some, without being asked. Off unless it is asked for.

It is careful, since moving data by itself has made many an outage worse: what is lost has to stay lost for a while,
which the process measures by its own monotonic clock, so that a new leader begins to wait anew; one plan at a time, of
a limited number of shards; and where more than a third of the nodes are down, nothing, since that is no lost disk but a
lost rack or network, and somebody has to look. What it does is a plan as any other: seen, paused, aborted and undone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from etcdmeta.commands.moveplan import StartPlan
from etcdmeta.commands.planning import repair as plan_repair
from etcdmeta.model.moveplans import ACTIVE_STATES, PlanKind
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.services.service import Turn

log = logging.getLogger(__name__)

DELAY = 900.0
MOST_SHARDS = 100


class Repairing:
    """``every`` and ``delay``: seconds between two looks, and how long something has to be lost; ``most``: shards of
    one plan. ``monotonic`` is for tests."""

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
        self._lost_since: dict[int, float] = {}  # by shard

    def run(self, turn: Turn) -> str:
        snapshot, now = turn.store.latest(), turn.now()
        lost = {move.shard_id for move in plan_repair(snapshot, now=now).moves}
        at = self._monotonic()
        self._lost_since = {shard_id: self._lost_since.get(shard_id, at) for shard_id in lost}
        ripe = sorted(s for s, since in self._lost_since.items() if at - since >= self._delay)[: self._most]
        if not ripe or any(p.kind == PlanKind.REPAIR and p.state in ACTIVE_STATES for p in snapshot.plans()):
            return ""
        down, nodes = down_of(snapshot)
        if 3 * down > nodes:
            log.warning("%d of %d nodes are down: nothing is repaired by itself", down, nodes)
            return ""
        draft = plan_repair(snapshot, shards=ripe, now=now)
        if not draft.moves:
            return ""
        create = turn.store.proposal(draft, reason="lost owners (automatic repair)")
        plan_id = int(turn.store.execute(create, fence=turn.fence()).result["plan_id"])
        turn.store.execute(StartPlan(plan_id=plan_id), fence=turn.fence())
        return f"began plan {plan_id}: {len(draft.moves)} moves for {len(ripe)} shards that lost owners"

    def interrupt(self) -> None:
        """A pass is two commits."""


def down_of(snapshot: Snapshot) -> tuple[int, int]:
    """How many nodes are down, of how many; who never reported liveness is not down."""
    nodes = snapshot.nodes()
    return sum(snapshot.is_live(node.id) is False for node in nodes), len(nodes)
