"""What is wrong with many shards, told by its causes: a line a kind of trouble, with the nodes that it is about.

For the page of `shard status` that cannot show every shard: a node that is down is one line, not its 400 shards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.naming import quote
from etcdmeta.cli.text import counted
from etcdmeta.model.health import Health, ShardStatus
from etcdmeta.model.owners import OwnerStatus

WORDS = {
    "down": "node down",
    "gone": "node gone for good",
    "failed": "failed",
    "unknown": "status unknown to this version",
    "no owners": "no owners",
    "few": "fewer owners than wanted",
    "copying": "not all copied yet",
    "surplus": "more owners than wanted",
}
"""The kinds, by what a person calls them."""

_ILL = frozenset({"down", "gone", "failed", "unknown"})
_NAMED = 4
_BRIEF_KINDS = 3
LABEL_WIDTH = 9
"""``wrong:`` and its likes, and the gap behind."""


@dataclass(slots=True)
class Trouble:
    """One kind: of how many shards, at which nodes how often, and what the failed owners say."""

    kind: str
    shards: int = 0
    nodes: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def troubles(statuses: Iterable[ShardStatus]) -> list[Trouble]:
    """Of the shards that are not ok: what nobody works on first, then what is most. A shard counts once in a kind."""
    found: dict[str, Trouble] = {}
    for status in statuses:
        if status.health is Health.OK:
            continue
        kinds = set()
        for kind, node_id, reason in _causes(status):
            trouble = found.setdefault(kind, Trouble(kind))
            kinds.add(kind)
            if node_id:
                trouble.nodes[node_id] += 1
            if reason:
                trouble.reasons[reason] += 1
        for kind in kinds:
            found[kind].shards += 1
    return sorted(found.values(), key=lambda trouble: (trouble.kind == "copying", -trouble.shards, trouble.kind))


def trouble_lines(statuses: Sequence[ShardStatus], *, brief: bool) -> list[str]:
    """``wrong:`` and ``where:``; none where all are ok. ``brief``: not more than `_BRIEF_KINDS` lines."""
    found = troubles(statuses)
    shown = found[:2] if brief and len(found) > _BRIEF_KINDS else found
    lines = [_sentence(trouble) for trouble in shown]
    if left := found[len(shown) :]:
        lines.append(f"{len(left)} more kinds of trouble")
    lines = labelled("wrong:", lines)
    databases = Counter({quote(name): shards for name, shards in shards_in_trouble(statuses).items()})
    if databases and not brief:
        lines += labelled("where:", [_most(databases, "database")])
    return lines


def shards_in_trouble(statuses: Iterable[ShardStatus]) -> Counter[str]:
    """By database: shards that are not ok."""
    fine = (Health.OK, Health.UNKNOWN)  # of a picture that is too old, every shard is unknown: that is no place
    return Counter(status.database for status in statuses if status.health not in fine)


def labelled(label: str, sentences: Sequence[str]) -> list[str]:
    """The label in front of the first one, the others below it."""
    return [f"{label if place == 0 else '':<{LABEL_WIDTH}}{text}" for place, text in enumerate(sentences)]


def _causes(status: ShardStatus) -> Iterator[tuple[str, int, str]]:
    """(kind, node or 0, reason or "")."""
    ill = [(cells.mark_name(owner), owner) for owner in status.owners if cells.mark_name(owner) in _ILL]
    for kind, owner in ill:
        yield kind, owner.node_id, owner.record.reason if kind == "failed" else ""
    staying = [owner for owner in status.owners if owner.status != OwnerStatus.LEAVING]
    if not status.owners:
        yield "no owners", 0, ""
    elif ill:
        return
    elif status.health is Health.SURPLUS:
        yield "surplus", 0, ""
    elif len(staying) < status.wanted:
        yield "few", 0, ""
    elif status.health is not Health.UNKNOWN:
        for owner in status.owners:
            if owner.status == OwnerStatus.COPYING:
                yield "copying", owner.node_id, ""


def _sentence(trouble: Trouble) -> str:
    text = f"{counted(trouble.shards, 'shard')}, {WORDS[trouble.kind]}"
    if trouble.nodes:
        text += ": " + _most(Counter({f"n{node}": number for node, number in trouble.nodes.items()}), "node")
    if trouble.reasons:
        ((reason, _),) = trouble.reasons.most_common(1)
        others = len(trouble.reasons) - 1
        text += f" – {reason}" + (f" (and {counted(others, 'other reason')})" if others else "")
    return text


def _most(counts: Counter[str], thing: str) -> str:
    named = [f"{name} ({number:,})" for name, number in counts.most_common(_NAMED)]
    more = len(counts) - len(named)
    return ", ".join(named) + (f", {counted(more, f'more {thing}')}" if more > 0 else "")
