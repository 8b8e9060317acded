"""Taking everything off some nodes: for good, for a while, or to the one that replaces them."""

from __future__ import annotations

from collections.abc import Sequence

from etcdmeta.commands.planning.draft import PlanDraft
from etcdmeta.commands.planning.layout import ZONE_LABEL, Layout, Placement
from etcdmeta.errors import InvalidInput
from etcdmeta.model.moveplans import PlanKind
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot


def decommission(
    snapshot: Snapshot, node_ids: Sequence[int], *, remove: bool = False, zone_label: str = ZONE_LABEL
) -> PlanDraft:
    """Everything off those nodes, spread and levelled over the others; ``remove``: they are removed at the end.

    Raises `NodeNotFound`.
    """
    subjects = tuple(sorted({snapshot.node(node).id for node in node_ids}))
    layout = Layout(snapshot, zone_label, without=subjects)
    _empty(layout, subjects, 0)
    return layout.draft(PlanKind.DECOMMISSION, subjects=subjects, remove_subjects=remove)


def replace(snapshot: Snapshot, old: int, new: int, *, zone_label: str = ZONE_LABEL) -> PlanDraft:
    """What ``old`` owns goes to ``new``, and ``old`` is removed at the end.

    Raises `NodeNotFound`; `InvalidInput` where ``new`` is the same, takes no shards, or is down.
    """
    subjects = (snapshot.node(old).id,)
    layout = Layout(snapshot, zone_label, without=subjects)
    if snapshot.node(new).id == old or new not in layout.takers:
        why = "the same node" if new == old else "down, or takes no shards"
        raise InvalidInput(
            f"node {new} cannot replace node {old}: it is {why}",
            value=new,
            rule="a replacement is another node that is joined and up",
            remedy="`etcdmeta node list` shows the nodes and their states",
        )
    _empty(layout, subjects, new)
    return layout.draft(PlanKind.REPLACE, subjects=subjects, replacement=new, remove_subjects=True)


def _empty(layout: Layout, subjects: tuple[int, ...], replacement: int) -> None:
    for placement in layout.placements.values():
        concerned = [node for node in subjects if node in placement.owners]
        if concerned and layout.workable(placement):
            stuck = [node for node in concerned if not _take_off(layout, placement, node, subjects, replacement)]
            _leave(layout, placement, stuck, subjects)


def _leave(layout: Layout, placement: Placement, stuck: list[int], subjects: tuple[int, ...]) -> None:
    """Those that nobody can take over from: they stay, but for what is more than the policy wants."""
    active = _active(layout, placement)
    kept = [n for n in active if n not in subjects or n in stuck]
    coming = [n for n in placement.nodes if n not in placement.owners]
    for node in sorted(stuck, key=lambda n: n in active):  # who does not serve is missed least
        left = [n for n in kept if n != node]
        if len(left) + len(coming) >= layout.wanted(placement):
            layout.move(placement, node, 0)
            stuck.remove(node)
            kept = left
    if stuck:
        named = f"node{'s' * (len(stuck) > 1)} {', '.join(map(str, stuck))}"
        layout.leave_out(placement, f"no node is left that could take over from {named}")


def _active(layout: Layout, placement: Placement) -> list[int]:
    return [n for n, status in placement.owners.items() if n in layout.up and status == OwnerStatus.ACTIVE]


def _take_off(layout: Layout, placement: Placement, node: int, subjects: tuple[int, ...], replacement: int) -> bool:
    """One owner of one shard: gone without successor where enough others are active, else to another node. False where
    there is no such node."""
    staying = [n for n in _active(layout, placement) if n not in subjects]
    coming = [n for n in placement.nodes if n not in placement.owners]  # by a move of this plan
    if len(staying) + len(coming) >= layout.wanted(placement):
        layout.move(placement, node, 0)
    elif not layout.has_source(placement):
        layout.leave_out(placement, "nobody serves it on a node that is up, so there is nothing to copy from")
    else:
        come = _successor(layout, placement, node, replacement)
        if come is None:
            return False
        layout.move(placement, node, come)
    return True


def _successor(layout: Layout, placement: Placement, node: int, replacement: int) -> int | None:
    if replacement and replacement not in placement.nodes and replacement not in placement.owners:
        return replacement
    return layout.choose_target(placement, node)
