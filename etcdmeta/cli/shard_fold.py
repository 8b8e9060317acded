"""`shard status` where there are more shards than the terminal has lines: one page that says what matters.

Above stands what is wrong, by its causes, and who is moving what; then the worst shards, as many as fit; the rest is
one line of counts. Who filters, asks for ``-o wide``, or pipes gets every shard.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from etcdmeta.cli.shard_table import Look, status_table
from etcdmeta.cli.shard_view import StatusView
from etcdmeta.cli.text import counted
from etcdmeta.model.health import Health, ShardStatus

LEAST_SHARDS = 5
LEAST_OF_BRIEF = 3
"""However small the terminal is; then it scrolls."""
_BRIEF_BELOW = 32
"""Lines of a terminal; on a smaller one the shards get the room, and what is above them is short."""


def folds(view: StatusView, look: Look, around: int) -> bool:
    """Whether not all fits, and nobody asked for all. ``around``: the lines above and below the table."""
    if look.height is None or look.wide or view.filtered:
        return False
    return len(view.statuses) + around + 1 > look.height


def is_brief(look: Look) -> bool:
    """Whether the terminal is small."""
    return look.height is not None and look.height < _BRIEF_BELOW


def folded(view: StatusView, look: Look, around: int) -> list[str]:
    """The table of the worst shards, as long as fits with ``around`` other lines, and the line about the others."""
    assert look.height is not None  # `folds` said so
    room = look.height - around - 3  # an empty line, the line about the others, the shell's prompt
    least = LEAST_OF_BRIEF if is_brief(look) else LEAST_SHARDS
    shown = max(least, min(room - 1, len(view.statuses)))
    # Reasons may stand below their rows, or be wrapped: the most rows whose lines still fit.
    fitting = bisect_right(
        range(least, shown + 1), room, key=lambda rows: len(status_table(view.statuses[:rows], look))
    )
    shown = min(shown, least + max(0, fitting - 1))
    table = status_table(view.statuses[:shown], look)
    rest = view.statuses[shown:]
    return [*table, "", _others(rest, look)] if rest else table


def _others(rest: Sequence[ShardStatus], look: Look) -> str:
    counts = Counter(status.health for status in rest)
    parts = [f"{counts[health]:,} {health}" for health in Health if counts[health]]
    only_ok = set(counts) == {Health.OK}
    text = f"{counted(len(rest), 'more is', 'more are')} ok" if only_ok else f"{len(rest):,} more: {', '.join(parts)}"
    hint = " (-o wide, or a filter such as --health ok, lists them)"
    return text + hint if look.width is None or len(text + hint) <= look.width else f"{text} (-o wide lists them)"
