"""Plans of moves: which owners go where, why, and how far that is.

A plan is stored (``state/plan/<id>``), so that it goes on from any machine; its moves stand in pages below it and
never change. How far a move is, the owners of its shard say (`etcdmeta.model.moves`): it is not kept twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, Field, PlainSerializer

from etcdmeta.model.entities import Frozen, Id, Record

MOVES_A_PAGE: Final = 500
"""Moves in one record. Some 10 KB: far below what a request may be, and few keys for a large plan."""


class PlanKind(StrEnum):
    """What a plan is for."""

    REBALANCE = "rebalance"
    DECOMMISSION = "decommission"
    REPLACE = "replace"
    REPLICATION = "replication"
    REPAIR = "repair"
    UNDO = "undo"


class PlanState(StrEnum):
    """Where a plan stands::

        drafting → proposed → running ⇄ paused
                       │         └───┬────┘
                       │         aborting → aborted
                       └→ aborted    running → done → undone

    ``drafting``: not all of its moves are written yet. ``aborting``: what was begun is being settled; nothing begins.
    """

    DRAFTING = "drafting"
    PROPOSED = "proposed"
    RUNNING = "running"
    PAUSED = "paused"
    ABORTING = "aborting"
    ABORTED = "aborted"
    DONE = "done"
    UNDONE = "undone"


ACTIVE_STATES: Final = frozenset({PlanState.RUNNING, PlanState.PAUSED, PlanState.ABORTING})
ENDED_STATES: Final = frozenset({PlanState.ABORTED, PlanState.DONE, PlanState.UNDONE})

Counts = Annotated[
    Mapping[int, int],
    AfterValidator(lambda counts: MappingProxyType(dict(counts))),
    PlainSerializer(dict, return_type=dict[int, int]),
]
"""Node id → how many."""
NodeStates = Annotated[
    Mapping[int, str],
    AfterValidator(lambda states: MappingProxyType(dict(states))),
    PlainSerializer(dict, return_type=dict[int, str]),
]


class Move(NamedTuple):
    """One owner's place changes. ``from_node`` 0: none goes, an owner is added; ``to_node`` 0: none comes.

    ``source`` 0: copied from whichever owner serves. ``size``: bytes, None where nobody knows.
    """

    shard_id: int
    from_node: int = 0
    to_node: int = 0
    source: int = 0
    size: int | None = None


class PlanLimits(Frozen):
    """How many copies may run at the same time: to one node, from one node, in all."""

    per_target: int = Field(default=2, ge=1)
    per_source: int = Field(default=2, ge=1)
    at_once: int = Field(default=16, ge=1)


class MovePlan(Record):
    """One plan. ``subjects``: the nodes that are drained or replaced; ``replacement``: who takes over from a replaced
    one; ``remove_subjects``: at the end they are removed for good; ``prior_states``: what they were before, put back by
    an abort. ``before`` and ``after``: owners in live groups per node, as it was planned on and as it will be.
    Times are nanoseconds since 1970. ``undoes``, ``undone_by``: plan ids, 0 none. ``note``: why it stands still, or
    ended.
    """

    id: Id
    kind: PlanKind | str
    state: PlanState | str
    reason: str = ""
    author: str = ""
    created_at: int = 0
    changed_at: int = 0
    moves: int = 0
    pages: int = 0
    limits: PlanLimits = PlanLimits()
    subjects: tuple[int, ...] = ()
    replacement: int = 0
    remove_subjects: bool = False
    prior_states: NodeStates = Field(default_factory=lambda: MappingProxyType({}))
    before: Counts = Field(default_factory=lambda: MappingProxyType({}))
    after: Counts = Field(default_factory=lambda: MappingProxyType({}))
    undoes: int = 0
    undone_by: int = 0
    note: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it holds its shards: running, paused or being aborted."""
        return self.state in ACTIVE_STATES

    @property
    def removes_subjects(self) -> bool:
        """Whether its subjects go for good."""
        return self.remove_subjects or self.kind == PlanKind.REPLACE

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.state in ENDED_STATES
