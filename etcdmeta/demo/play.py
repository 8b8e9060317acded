"""The play: nodes join, data are laid out, a fourth node takes its part of the files over and loses its power in the
middle, etcd loses its leader, and writes go on."""

from __future__ import annotations

import itertools
import threading
import time
from typing import IO

from etcdmeta.demo.agents import TTL, Agents
from etcdmeta.demo.files import compare, write_files
from etcdmeta.demo.stage import Stage, Watcher
from etcdmeta.embedded import Cluster
from etcdmeta.errors import Defect
from etcdmeta.model.moveplans import PlanState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.store import MetaStore

DAY = 24 * 3_600_000_000_000
DAYS = 6
"""Groups with data in them: today's, and those of the days before."""
NODES = ("db-1:8088", "db-2:8088", "db-3:8088", "db-4:8088")
PATIENCE = 60.0


def environment(cluster: Cluster) -> dict[str, str]:
    """The settings that lead the command line to this etcd."""
    return {"ETCDMETA_ENDPOINTS": ",".join(cluster.endpoints), "ETCDMETA_CLUSTER": "demo"}


def play(cluster: Cluster, agents: Agents, out: IO[str]) -> None:
    """Everything, in under two minutes. Raises `Defect` where something is not as it should be."""
    stage = Stage(environment(cluster), out)
    stage.show(f"etcd {cluster.binaries.version_text}: three members at {', '.join(cluster.endpoints)}")
    _join(cluster, agents, stage)

    with stage.watch() as watcher:
        stage.say("Databases and shard groups. Another process watches: [watch] is what it sees, in its own memory.")
        stage.run("etcdmeta db create metrics --duration 30d --replicas 2")
        stage.run("etcdmeta rp create metrics.raw --duration 7d --replicas 2 --shard-duration 1d")
        stage.run("etcdmeta group create metrics.autogen --at now")
        _echo(stage, watcher, "shard group 1 created")
        _rebalance(cluster, agents, stage, watcher)
        _lose_a_member(cluster, stage, watcher)

    stage.say("A process that has no way to etcd asks an agent.")
    stage.run(f"etcdmeta --endpoints agent://{agents.all[1].address} shard status")
    stage.run("etcdmeta agent status")

    stage.say("What was done, by whom: the ledger, as far as it is about shard 1 and the plan.")
    stage.run("etcdmeta history --shard 1 --plan 1 --limit 20")
    stage.show(f"\ndone in {stage.seconds:.0f} s")


def _join(cluster: Cluster, agents: Agents, stage: Stage) -> None:
    first, *others = agents.all[:3]
    stage.say("An agent starts beside the first of three database nodes. It knows etcd, and makes the cluster.")
    agents.start(stage, first, f"--label zone=a --endpoints {','.join(cluster.endpoints)}", knows_etcd=True)
    stage.say("The other two know the address of that agent, and learn the rest from it.")
    for zone, agent in zip("bc", others, strict=True):
        agents.start(stage, agent, f"--label zone={zone} --join {first.address}")
    stage.run("etcdmeta node list")


def _rebalance(cluster: Cluster, agents: Agents, stage: Stage, watcher: Watcher) -> None:
    first, *_, fourth = agents.all
    with MetaStore.open(cluster.endpoints, cluster="demo", actor="demo") as store:
        today = store.snapshot().group(1).start
        for days in range(1, DAYS):
            store.create_shard_group("metrics", "autogen", today - days * DAY)
        written = write_files(agents.folder, store.snapshot())
        stage.say(f"Five more days, through the library; and files: {written.told}.")
        stage.run("etcdmeta shard status")

        stage.say("A fourth node joins. A plan says what it is to take over, and an agent carries it out.")
        agents.start(stage, fourth, f"--label zone=d --join {first.address}")
        stage.run("etcdmeta plan rebalance --reason 'a fourth node'")
        stage.run("etcdmeta plan apply 1 --detach")
        node = store.snapshot().node(fourth.host).id
        store.wait_for(lambda snapshot: _bytes_came_to(snapshot, node), timeout=PATIENCE)
        _lose_a_node(agents, stage, store, node)

        stage.run("etcdmeta plan apply 1")
        _echo(stage, watcher, "copying → active")
        stage.run("etcdmeta plan show 1 --moves")
        stage.run("etcdmeta shard status")
        done = store.read_consistent()
        if done.plan(1).state != PlanState.DONE:
            raise Defect(f"plan 1 is {done.plan(1).state}")
        stage.say("Every byte is where the metadata says, and nowhere else.")
        stage.show(compare(agents.folder, done, written, PATIENCE))


def _bytes_came_to(snapshot: Snapshot, node: int) -> bool:
    """As far as the metadata know: a node reports at most every 5 s."""
    begun = (snapshot.progress(*key) for key in list(snapshot.tables.progress) if key[1] == node)
    return any(progress is not None and progress.bytes_done for progress in begun)


def _lose_a_node(agents: Agents, stage: Stage, store: MetaStore, node: int) -> None:
    """In the middle of its copies."""
    victim = agents.all[-1]
    stage.say(f"The machine of {victim.host} loses its power while it copies: kill -9 of all its processes.")
    victim.kill()
    began = time.monotonic()
    assert victim.database is not None
    for line in victim.database.so_far():
        stage.show(f"[{victim.name}] {line}")
    store.wait_for(lambda snapshot: snapshot.is_live(node) is False, timeout=PATIENCE)
    stage.show(f"node {node} is down for everybody after {time.monotonic() - began:.1f} s (--ttl {TTL})")
    stage.run("etcdmeta shard status --copying", expect=(0, 10))
    stage.say("It comes back. Its data directory says who it is: the same node. It begins its copies again.")
    agents.start(stage, victim, f"--join {agents.all[0].address}")


def _lose_a_member(cluster: Cluster, stage: Stage, watcher: Watcher) -> None:
    written: list[float] = []
    stop = threading.Event()
    writer = threading.Thread(target=_write, args=(cluster, stop, written), name="demo-writer")
    writer.start()
    try:
        _wait_for(written, 20)
        victim = cluster.leader()
        endpoint = cluster.endpoints[victim]
        stage.say(f"A client writes and writes. Now etcd loses its leader: kill -9 of the member at {endpoint}.")
        before = len(written)
        cluster.kill(victim)
        _wait_for(written, before + 20)
    finally:
        stop.set()
        writer.join()
    gap = max(b - a for a, b in itertools.pairwise(written))
    stage.show(f"{len(written)} commands, none lost; the longest pause was {gap:.2f} s, while a leader was elected")
    _echo(stage, watcher, f"tick{len(written) - 1}", quiet=True)
    stage.run("etcdmeta shard status")
    stage.run("etcdmeta health", expect=(10,))
    stage.say("The member comes back, and catches up.")
    cluster.restart(victim)
    stage.run("etcdmeta health")


def _write(cluster: Cluster, stop: threading.Event, written: list[float]) -> None:
    with MetaStore.open(cluster.endpoints, cluster="demo", actor="writer", timeout=20.0) as store:
        while not stop.is_set():
            store.create_continuous_query("metrics", f"tick{len(written)}", "SELECT mean(v) INTO m FROM c")
            written.append(time.monotonic())
            stop.wait(0.05)


def _wait_for(written: list[float], count: int) -> None:
    """Until that many commands are committed; bounded, since each has a deadline of its own."""
    deadline = time.monotonic() + 60.0
    while len(written) < count and time.monotonic() < deadline:
        time.sleep(0.02)


def _echo(stage: Stage, watcher: Watcher, text: str, *, quiet: bool = False) -> None:
    lines = watcher.until(text)
    if quiet:
        stage.show(f"[watch] … {len(lines)} lines, the last one: {lines[-1]}")
        return
    for line in lines:
        stage.show(f"[watch] {line}")
