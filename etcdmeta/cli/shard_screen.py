"""The whole screen of `shard status`: the verdict, the counts, the table, the legend, the next command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from math import isfinite

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.shard_fold import folded, folds, is_brief
from etcdmeta.cli.shard_motion import copy_lines, plan_lines
from etcdmeta.cli.shard_next import repairable
from etcdmeta.cli.shard_table import HEALTH_COLOURS, Look, status_table
from etcdmeta.cli.shard_trouble import LABEL_WIDTH, trouble_lines
from etcdmeta.cli.shard_view import StatusView
from etcdmeta.cli.text import counted, display_width, printable, to_ascii
from etcdmeta.model.health import Health, Presence
from etcdmeta.model.moveplans import PlanState
from etcdmeta.model.verdict import Summary

VERDICT_WIDTH = 11


def status_screen(view: StatusView, look: Look) -> list[str]:
    """The lines of the whole screen, without line ends."""
    above = [] if look.quiet else [*_header(view, look), *_labels(_plans(view), look)]
    below = [] if look.quiet else _footer(view, look)
    if folds(view, look, len(above) + 1 + len(below)):
        if not look.quiet:
            above = [*_header(view, look), *_labels(_at_a_glance(view, look), look)]
            below = _footer(view, look, many=True)
        table = folded(view, look, len(above) + 1 + len(below))
    elif view.statuses:
        table = status_table(view.statuses, look)
    else:
        table = [] if look.quiet else ["There are no such shards." if view.filtered else "There are no shards yet."]
    lines = [*above, "", *table, *below] if above else table
    return [to_ascii(line) for line in lines] if look.ascii else lines


def next_step(view: StatusView) -> str:
    """The command to type now; "" where nothing needs to be done, or can be any more."""
    if view.past:
        return ""
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
    if view.snapshot.cluster is not None and view.snapshot.cluster.read_only:
        facts.append("read-only")
    if view.problem:
        facts.append(view.problem)
    indent = max(VERDICT_WIDTH, len(verdict) + 1)
    first, *rest = _flowed(facts, " · ", indent, look)
    first = look.paint(verdict, HEALTH_COLOURS[summary.verdict]) + first[len(verdict) :]
    return [first, *rest, *_flowed(_counts(summary), " · ", 0, look)]


def _plans(view: StatusView, *, most: int = 2) -> list[str]:
    """Of some shards only, it is not said how far plans are that may be about others."""
    return [] if view.filtered else plan_lines(view.snapshot, most=most)


def _at_a_glance(view: StatusView, look: Look) -> list[str]:
    """What stands above a table that cannot show all: what is wrong, and who is moving what."""
    brief = is_brief(look)
    plans = _plans(view, most=1 if brief else 2)
    copies = [] if brief and plans else copy_lines(view.statuses, after_plans=bool(plans))
    return [*trouble_lines(view.statuses, brief=brief), *plans, *copies]


def _labels(lines: Sequence[str], look: Look) -> list[str]:
    """To the terminal's width; the labels that they begin with stand out."""
    shown = []
    for line in map(printable, lines):
        text = line if look.width is None else look.cut(line, look.width)
        label = text[:LABEL_WIDTH].rstrip()
        shown.append(look.paint(label, "1") + text[len(label) :] if label else text)
    return shown


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
    counts = [f"{n:,} {health}" for health in reversed(Health) if (n := summary.by_health.get(health))]
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


def _footer(view: StatusView, look: Look, *, many: bool = False) -> list[str]:
    """``many``: not all shards are shown, so what is said of one of them is not all there is to do."""
    lines = []
    if look.marks and view.statuses:
        lines += _flowed(_legend(view, brief=many and is_brief(look)), "  ", 0, look)
    if step := next_step(view):
        lines.append(f"Next: {step}")
        if not view.problem and view.summary.verdict is not Health.UNKNOWN:
            lines += [f"      {more}" for more in _more_steps(view, look, many=many)]
    return ["", *lines] if lines else []


def _legend(view: StatusView, *, brief: bool) -> list[str]:
    """``brief``: of the marks that there are."""
    names = {cells.mark_name(owner) for status in view.statuses for owner in status.owners}
    marks = [*cells.LEGEND, cells.LEGEND_GONE] if "gone" in names else list(cells.LEGEND)
    there = {cells.MARKS[name] for name in names}
    return [mark for mark in marks if mark[0] in there] if brief else marks


def _more_steps(view: StatusView, look: Look, *, many: bool) -> list[str]:
    """What helps more shards than the first one."""
    steps = []
    if many:
        owned = Counter(
            owner.node_id for status in view.statuses for owner in status.owners if owner.presence is Presence.DOWN
        )
        ((node, shards),) = owned.most_common(1) or ((0, 0),)
        if node:
            steps.append(
                (f"etcdmeta node show {node}", f"down, {counted(shards, 'shard')}; or node replace, if for good")
            )
    several = islice(filter(repairable, view.statuses), 2)  # the worst come first, so these are soon found
    if len(list(several)) > 1:
        steps.append(("etcdmeta shard repair --dry-run", "all at once"))
    if paused := [plan.id for plan in view.snapshot.plans() if plan.state == PlanState.PAUSED and not view.filtered]:
        steps.append((f"etcdmeta plan apply {paused[0]}", "it is paused"))
    lines = [f"{command}  ({why})" for command, why in steps]
    room = None if look.width is None else look.width - 6
    return [
        line if room is None or display_width(line) <= room else command
        for line, (command, _) in zip(lines, steps, strict=True)
    ]
