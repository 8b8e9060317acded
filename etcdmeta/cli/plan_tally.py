"""How far a plan is, kept up to date as the picture changes: a plan of 200,000 moves is counted once, and then only
what changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.uncollected import uncollected
from etcdmeta.model.moveplans import MovePlan, PlanState
from etcdmeta.model.moves import MoveState, move_state
from etcdmeta.model.snapshot import Snapshot

IN_ORDER = (
    MoveState.DONE,
    MoveState.VOID,
    MoveState.LEAVING,
    MoveState.COPIED,
    MoveState.COPYING,
    MoveState.FAILED,
    MoveState.WAITING,
)


_OVER = frozenset({PlanState.ABORTED, PlanState.UNDONE})
LEFT = "left"
"""What a move is called that its plan does not make any more: nothing of it waits, and nothing copies."""


def state_words(plan: MovePlan, counts: Mapping[MoveState, int]) -> list[str]:
    """``12 done``, ``4 copying``, ``24 waiting``; of a plan that was given up, ``12 done``, ``28 left``."""
    settled = (MoveState.DONE, MoveState.VOID)
    if plan.state not in _OVER:
        return [f"{counts[state]:,} {state}" for state in IN_ORDER if counts.get(state)]
    left = sum(count for state, count in counts.items() if state not in settled)
    words = [f"{counts[state]:,} {state}" for state in settled if counts.get(state)]
    return [*words, f"{left:,} {LEFT}"] if left else words


def state_word(plan: MovePlan, state: MoveState) -> str:
    """Of one move, as `state_words` counts it."""
    return LEFT if plan.state in _OVER and state not in (MoveState.DONE, MoveState.VOID) else str(state)


@dataclass(frozen=True, slots=True)
class Copying:
    """The copies of a plan that run. Bytes: of those whose total is known; None where of none."""

    number: int
    bytes_done: int | None
    bytes_total: int | None
    bytes_per_second: int | None

    def words(self) -> str:
        """``4 copying (43 %, 12 MiB/s)``."""
        known = []
        if self.bytes_total and self.bytes_done is not None:
            known.append(f"{cells.percent(min(1.0, self.bytes_done / self.bytes_total))} %")
        if self.bytes_per_second:
            known.append(cells.rate_text(self.bytes_per_second))
        return f"{self.number} copying" + (f" ({', '.join(known)})" if known else "")


class Tally:
    """The moves of one plan by state. Not thread-safe."""

    def __init__(self, snapshot: Snapshot, plan: MovePlan) -> None:
        """A look at each move."""
        self.plan = plan
        self.moves = snapshot.plan_moves(plan.id)
        self.states: list[MoveState] = []
        self.counts: Counter[MoveState] = Counter()
        self._copies: set[int] = set()
        self._by_group: dict[int, list[int]] = {}
        for number, move in enumerate(self.moves):
            group_id = snapshot.tables.shards.get(move.shard_id)
            if group_id is not None:
                self._by_group.setdefault(group_id, []).append(number)
        self._count(snapshot)

    def take_in(self, snapshot: Snapshot, groups: Iterable[int] | None) -> list[int]:
        """These groups changed, or with None anything may have. The moves whose state is another now."""
        plan = snapshot.find_plan(self.plan.id)
        if plan is not None:
            self.plan = plan
        if groups is None:
            before = self.states
            self._count(snapshot)
            return [number for number, state in enumerate(self.states) if state is not before[number]]
        changed = []
        for number in [number for group_id in groups for number in self._by_group.get(group_id, ())]:
            state = move_state(snapshot, self.moves[number])
            if state is not self.states[number]:
                self.counts[self.states[number]] -= 1
                self.counts[state] += 1
                self.states[number] = state
                (self._copies.add if state is MoveState.COPYING else self._copies.discard)(number)
                changed.append(number)
        return changed

    @property
    def settled(self) -> int:
        """Done or void."""
        return self.counts[MoveState.DONE] + self.counts[MoveState.VOID]

    def numbers(self, *states: MoveState) -> list[int]:
        """The moves that are in one of these states."""
        return [number for number, state in enumerate(self.states) if state in states]

    def copying(self, snapshot: Snapshot) -> Copying:
        """Read from the progress records, of which there is one a copy."""
        done = total = rate = 0
        known = reported = False
        for number in self._copies:
            copy = snapshot.progress(self.moves[number].shard_id, self.moves[number].to_node)
            if copy is None:
                continue
            if copy.bytes_done is not None and copy.bytes_total:
                done, total, known = done + copy.bytes_done, total + copy.bytes_total, True
            if copy.bytes_per_second:
                rate, reported = rate + copy.bytes_per_second, True
        return Copying(len(self._copies), done if known else None, total if known else None, rate if reported else None)

    def words(self, snapshot: Snapshot) -> str:
        """``12 of 40 moves done, 4 copying (43 %, 12 MiB/s), 24 waiting``."""
        parts = [f"{self.counts[MoveState.DONE]:,} of {len(self.moves):,} moves done"]
        for state in IN_ORDER[1:]:
            if state is MoveState.COPYING and self.counts[state]:
                parts.append(self.copying(snapshot).words())
            elif self.counts[state]:
                parts.append(f"{self.counts[state]:,} {state}")
        return ", ".join(parts)

    def _count(self, snapshot: Snapshot) -> None:
        with uncollected():
            self.states = [move_state(snapshot, move) for move in self.moves]
        self.counts = Counter(self.states)
        self._copies = {number for number, state in enumerate(self.states) if state is MoveState.COPYING}
