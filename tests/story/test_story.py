"""The whole story, on a real cluster, with six agents and real files: nodes come, die, are replaced, emptied, removed,
and more copies are wanted; at each generation every shard is served, and at the end every byte is where it belongs."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdmeta.cli.main import run
from etcdmeta.cli.session import Session
from etcdmeta.embedded import Cluster
from etcdmeta.model.moveplans import PlanState
from etcdmeta.model.owners import NodeState, OwnerStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.store import MetaStore
from etcdmeta.testing.transfers import CHUNK, checksum
from tests.services.applying.plans import History, serving
from tests.store.worlds import HOUR, wait_until

SECONDS = 60.0
SHARDS = 12


class Nodes:
    """Processes by the ids of their nodes."""

    def __init__(self, cluster: Cluster, prefix: str, folder: Path) -> None:
        self._words = [",".join(cluster.endpoints), prefix]
        self.folder = folder
        self.processes: dict[int, subprocess.Popen[str]] = {}

    def start(self, host: str) -> int:
        words = [*self._words, host, str(self.folder)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.story.node", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.folder / f"{host.partition(':')[0]}.log").open("w"),
            text=True,
        )
        self.processes[-1] = process
        assert process.stdout is not None
        node_id = int(process.stdout.readline())
        self.processes[node_id] = self.processes.pop(-1)
        return node_id

    def kill(self, node_id: int) -> None:
        process = self.processes.pop(node_id)
        process.kill()
        process.wait(SECONDS)

    def root(self, node_id: int) -> Path:
        return self.folder / f"node-{node_id}"


@pytest.fixture
def nodes(etcd_cluster: Cluster, etcd_prefix: str, tmp_path: Path) -> Iterator[Nodes]:
    made = Nodes(etcd_cluster, etcd_prefix, tmp_path)
    yield made
    for node_id in list(made.processes):
        made.kill(node_id)


class Operator:
    """Types command lines."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._environ = {"ETCDMETA_ENDPOINTS": ",".join(cluster.endpoints), "ETCDMETA_CLUSTER": prefix}

    def __call__(self, *words: str, code: int = 0) -> str:
        out, err = io.StringIO(), io.StringIO()
        found = run(Session(self._environ, io.StringIO(), out, err), list(words))
        assert found == code, f"{words}: {found}\n{out.getvalue()}\n{err.getvalue()}"
        return out.getvalue()


def fill(folder: Path, numbers: random.Random) -> None:
    folder.mkdir(parents=True)
    for name in ("points", "index"):
        (folder / name).write_bytes(numbers.randbytes(numbers.randrange(CHUNK, 3 * CHUNK)))


def counts(snapshot: Snapshot) -> Counter[int]:
    return Counter(owner.node_id for group in snapshot.groups() for s in group.shards for owner in s.owners)


def files(nodes: Nodes, snapshot: Snapshot) -> tuple[frozenset[tuple[int, int]], frozenset[tuple[int, int]]]:
    """(node, shard): what the metadata says is where, and what is there, on the nodes that run."""
    said = {
        (owner.node_id, shard.id)
        for group in snapshot.groups()
        for shard in group.shards
        for owner in shard.owners
        if owner.status == OwnerStatus.ACTIVE
    }
    there = {(n, int(path.name)) for n in nodes.processes for path in nodes.root(n).iterdir() if path.name.isdigit()}
    return frozenset(said), frozenset(there)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_whole_story(etcd_cluster: Cluster, etcd_prefix: str, etcd_store: MetaStore, nodes: Nodes) -> None:
    store, etcdmeta = etcd_store, Operator(etcd_cluster, etcd_prefix)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    numbers = random.Random(seed)

    # Four nodes, two copies of everything, and real files.
    first = [nodes.start(f"db-{number}:8088") for number in (1, 2, 3)]
    assert first == [1, 2, 3]
    etcdmeta("db", "create", "metrics", "--replicas", "2", "--duration", "INF")
    for hour in range(SHARDS):
        store.create_shard_group("metrics", "autogen", hour * 7 * 24 * HOUR)
    shards = [shard.id for group in store.snapshot().groups() for shard in group.shards]
    sums = {}
    for shard_id in shards:
        owners = [owner.node_id for owner in store.snapshot().shard(shard_id).owners]
        fill(nodes.root(owners[0]) / str(shard_id), numbers)
        for node_id in owners[1:]:
            (nodes.root(node_id) / str(shard_id)).mkdir(parents=True)
            for path in (nodes.root(owners[0]) / str(shard_id)).iterdir():
                (nodes.root(node_id) / str(shard_id) / path.name).write_bytes(path.read_bytes())
        sums[shard_id] = checksum(nodes.root(owners[0]) / str(shard_id))
    history = History(store)

    # Two more nodes; the agents carry the rebalance out.
    assert [nodes.start("db-4:8088"), nodes.start("db-5:8088")] == [4, 5]
    etcdmeta("plan", "rebalance", "--reason", "two more nodes")
    etcdmeta("plan", "apply", "1", "--detach")

    # In the middle of it one node is killed for good, with its disk.
    def copied_from_2(snapshot: Snapshot) -> bool:
        copying = (snapshot.shard(shard_id).owner(node_id) for shard_id, node_id in list(snapshot.tables.progress))
        return any(owner is not None and owner.source == 2 for owner in copying)

    store.wait_for(copied_from_2, SECONDS)
    nodes.kill(2)
    store.wait_for(lambda snapshot: snapshot.is_live(2) is False, SECONDS)
    if store.read_consistent().plan(1).state == PlanState.RUNNING:
        etcdmeta("plan", "abort", "1", "--yes")
    assert nodes.start("db-6:8088") == 6
    etcdmeta("node", "replace", "2", "6", "--yes", "--reason", "its disk is lost")
    assert store.read_consistent().node(2).state == NodeState.REMOVED

    # What was begun is done: the nodes that are left get even.
    etcdmeta("plan", "rebalance", "--apply")
    level = counts(store.read_consistent())
    assert max(level.values()) - min(level.values()) <= 1
    assert set(level) == {1, 3, 4, 5, 6}

    # One is emptied and removed.
    etcdmeta("node", "drain", "3", "--reason", "old machine")
    assert counts(store.read_consistent())[3] == 0
    etcdmeta("node", "remove", "3", "--yes")
    nodes.kill(3)

    # Three copies are wanted from now on.
    etcdmeta("rp", "alter", "metrics.autogen", "--replicas", "3")
    etcdmeta("plan", "replication", "metrics.autogen", "--apply")
    snapshot = store.read_consistent()
    assert all(len(snapshot.shard(shard_id).owners) == 3 for shard_id in shards)
    assert all(serving(snapshot, shard_id) == 3 for shard_id in shards)
    assert counts(snapshot) == {n: count for n, count in snapshot.plans()[-1].after.items() if count}  # as planned
    etcdmeta("plan", "rebalance", "--apply")
    snapshot = store.read_consistent()
    level = counts(snapshot)
    assert set(level) == {1, 4, 5, 6}
    assert max(level.values()) - min(level.values()) <= 1
    assert all(plan.state in {PlanState.DONE, PlanState.ABORTED} for plan in snapshot.plans())

    # At each generation every shard had an owner that serves; here, while one is down, by somebody who is alive.
    history.close()
    assert not history.joined
    for before, picture in zip(history.pictures, history.pictures[1:], strict=False):
        assert picture.generation - before.generation in {0, 1}
        for shard_id in shards:
            owners_of = picture.shard(shard_id).serving_owners(picture)
            assert owners_of, f"shard {shard_id} at generation {picture.generation}"

    # Every byte is where the metadata says, and nowhere else.
    wait_until(lambda: len(set(files(nodes, snapshot))) == 1, "files that nobody owns are dropped", SECONDS)
    for node_id, shard_id in files(nodes, snapshot)[0]:
        assert checksum(nodes.root(node_id) / str(shard_id)) == sums[shard_id]

    # And it is told.
    told = etcdmeta("history", "--limit", "1000")
    words = (
        "created database 'metrics'", "plan 1: rebalance", "plan 1: rebalance", "removed node 2",
        "removed node 3", "replicas: 3",
    )  # fmt: skip
    for word in words:
        assert word in told, f"{word}\n{told}"
    assert threading.active_count() < 100
