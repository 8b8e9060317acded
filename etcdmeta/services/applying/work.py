"""Which moves of a plan may take their next step now, under its limits: pure, but for the time that it is told.

A change of the picture concerns the moves of one group, and only those are looked at again: a plan of 200,000 moves is
read once. What waits for a copy stands in a queue of its target, and where no source has room, in one of the source.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from etcdmeta.model.copyload import CopyLoad
from etcdmeta.model.moveplans import Move, MovePlan, PlanState
from etcdmeta.model.moves import SETTLED, MoveState, Step, choose_source, outlook, sources
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot

LONGEST_REST = 30.0
"""Seconds between two tries of the same step."""


@dataclass(frozen=True, slots=True)
class Retries:
    """``attempts``: how often one copy is begun before somebody has to look; ``pause``: seconds before the second try,
    doubled for each one after it, up to `LONGEST_REST`.
    """

    attempts: int = 5
    pause: float = 1.0

    def rest(self, tries: int) -> float:
        """Seconds to wait after so many tries that failed."""
        return min(LONGEST_REST, self.pause * 2.0 ** min(tries - 1, 10))


class Order(NamedTuple):
    """One step to take: `AdvanceMove`'s fields. ``source`` 0: nothing is copied."""

    plan_id: int
    number: int
    source: int = 0


class _Place(Enum):
    DUE = auto()  # its step needs no room
    QUEUED = auto()  # a copy could begin
    HELD = auto()  # blocked, or its copy runs: a change of the picture brings it on
    RESTING = auto()  # tried in vain a moment ago
    GIVEN_UP = auto()  # its copy failed too often


@dataclass(slots=True)
class PlanWork:
    """What is left to do of one plan. Not thread-safe: whoever drives the plan has it alone."""

    plan: MovePlan
    moves: tuple[Move, ...]
    retries: Retries = field(default_factory=Retries)
    busy: dict[int, Order] = field(default_factory=dict)
    finishing: bool = False
    _places: dict[int, _Place] = field(default_factory=dict)
    _by_group: dict[int, list[int]] = field(default_factory=dict)
    _due: deque[int] = field(default_factory=deque)
    _queues: defaultdict[int, deque[int]] = field(default_factory=lambda: defaultdict(deque))
    _parked: defaultdict[int, deque[int]] = field(default_factory=lambda: defaultdict(deque))
    _resting: list[tuple[float, int]] = field(default_factory=list)
    _begun: Counter[int] = field(default_factory=Counter)
    _tries: Counter[int] = field(default_factory=Counter)
    _given_up: list[int] = field(default_factory=list)
    _settled: set[int] = field(default_factory=set)  # looked at since `touched` was called last

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        plan: MovePlan,
        now: float,
        retries: Retries,
        busy: Mapping[int, Order] | None = None,
    ) -> PlanWork:
        """Everything that is left of the plan in that picture; a look at each of its moves. ``busy``: the steps of it
        that are being committed.
        """
        work = cls(plan, snapshot.plan_moves(plan.id), retries, dict(busy or {}))
        for number, move in enumerate(work.moves):
            group_id = snapshot.tables.shards.get(move.shard_id)
            if group_id is not None:
                work._by_group.setdefault(group_id, []).append(number)
            if number not in work.busy:
                work._look(snapshot, number, now)
        return work

    @property
    def is_over(self) -> bool:
        """Whether each move is settled, so that the plan can end."""
        return not (self._places or self.busy or self.finishing)

    @property
    def next_time(self) -> float | None:
        """When (monotonic seconds) something that rests is to be tried again; None: nothing rests."""
        return self._resting[0][0] if self._resting else None

    def given_up(self) -> list[int]:
        """Moves whose copy failed too often since the last call."""
        found, self._given_up = self._given_up, []
        return found

    def touched(self, snapshot: Snapshot, group_ids: Iterable[int], now: float) -> None:
        """These groups changed, or are gone. What was settled on the same picture has been looked at."""
        for group_id in group_ids:
            for number in self._by_group.get(group_id, ()):
                idle = number not in self.busy and number not in self._settled
                if idle and self._places.get(number) is not _Place.RESTING:
                    self._look(snapshot, number, now)
        self._settled.clear()

    def nodes_changed(self, snapshot: Snapshot, now: float) -> None:
        """A node came, went, or changed its state, or a policy changed: what was blocked may go on."""
        for number in [number for number, place in self._places.items() if place is _Place.HELD]:
            self._look(snapshot, number, now)

    def settle(self, snapshot: Snapshot, number: int, now: float, *, failed: bool = False) -> None:
        """The step that was ordered is committed, or ``failed``; to be followed by `touched` on the same picture."""
        order = self.busy.pop(number, None)
        if not failed:
            self._tries.pop(number, None)
            if order is not None and order.source:
                self._begun[number] += 1
            self._look(snapshot, number, now)
            self._settled.add(number)
        else:
            self._tries[number] += 1
            self._rest(number, now + self.retries.rest(self._tries[number]))

    def begins(self) -> Iterator[tuple[Move, Order]]:
        """The copies whose beginning is being committed."""
        return ((self.moves[number], order) for number, order in self.busy.items() if order.source)

    def take(self, snapshot: Snapshot, load: CopyLoad, room: int, now: float) -> list[Order]:
        """At most ``room`` steps to take now; they are `busy` from then on, and their copies are in ``load``."""
        while self._resting and self._resting[0][0] <= now:
            _, number = heapq.heappop(self._resting)
            if self._places.get(number) is _Place.RESTING:
                self._look(snapshot, number, now, rested=True)
        orders: list[Order] = []
        while self._due and len(orders) < room:
            number = self._due.popleft()
            if self._places.get(number) is _Place.DUE:
                orders.append(self._order(number, 0))
        self._unpark(load)
        for target in [target for target, queue in self._queues.items() if queue]:
            while len(orders) < room and not load.full(self.plan.limits, target=target):
                order = self._begin_next(snapshot, target, load, now)
                if order is None:
                    break
                orders.append(order)
        return orders

    def _begin_next(self, snapshot: Snapshot, target: int, load: CopyLoad, now: float) -> Order | None:
        """The first copy of that target's queue which a source has room for; those before it are parked."""
        queue = self._queues[target]
        while queue:
            number = queue.popleft()
            if self._places.get(number) is not _Place.QUEUED:
                continue  # left over from an earlier look
            move = self.moves[number]
            best = choose_source(snapshot, move, load)
            if best is None or outlook(snapshot, self.plan, move).step is not Step.BEGIN:
                self._look(snapshot, number, now)
                if self._places.get(number) is _Place.QUEUED:
                    return None  # put behind the others again
                continue
            source = self._with_room(snapshot, move, best, load)
            if not source:
                self._parked[best].append(number)
                continue
            load.add(source, target)
            return self._order(number, source)
        return None

    def _with_room(self, snapshot: Snapshot, move: Move, best: int, load: CopyLoad) -> int:
        """The best source, else the least busy one of the others; 0: all of them give as much as they may."""
        limit = self.plan.limits.per_source
        if load.per_source[best] < limit:
            return best
        others = sorted(sources(snapshot, move) - {best}, key=lambda node_id: (load.per_source[node_id], node_id))
        return next((n for n in others if load.per_source[n] < limit), 0)

    def _unpark(self, load: CopyLoad) -> None:
        """Where sources have room again, as many as they have room for stand in their targets' queues again."""
        for source, parked in self._parked.items():
            for _ in range(min(len(parked), self.plan.limits.per_source - load.per_source[source])):
                number = parked.popleft()
                self._queues[self.moves[number].to_node].appendleft(number)

    def _order(self, number: int, source: int) -> Order:
        order = Order(self.plan.id, number, source)
        self._places.pop(number, None)
        self.busy[number] = order
        return order

    def _look(self, snapshot: Snapshot, number: int, now: float, *, rested: bool = False) -> None:
        move = self.moves[number]
        found = outlook(snapshot, self.plan, move)
        if found.state in SETTLED or (found.step is None and self.plan.state == PlanState.ABORTING):
            self._places.pop(number, None)
            return
        if found.step is None:
            self._places[number] = _Place.HELD
        elif found.step is not Step.BEGIN:
            self._places[number] = _Place.DUE
            self._due.append(number)
        elif found.state is MoveState.FAILED and self._begun[number] >= self.retries.attempts:
            if self._places.get(number) is not _Place.GIVEN_UP:
                self._given_up.append(number)
            self._places[number] = _Place.GIVEN_UP
        elif found.state is MoveState.FAILED and self._begun[number] and not rested and _may_fail_so(snapshot, move):
            self._rest(number, now + self.retries.rest(self._begun[number]))
        else:
            self._places[number] = _Place.QUEUED
            self._queues[move.to_node].append(number)

    def _rest(self, number: int, until: float) -> None:
        self._places[number] = _Place.RESTING
        heapq.heappush(self._resting, (until, number))


def _may_fail_so(snapshot: Snapshot, move: Move) -> bool:
    """Whether what a copy failed with is still there. Where its source is gone, nothing has to get better first."""
    group_id = snapshot.tables.shards.get(move.shard_id)
    group = None if group_id is None else snapshot.find_group(group_id)
    shard = None if group is None else group.shard(move.shard_id)
    comer = None if shard is None else shard.owner(move.to_node)
    return comer is None or comer.source in sources(snapshot, move)


def load_with(snapshot: Snapshot, works: Iterable[PlanWork]) -> CopyLoad:
    """The copies that run in the picture, and those that are being begun."""
    load = CopyLoad.of(snapshot)
    for work in works:
        for move, order in work.begins():
            group_id = snapshot.tables.shards.get(move.shard_id)
            group = None if group_id is None else snapshot.find_group(group_id)
            shard = None if group is None else group.shard(move.shard_id)
            owner = None if shard is None else shard.owner(move.to_node)
            if owner is None or owner.status != OwnerStatus.COPYING:
                load.add(order.source, move.to_node)
    return load
