"""A plan as a person reads it: what it is for, how far it is, what it does to the balance, and its moves.

Of a large plan the moves that matter are shown, those in trouble first, and the others counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etcdmeta.cli.plan_move_table import SHOWN, move_lines
from etcdmeta.cli.plan_moves import Agreement
from etcdmeta.cli.plan_table import TextColumn, text_table
from etcdmeta.cli.plan_tally import state_words as told
from etcdmeta.cli.plan_view import NodeBalance, PlanView
from etcdmeta.cli.shard_table import Look
from etcdmeta.cli.text import counted, printable, to_ascii, wrapped
from etcdmeta.model.durations import SECOND
from etcdmeta.model.moveplans import MovePlan, PlanKind, PlanState
from etcdmeta.model.times import format_time

_NAMED = 10
STATE_COLOURS: Mapping[str, str] = {
    PlanState.RUNNING: "35",
    PlanState.PAUSED: "1;35",
    PlanState.ABORTING: "1;35",
    PlanState.ABORTED: "31",
    PlanState.DONE: "32",
}


def plan_lines(view: PlanView, look: Look, *, every: bool = False, goes_on: bool = False) -> list[str]:
    """The whole screen. ``every``: all moves and nodes, however many. ``goes_on``: what comes next is being done."""
    lines = [] if look.quiet else [*_header(view, look), ""]
    lines += balance_lines(view, look, every=every)
    if view.rows:
        lines += ["", *move_lines(view, view.rows, look, every=every)]
    if view.left_out:
        lines += ["", *_left_out(view, look, every=every)]
    step = "" if goes_on else next_step(view)
    if step and not look.quiet:
        lines += ["", f"Next: {step}"]
    return [to_ascii(line) for line in lines] if look.ascii else lines


def headline(view: PlanView) -> str:
    """``plan 3 (rebalance) is running: 40 moves, 12 done, 4 copying, 24 waiting``."""
    plan = view.plan
    what = f"plan {plan.id} ({plan.kind}) is {plan.state}" if plan.id else f"a plan ({plan.kind}), not stored"
    return f"{what}: {', '.join([counted(plan.moves, 'move'), *states_words(view)])}"


def states_words(view: PlanView) -> list[str]:
    """``12 done``, ``4 copying``; nothing of a plan that is not stored: all of it waits."""
    if view.counts is None or not view.plan.id:
        return []
    return told(view.plan, view.counts)


def next_step(view: PlanView) -> str:
    """The command to type now; "" where nothing is to be done."""
    plan = view.plan
    trouble = next((row for row in view.rows or () if row.agreement is Agreement.BLOCKED), None)
    if not plan.id or plan.has_ended:
        return ""
    if trouble is not None and plan.state == PlanState.RUNNING:
        return f"etcdmeta shard explain {trouble.move.shard_id}"
    return resuming(plan)


def resuming(plan: MovePlan) -> str:
    """The command that goes on with a plan that has not ended."""
    verb = "abort" if plan.state in {PlanState.ABORTING, PlanState.DRAFTING} else "apply"
    return f"etcdmeta plan {verb} {plan.id}"


def _header(view: PlanView, look: Look) -> list[str]:
    plan = view.plan
    head, *more = wrapped(headline(view), look.width)
    if look.colour and plan.id:
        word = str(plan.state)
        head = head.replace(f" is {word}:", f" is {look.paint(word, STATE_COLOURS.get(word, '1'))}:")
    facts = []
    if plan.reason:
        facts.append(("reason", plan.reason))
    if plan.author:
        since = f", {_second(plan.created_at)}" if plan.created_at else ""
        changed = f"; changed {_second(plan.changed_at)}" if plan.changed_at != plan.created_at else ""
        facts.append(("by", f"{plan.author}{since}{changed}"))
    limits = plan.limits
    if plan.moves:
        copies = counted(limits.at_once, "copy", "copies")
        facts.append(("limits", f"{copies} at once, {limits.per_target} to a node, {limits.per_source} from a node"))
    if plan.subjects:
        facts.append(("nodes", _subjects(view)))
    if plan.undoes:
        facts.append(("undoes", f"plan {plan.undoes}"))
    if plan.undone_by:
        facts.append(("undone", f"by plan {plan.undone_by}"))
    if plan.note:
        facts.append(("note", plan.note))
    lines = [head, *more]
    for name, text in facts:
        first, *rest = wrapped(printable(text), None if look.width is None else look.width - 10)
        lines += [f"{name:<8}  {first}", *(" " * 10 + line for line in rest)]
    return lines


def balance_lines(view: PlanView, look: Look, *, every: bool = False) -> list[str]:
    """Owners per node and zone, before and after."""
    before, after = view.before, view.after
    nodes = view.node_balances()
    text = f"owners per node: {_range(before.least, before.most)} before, {_range(after.least, after.most)} after"
    lines = wrapped(text, look.width)
    shown, changed = nodes, nodes
    if not every and len(nodes) > SHOWN:
        changed = [node for node in nodes if node.after != node.before]
        shown = sorted(changed, key=lambda node: (-abs(node.after - node.before), node.node_id))[:SHOWN]
        shown.sort(key=lambda node: node.node_id)
    if shown:
        lines += _node_table(shown, look)
    if left := len(nodes) - len(shown):
        how = "change less" if len(changed) > len(shown) else "have as many as before"
        lines.append(f"{left:,} {'more ' if shown else ''}nodes {how} (-o wide lists all)")
    zones = sorted({*before.zones, *after.zones})
    if zones:
        counts = [(before.zones.get(zone, 0), after.zones.get(zone, 0)) for zone in zones]
        lines += [
            "",
            *text_table(
                [
                    TextColumn("ZONE", zones, name=True),
                    TextColumn("BEFORE", [str(b) for b, _ in counts], right=True),
                    TextColumn("AFTER", [str(a) for _, a in counts], right=True),
                    TextColumn("CHANGE", [_change(b, a) for b, a in counts], right=True),
                ],
                look,
            ),
        ]
    return lines


def _node_table(nodes: Sequence[NodeBalance], look: Look) -> list[str]:
    if not nodes:
        return []
    return text_table(
        [
            TextColumn("NODE", [f"n{node.node_id}" for node in nodes], right=True),
            TextColumn("HOST", [node.host or "?" for node in nodes], rank=1, name=True),
            TextColumn("ZONE", [node.zone or "" for node in nodes], rank=2, name=True),
            TextColumn("BEFORE", [str(node.before) for node in nodes], right=True),
            TextColumn("AFTER", [str(node.after) for node in nodes], right=True),
            TextColumn("CHANGE", [_change(node.before, node.after) for node in nodes], right=True),
        ],
        look,
    )


def _left_out(view: PlanView, look: Look, *, every: bool) -> list[str]:
    assert view.left_out is not None
    by_reason: dict[str, list[int]] = {}
    for shard_id, why in view.left_out:
        by_reason.setdefault(why, []).append(shard_id)
    lines = [f"{counted(len(view.left_out), 'shard')} cannot be helped:"]
    for why, shards in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        named = ", ".join(map(str, shards if every else shards[:_NAMED]))
        more = "" if every or len(shards) <= _NAMED else f" and {len(shards) - _NAMED:,} more"
        what = "shard" if len(shards) == 1 else "shards"
        lines += wrapped(f"{what} {named}{more}: {printable(why)}", look.width, "  ")
    return lines


def _subjects(view: PlanView) -> str:
    plan = view.plan
    named = ", ".join(_named(view, node_id) for node_id in plan.subjects)
    if plan.kind == PlanKind.REPLACE:
        by = f" by {_named(view, plan.replacement)}" if plan.replacement else ""
        return f"{named} is replaced{by}, and removed at the end"
    are = "is" if len(plan.subjects) == 1 else "are"
    return f"{named} {are} drained" + (", and removed at the end" if plan.remove_subjects else "")


def _named(view: PlanView, node_id: int) -> str:
    node = view.snapshot.find_node(node_id)
    return f"n{node_id}" if node is None else f"n{node_id} ({node.host})"


def _range(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _change(before: int, after: int) -> str:
    return f"{after - before:+,}" if after != before else ""


def _second(time: int) -> str:
    return format_time(time // SECOND * SECOND)
