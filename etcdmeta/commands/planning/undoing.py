"""A plan the other way round: what it moved goes back, as far as it still stands as the plan left it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import zip_longest

from etcdmeta.commands.planning.draft import PlanDraft
from etcdmeta.commands.planning.layout import Layout, Placement
from etcdmeta.commands.planning.underway import Change
from etcdmeta.model.moveplans import Move, PlanKind
from etcdmeta.model.moves import MoveState, move_state
from etcdmeta.model.owners import NodeState, OwnerStatus, Status
from etcdmeta.model.planqueries import put_back
from etcdmeta.model.snapshot import Snapshot


def undo(snapshot: Snapshot, plan_id: int) -> PlanDraft:
    """The moves of that plan that took place, last first; of one that was aborted also owners that came, and could not
    take over. What cannot go back is left out and named: its node takes no shards, others have moved it since, or its
    policy wants more owners. Nodes that the plan emptied take shards again. Raises `PlanNotFound`.
    """
    layout = Layout(snapshot)
    again = put_back(snapshot, snapshot.plan(plan_id))
    takers = {*layout.takers, *(n for n, state in again.items() if state == NodeState.JOINED and n in layout.up)}
    for placement, changes in _to_undo(layout, snapshot.plan_moves(plan_id)):
        for gone, back in _paired(changes):
            why = _obstacle(layout, takers, placement, gone, back)
            if why:
                layout.leave_out(placement, why)
            else:
                layout.move(placement, gone, back)
    return layout.draft(PlanKind.UNDO, undoes=plan_id)


def _to_undo(layout: Layout, moves: Sequence[Move]) -> Iterator[tuple[Placement, list[Change]]]:
    """Of each shard that the plan changed, and that may be moved: who is to go, and to come back."""
    found: defaultdict[int, list[Change]] = defaultdict(list)
    for move in reversed(moves):
        placement = layout.placements.get(move.shard_id)
        if placement is None:
            continue
        owners, state = placement.owners, move_state(layout.snapshot, move)
        if state is MoveState.DONE:
            found[move.shard_id].append(Change(move.to_node, move.from_node))
        elif state is MoveState.COPIED and owners[move.from_node] == OwnerStatus.ACTIVE:
            # It stands beside who should have gone.
            found[move.shard_id].append(Change(move.to_node, 0))
        elif move.to_node in owners and move.from_node not in owners:  # it does not serve, else it were done
            layout.leave_out(placement, _not_serving(owners, move))
        elif state in {MoveState.COPIED, MoveState.LEAVING} and move.to_node:
            layout.leave_out(placement, f"node {move.from_node}, where it was, is {owners[move.from_node]} there")
        elif move.from_node and move.to_node and not {move.from_node, move.to_node} & owners.keys():
            why = f"neither node {move.from_node} nor node {move.to_node} owns it: others have moved it since"
            layout.leave_out(placement, why)
    for shard_id, changes in found.items():
        if layout.workable(layout.placements[shard_id]):
            yield layout.placements[shard_id], changes


def _not_serving(owners: Mapping[int, Status], move: Move) -> str:
    if not move.from_node and owners[move.to_node] == OwnerStatus.FAILED:
        return f"node {move.to_node} failed at it: repair it, or cancel it"  # a repair may have found it so
    return f"node {move.to_node}, which the plan brought, does not serve it any more"


def _paired(changes: Sequence[Change]) -> Iterator[Change]:
    """Where one goes and another comes they are one move, so that the one serves until the other does."""
    yield from (change for change in changes if all(change))
    going = [change.gone for change in changes if not change.come]
    coming = [change.come for change in changes if not change.gone]
    yield from map(Change._make, zip_longest(going, coming, fillvalue=0))


def _obstacle(layout: Layout, takers: Collection[int], placement: Placement, gone: int, back: int) -> str:
    """Why ``gone`` cannot go, or ``back`` not come back; "" where nothing is in the way. What the moves themselves
    would wait for without end is seen here."""
    if gone and placement.owners.get(gone) != OwnerStatus.ACTIVE:
        return f"node {gone}, which the plan brought, does not serve it any more"
    if back and back not in takers:
        return f"node {back}, where it was, takes no shards or is down"
    if back and back in placement.owners:
        return f"node {back} owns it again"
    if back and not layout.has_source(placement):
        return "nobody serves it on a node that is up, so there is nothing to copy from"
    return _why_it_stays(layout, placement, gone, back) if gone else ""


def _why_it_stays(layout: Layout, placement: Placement, gone: int, back: int) -> str:
    """See the function of that name in `etcdmeta.model.moves`: here for when all copies are there."""
    wanted = layout.wanted(placement)
    owners = {n: placement.owners.get(n, OwnerStatus.ACTIVE) for n in placement.nodes if n != gone}
    active = [n for n, status in owners.items() if status == OwnerStatus.ACTIVE]
    failed = [n for n, status in owners.items() if status == OwnerStatus.FAILED]
    lives = gone in layout.up
    if back:
        active.append(back)
        if lives and failed and len(active) < wanted:
            return f"node {failed[0]} failed at it: it has to be repaired first"
        return ""
    if len(active) < wanted:
        fewer = len(placement.nodes) <= wanted
        return f"without node {gone} it would have fewer {'' if fewer else 'active '}owners than its policy wants"
    if lives and not any(n in layout.up for n in active):
        return f"without node {gone} nobody serves it on a node that is up"
    return ""
