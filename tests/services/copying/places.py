"""Nodes with folders of files, that copy what the metadata wants of them."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etcdmeta.model.entities import Liveness
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Delete, Put
from etcdmeta.services.copying import Copying, CopyJob, ShardTransfer
from etcdmeta.testing.transfers import CHUNK, DirectoryTransfer, checksum
from tests.store.worlds import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etcdmeta.model.entities import ShardOwner
    from etcdmeta.model.owners import OwnerStatus
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore
    from tests.store.worlds import World

SECONDS = 30.0


class Place:
    """Nodes 1 … with folders of files; node 1 has all shards."""

    def __init__(self, store: MetaStore, folder: Path, *, nodes: int = 3, shards: int = 1, replicas: int = 1) -> None:
        self.store, self.folder = store, folder
        for number in range(replicas):
            store.add_node(f"n{number}:1")
        store.create_database("d", replicas=replicas, group_duration="1h")
        self.shards = [store.create_shard_group("d", "autogen", hour * HOUR).shards[0].id for hour in range(shards)]
        for number in range(replicas, nodes):
            store.add_node(f"n{number}:1")
        for node_id in range(1, replicas + 1):
            for shard_id in self.shards:
                fill(self.root_of(node_id) / str(shard_id))

    def root_of(self, node_id: int) -> Path:
        return self.folder / f"node-{node_id}"

    def owner(self, snapshot: Snapshot, node_id: int, shard_id: int = 1) -> ShardOwner | None:
        return snapshot.shard(shard_id).owner(node_id)

    def wait_status(self, node_id: int, status: OwnerStatus | None, shard_id: int = 1) -> ShardOwner | None:
        def reached(snapshot: Snapshot) -> tuple[ShardOwner | None] | None:
            owner = self.owner(snapshot, node_id, shard_id)
            return (owner,) if (None if owner is None else owner.status) == status else None

        return self.store.wait_for(reached, SECONDS)[0]  # type: ignore[index]

    def same(self, node_id: int, shard_id: int = 1) -> bool:
        return checksum(self.root_of(node_id) / str(shard_id)) == checksum(self.root_of(1) / str(shard_id))


def fill(folder: Path) -> None:
    (folder / "index").mkdir(parents=True)
    for name, size in (("data", 3 * CHUNK + 17), ("index/empty", 0), ("index/one", 1)):
        (folder / name).write_bytes(bytes(n % 251 for n in range(size)))


class Gate:
    """Holds copies in the middle until it is opened; ``reached`` when one is there."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self.jobs: list[CopyJob] = []

    async def __call__(self, job: CopyJob, done: int) -> None:
        if job not in self.jobs:
            self.jobs.append(job)
        self.reached.set()
        await asyncio.to_thread(self.open.wait, SECONDS)


@contextmanager
def node(place: Place, node_id: int, transfer: ShardTransfer | None = None, **fields: Any) -> Iterator[Copying]:
    copying = Copying(
        place.store, node_id, transfer or DirectoryTransfer(place.root_of(node_id), place.root_of), **fields
    )
    copying.start()
    try:
        yield copying
    finally:
        copying.stop()


def live(world: World, store: MetaStore, *node_ids: int) -> None:
    """Signs of life of these nodes, which stay until `dies`."""
    for node_id in node_ids:
        sign = Liveness(node_id=node_id, instance=1, since=1, host=f"n{node_id - 1}:1", agent_address=f"a{node_id}:1")
        world.commit(Put(keys.live(node_id), encode(sign)))
        record = store.snapshot().node(node_id).model_copy(update={"reports_liveness": True})
        world.commit(Put(keys.node(node_id), encode(record)))
    store.wait_for(lambda snapshot: all(snapshot.is_live(node_id) for node_id in node_ids), SECONDS)


def dies(world: World, node_id: int) -> None:
    world.commit(Delete(world.keyspace.absolute(keys.live(node_id))))
