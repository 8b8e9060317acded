"""The whole screen of `shard status`: the verdict, the counts, the table, the legend, the next command."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from math import isfinite

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.shard_fold import concerned, folded, folds
from etcdmeta.cli.shard_next import repairable
from etcdmeta.cli.shard_table import HEALTH_COLOURS, Look, status_table
from etcdmeta.cli.shard_view import StatusView
from etcdmeta.cli.text import counted, display_width, to_ascii
from etcdmeta.model.health import Health
from etcdmeta.model.verdict import Summary

VERDICT_WIDTH = 11


def status_screen(view: StatusView, look: Look) -> list[str]:
    """The lines of the whole screen, without line ends."""
    above = [] if look.quiet else _header(view, look)
    below = [] if look.quiet else _footer(view, look)
    if folds(view, look, len(above) + 1 + len(below)):
        above += [] if look.quiet else concerned(view.statuses, look)
        table = folded(view, look, len(above) + 1 + len(below))
    elif view.statuses:
        table = status_table(view.statuses, look)
    else:
        table = [] if look.quiet else ["There are no such shards." if view.filtered else "There are no shards yet."]
    lines = [*above, "", *table, *below] if above else table
    return [to_ascii(line) for line in lines] if look.ascii else lines


def next_step(view: StatusView) -> str:
    """The command to type now; "" where nothing needs to be done."""
    verdict = view.summary.verdict
    if verdict is Health.UNKNOWN:
        return "etcdmeta health"
    if verdict is not Health.OK:
        return f"etcdmeta shard explain {view.statuses[0].shard_id}"
    if view.summary.copying:
        return "etcdmeta shard status --copying --watch"
    return "" if view.statuses or view.filtered else "etcdmeta group create DB.POLICY --at now"


def _header(view: StatusView, look: Look) -> list[str]:
    summary = view.summary
    verdict = summary.verdict.upper()
    facts = [
        f"cluster {view.picture.cluster_id}",
        f"generation {view.picture.generation}",
        *_nodes(summary),
        *([f"{cells.age_text(view.picture.age)} behind"] if isfinite(view.picture.age) or not view.problem else []),
    ]
    if view.problem:
        facts.append(view.problem)
    indent = max(VERDICT_WIDTH, len(verdict) + 1)
    first, *rest = _flowed(facts, " · ", indent, look)
    first = look.paint(verdict, HEALTH_COLOURS[summary.verdict]) + first[len(verdict) :]
    return [first, *rest, *_flowed(_counts(summary), " · ", 0, look)]


def _nodes(summary: Summary) -> list[str]:
    text = counted(summary.nodes, "node")
    if summary.down:
        text += f", {len(summary.down)} down"
    if not summary.unreported:
        return [text]
    if len(summary.unreported) == summary.nodes:
        return [text, "liveness not reported"]
    return [text, "liveness not reported by " + ", ".join(f"n{node}" for node in summary.unreported)]


def _counts(summary: Summary) -> list[str]:
    text = counted(summary.shards, "shard")
    counts = [f"{n} {health}" for health in reversed(Health) if (n := summary.by_health.get(health))]
    if counts:
        text += f": {', '.join(counts)}"
    facts = [text]
    if summary.copying:
        known = []
        if summary.copy_fraction is not None:
            known.append(f"{cells.percent(summary.copy_fraction)} %")
        if summary.copy_bytes_per_second is not None:
            known.append(cells.rate_text(summary.copy_bytes_per_second))
        if summary.copy_seconds_left is not None:
            known.append(f"{cells.left_text(summary.copy_seconds_left)} left")
        facts.append(f"{summary.copying} copying" + (f" ({', '.join(known)})" if known else ""))
    if summary.deleted:
        facts.append(f"{summary.deleted} deleted")
    return facts


def _flowed(parts: Sequence[str], between: str, indent: int, look: Look) -> list[str]:
    """The parts in as few lines as the width takes, every line indented."""
    lines = [" " * indent + parts[0]]
    for part in parts[1:]:
        longer = lines[-1] + between + part
        if look.width is None or display_width(longer) <= look.width:
            lines[-1] = longer
        else:
            lines.append(" " * indent + part)
    return lines


def _footer(view: StatusView, look: Look) -> list[str]:
    lines = []
    if look.marks and view.statuses:
        gone = any(cells.mark_name(owner) == "gone" for status in view.statuses for owner in status.owners)
        marks = [*cells.LEGEND, cells.LEGEND_GONE] if gone else cells.LEGEND
        lines += _flowed(marks, "  ", 0, look)
    if step := next_step(view):
        lines.append(f"Next: {step}")
        several = islice(filter(repairable, view.statuses), 2)  # the worst come first, so these are soon found
        if not view.problem and view.summary.verdict is not Health.UNKNOWN and len(list(several)) > 1:
            lines.append("      etcdmeta shard repair --dry-run  (all at once)")
    return ["", *lines] if lines else []
