"""How far a move of a plan is, and what comes next: derived from the owners of its shard and the nodes, stored nowhere.

A move goes ``waiting → copying → copied → leaving → done``; what adds an owner ends with the copy, what only takes one
away begins with the leaving. A copy that failed is begun again, from another source where there is one. ``void`` is a
move that nothing is left of: its shard, both owners, or the node that should have come are gone.

Whether a node is up is advisory (`Snapshot.is_live`): it decides what waits, not what is safe. What is safe, statuses
say, and those the commands compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from etcdmeta.model.copyload import CopyLoad
from etcdmeta.model.entities import Shard, ShardGroup, ShardOwner
from etcdmeta.model.moveplans import Move, MovePlan, PlanKind, PlanState
from etcdmeta.model.owners import NodeState, OwnerStatus

if TYPE_CHECKING:
    from etcdmeta.model.snapshot import Snapshot


class MoveState(StrEnum):
    """How far a move is; see the module."""

    WAITING = "waiting"
    COPYING = "copying"
    FAILED = "failed"
    COPIED = "copied"
    LEAVING = "leaving"
    DONE = "done"
    VOID = "void"


SETTLED: Final = frozenset({MoveState.DONE, MoveState.VOID})
"""Nothing is left to do."""


class Step(StrEnum):
    """What is done next for a move: one transition of one owner."""

    BEGIN = "begin copy"  # – or failed → copying
    CANCEL = "cancel"  # of the one that comes: copying, failed → –
    LEAVE = "leave"  # of the one that goes: active → leaving
    DROP = "drop"  # of the one that goes: copying, failed → –
    REMOVE = "remove"  # of the one that goes: leaving → –
    STAY = "stay"  # of the one that goes: leaving → active


class Outlook(NamedTuple):
    """``step`` None: nothing can be done now. ``blocked``: why it cannot go on, though it is neither settled nor
    copying; "" else.
    """

    state: MoveState
    step: Step | None = None
    blocked: str = ""


def move_state(snapshot: Snapshot, move: Move) -> MoveState:
    """From the picture alone; any picture and any move have one."""
    place = _find(snapshot, move.shard_id)
    if place is None:
        return MoveState.VOID
    shard = place[1]
    leaver = shard.owner(move.from_node) if move.from_node else None
    if not move.to_node:
        if leaver is None:
            return MoveState.DONE if move.from_node else MoveState.VOID
        return MoveState.LEAVING if leaver.status == OwnerStatus.LEAVING else MoveState.WAITING
    comer = shard.owner(move.to_node)
    if comer is None:
        pointless = (move.from_node and leaver is None) or not _may_come(snapshot, move.to_node)
        return MoveState.VOID if pointless else MoveState.WAITING
    if comer.status == OwnerStatus.COPYING:
        return MoveState.COPYING
    if comer.status == OwnerStatus.FAILED:
        return MoveState.FAILED
    if not comer.serves:
        return MoveState.WAITING  # in a status of a later version
    if leaver is None:
        return MoveState.DONE
    return MoveState.LEAVING if leaver.status == OwnerStatus.LEAVING else MoveState.COPIED


def outlook(snapshot: Snapshot, plan: MovePlan, move: Move) -> Outlook:
    """State and next step of a move, as the plan's own state has it: running goes on, aborting settles what was begun,
    any other lets it stand.
    """
    state = move_state(snapshot, move)
    if state in SETTLED:
        return Outlook(state)
    place = _find(snapshot, move.shard_id)
    assert place is not None  # else it were void
    if plan.state == PlanState.RUNNING:
        return _onward(snapshot, *place, move, state)
    if plan.state == PlanState.ABORTING:
        return Outlook(state, _settling(snapshot, *place, plan, move, state))
    return Outlook(state, None, f"plan {plan.id} is {plan.state}")


def blocked(snapshot: Snapshot, plan: MovePlan, move: Move) -> str:
    """Why the move cannot go on now, in a sentence for people; "" where it can, is copying, or is settled. `held_back`
    says where it only waits for its turn.
    """
    return outlook(snapshot, plan, move).blocked


def held_back(snapshot: Snapshot, plan: MovePlan, move: Move, load: CopyLoad | None = None) -> str:
    """Which of the plan's limits a move waits for whose copy could begin; "" where none holds it back."""
    if outlook(snapshot, plan, move).step is not Step.BEGIN:
        return ""
    load = CopyLoad.of(snapshot) if load is None else load
    return load.full(plan.limits, source=choose_source(snapshot, move, load) or 0, target=move.to_node)


def is_settled(snapshot: Snapshot, plan: MovePlan, move: Move) -> bool:
    """Whether nothing is left to do for it: done or void; in a plan that is being aborted whatever may stay, too."""
    found = outlook(snapshot, plan, move)
    return found.state in SETTLED or (plan.state == PlanState.ABORTING and found.step is None)


def choose_source(snapshot: Snapshot, move: Move, load: CopyLoad) -> int | None:
    """The node to copy from: not the one that an attempt has just failed with, where there is another; the one that the
    plan names; one that is not leaving, since it has to stay for as long as the copy takes; one that gives few copies
    now. None: nobody serves the shard on a node that is up.
    """
    place = _find(snapshot, move.shard_id)
    if place is None:
        return None
    comer = place[1].owner(move.to_node)
    failed_with = comer.source if comer is not None and comer.status == OwnerStatus.FAILED else None
    able = _sources(snapshot, place[1], move.to_node)

    def rank(owner: ShardOwner) -> tuple[bool, bool, bool, int, int]:
        node_id = owner.node_id
        leaving = owner.status == OwnerStatus.LEAVING
        return node_id == failed_with, node_id != move.source, leaving, load.per_source[node_id], node_id

    return min(able, key=rank).node_id if able else None


def sources(snapshot: Snapshot, move: Move) -> frozenset[int]:
    """The nodes that the shard can be copied from now."""
    place = _find(snapshot, move.shard_id)
    return frozenset() if place is None else frozenset(o.node_id for o in _sources(snapshot, place[1], move.to_node))


# --- the rules


def _onward(snapshot: Snapshot, group: ShardGroup, shard: Shard, move: Move, state: MoveState) -> Outlook:
    """The next step of a move in a plan that runs."""
    if state is MoveState.COPYING:
        # A node that is being removed takes nothing any more; its own agent may be gone.
        return Outlook(state, None if _may_come(snapshot, move.to_node) else Step.CANCEL)
    if move.to_node and state in {MoveState.WAITING, MoveState.FAILED}:
        if state is MoveState.FAILED and not _may_come(snapshot, move.to_node):
            return Outlook(state, Step.CANCEL)
        why = _why_no_copy(snapshot, shard, move)
        return Outlook(state, None, why) if why else Outlook(state, Step.BEGIN)
    leaver = shard.owner(move.from_node)
    assert leaver is not None  # else it were done
    if leaver.status in {OwnerStatus.COPYING, OwnerStatus.FAILED}:
        return Outlook(state, Step.DROP)
    if not leaver.serves:
        return Outlook(state, None, f"node {leaver.node_id} is {leaver.status!r}, a status of a later version")
    why = _why_it_stays(snapshot, group, shard, leaver, move)
    if why:
        return Outlook(state, None, why)
    return Outlook(state, Step.REMOVE if leaver.status == OwnerStatus.LEAVING else Step.LEAVE)


def _settling(
    snapshot: Snapshot, group: ShardGroup, shard: Shard, plan: MovePlan, move: Move, state: MoveState
) -> Step | None:
    """The next step of a move in a plan that is aborted: copies that run are cancelled; what was copied takes over
    where it may, and stands beside the other owners where it may not; who is leaving for nobody stays.
    """
    leaver = shard.owner(move.from_node) if move.from_node else None
    leaving = leaver is not None and leaver.status == OwnerStatus.LEAVING
    if state is MoveState.COPYING:
        return Step.CANCEL
    if state is MoveState.FAILED and not (plan.kind == PlanKind.REPAIR and not move.from_node):
        return Step.CANCEL  # a repair found it failed
    if state in {MoveState.COPIED, MoveState.LEAVING} and move.to_node:
        onward = _onward(snapshot, group, shard, move, state).step
        return onward or (Step.STAY if leaving else None)
    return Step.STAY if leaving else None


def _why_no_copy(snapshot: Snapshot, shard: Shard, move: Move) -> str:
    comer = shard.owner(move.to_node)
    if comer is not None and comer.status != OwnerStatus.FAILED:
        return f"node {move.to_node} is {comer.status!r}, a status of a later version"
    node = snapshot.find_node(move.to_node)
    if node is None or not node.takes_shards:
        return f"node {move.to_node} is {'unknown' if node is None else node.state} and takes no shards"
    if snapshot.is_live(move.to_node) is False:
        return f"node {move.to_node} is down"
    if _sources(snapshot, shard, move.to_node):
        return ""
    served = [owner.node_id for owner in shard.owners if owner.serves and owner.node_id != move.to_node]
    if not served:
        return f"nobody serves shard {shard.id}, so there is nothing to copy from"
    return f"nobody can give shard {shard.id}: {_nodes(served)} {'is' if len(served) == 1 else 'are'} down"


def _why_it_stays(snapshot: Snapshot, group: ShardGroup, shard: Shard, leaver: ShardOwner, move: Move) -> str:
    """Why a serving owner cannot go yet. Where another takes over, as many have to be left as the policy wants, or as
    there would be if nobody had failed meanwhile: a shard that lacks owners can be moved, too. Where nobody takes over,
    as many as the policy wants. Whom others copy from stays until they are done, else their copies were in vain; a copy
    that has failed, or whose node is down, holds nobody, and none waits for anybody to go.
    """
    others = [owner for owner in shard.owners if owner.node_id != leaver.node_id]
    active = [owner.node_id for owner in others if owner.status == OwnerStatus.ACTIVE]
    wanted = snapshot.database_by_id(group.database_id).policy_by_id(group.policy_id).replicas
    lives = snapshot.is_live(leaver.node_id) is not False
    if move.to_node:
        comer = shard.owner(move.to_node)
        if comer is None or comer.status != OwnerStatus.ACTIVE:
            return f"node {move.to_node}, which should take over, is leaving the shard itself"
        if snapshot.is_live(move.to_node) is False:
            return f"node {move.to_node}, which has taken over, is down"
        failed = [o.node_id for o in others if o.status not in {*_KNOWN, OwnerStatus.ACTIVE}]
        wanted = min(wanted, len(active) + (len(failed) if lives else 0))
        if len(active) < wanted:
            return f"{_nodes(failed)} failed at shard {shard.id}: {len(active)} would be active, {wanted} are wanted"
    elif len(active) < wanted:
        return f"shard {shard.id} would have {_active_owners(len(active))}, and its policy wants {wanted}"
    takers = [
        owner.node_id
        for owner in others
        if owner.status == OwnerStatus.COPYING
        and owner.source == leaver.node_id
        and snapshot.is_live(owner.node_id) is not False
    ]
    if lives and takers:
        return (
            f"{_nodes(takers)} {'copies' if len(takers) == 1 else 'copy'} shard {shard.id} from node {leaver.node_id}"
        )
    if lives and all(snapshot.is_live(node_id) is False for node_id in active):
        return f"no other owner of shard {shard.id} is on a node that is up"
    return ""


_KNOWN: Final = frozenset({OwnerStatus.LEAVING, OwnerStatus.COPYING})
"""Who does not count as lost: it goes by a move of its own, or comes."""


def _sources(snapshot: Snapshot, shard: Shard, target: int) -> Sequence[ShardOwner]:
    return [o for o in shard.serving_owners(snapshot) if o.node_id != target]


def _may_come(snapshot: Snapshot, node_id: int) -> bool:
    """Whether the node takes shards, or may again: a draining one may, one that is being removed does not."""
    node = snapshot.find_node(node_id)
    return node is not None and node.state not in {NodeState.REMOVING, NodeState.REMOVED}


def _find(snapshot: Snapshot, shard_id: int) -> tuple[ShardGroup, Shard] | None:
    """The shard of a live group."""
    group_id = snapshot.tables.shards.get(shard_id)
    group = None if group_id is None else snapshot.find_group(group_id)
    shard = None if group is None or group.is_deleted else group.shard(shard_id)
    return None if group is None or shard is None else (group, shard)


def _active_owners(count: int) -> str:
    return f"{count} active owner{'' if count == 1 else 's'}"


def _nodes(ids: Sequence[int]) -> str:
    return ("node " if len(ids) == 1 else "nodes ") + ", ".join(map(str, ids))
