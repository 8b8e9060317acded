"""A plan the other way round: what it moved goes back, as far as it still stands as the plan left it."""

from __future__ import annotations

from etcdmeta.commands.planning.draft import PlanDraft
from etcdmeta.commands.planning.layout import Layout
from etcdmeta.model.moveplans import PlanKind
from etcdmeta.model.moves import MoveState, move_state
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot


def undo(snapshot: Snapshot, plan_id: int) -> PlanDraft:
    """The moves of that plan that took place, last first. What cannot go back is left out and named: its node takes no
    shards, or others have moved it since. Raises `PlanNotFound`.
    """
    layout = Layout(snapshot)
    for move in reversed(snapshot.plan_moves(plan_id)):
        placement = layout.placements.get(move.shard_id)
        if placement is None or move_state(snapshot, move) is not MoveState.DONE:
            continue
        if not layout.workable(placement):
            continue
        back, gone = move.from_node, move.to_node
        if gone and placement.owners.get(gone) != OwnerStatus.ACTIVE:
            layout.leave_out(placement, f"node {gone}, which the plan brought, does not serve it any more")
        elif back and back not in layout.takers:
            layout.leave_out(placement, f"node {back}, where it was, takes no shards or is down")
        elif back and back in placement.owners:
            layout.leave_out(placement, f"node {back} owns it again")
        elif not back and len(placement.nodes) <= layout.wanted(placement):
            layout.leave_out(placement, f"without node {gone} it would have fewer owners than its policy wants")
        elif not layout.has_source(placement):
            layout.leave_out(placement, "nobody serves it on a node that is up, so there is nothing to copy from")
        else:
            layout.move(placement, gone, back)
    return layout.draft(PlanKind.UNDO, undoes=plan_id)
