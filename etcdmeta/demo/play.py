"""The play: three agents join, data are laid out, an owner copies, a node and an etcd member die, writes go on."""

from __future__ import annotations

import itertools
import threading
import time
from typing import IO

from etcdmeta.demo.agents import TTL, Agents
from etcdmeta.demo.stage import Stage, Watcher
from etcdmeta.embedded import Cluster
from etcdmeta.store import MetaStore

HOUR = 3_600_000_000_000
NODES = ("db-1:8088", "db-2:8088", "db-3:8088")


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
        _move(cluster, stage, watcher)
        _lose_a_node(cluster, agents, stage)
        _lose_a_member(cluster, stage, watcher)

    stage.say("A process that has no way to etcd asks an agent.")
    stage.run(f"etcdmeta --endpoints agent://{agents.all[1].address} shard status")
    stage.run("etcdmeta agent status")

    stage.say("What was done, by whom: the ledger.")
    stage.run("etcdmeta history --limit 8")
    stage.show(f"\ndone in {stage.seconds:.0f} s")


def _join(cluster: Cluster, agents: Agents, stage: Stage) -> None:
    first, *others = agents.all
    stage.say("An agent starts beside the first of three database nodes. It knows etcd, and makes the cluster.")
    agents.start(stage, first, f"--label zone=a --endpoints {','.join(cluster.endpoints)}", knows_etcd=True)
    stage.say("The other two know the address of that agent, and learn the rest from it.")
    for zone, agent in zip("bc", others, strict=True):
        agents.start(stage, agent, f"--label zone={zone} --join {first.address}")
    stage.run("etcdmeta node list")


def _lose_a_node(cluster: Cluster, agents: Agents, stage: Stage) -> None:
    victim = agents.all[-1]
    stage.say(f"The machine of {victim.host} loses its power: kill -9 of its agent. Its lease runs out.")
    with MetaStore.open(cluster.endpoints, cluster="demo", actor="demo") as store:
        node = store.snapshot().node(victim.host).id
        victim.kill()
        began = time.monotonic()
        store.wait_for(lambda snapshot: snapshot.is_live(node) is False, timeout=60.0)
        stage.show(f"node {node} is down for everybody after {time.monotonic() - began:.1f} s (--ttl {TTL})")
        stage.run("etcdmeta node list")
        stage.run("etcdmeta shard status", expect=(10,))
        stage.say("It comes back. Its data directory says who it is: the same node, the same id.")
        agents.start(stage, victim, f"--join {agents.all[0].address}")
        store.wait_for(lambda snapshot: snapshot.is_live(node), timeout=60.0)
    stage.run("etcdmeta shard status")


def _move(cluster: Cluster, stage: Stage, watcher: Watcher) -> None:
    with MetaStore.open(cluster.endpoints, cluster="demo", actor="demo") as store:
        shard = store.snapshot().policy("metrics").group_at(time.time_ns())
        assert shard is not None  # created a moment ago, and read after that
        owned = shard.shards[0]
        source = owned.owners[0].node_id
        target = next(node.id for node in store.snapshot().nodes() if owned.owner(node.id) is None)
        shard_id = owned.id
    stage.say(f"From now on three copies are wanted. Node {target} copies the shard, and serves when it is done.")
    stage.run("etcdmeta shard status")
    stage.run("etcdmeta rp alter metrics.autogen --replicas 3")
    stage.run(f"etcdmeta shard set-status {shard_id} {target} copying --source {source}")
    stage.run("etcdmeta shard status", expect=(10,))
    stage.run(f"etcdmeta shard set-status {shard_id} {target} active")
    _echo(stage, watcher, f"n{target} copying")
    stage.run("etcdmeta shard status")


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
