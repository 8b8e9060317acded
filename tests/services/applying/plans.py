"""A small cluster whose shards are moved, and nodes that copy by finishing at once."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etcdmeta.commands.copying import FinishCopy
from etcdmeta.commands.planning.draft import PlanDraft
from etcdmeta.errors import EtcdMetaError, Refused
from etcdmeta.model.moveplans import ACTIVE_STATES, Move, PlanKind
from etcdmeta.model.owners import SERVING, OwnerStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etcdmeta.model.moveplans import MovePlan
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore
    from etcdmeta.store.listeners import Publication

HOUR = 3_600_000_000_000


def with_shards(store: MetaStore, count: int, *, nodes: int = 2, replicas: int = 2) -> list[int]:
    """Nodes 1 … and, while only they are there, groups of one shard on ``replicas`` of them; the shards' ids."""
    for number in range(nodes):
        store.add_node(f"n{number}:1")
    store.create_database("d", replicas=replicas, group_duration="1h")
    groups = [store.create_shard_group("d", "autogen", hour * HOUR) for hour in range(count)]
    return [group.shards[0].id for group in groups]


def add_nodes(store: MetaStore, count: int, *, first: int = 10) -> list[int]:
    return [store.add_node(f"n{first + number}:1").id for number in range(count)]


def draft(*moves: Move, kind: PlanKind = PlanKind.REBALANCE, **fields: object) -> PlanDraft:
    return PlanDraft(kind, tuple(moves), **fields)  # type: ignore[arg-type]


def started(store: MetaStore, plan: PlanDraft, **fields: object) -> MovePlan:
    return store.start_plan(store.propose(plan, **fields).id)  # type: ignore[arg-type]


def owners(snapshot: Snapshot, shard_id: int) -> dict[int, str]:
    return {owner.node_id: str(owner.status) for owner in snapshot.shard(shard_id).owners}


@contextmanager
def copying(store: MetaStore, may_finish: Callable[[int, int], bool] = lambda shard, node: True) -> Iterator[None]:
    """Every copy that begins is finished at once, by a thread, where ``may_finish(shard id, node id)``."""
    wake, stop = threading.Event(), threading.Event()

    def hear(publication: Publication) -> None:
        wake.set()

    def work() -> None:
        while not stop.is_set():
            wake.wait(5)
            wake.clear()
            snapshot = store.latest()
            for shard_id, node_id in list(snapshot.tables.progress.keys()):
                owner = snapshot.shard(shard_id).owner(node_id)
                if owner is not None and owner.status == OwnerStatus.COPYING and may_finish(shard_id, node_id):
                    try:
                        store.execute(FinishCopy(shard_id=shard_id, node_id=node_id, attempt=owner.attempt))
                    except Refused:
                        pass  # cancelled meanwhile
                    except EtcdMetaError:
                        if not stop.is_set():
                            raise

    thread = threading.Thread(target=work, name="copier")
    untap = store.tap(hear)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        wake.set()
        untap()
        thread.join(30)


class History:
    """Every picture that a store published, and what must hold of all of them."""

    def __init__(self, store: MetaStore) -> None:
        self.pictures: list[Snapshot] = []
        self.joined = False
        self._untap = store.tap(self._hear)

    def _hear(self, publication: Publication) -> None:
        self.joined |= publication.joined
        self.pictures.append(publication.snapshot)

    def close(self) -> None:
        self._untap()

    def check_service(self, shard_ids: list[int]) -> None:
        """No shard has ever fewer serving owners than at first, and no generation is missing."""
        assert not self.joined
        first = self.pictures[0]
        least = {shard_id: serving(first, shard_id) for shard_id in shard_ids}
        for before, picture in zip(self.pictures, self.pictures[1:], strict=False):
            assert picture.generation - before.generation in {0, 1}
            for shard_id in shard_ids:
                assert serving(picture, shard_id) >= least[shard_id], f"shard {shard_id} at {picture.generation}"

    def check_sources(self) -> None:
        """Whoever copies does so from an owner that serves."""
        for picture in self.pictures:
            for shard in (shard for group in picture.groups() for shard in group.shards):
                for owner in shard.owners:
                    if owner.status == OwnerStatus.COPYING:
                        source = shard.owner(owner.source or 0)
                        assert source is not None and source.serves, f"shard {shard.id} at {picture.generation}"  # noqa: PT018

    def check_limits(self, plan: MovePlan) -> int:
        """How many copies ran at most at one time."""
        most = 0
        for picture in self.pictures:
            copies = [(o.source, o.node_id) for s in picture.groups() for h in s.shards for o in h.owners
                      if o.status == OwnerStatus.COPYING]  # fmt: skip
            most = max(most, len(copies))
            assert len(copies) <= plan.limits.at_once
            for place, limit in ((0, plan.limits.per_source), (1, plan.limits.per_target)):
                ends = [copy[place] for copy in copies]
                assert all(ends.count(end) <= limit for end in set(ends)), f"{copies} at {picture.generation}"
        return most


def serving(snapshot: Snapshot, shard_id: int) -> int:
    return sum(owner.status in SERVING for owner in snapshot.shard(shard_id).owners)


def at_work(snapshot: Snapshot, plan_id: int) -> bool:
    return snapshot.plan(plan_id).state in ACTIVE_STATES
