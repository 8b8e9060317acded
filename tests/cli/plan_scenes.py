"""Plans in pictures made by hand: one with a move in every state, and a large one."""

from __future__ import annotations

import random
from functools import cache

from etcdmeta.model.entities import Node, ShardOwner
from etcdmeta.model.moveplans import MOVES_A_PAGE, Move, MovePlan, PlanKind, PlanState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode_moves
from tests.cli.pictures import DAY, MIB, NOW, Scene, at, owner

HOUR = 3600 * 10**9
PATH = ("metrics", "autogen")


def put_plan(scene: Scene, plan: MovePlan, moves: list[Move]) -> None:
    """``moves`` and ``pages`` of the plan are set here."""
    pages = [moves[begin : begin + MOVES_A_PAGE] for begin in range(0, len(moves), MOVES_A_PAGE)]
    scene.put(keys.plan(plan.id), plan.model_copy(update={"moves": len(moves), "pages": len(pages)}))
    for number, page in enumerate(pages):
        scene.raw(keys.plan_moves(plan.id, number), encode_moves(page))


def plan_record(**fields: object) -> MovePlan:
    usual: dict[str, object] = {
        "id": 3,
        "kind": PlanKind.REBALANCE,
        "state": PlanState.RUNNING,
        "reason": "three more nodes",
        "author": "ana@ops",
        "created_at": NOW - HOUR,
        "changed_at": NOW - HOUR // 2,
    }
    return MovePlan.model_validate(usual | fields)


def node_record(node_id: int, host: str, zone: str) -> Node:
    return Node(id=node_id, host=host, labels={"zone": zone}, state="joined", reports_liveness=True)


MOVES = {
    1: ("done", Move(1, 1, 4), [owner(2), owner(4)]),
    2: ("copying", Move(2, 1, 4, 2, 40 * MIB), [owner(1), owner(2), owner(4, "copying", source=2, attempt=1)]),
    3: ("failed", Move(3, 1, 4), [owner(1), owner(2), owner(4, "failed", source=1, attempt=2, reason="disk full")]),
    4: ("copied", Move(4, 1, 4), [owner(1), owner(2), owner(4)]),
    5: ("leaving", Move(5, 1, 4), [owner(1, "leaving"), owner(2), owner(4)]),
    6: ("waiting", Move(6, 1, 4), [owner(1), owner(2)]),
    7: ("blocked", Move(7, 1, 3), [owner(1), owner(2)]),
    8: ("drifted", Move(8, 1, 4), [owner(2)]),
    9: ("gone", Move(9, 1, 4), []),
    10: ("added", Move(10, 0, 4), [owner(1), owner(2), owner(4)]),
    11: ("taken", Move(11, 2, 0), [owner(1), owner(2)]),
}
"""By shard: what it is called here, the move, the owners. Node 3 is down; shard 9 stands in no group."""


def scene_of_all(state: PlanState = PlanState.RUNNING, *, down: tuple[int, ...] = (3,), **fields: object) -> Scene:
    scene = Scene()
    for node_id, zone in ((1, "a"), (2, "b"), (3, "c"), (4, "a")):
        scene.node(node_id, live=node_id not in down)
        scene.put(keys.node(node_id), node_record(node_id, f"db-{node_id}:8088", zone))
    scene.policy(*PATH, replicas=2, group_duration="1d")
    for shard, (_, _, owners) in MOVES.items():
        if owners:
            scene.group(shard, PATH, at("2026-11-25") - shard * DAY, {shard: owners}, length=DAY)
    scene.progress(PATH, 2, 4, attempt=1, done=10 * MIB, total=40 * MIB, rate=MIB, updated=NOW)
    usual: dict[str, object] = {"before": {1: 10, 2: 10, 3: 0, 4: 0}, "after": {1: 2, 2: 9, 3: 1, 4: 9}}
    put_plan(scene, plan_record(state=state, **(usual | fields)), [move for _, move, _ in MOVES.values()])
    return scene


@cache
def large(moves: int = 3000, seed: int = 5) -> Snapshot:
    """A plan over 60 nodes in three zones, some of it done, some under way, two targets down."""
    scene, chance = Scene(), random.Random(seed)
    for node_id in range(1, 61):
        scene.node(node_id, live=node_id not in (47, 58))
        scene.put(keys.node(node_id), node_record(node_id, f"db-{node_id}.example:8088", "abc"[node_id % 3]))
    scene.policy(*PATH, replicas=2, group_duration="1d")
    planned = []
    for shard in range(1, moves + 1):
        old, other = chance.sample(range(1, 41), 2)
        new = chance.randrange(41, 61)
        owners: list[ShardOwner] = [owner(old), owner(other)]
        if shard % 10 < 4:
            owners = [owner(other), owner(new)]
        elif shard % 300 == 4:
            owners.append(owner(new, "copying", source=other, attempt=1))
            progress = {"done": 10 * MIB, "total": 40 * MIB, "rate": MIB, "updated": NOW}
            scene.progress(PATH, shard, new, attempt=1, **progress)
        elif shard % 700 == 5:
            owners.append(owner(new, "failed", source=other, attempt=3, reason="no room on this disk"))
        scene.group(shard, PATH, at("2026-11-25") - shard * DAY, {shard: owners}, length=DAY)
        planned.append(Move(shard, old, new))
    before = {node_id: 150 if node_id <= 40 else 0 for node_id in range(1, 61)}
    put_plan(scene, plan_record(before=before, after=dict.fromkeys(range(1, 61), 100)), planned)
    return scene.snapshot()
