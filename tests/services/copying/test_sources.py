"""A source that dies in the middle of a copy: another one is taken, and however many copies run, no limit is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from etcdmeta.commands.copying import BeginCopy
from etcdmeta.model.moveplans import Move, PlanLimits, PlanState
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.services.applying import Applier
from etcdmeta.services.applying.work import Retries
from etcdmeta.testing.transfers import DirectoryTransfer
from tests.services.applying.plans import History, draft, started
from tests.services.applying.test_applier import applying
from tests.services.copying.places import SECONDS, Gate, Place, dies, live, node
from tests.store.worlds import World, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from etcdmeta.store import MetaStore


def test_a_source_that_died_is_left_for_another(local: World, tmp_path: Path) -> None:
    """In one transaction: at no generation the copy does not run, and its place is taken by nobody."""
    place, gate = Place(local.open(), tmp_path, replicas=2), Gate()
    live(local, place.store, 1, 2)
    with node(place, 3, DirectoryTransfer(place.root_of(3), place.root_of, gate)):
        place.store.begin_copy(1, 1, 3)
        history = History(place.store)
        assert gate.reached.wait(SECONDS)
        dies(local, 1)
        wait_until(lambda: len(gate.jobs) == 2, "another attempt")
        gate.open.set()
        owner = place.wait_status(3, OwnerStatus.ACTIVE)
    assert owner is not None
    first, second = gate.jobs
    assert (first.source.node_id, first.source.agent, first.attempt) == (1, "a1:1", 1)
    assert (second.source.node_id, second.source.agent, second.attempt) == (2, "a2:1", 2)
    assert owner.attempt == 2
    assert place.same(3)
    history.close()
    statuses = [str(place.owner(picture, 3).status) for picture in history.pictures]  # type: ignore[union-attr]
    assert [status for status, next_ in zip(statuses, [*statuses[1:], ""], strict=True) if status != next_] == [
        "copying",
        "active",
    ]


class Once(Retries):
    """After a failure nothing is tried again for days."""

    def rest(self, tries: int) -> float:
        return 1e6 * tries


def test_a_plan_does_not_rest_where_a_source_died(local: World, tmp_path: Path) -> None:
    """What failed for another reason is tried again later: nothing has got better meanwhile."""
    store, gate = local.open(), Gate()
    place = Place(store, tmp_path, replicas=2)
    live(local, store, 1, 2)
    plan = started(store, draft(Move(1, 2, 3, 1)))
    applier = Applier(store, retries=Once())
    with node(place, 3, DirectoryTransfer(place.root_of(3), place.root_of, gate)), applying(applier, plan.id):
        assert gate.reached.wait(SECONDS)
        dies(local, 1)
        wait_until(lambda: len(gate.jobs) == 2, "another attempt")
        gate.open.set()
        place.wait_status(3, OwnerStatus.ACTIVE)
        assert [(job.source.node_id, job.attempt) for job in gate.jobs] == [(1, 1), (2, 2)]


class Late:
    """The store of a node that is slow to begin a copy of its own accord: others have begun theirs by then."""

    def __init__(self, store: MetaStore, begun: int) -> None:
        self._store, self._begun = store, begun

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def execute(self, command: Any, **named: Any) -> Any:
        if isinstance(command, BeginCopy):
            self._store.wait_for(lambda snapshot: len(snapshot.tables.progress) >= self._begun, SECONDS)
        return self._store.execute(command, **named)


@pytest.mark.parametrize("limits", [PlanLimits(per_target=2, per_source=2), PlanLimits(per_target=9, at_once=2)])
def test_limits_hold_though_sources_die(local: World, tmp_path: Path, limits: PlanLimits) -> None:
    """Of six shards that nodes 1 and 2 have to node 3, all of them from node 1 first."""
    store, most, gate = local.open(), 2, Gate()
    place = Place(store, tmp_path, shards=6, replicas=2)
    live(local, store, 1, 2)
    plan = started(store, draft(*[Move(shard, 2, 3, 1) for shard in place.shards]), limits=limits)
    history = History(store)
    place.store = Late(store, most)  # type: ignore[assignment]
    applier = Applier(store, retries=Retries(pause=0.01))
    transfer = DirectoryTransfer(place.root_of(3), place.root_of, gate)
    with node(place, 3, transfer, at_once=9), applying(applier, plan.id):
        wait_until(lambda: len(gate.jobs) == most, "as many copies as may run")
        dies(local, 1)
        wait_until(lambda: len([job for job in gate.jobs if job.source.node_id == 2]) >= most, "from the other one")
        gate.open.set()
        store.wait_for(lambda snapshot: snapshot.plan(plan.id).state == PlanState.DONE, SECONDS)
    history.close()
    history.check_limits(plan)
