"""`shard status` where there are more shards than the terminal has lines: one page that says what matters.

The worst shards are shown, as many as fit; the rest is one line of counts, and another says which databases and nodes
the trouble is about. Who filters, asks for ``-o wide``, or pipes gets every shard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.naming import quote
from etcdmeta.cli.shard_table import Look, status_table
from etcdmeta.cli.shard_view import StatusView
from etcdmeta.cli.text import counted, cut, printable
from etcdmeta.model.health import Health, ShardStatus

LEAST_SHARDS = 5
"""However small the terminal is; then it scrolls."""
_NAMED = 4
_WELL = frozenset({"active", "leaving"})


def folds(view: StatusView, look: Look, around: int) -> bool:
    """Whether not all fits, and nobody asked for all. ``around``: the lines above and below the table."""
    if look.height is None or look.wide or view.filtered:
        return False
    return len(view.statuses) + around + 1 > look.height


def folded(view: StatusView, look: Look, around: int) -> list[str]:
    """The table of the worst shards, as long as fits with ``around`` other lines, and the line about the others."""
    assert look.height is not None  # `folds` said so
    room = look.height - around - 3  # an empty line, the line about the others, the shell's prompt
    shown = max(LEAST_SHARDS, min(room - 1, len(view.statuses)))
    table = status_table(view.statuses[:shown], look)
    while len(table) > room and shown > LEAST_SHARDS:  # reasons may stand below their rows, or be wrapped
        shown = max(LEAST_SHARDS, shown - (len(table) - room + 1) // 2)
        table = status_table(view.statuses[:shown], look)
    rest = view.statuses[shown:]
    return [*table, "", _others(rest, look)] if rest else table


def concerned(statuses: Sequence[ShardStatus], look: Look) -> list[str]:
    """Whose shards are not ok, and which nodes that is about, the most concerned first; empty where all are ok."""
    ill = [status for status in statuses if status.health is not Health.OK]
    if not ill:
        return []
    databases = Counter(printable(quote(status.database)) for status in ill)
    nodes = Counter(
        f"n{owner.node_id}{' down' if mark == 'down' else ' gone' if mark == 'gone' else ''}"
        for status in ill
        for owner in status.owners
        if (mark := cells.mark_name(owner)) not in _WELL
    )
    lines = [f"databases: {_most(databases)}"]
    if nodes:
        lines.append(f"nodes: {_most(nodes)}")
    return lines if look.width is None else [cut(line, look.width) for line in lines]


def _most(counts: Counter[str]) -> str:
    named = [f"{name} ({number})" for name, number in counts.most_common(_NAMED)]
    more = len(counts) - len(named)
    return ", ".join(named) + (f", {more} more" if more > 0 else "")


def _others(rest: Sequence[ShardStatus], look: Look) -> str:
    counts = Counter(status.health for status in rest)
    parts = [f"{counts[health]:,} {health}" for health in Health if counts[health]]
    only_ok = set(counts) == {Health.OK}
    said = f"{counted(len(rest), 'more is', 'more are').replace(str(len(rest)), f'{len(rest):,}', 1)} ok"
    text = said if only_ok else f"{len(rest):,} more: {', '.join(parts)}"
    hint = " (-o wide, or a filter such as --health ok, lists them)"
    return text + hint if look.width is None or len(text + hint) <= look.width else f"{text} (-o wide lists them)"
