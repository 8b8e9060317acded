"""The moves of a plan as a person reads them: of many those that matter, the ones in trouble first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.naming import policy_name
from etcdmeta.cli.plan_items import names_of
from etcdmeta.cli.plan_moves import TROUBLE_FIRST, Agreement, MoveRow
from etcdmeta.cli.plan_table import TextColumn, text_table
from etcdmeta.cli.plan_tally import state_word
from etcdmeta.cli.plan_view import PlanView
from etcdmeta.cli.shard_table import Look
from etcdmeta.cli.text import counted, printable, wrapped

SHOWN = 20
"""Moves and nodes, unless all are asked for."""
_ALIKE = 4
"""Moves that are shown of those that are in the same trouble."""
_REASONS = 5
_SAID = frozenset({Agreement.BLOCKED, Agreement.DRIFTED, Agreement.GONE})
"""What the state alone does not say."""
WORD_COLOURS = {"blocked": "31", "drifted": "1;31", "copying": "35", "copied": "35", "leaving": "35", "done": "32"}
_WORDS = re.compile(rf"(?<=[ ,])({'|'.join(WORD_COLOURS)})(?= |,|$)")


def move_lines(view: PlanView, rows: Sequence[MoveRow], look: Look, *, every: bool = False) -> list[str]:
    """The moves, those in trouble first; or all of them in order."""
    shown = list(rows) if every or len(rows) <= SHOWN else _telling(rows)
    names = [names_of(view.snapshot, row) for row in shown]
    columns = [
        TextColumn("MOVE", [str(row.number) for row in shown], right=True),
        TextColumn("SHARD", [str(row.move.shard_id) for row in shown], right=True),
        TextColumn("DB.POLICY", ["-" if n is None else policy_name(*n) for n in names], rank=2, name=True),
        TextColumn("GROUP", [str(row.group.id) if row.group else "-" for row in shown], right=True, rank=4),
        TextColumn("FROM", [_node(row.move.from_node) for row in shown]),
        TextColumn("TO", [_node(row.move.to_node) for row in shown]),
        TextColumn("STATE", [_state(view, row) for row in shown]),
        TextColumn("PROGRESS", [_progress(row) for row in shown], rank=1),
        TextColumn("SIZE", [cells.size_text(row.move.size) for row in shown], right=True, rank=3),
    ]
    lines = text_table(columns, look, [row.why for row in shown], "WHY")
    if look.colour:
        lines = [_painted(line, look) for line in lines]
    if len(shown) < len(rows):
        told = {row.number for row in shown}
        rest = Counter(row.agreement for row in rows if row.number not in told)
        kinds = ", ".join(f"{rest[agreement]:,} {agreement}" for agreement in TROUBLE_FIRST if rest[agreement])
        lines += ["", *wrapped(f"{len(rows) - len(shown):,} more moves: {kinds} (-o wide lists all)", look.width)]
        lines += _reasons(rows, look)
    return lines


def _telling(rows: Sequence[MoveRow]) -> list[MoveRow]:
    """As many as are shown: the worst first, and only a few of those that say the same."""
    rank = {agreement: place for place, agreement in enumerate(TROUBLE_FIRST)}
    alike: Counter[tuple[Agreement, str]] = Counter()
    found: list[MoveRow] = []
    for row in sorted(rows, key=lambda row: (rank[row.agreement], row.number)):
        alike[row.agreement, row.why] += 1
        if alike[row.agreement, row.why] <= _ALIKE:
            found.append(row)
            if len(found) == SHOWN:
                break
    return found


def _reasons(rows: Sequence[MoveRow], look: Look) -> list[str]:
    """Why moves are in trouble, the most frequent reasons first."""
    reasons = Counter(row.why for row in rows if row.agreement in {Agreement.BLOCKED, Agreement.DRIFTED})
    lines = []
    for why, count in reasons.most_common(_REASONS):
        lines += wrapped(f"{counted(count, 'move')}: {printable(why)}", look.width, "  ")
    if len(reasons) > _REASONS:
        lines.append(f"  {len(reasons) - _REASONS:,} more reasons")
    return ["", "In trouble:", *lines] if lines else []


def _state(view: PlanView, row: MoveRow) -> str:
    """``waiting``; ``waiting, blocked`` where the plan wants it otherwise."""
    word = state_word(view.plan, row.state)
    return f"{word}, {row.agreement}" if row.agreement in _SAID else word


def _progress(row: MoveRow) -> str:
    progress = row.progress
    if progress is None:
        return ""
    parts = []
    if progress.bytes_total and progress.bytes_done is not None:
        parts.append(f"{cells.percent(min(1.0, progress.bytes_done / progress.bytes_total))} %")
    if progress.bytes_per_second:
        parts.append(cells.rate_text(progress.bytes_per_second))
    return ", ".join(parts)


def _painted(line: str, look: Look) -> str:
    return _WORDS.sub(lambda found: look.paint(found[0], WORD_COLOURS[found[0]]), line, count=2)


def _node(node_id: int) -> str:
    return f"n{node_id}" if node_id else "-"
