"""As many owners as the policies want: more, fewer, and in place of those that are lost."""

from __future__ import annotations

from collections.abc import Collection

from etcdmeta.commands.planning.draft import PlanDraft
from etcdmeta.commands.planning.layout import ZONE_LABEL, Layout, Placement
from etcdmeta.model.moveplans import PlanKind
from etcdmeta.model.owners import SERVING, OwnerStatus
from etcdmeta.model.snapshot import Snapshot

_NOTHING_SERVES = "nobody serves it on a node that is up, so there is nothing to copy from"


def replication(
    snapshot: Snapshot, *, database: str | None = None, policy: str | None = None, zone_label: str = ZONE_LABEL
) -> PlanDraft:
    """Owners follow the policies' replica counts, up and down; of one database or policy only, where named.

    Who goes is chosen so that the zones stay apart, then by load. A shard that nobody serves is left as it is: what is
    on its owners may be all that there is of it. Raises `DatabaseNotFound`, `PolicyNotFound`.
    """
    layout = Layout(snapshot, zone_label)
    only_database = None if database is None else snapshot.database(database).id
    only_policy = None if database is None or policy is None else snapshot.policy(database, policy).id
    for placement in layout.placements.values():
        if only_database not in {None, placement.policy[0]} or only_policy not in {None, placement.policy[1]}:
            continue
        wanted = layout.wanted(placement)
        if len(placement.home) == wanted or not layout.workable(placement):
            continue
        if not layout.has_source(placement):
            layout.leave_out(placement, _NOTHING_SERVES)
            continue
        _fewer(layout, placement, wanted)
        _more(layout, placement, wanted)
    return layout.draft(PlanKind.REPLICATION)


def repair(
    snapshot: Snapshot,
    *,
    shards: Collection[int] | None = None,
    now: int,  # noqa: ARG001 - the agreed signature
    zone_label: str = ZONE_LABEL,
) -> PlanDraft:
    """What is lost is copied again: failed owners where they are, those on down or removed nodes to other nodes, and
    owners that a policy wants and that are not there. ``now`` (ns since 1970): nothing depends on it so far.
    ``shards``: these only.
    """
    layout = Layout(snapshot, zone_label)
    for placement in layout.placements.values():
        if shards is not None and placement.shard_id not in shards:
            continue
        home = placement.home  # what a plan at work mends already is named, too
        lost = [
            node
            for node, status in sorted(placement.owners.items())
            if node in home and (status == OwnerStatus.FAILED or node not in layout.up)
        ]
        wanted, served = layout.wanted(placement), layout.has_source(placement)
        if (served and not lost and len(home) >= wanted) or not layout.workable(placement):
            continue
        if not served:
            layout.leave_out(placement, _NOTHING_SERVES)
            continue
        mended: set[int] = set()
        for node in lost:
            mended |= _restore(layout, placement, node, wanted, mended)
        _more(layout, placement, wanted)
    return layout.draft(PlanKind.REPAIR)


def _restore(layout: Layout, placement: Placement, node: int, wanted: int, mended: Collection[int]) -> set[int]:
    """One lost owner: gone where enough are left, else copied again. Who is ``mended`` counts; gives who is so now."""
    good = [
        n
        for n in placement.nodes
        if n in mended or (n != node and placement.owners.get(n) == OwnerStatus.ACTIVE and n in layout.up)
    ]
    if len(good) >= wanted:
        layout.move(placement, node, 0)
    elif node in layout.takers:  # it failed on a node that is well
        layout.move(placement, 0, node)
        return {node}
    elif (come := layout.choose_target(placement, node)) is not None:
        layout.move(placement, node, come)
        return {come}
    else:
        layout.leave_out(placement, f"no node is left that could take over from node {node}")
    return set()


def _more(layout: Layout, placement: Placement, wanted: int) -> None:
    while len(placement.nodes) < wanted:
        come = layout.choose_target(placement)
        if come is None:
            layout.leave_out(placement, f"no node is left to own it: {wanted} owners are wanted")
            return
        layout.move(placement, 0, come)


def _fewer(layout: Layout, placement: Placement, wanted: int) -> None:
    """Those that do not serve, or are on nodes that are down, go first."""
    while len(placement.nodes) > wanted:
        idle = [n for n in placement.nodes if placement.owners[n] not in SERVING or n not in layout.up]
        able = idle or sorted(placement.nodes)
        serving = sum(placement.owners[n] == OwnerStatus.ACTIVE for n in placement.nodes)
        gone = layout.choose_leaver(placement, able)
        if placement.owners[gone] == OwnerStatus.ACTIVE and serving <= wanted:
            layout.leave_out(placement, f"only {serving} of its owners are active, and {wanted} are wanted")
            return
        layout.move(placement, gone, 0)
