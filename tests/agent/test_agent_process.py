"""The agent as it runs beside a node: a process, or a part of the user's own, on a real etcd."""

from __future__ import annotations

import asyncio
import json
import queue
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from etcdmeta import MetaStore
from etcdmeta.agent import Agent, AgentConfig
from etcdmeta.agent.assembly import Assembly
from etcdmeta.commands.database import CreateDatabase
from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.embedded import Cluster
from etcdmeta.errors import Fenced, NodeAlreadyRunning, NodeRemoved, WrongCluster
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.services.copying import AgentFence
from etcdmeta.store import Fence
from tests.agent.processes import SECONDS, AgentProcess

Start = Callable[..., AgentProcess]


@pytest.fixture
def start(tmp_path: Path, etcd_store: MetaStore) -> Iterator[Start]:
    """``start("db-1", "--endpoints", …)``: a node of that name, whose data directory is of that name."""
    with ExitStack() as running:

        def run(name: str, *arguments: str, **env: str) -> AgentProcess:
            place = ("--data-dir", str(tmp_path / name), "--host", f"{name}:8088", "--listen", "127.0.0.1:0")
            cluster = ("--cluster", etcd_store.cluster_name, "--metrics", "127.0.0.1:0", "--ttl", "2s")
            return running.enter_context(AgentProcess(tmp_path, *place, *cluster, *arguments, env=env))

        yield run


@pytest.fixture
def etcd(etcd_cluster: Cluster) -> tuple[str, str]:
    return "--endpoints", ",".join(etcd_cluster.endpoints)


@pytest.fixture
def config(tmp_path: Path, etcd_cluster: Cluster, etcd_store: MetaStore) -> Callable[..., AgentConfig]:
    def make(name: str, **more: Any) -> AgentConfig:
        settings: dict[str, Any] = {
            "data_dir": tmp_path / name,
            "host": f"{name}:8088",
            "listen": "127.0.0.1:0",
            "cluster": etcd_store.cluster_name,
            "ttl": 1.0,
            **more,
        }
        if "join" not in more:
            settings.setdefault("endpoints", etcd_cluster.endpoints)
        return AgentConfig(**settings)

    return make


class Systemd:
    """Listens as it does, all the time: the kernel keeps ten datagrams of a socket, and what comes then is lost."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0"))
        self._lines: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, name="peer-systemd", daemon=True)
        self._thread.start()

    def until(self, line: str) -> list[str]:
        """What it has heard since it was asked last, up to that line."""
        heard: list[str] = []
        while line not in heard:
            heard.append(self._lines.get(timeout=SECONDS))
        return heard

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(SECONDS)
        self._socket.close()

    def _listen(self) -> None:
        while said := self._socket.recv(4096):
            for line in said.decode().splitlines():
                self._lines.put(line)


def is_down(snapshot: Snapshot) -> bool:
    return snapshot.is_live(1) is False


def test_a_life(start: Start, etcd: tuple[str, str], etcd_store: MetaStore, tmp_path: Path) -> None:
    systemd = Systemd(str(tmp_path / "notify"))
    agent = start("db-1", *etcd, "--label", "zone=a", NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="1000000")
    heard = systemd.until("READY=1")
    assert agent.says("ready")["node"] == 1
    assert "STOPPING=1" not in heard
    node = etcd_store.wait_for(lambda snapshot: snapshot.is_live(1) and snapshot.node(1))
    assert (node.host, dict(node.labels)) == ("db-1:8088", {"zone": "a"})
    said = etcd_store.snapshot().liveness(1)
    assert said is not None
    assert said.agent_address == agent.address
    systemd.until("WATCHDOG=1")

    strategy = AgentStrategy(agent.address)
    status = strategy.agent_status(agent.address, deadline=float("inf"))
    strategy.close()
    assert (status.node_id, status.host, status.participates, status.state) == (1, "db-1:8088", True, "live")

    etcd_store.create_database("metrics")
    with MetaStore.open(f"agent://{agent.address}", cluster=etcd_store.cluster_name, timeout=SECONDS) as reader:
        assert reader.read_consistent().find_database("metrics") is not None
        reader.create_database("through-the-agent")
    code, metrics = agent.get("/metrics")
    assert code == 200
    assert 'etcdmeta_command_seconds_count{command="create database",outcome="done"} 1.0' in metrics
    assert 'etcdmeta_state{state="live"} 1.0' in metrics
    assert "etcdmeta_live 1.0" in metrics
    assert "etcdmeta_bytes_sent_total 0.0" not in metrics
    for path, word in (("/health", "ok"), ("/ready", "ready")):
        code, body = agent.get(path)
        assert (code, json.loads(body)["status"], json.loads(body)["node"]) == (200, word, "1")
    assert agent.get("/nothing")[0] == 404

    agent.process.send_signal(signal.SIGHUP)
    agent.says("nothing to read anew")

    second = start("db-1", *etcd)
    assert second.wait() == 4
    assert second.log[-1]["reason"] == "NODE_ALREADY_RUNNING"

    assert agent.end() == 0
    assert "STOPPING=1" in systemd.until("STOPPING=1")
    systemd.close()
    assert is_down(etcd_store.read_consistent()) or etcd_store.wait_for(is_down)
    assert not [line for line in agent.log if "giving up" in line["message"]]
    folder = tmp_path / "db-1"
    assert (folder / "picture.cache").exists()
    assert (folder / "node.json").stat().st_mode & 0o777 == 0o600
    secret = json.loads((folder / "node.json").read_text())["secret"]
    assert secret not in json.dumps(agent.log)


def test_without_etcd_the_cache_file_is_served_and_the_node_is_who_it_was(
    start: Start, etcd: tuple[str, str], etcd_store: MetaStore
) -> None:
    etcd_store.create_database("metrics")
    agent = start("db-1", *etcd)
    agent.says("ready")
    assert agent.end(signal.SIGINT) == 0

    agent = start("db-1", "--endpoints", "127.0.0.1:1", "--timeout", "1s")
    agent.says("serving the picture of the cache file")
    code, body = agent.get("/health")
    facts = json.loads(body)
    assert (code, facts["state"], facts["source"], facts["node"]) == (200, "stale", "cache", "1")
    assert facts["ageSeconds"] > 0
    with MetaStore.open(f"agent://{agent.address}", cluster=etcd_store.cluster_name, timeout=5, wait=False) as reader:
        reader.wait_usable()
        assert reader.snapshot().find_database("metrics") is not None
        assert reader.freshness().age >= facts["ageSeconds"]
    agent.says("ready")
    assert agent.get("/ready")[0] == 200
    assert agent.end() == 0

    agent = start("db-1", *etcd)
    assert agent.says("ready")["node"] == 1
    assert [node.id for node in etcd_store.read_consistent().nodes()] == [1]


def test_it_joins_by_the_address_of_another(
    start: Start, config: Callable[..., AgentConfig], etcd_store: MetaStore
) -> None:
    with Agent(config("db-1")) as first:
        assert first.node_id == 1
        second = start("db-2", "--join", first.address)
        assert second.says("ready")["node"] == 2
        assert second.says("following ")["message"].startswith("following etcd at ")
        with Agent(config("db-3", join=(first.address, second.address), delegate=True)) as third:
            assert isinstance(third.store.strategy, AgentStrategy)
            third.store.create_database("metrics")
            etcd_store.wait_for(lambda snapshot: snapshot.is_live(3) and snapshot.find_database("metrics"))
        etcd_store.wait_for(lambda snapshot: snapshot.is_live(3) is False)
        assert second.end() == 0

    # What it was told is kept: no agent has to answer at the next start.
    second = start("db-2", "--join", first.address)
    second.says("none of them answers")
    assert second.says("ready")["node"] == 2
    second.says("node 2 is live")


def test_a_removed_node_and_another_cluster_are_refused(
    config: Callable[..., AgentConfig], etcd_store: MetaStore
) -> None:
    with Agent(config("db-1")):
        pass
    with pytest.raises(WrongCluster, match="not 'another'"):
        Agent(config("db-1", cluster="another")).start()
    etcd_store.remove_node("db-1:8088")
    with pytest.raises(NodeRemoved):
        Agent(config("db-1")).start()


def test_its_liveness_is_what_the_node_s_commits_compare(
    config: Callable[..., AgentConfig], etcd_store: MetaStore
) -> None:
    agent = Agent(config("db-1"))
    assert agent.fence() is None
    with agent:
        row = etcd_store.wait_for(lambda snapshot: snapshot.tables.liveness.get(1))
        fence = agent.fence()
        assert fence == Fence(keys.live(1), row[2], "the liveness of node 1")
        assert AgentFence(etcd_store, 1, agent.address)() == fence
        assert AgentFence(etcd_store, 2, agent.address)() is None
        etcd_store.execute(CreateDatabase(name="metrics"), fence=fence)
    assert agent.fence() is None
    assert AgentFence(etcd_store, 1, agent.address)() is None
    with pytest.raises(Fenced):
        etcd_store.execute(CreateDatabase(name="late"), fence=fence)


def test_a_second_live_process_gives_up(config: Callable[..., AgentConfig], tmp_path: Path) -> None:
    with Agent(config("db-1")) as first:
        shutil.copytree(tmp_path / "db-1", tmp_path / "copy")
        copy = Agent(config("copy", host="db-1:8088"))
        with pytest.raises(NodeAlreadyRunning, match="runs already"):
            asyncio.run(asyncio.wait_for(copy.run(), SECONDS))
        assert first.store.read_consistent().is_live(1)


def test_a_copy_under_another_host_does_not_move_the_live_node(
    config: Callable[..., AgentConfig], etcd_store: MetaStore, tmp_path: Path
) -> None:
    """Not even with its picture, which it serves meanwhile without being ready."""
    with Agent(config("db-1")) as first:
        first.store.create_database("metrics")
    with Agent(config("db-1")) as first:
        shutil.copytree(tmp_path / "db-1", tmp_path / "copy")
        etcd_store.wait_for(lambda snapshot: snapshot.is_live(1))
        generation = etcd_store.read_consistent().generation
        ready: list[bool] = []
        copy = Assembly(config("copy", host="db-77:8088"))
        with pytest.raises(NodeAlreadyRunning, match="at db-1:8088; this one is at db-77:8088"):
            asyncio.run(asyncio.wait_for(copy.serve(on_ready=lambda: ready.append(True)), SECONDS))
        assert not ready
        assert etcd_store.read_consistent().generation == generation, "nothing was written"
        assert first.store.read_consistent().node(1).host == "db-1:8088"


def test_a_node_moves_when_the_lease_of_its_crashed_process_is_over(
    start: Start, etcd: tuple[str, str], config: Callable[..., AgentConfig], etcd_store: MetaStore
) -> None:
    crashed = start("db-1", *etcd)
    crashed.says("node 1 is live")
    etcd_store.wait_for(lambda snapshot: snapshot.is_live(1))
    crashed.process.kill()
    crashed.process.wait(SECONDS)
    with Agent(config("db-1", host="db-2:8088")) as moved:
        assert moved.node_id == 1
        node = etcd_store.wait_for(lambda snapshot: snapshot.is_live(1) and snapshot.node(1))
        assert node.host == "db-2:8088"
