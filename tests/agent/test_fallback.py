"""An agent that does not reach etcd follows a peer that does, says so, and goes back; never to anything older."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest

from etcdmeta import errors
from etcdmeta.agent.fallback import PEERS, FallbackStrategy
from etcdmeta.commands.database import CreateDatabase
from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.replica.states import FollowerState
from etcdmeta.store import MetaStore
from etcdmeta.testing.agents import serve_agent
from tests.store.worlds import SECONDS, wait_live, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etcdmeta.store.listeners import Publication

_QUICK = FollowerConfig(backoff_base=0.05, backoff_cap=0.2, stalled_after=0.5, probe_after=0.5)
_KEY = Keyspace("default").absolute(keys.CLUSTER)


class Node(NamedTuple):
    link: LocalStrategy
    store: MetaStore
    address: str


class Cut(NamedTuple):
    """The node under test: its own way to etcd, its fallback, its store."""

    link: LocalStrategy
    fallback: FallbackStrategy
    store: MetaStore


class Scene:
    def __init__(self, running: ExitStack) -> None:
        self._running = running
        self._cluster = LocalCluster()
        self.peers: list[Node] = []

    def add_peer(self) -> Node:
        link = LocalStrategy(self._cluster)
        store = self._running.enter_context(MetaStore(link, timeout=SECONDS, follower=_QUICK))
        store.wait_live()
        serving = self._running.enter_context(serve_agent(store))
        node = Node(link, store, serving.address)
        self.peers.append(node)
        return node

    def add_cut(self, *, connected: bool) -> Cut:
        link = LocalStrategy(self._cluster)
        if not connected:
            link.disconnect()
        fallback = FallbackStrategy(
            link, lambda: [peer.address for peer in self.peers], AgentStrategy, probe_key=_KEY, ask_etcd_every=0.05
        )
        store = self._running.enter_context(MetaStore(fallback, timeout=SECONDS, follower=_QUICK))
        return Cut(link, fallback, store)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with ExitStack() as running:
        yield Scene(running)


def test_a_peer_is_followed_while_etcd_is_not_reached_and_left_when_it_is(scene: Scene) -> None:
    peer = scene.add_peer()
    peer.store.init_cluster()
    cut = scene.add_cut(connected=True)
    wait_live(cut.store)
    seen: list[int] = []

    def note(publication: Publication) -> None:
        seen.append(publication.snapshot.revision)

    cut.store.tap(note)
    assert cut.fallback.peer is None

    cut.link.disconnect()
    wait_until(lambda: cut.fallback.peer == peer.address, "the peer is followed")
    peer.store.create_database("while-away")
    cut.store.wait_for(lambda snapshot: snapshot.find_database("while-away"))
    wait_live(cut.store)
    assert cut.store.freshness().endpoint == PEERS

    cut.link.reconnect()
    wait_until(lambda: cut.fallback.peer is None, "the peer is left")
    wait_live(cut.store)
    peer.store.create_database("back")
    cut.store.wait_for(lambda snapshot: snapshot.find_database("back"))
    assert cut.store.freshness().endpoint != PEERS
    assert seen == sorted(seen)
    assert cut.store.counters()["gaps"] == cut.store.counters()["foreign"] == 0


def test_a_start_without_etcd_takes_the_picture_of_a_peer(scene: Scene) -> None:
    peer = scene.add_peer()
    peer.store.init_cluster()
    peer.store.create_database("there")
    cut = scene.add_cut(connected=False)
    wait_live(cut.store)
    assert cut.store.snapshot().find_database("there") is not None
    assert cut.fallback.peer == peer.address


def test_nothing_is_written_through_a_peer(scene: Scene) -> None:
    scene.add_peer().store.init_cluster()
    cut = scene.add_cut(connected=False)
    wait_live(cut.store)
    with pytest.raises(errors.Unavailable):
        cut.store.execute(CreateDatabase(name="d"), timeout=0.5)
    with pytest.raises(errors.Unavailable):
        cut.store.read_consistent(timeout=0.5)


def test_a_peer_that_is_cut_off_itself_is_not_followed(scene: Scene) -> None:
    first, second = scene.add_peer(), scene.add_peer()
    first.store.init_cluster()
    cut = scene.add_cut(connected=True)
    wait_live(cut.store)
    first.link.disconnect()
    wait_until(lambda: first.store.freshness().state is FollowerState.STALE, "the first peer is stale")
    cut.link.disconnect()
    wait_until(lambda: cut.fallback.peer == second.address, "the second peer is followed")
    second.store.create_database("news")
    cut.store.wait_for(lambda snapshot: snapshot.find_database("news"))
    second.link.disconnect()
    wait_until(lambda: cut.store.freshness().state is FollowerState.STALE, "nobody is followed")
    age = cut.store.freshness().age
    wait_until(lambda: cut.store.freshness().age > age, "its age grows")
    assert cut.store.snapshot().find_database("news") is not None
    for peer in scene.peers:
        peer.link.reconnect()
    wait_live(cut.store)


def test_with_etcd_there_no_peer_is_asked(scene: Scene) -> None:
    scene.add_peer().store.init_cluster()
    cut = scene.add_cut(connected=True)
    wait_live(cut.store)
    with pytest.raises(errors.Unavailable, match="etcd answers"):
        cut.fallback.watch(b"", b"", from_revision=1, endpoint=PEERS)
