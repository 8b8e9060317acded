"""What `shard status` shows: one picture, judged, selected and sorted; every output is made from this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etcdmeta.cli.output import Picture
from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.model.health import Judge, ShardStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.verdict import Summary, summarise, worst_first


@dataclass(frozen=True, slots=True)
class StatusView:
    """``problem``: why the cache does not follow etcd, one sentence; "" while it does. ``past``: of a generation that
    was asked for, about which nothing can be done."""

    snapshot: Snapshot
    picture: Picture
    summary: Summary
    statuses: Sequence[ShardStatus]
    problem: str = ""
    filtered: bool = False
    past: bool = False
    warnings: Sequence[str] = ()


def status_view(
    snapshot: Snapshot,
    picture: Picture,
    wanted: ShardFilter,
    *,
    now: int,
    max_age: float | None = None,
    problem: str = "",
    down_since: Mapping[int, int] | None = None,
    past: bool = False,
) -> StatusView:
    """Judge what the filter selects. ``max_age`` in seconds; older, and every health is unknown.

    Raises `NotFound` where the filter names something that is not there.
    """
    stale = is_stale(picture, max_age)
    nodes = {node.id: node for node in snapshot.nodes(include_removed=True)}
    judge = Judge(snapshot, nodes, now, stale=stale, down_since=down_since)
    selection = wanted.resolve(snapshot)
    statuses = [
        status
        for policy, group in selection.groups(snapshot)
        for status in judge.group(policy.database.name, policy.record, group)
        if selection.takes(status)
    ]
    return StatusView(
        snapshot=snapshot,
        picture=picture,
        summary=summarise(statuses, judge.presence, stale=stale),
        statuses=worst_first(statuses),
        problem=problem,
        filtered=wanted != ShardFilter(),
        past=past,
        warnings=[
            f"{key.decode('ascii', 'backslashreplace')} cannot be read and is left out: {why}"
            for key, why in snapshot.unreadable.items()
        ],
    )


def is_stale(picture: Picture, max_age: float | None) -> bool:
    """Whether the picture is older than the caller accepts."""
    return max_age is not None and picture.age > max_age
