"""Who is moving what, in a few lines above the table of `shard status`: the plans that are not done, and the copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from etcdmeta.cli.plan_tally import Tally
from etcdmeta.cli.shard_trouble import labelled
from etcdmeta.cli.text import counted
from etcdmeta.model.health import ShardStatus
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot

_NODES = 4
_SOURCES = 3


def plan_lines(snapshot: Snapshot, *, most: int) -> list[str]:
    """How far the active plans are; none where there is none."""
    plans = [plan for plan in snapshot.plans() if plan.is_active]
    lines = [
        f"plan {plan.id} ({plan.kind}, {plan.state}): {Tally(snapshot, plan).words(snapshot)}" for plan in plans[:most]
    ]
    if more := len(plans) - len(lines):
        said = f"{counted(more, 'more plan')} (etcdmeta plan list --active)"
        lines = [*lines, said] if most > 1 else [f"{lines[0]}; {said}"]
    return labelled("moving:", lines)


def copy_lines(statuses: Sequence[ShardStatus], *, after_plans: bool) -> list[str]:
    """Who copies from whom, those that copy most first. ``after_plans``: it stands below their lines."""
    sources = copies_by_node(statuses)
    if not sources:
        return []
    most = list(sources)
    parts = [_copies(node, sources[node]) for node in most[:_NODES]]
    if more := len(most) - len(parts):
        parts.append(f"{counted(more, 'more node')} copy" if more > 1 else "1 more node copies")
    return labelled("" if after_plans else "moving:", ["; ".join(parts)])


def copies_by_node(statuses: Sequence[ShardStatus]) -> dict[int, Counter[int]]:
    """Per node that copies: how many from which, 0 where nobody said; those that copy most first."""
    sources: dict[int, Counter[int]] = {}
    for status in statuses:
        for owner in status.owners:
            if owner.status == OwnerStatus.COPYING:
                sources.setdefault(owner.node_id, Counter())[owner.record.source or 0] += 1
    return dict(sorted(sources.items(), key=lambda item: (-item[1].total(), item[0])))


def _copies(node_id: int, sources: Counter[int]) -> str:
    named = [f"n{source}" if source else "?" for source, _ in sources.most_common(_SOURCES)]
    if len(sources) > _SOURCES:
        named.append("…")
    return f"n{node_id} copies {sources.total()} from {', '.join(named)}"
