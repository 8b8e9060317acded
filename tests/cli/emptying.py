"""A small cluster whose nodes are drained, replaced and repaired from the command line; copies are finished at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from etcdmeta.embedded import Cluster
from etcdmeta.model.moveplans import MovePlan
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.store import MetaStore
from tests.cli.conftest import Cli
from tests.services.applying.plans import copying

HOUR = 3600 * 10**9


@dataclass(frozen=True)
class Place:
    """Nodes 1 to 4 own shards 1 to 4 of metrics.autogen, two each; nodes 5 and 6 nothing."""

    cli: Cli
    store: MetaStore
    environ: dict[str, str]
    shards: list[int] = field(default_factory=list)

    def state(self, node_id: int) -> str:
        return str(self.store.read_consistent().node(node_id).state)

    def owned(self, node_id: int) -> set[int]:
        return {shard.id for _, shard, _ in self.store.read_consistent().shards_of(node_id)}

    def plans(self) -> list[MovePlan]:
        return list(self.store.read_consistent().plans())

    def owners(self, shard_id: int) -> dict[int, str]:
        return {owner.node_id: str(owner.status) for owner in self.store.read_consistent().shard(shard_id).owners}

    def check_whole(self) -> None:
        """Each shard has its two owners, and both serve."""
        for shard_id in self.shards:
            assert list(self.owners(shard_id).values()) == [OwnerStatus.ACTIVE] * 2, shard_id

    def revision(self) -> str:
        return self.cli("cluster", "revision").out


@contextmanager
def small_cluster(cli: Cli, cluster: Cluster, name: str, *, spare: int = 2) -> Iterator[Place]:
    environ = {"ETCDMETA_ENDPOINTS": ",".join(cluster.endpoints), "ETCDMETA_CLUSTER": name}
    with MetaStore.open(cluster.endpoints, cluster=name) as store:
        for number in range(1, 5):
            store.add_node(f"db-{number}:1")
        store.create_database("metrics", replicas=2, group_duration="1h")
        groups = [store.create_shard_group("metrics", "autogen", hour * HOUR) for hour in range(2)]
        for number in range(5, 5 + spare):
            store.add_node(f"db-{number}:1")
        yield Place(cli, store, environ, [shard.id for group in groups for shard in group.shards])


@contextmanager
def copies_finish(place: Place) -> Iterator[None]:
    """With a store of its own, as nodes have."""
    names = place.environ["ETCDMETA_ENDPOINTS"].split(","), place.environ["ETCDMETA_CLUSTER"]
    with MetaStore.open(names[0], cluster=names[1]) as store, copying(store):
        yield
