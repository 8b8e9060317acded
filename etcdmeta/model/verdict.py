"""The whole at a glance: how many shards are how, how the copies go, and the worst of it as one word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from etcdmeta.model.health import Health, OwnerState, Presence, ShardStatus
from etcdmeta.model.owners import OwnerStatus


@dataclass(frozen=True, slots=True)
class Summary:
    """Of the shards shown. Deleted ones are counted apart and weigh nothing.

    ``copy_fraction`` is over the bytes of the copies that report theirs; ``copy_seconds_left`` the longest.
    ``unreported`` are nodes that never said whether they live.
    """

    verdict: Health
    shards: int
    by_health: Mapping[Health, int]
    deleted: int
    copying: int
    copy_fraction: float | None
    copy_bytes_per_second: int | None
    copy_seconds_left: float | None
    nodes: int
    down: tuple[int, ...]
    unreported: tuple[int, ...]


def summarise(statuses: Iterable[ShardStatus], presence: Mapping[int, Presence], *, stale: bool = False) -> Summary:
    """The verdict is the worst health shown; of nothing at all it is ok, or unknown of a stale picture."""
    counts = dict.fromkeys(Health, 0)
    deleted = 0
    copies: list[OwnerState] = []
    for status in statuses:
        if status.is_deleted:
            deleted += 1
            continue
        counts[status.health] += 1
        copies += [owner for owner in status.owners if owner.status == OwnerStatus.COPYING]
    best = Health.UNKNOWN if stale else Health.OK
    return Summary(
        verdict=next((health for health in Health if counts[health]), best),
        shards=sum(counts.values()),
        by_health={health: n for health, n in counts.items() if n},
        deleted=deleted,
        copying=len(copies),
        copy_fraction=_fraction(copies),
        copy_bytes_per_second=sum(copy.progress.bytes_per_second or 0 for copy in copies if copy.progress) or None,
        copy_seconds_left=max((left for c in copies if (left := c.seconds_left) is not None), default=None),
        nodes=sum(state is not Presence.GONE for state in presence.values()),
        down=_those(Presence.DOWN, presence),
        unreported=_those(Presence.UNREPORTED, presence),
    )


def _fraction(copies: Iterable[OwnerState]) -> float | None:
    told = [copy.progress for copy in copies if copy.progress is not None]
    known = [(each.bytes_done, each.bytes_total) for each in told if each.bytes_done is not None and each.bytes_total]
    total = sum(of for _, of in known)
    return sum(min(done, of) for done, of in known) / total if total else None


def _those(wanted: Presence, presence: Mapping[int, Presence]) -> tuple[int, ...]:
    return tuple(sorted(node for node, state in presence.items() if state is wanted))


def worst_first(statuses: Iterable[ShardStatus]) -> Sequence[ShardStatus]:
    """Worst first, then newest; within a group by shard id; deleted ones last."""
    return sorted(statuses, key=lambda s: (s.is_deleted, s.health.severity, -s.start, s.group_id, s.shard_id))
