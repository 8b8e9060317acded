"""Shards that came to a node after the plan was made that empties it.

A plan is made on a picture, and until it starts others may still place shards on its nodes, which joined nodes are;
from then on nobody can. So whoever applies it looks once more, and what is found gets a plan of its own. What is being
moved already the planner leaves, so that the same look again finds nothing.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from etcdmeta.cli.text import counted
from etcdmeta.cli.waiting import waiting
from etcdmeta.commands.planning import decommission, replace
from etcdmeta.commands.planning.layout import ZONE_LABEL
from etcdmeta.errors import EtcdMetaError, InvalidInput, Refused
from etcdmeta.model.moveplans import MovePlan, PlanKind, PlanState

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session
    from etcdmeta.commands.planning.draft import PlanDraft
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore

_EMPTYING = frozenset({PlanKind.DECOMMISSION, PlanKind.REPLACE})
_MOST_LOOKS = 3
NAMED = 5


def take_latecomers(session: Session, store: MetaStore, plan: MovePlan, zone_label: str = ZONE_LABEL) -> list[int]:
    """Plans, stored and begun, for what the nodes own that a running plan is to empty, and that nothing moves yet."""
    begun: list[int] = []
    while plan.kind in _EMPTYING and plan.state == PlanState.RUNNING and len(begun) < _MOST_LOOKS:
        with waiting(session, "planning"):
            draft = _again(store.read_consistent(session.remaining()), plan, zone_label)
        if draft is None or not draft.moves:
            break
        late = store.propose(draft, reason=plan.reason, limits=plan.limits, timeout=session.remaining())
        start_or_abort(session, store, late.id)
        session.note(f"plan {late.id} moves {counted(len(draft.moves), 'shard')} that came meanwhile")
        begun.append(late.id)
    return begun


def start_or_abort(session: Session, store: MetaStore, plan_id: int) -> None:
    """Raises what a start raises; the plan is aborted then, since nobody would come back to it."""
    try:
        store.start_plan(plan_id, timeout=session.remaining())
    except Refused:
        with suppress(EtcdMetaError):
            store.abort_plan(plan_id, "it could not start", timeout=session.remaining())
        raise


def tell_what_stays(session: Session, snapshot: Snapshot, plan_id: int) -> None:
    """Warn of what the nodes own still that a plan, which is done, was to empty."""
    plan = snapshot.find_plan(plan_id)
    if plan is None or plan.kind != PlanKind.DECOMMISSION or plan.state != PlanState.DONE:
        return
    for node_id in plan.subjects:
        owned = [shard.id for _, shard, _ in snapshot.shards_of(node_id)]
        if owned:
            named = ", ".join(map(str, owned[:NAMED])) + (", …" if len(owned) > NAMED else "")
            text = f"node {node_id} still owns {counted(len(owned), 'shard')}: {named}"
            session.note(f"{text}; etcdmeta shard explain {owned[0]} says why", level="warning")


def _again(snapshot: Snapshot, plan: MovePlan, zone_label: str) -> PlanDraft | None:
    """None: it cannot be planned any more, since the node that takes over takes nothing."""
    if plan.kind == PlanKind.DECOMMISSION:
        return decommission(snapshot, plan.subjects, remove=plan.remove_subjects, zone_label=zone_label)
    try:
        return replace(snapshot, plan.subjects[0], plan.replacement, zone_label=zone_label)
    except InvalidInput:
        return None
