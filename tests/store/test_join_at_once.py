"""Fifty nodes join at the same moment, on an empty place, through several stores; some of them twice."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING

from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.errors import EtcdMetaError
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import SECONDS, at_once, soon

if TYPE_CHECKING:
    from collections.abc import Callable

    from etcdmeta.embedded import Cluster
    from etcdmeta.model.entities import Node
    from etcdmeta.store import MetaStore
    from tests.store.worlds import World

NODES = 50
STORES = 5
TWICE = range(0, NODES, 5)
"""These send their join to two stores at once, the second time from another host."""


def identity(number: int) -> bytes:
    return hashlib.sha256(b"node %d" % number).digest()


def joins(store: MetaStore, number: int, host: str) -> Callable[[], Node]:
    return lambda: store.join_node(host, identity(number), {"rack": str(number)})


def test_fifty_nodes_at_once(world: World) -> None:
    """Fifty ids, each once; one cluster id; whoever asked twice is one node, at one of its hosts."""
    stores = itertools.cycle([world.open() for _ in range(STORES)])
    tasks = [joins(next(stores), number, f"n{number}:1") for number in range(NODES)]
    tasks += [joins(next(stores), number, f"other-n{number}:1") for number in TWICE]
    answers = at_once(tasks)
    assert [answer for answer in answers if isinstance(answer, EtcdMetaError)] == []

    snapshot = world.stores[0].read_consistent(SECONDS)
    nodes = {node.identity_hash: node for node in snapshot.nodes()}
    assert set(nodes) == {identity(number) for number in range(NODES)}
    assert len({node.id for node in nodes.values()}) == NODES
    for number, answer in zip((*range(NODES), *TWICE), answers, strict=True):
        node = nodes[identity(number)]
        assert node.id == answer.id
        assert node.host in ({f"n{number}:1", f"other-n{number}:1"} if number in TWICE else {f"n{number}:1"})
    cluster_ids = {store.read_consistent(SECONDS).cluster.cluster_id for store in world.stores}
    assert len(cluster_ids) == 1
    for store in world.stores:
        check_cache(world, store)
    check_ledger(world)


def test_one_node_at_ten_hosts_at_once(world: World) -> None:
    stores = [world.open() for _ in range(3)]
    answers = at_once([joins(stores[n % 3], 0, f"n{n}:1") for n in range(10)])
    assert {answer.id for answer in answers} == {stores[0].read_consistent(SECONDS).nodes()[0].id}
    assert len(stores[0].snapshot().nodes()) == 1
    check_cache(world, stores[0])


def test_ten_nodes_at_one_host_at_once(world: World) -> None:
    stores = [world.open() for _ in range(3)]
    answers = at_once([joins(stores[n % 3], n, "n:1") for n in range(10)])
    assert sorted(type(answer).__name__ for answer in answers) == ["Node"] + ["NodeExists"] * 9
    check_cache(world, stores[0])


def test_etcds_own_list_says_where_its_members_are(etcd_cluster: Cluster) -> None:
    strategy = EtcdStrategy(etcd_cluster.endpoints[0])
    try:
        assert set(strategy.peers(deadline=soon())) == {f"http://{endpoint}" for endpoint in etcd_cluster.endpoints}
    finally:
        strategy.close()
