"""A database beside its agent: what it commits as the node compares the liveness that the agent keeps."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from etcdmeta.agent.facts import Facts
from etcdmeta.model.entities import Liveness
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Delete, Put
from etcdmeta.services.copying import AgentFence
from etcdmeta.store import Fence
from etcdmeta.testing import local_store
from etcdmeta.testing.agents import serve_agent
from tests.services.copying.places import SECONDS, Place, node

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.worlds import World


def comes(world: World, place: Place, instance: int) -> int:
    """An instance of node 2 becomes live; its key's create revision."""
    if place.store.snapshot().tables.liveness.get(2):
        world.commit(Delete(world.keyspace.absolute(keys.live(2))))
    made = world.commit(Put(keys.live(2), encode(Liveness(node_id=2, instance=instance, since=1))))
    place.store.wait_for(lambda snapshot: snapshot.revision >= made.header.revision, SECONDS)
    return made.header.revision


class Keeper:
    """What an agent knows of its node's liveness; ``asked`` each time."""

    def __init__(self) -> None:
        self.created, self.asked = 0, threading.Semaphore(0)

    def fence(self) -> Fence | None:
        self.asked.release()
        return Fence(keys.live(2), self.created, "its liveness") if self.created else None

    def is_asked(self, times: int) -> None:
        for _ in range(times):
            assert self.asked.acquire(timeout=SECONDS)


def test_an_instance_that_was_replaced_finishes_nothing(local: World, tmp_path: Path) -> None:
    place, keeper = Place(local.open(), tmp_path), Keeper()
    facts = Facts(version="test", node_id=2, fence=keeper.fence)
    with (
        serve_agent(place.store, facts=facts) as agent,
        node(place, 2, fence=AgentFence(place.store, 2, agent.address)),
    ):
        place.store.begin_copy(1, 1, 2)
        keeper.is_asked(2)  # it has copied, and is not live yet
        mine = comes(local, place, 1)
        comes(local, place, 2)  # another, which this one does not know of
        keeper.created = mine
        while keeper.asked.acquire(blocking=False):
            pass
        keeper.is_asked(3)
        owner = place.owner(place.store.read_consistent(), 2)
        assert owner is not None
        assert owner.status == OwnerStatus.COPYING
        keeper.created = comes(local, place, 1)
        place.wait_status(2, OwnerStatus.ACTIVE)
    assert place.same(2)


def test_an_agent_that_is_not_this_node_s_says_nothing_of_it(local: World, tmp_path: Path) -> None:
    place, keeper = Place(local.open(), tmp_path), Keeper()
    facts = Facts(version="test", node_id=2, fence=keeper.fence)
    with serve_agent(place.store, facts=facts) as agent, local_store() as other:
        asks = AgentFence(place.store, 2, agent.address)
        assert asks() is None
        keeper.created = 5
        assert asks() == Fence(keys.live(2), 5, "the liveness of node 2")
        assert AgentFence(place.store, 3, agent.address)() is None
        assert AgentFence(other, 2, agent.address)() is None
    assert asks() is None  # it is away
