"""What a planner hands over: moves that nobody has stored yet, and what they would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from etcdmeta.model.moveplans import Move, PlanKind


class LeftOut(NamedTuple):
    """A shard that the plan cannot help, and why, in a sentence for people."""

    shard_id: int
    why: str


@dataclass(frozen=True, slots=True)
class PlanDraft:
    """``subjects``: the nodes that are drained or replaced; ``replacement``: who takes over from a replaced one, 0
    none; ``remove_subjects``: at the end they are removed for good. ``before`` and ``after``: owners in live groups per
    node, as they will be when the plans ``at_work`` are done, and when its own moves are done, too. ``left_out``: what
    it cannot help. ``undoes``: the plan that it undoes. ``proposed``: other plans that wait to be applied, and that it
    does not reckon with.
    """

    kind: PlanKind
    moves: tuple[Move, ...]
    subjects: tuple[int, ...] = ()
    replacement: int = 0
    remove_subjects: bool = False
    before: Mapping[int, int] = field(default_factory=dict)
    after: Mapping[int, int] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    undoes: int = 0
    at_work: tuple[int, ...] = ()
    proposed: tuple[int, ...] = ()
