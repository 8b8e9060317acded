"""The whole story, on a real cluster, with six agents and real files: nodes come, die, are replaced, emptied, removed,
and more copies are wanted; at each generation every shard is served, and at the end every byte is where it belongs."""

from __future__ import annotations

import getpass
import json
import os
import random
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from etcdmeta.embedded import Cluster
from etcdmeta.model.moveplans import Move, PlanLimits, PlanState
from etcdmeta.model.moves import MoveState, move_state
from etcdmeta.model.owners import NodeState, OwnerStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import parse_time
from etcdmeta.store import MetaStore
from etcdmeta.testing.transfers import CHUNK, checksum
from tests.services.applying.plans import History, serving
from tests.store.worlds import HOUR, wait_until
from tests.story.typist import Typist, check

SECONDS = 60.0
SHARDS = 12
COLUMNS = 160
WEEK = 7 * 24 * HOUR
FIRST_WEEK = parse_time("2026-01-05T00:00:00Z", now=0)


class Nodes:
    """Processes by the ids of their nodes."""

    def __init__(self, cluster: Cluster, prefix: str, folder: Path) -> None:
        self._words = [",".join(cluster.endpoints), prefix]
        self.folder = folder
        self.hold(())
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

    def hold(self, moves: Collection[Move]) -> None:
        """Their copies stand still in the middle, until others are held."""
        new = self.folder / "held.new"
        new.write_text(" ".join(f"{move.shard_id}>{move.to_node}" for move in moves))
        new.rename(self.folder / "held")

    def root(self, node_id: int) -> Path:
        return self.folder / f"node-{node_id}"


@pytest.fixture
def nodes(etcd_cluster: Cluster, etcd_prefix: str, tmp_path: Path) -> Iterator[Nodes]:
    made = Nodes(etcd_cluster, etcd_prefix, tmp_path)
    yield made
    for node_id in list(made.processes):
        made.kill(node_id)


def written(nodes: Nodes, snapshot: Snapshot, numbers: random.Random) -> dict[int, str]:
    """Some random files of each shard at each of its owners; their checksums."""
    sums = {}
    for group in snapshot.groups():
        for shard in group.shards:
            content = {name: numbers.randbytes(numbers.randrange(CHUNK, 3 * CHUNK)) for name in ("points", "index")}
            for owner in shard.owners:
                folder = nodes.root(owner.node_id) / str(shard.id)
                folder.mkdir(parents=True)
                for name, data in content.items():
                    (folder / name).write_bytes(data)
                sums[shard.id] = checksum(folder)
    return sums


def half_copied(snapshot: Snapshot) -> bool:
    """As many copies as the limits allow have got to the middle, one from node 2 among them."""
    found = [
        owner.source
        for group in snapshot.groups()
        for shard in group.shards
        for owner in shard.owners
        if (copy := snapshot.progress(shard.id, owner.node_id)) is not None and copy.bytes_done
    ]
    return len(found) >= 2 * PlanLimits().per_target and 2 in found


def counts(snapshot: Snapshot) -> Counter[int]:
    return Counter(owner.node_id for group in snapshot.groups() for s in group.shards for owner in s.owners)


def assert_level(snapshot: Snapshot, node_ids: set[int]) -> None:
    """These own all, and none more than one more than another; and so it was planned."""
    level = counts(snapshot)
    assert set(level) == node_ids
    assert max(level.values()) - min(level.values()) <= 1
    assert level == {node_id: count for node_id, count in snapshot.plans()[-1].after.items() if count}


def assert_served(store: MetaStore, history: History, shard_ids: Collection[int]) -> None:
    """At each generation every shard had an owner that serves: while a node is down, one that is alive.

    Where the store followed with a leap, as on a machine too busy for etcd, the past is asked for what lies between.
    """
    seen = [picture.generation for picture in history.pictures]
    missed = sorted(set(range(seen[0], seen[-1] + 1)) - set(seen))
    for picture in [*history.pictures, *map(store.snapshot_at, missed)]:
        for shard_id in shard_ids:
            owners = picture.shard(shard_id).serving_owners(picture)
            assert owners, f"shard {shard_id} at generation {picture.generation}"


TALE = (
    "created database 'metrics'",
    "node 4 joined as db-4:8088",
    "plan 1: rebalance, ",
    "plan 1 (rebalance) is running",
    "plan 1 (rebalance) is aborting; it was running: db-2 burned down",
    "plan 1 (rebalance) is aborted",
    "node 6 joined as db-6:8088",
    "plan 2: replace, ",
    "node 6 has shard 3: active",
    "plan 2 (replace) is done; it was running; removed node 2 (db-2:8088)",
    "plan 3: rebalance, ",
    "plan 3 (rebalance) is done",
    "plan 4: decommission, ",
    "plan 4 (decommission) is done",
    "removed node 3 (db-3:8088)",
    "altered policy 'autogen' of database 'metrics': replicas: 3",
    "plan 5: replication, ",
    "plan 5 (replication) is done",
    "plan 6: rebalance, ",
    "plan 6 (rebalance) is done",
)


def assert_told(history: str) -> None:
    """The history has the tale, in its order, and who did what: the operator decided, nodes copied."""
    entries = [json.loads(line) for line in history.splitlines()][::-1]
    rest = iter(entries)
    for told in TALE:
        assert any(entry["summary"].startswith(told) for entry in rest), f"{told}\n{history}"
    by = {entry["summary"].split(":")[0]: entry["actor"] for entry in entries}
    assert by["plan 2"] == by["plan 4"] == getpass.getuser() + "@" + socket.gethostname()
    assert by["node 6 has shard 3"] == "db-6:8088"
    generations = [entry["generation"] for entry in entries]
    assert generations == sorted(generations)
    assert set(generations) == set(range(1, generations[-1] + 1)), "each generation has its operation"


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
@pytest.mark.timeout(300)
def test_the_whole_story(
    etcd_cluster: Cluster, etcd_prefix: str, etcd_store: MetaStore, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("COLUMNS", COLUMNS), ("LINES", 60)):
        monkeypatch.setenv(name, str(size))
    store, etcdmeta = etcd_store, Typist.on(etcd_cluster, etcd_prefix)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    try:
        play(store, etcdmeta, nodes, random.Random(seed))
    finally:
        print(etcdmeta.transcript)
        if keep := os.environ.get("ETCDMETA_STORY"):
            Path(keep).write_text(etcdmeta.transcript)
    check(etcdmeta.typed)


def play(store: MetaStore, etcdmeta: Typist, nodes: Nodes, numbers: random.Random) -> None:
    # Three nodes, two copies of everything, and real files.
    assert [nodes.start(f"db-{number}:8088") for number in (1, 2, 3)] == [1, 2, 3]
    etcdmeta("db create metrics --replicas 2 --duration INF")
    for week in range(SHARDS):
        store.create_shard_group("metrics", "autogen", FIRST_WEEK + week * WEEK)
    sums = written(nodes, store.snapshot(), numbers)
    shards = frozenset(sums)
    history = History(store)
    etcdmeta("shard status")

    # Two more nodes; the agents carry the rebalance out. Two moves of it are done, the others have got to the middle.
    assert [nodes.start("db-4:8088"), nodes.start("db-5:8088")] == [4, 5]
    etcdmeta("plan rebalance --reason 'two more nodes'")
    moves = store.read_consistent().plan_moves(1)
    free = [move for move in moves if move.from_node != 2][:2]
    nodes.hold([move for move in moves if move not in free])
    etcdmeta("plan apply 1 --detach")
    store.wait_for(lambda snapshot: all(move_state(snapshot, move) is MoveState.DONE for move in free), SECONDS)
    store.wait_for(half_copied, SECONDS)
    etcdmeta("shard status --copying")

    # One node is killed for good, with its disk.
    nodes.kill(2)
    shutil.rmtree(nodes.root(2))
    store.wait_for(lambda snapshot: snapshot.is_live(2) is False, SECONDS)
    etcdmeta("shard status", code=10)
    etcdmeta("plan abort 1 --yes --reason 'db-2 burned down'")
    nodes.hold(())
    assert nodes.start("db-6:8088") == 6
    etcdmeta("node replace db-2:8088 db-6:8088 --reason 'it burned down' --yes")
    assert store.read_consistent().node(2).state == NodeState.REMOVED

    # What was begun is done: the nodes that are left get even.
    etcdmeta("plan rebalance --apply")
    assert_level(store.read_consistent(), {1, 3, 4, 5, 6})

    # One is emptied and removed.
    etcdmeta("node drain db-3:8088 --reason 'old machine'")
    assert counts(store.read_consistent())[3] == 0
    etcdmeta("node remove db-3:8088 --yes")
    nodes.kill(3)

    # Three copies are wanted from now on.
    etcdmeta("rp alter metrics.autogen --replicas 3")
    etcdmeta("shard status", code=10)
    etcdmeta("plan replication metrics.autogen --apply")
    snapshot = store.read_consistent()
    assert all(len(snapshot.shard(shard_id).owners) == 3 for shard_id in shards)
    assert all(serving(snapshot, shard_id) == 3 for shard_id in shards)
    etcdmeta("plan rebalance --apply")
    snapshot = store.read_consistent()
    assert_level(snapshot, {1, 4, 5, 6})
    for plan in snapshot.plans():
        assert plan.state == (PlanState.ABORTED if plan.id == 1 else PlanState.DONE), plan
    etcdmeta("plan verify 6")
    etcdmeta("shard status")

    history.close()
    assert_served(store, history, shards)

    # Every byte is where the metadata says, and nowhere else.
    wait_until(lambda: len(set(files(nodes, snapshot))) == 1, "files that nobody owns are dropped", SECONDS)
    for node_id, shard_id in files(nodes, snapshot)[0]:
        assert checksum(nodes.root(node_id) / str(shard_id)) == sums[shard_id]

    # And it is told.
    etcdmeta("shard explain 1")
    etcdmeta("plan list")
    assert_told(etcdmeta("history --limit 1000 -o jsonl"))
    etcdmeta("history --limit 1000")
