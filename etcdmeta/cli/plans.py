"""``--dry-run``: the transaction that a command would be, without its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etcdmeta.cli.items import ExpectedItem, PlanItem, WrittenItem
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column
from etcdmeta.records.transaction import Compare, Counter, Delete, DeleteRange, Put, Write

if TYPE_CHECKING:
    from etcdmeta.commands.plan import Command, Plan


def show_plans(session: Session, plans: Sequence[tuple[Command, Plan]]) -> None:
    """Print them; in a table each as sentences, else as ``PlanList``."""
    items = [plan_item(command, plan) for command, plan in plans]
    if session.output.is_table:
        for item in items:
            session.output.lines(plan_sentences(item))
        session.note("dry run: nothing was written")
        return
    session.output.listing(
        Listing(
            kind="PlanList",
            items=items,
            columns=[Column("SUMMARY", lambda item: item.summary)],
            fields=PlanItem.fields(),
            plain=PlanItem.plain,
            name=lambda item: item.command,
            things="plans",
        )
    )


def plan_item(command: Command, plan: Plan) -> PlanItem:
    """What the command would check and write."""
    return PlanItem(
        command=command.NAME,
        summary=plan.summary,
        changed=plan.changed,
        more=plan.more,
        expected=[_expected(compare) for compare in plan.compares],
        written=[_written(write) for write in plan.writes],
        result=dict(plan.result),
        notices=list(plan.notices),
    )


def _expected(compare: Compare) -> ExpectedItem:
    counter = compare.counter.value
    if compare.counter is Counter.CREATE and compare.number == 0:
        condition = "absent"
    else:
        condition = f"{counter} {'less than' if compare.less else 'equals'}"
    return ExpectedItem(
        key=_text(compare.key),
        range_end=None if compare.range_end is None else _text(compare.range_end),
        condition=condition,
        number=compare.number,
    )


def _written(write: Write) -> WrittenItem:
    match write:
        case Put():
            return WrittenItem(action="put", key=_text(write.key), range_end=None, bytes=len(write.value))
        case Delete():
            return WrittenItem(action="delete", key=_text(write.key), range_end=None, bytes=None)
        case DeleteRange():
            return WrittenItem(action="deleteRange", key=_text(write.start), range_end=_text(write.end), bytes=None)


def plan_sentences(item: PlanItem) -> list[str]:
    """The same for a person, a line each."""
    lines = [f"if run: {item.summary}" if item.changed else f"{item.summary}; nothing would change"]
    for expected in item.expected:
        key = _span(expected.key, expected.range_end)
        number = "" if expected.condition == "absent" else f" {expected.number}"
        lines.append(f"  expects  {key}  {expected.condition}{number}")
    for written in item.written:
        size = "" if written.bytes is None else f"  {written.bytes} bytes"
        verb = "puts   " if written.action == "put" else "deletes"
        lines.append(f"  {verb}  {_span(written.key, written.range_end)}{size}")
    lines.extend(f"  note     {notice}" for notice in item.notices)
    if item.more:
        lines.append("  more     another step follows, planned on what this one leaves")
    return lines


def _span(key: str, range_end: str | None) -> str:
    return key if range_end is None else f"{key} … {range_end}"


def _text(key: bytes) -> str:
    return key.decode("ascii", "backslashreplace")
