"""Processes that keep a node live on a real etcd, killed and paused."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etcdmeta.agent.liveness import Liveness, lease_seconds
from etcdmeta.embedded import Cluster
from etcdmeta.errors import NodeAlreadyRunning, WaitTimedOut
from etcdmeta.model.entities import Node
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.store import MetaStore, new_operation_id
from etcdmeta.store.ledger import encode_generation

TTL = 2.0
DEADLINE = 30.0


class Keeper:
    """`tests.agent.keeper_process`, and what it says."""

    def __init__(self, cluster: Cluster, name: str, node: int) -> None:
        program = [sys.executable, "-m", "tests.agent.keeper_process", ",".join(cluster.endpoints), name, str(node)]
        self.process = subprocess.Popen([*program, str(TTL)], stdout=subprocess.PIPE, text=True)
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def says(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE
        while True:
            line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            if wanted(line):
                return line

    def last_said(self) -> dict[str, Any] | None:
        """Whatever it said until now that nobody has read."""
        line = None
        while not self.lines.empty():
            line = self.lines.get()
        return line

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def start(etcd_cluster: Cluster, etcd_store: MetaStore) -> Iterator[Callable[[int], Keeper]]:
    """Starts a process for a node, which said that it would report."""
    started: list[Keeper] = []

    def run(node_id: int) -> Keeper:
        record = Node(id=node_id, host=f"h{node_id}:8088", reports_liveness=True)
        absolute = etcd_store.keyspace.absolute
        generation = Put(absolute(keys.GENERATION), encode_generation(1, [new_operation_id()]))
        writes = (Put(absolute(keys.node(node_id)), encode(record)), generation)
        etcd_store.strategy.transact(Transaction((), writes), deadline=time.monotonic() + DEADLINE)
        etcd_store.wait_for(lambda snapshot: snapshot.find_node(node_id))
        keeper = Keeper(etcd_cluster, etcd_store.cluster_name, node_id)
        started.append(keeper)
        return keeper

    yield run
    for keeper in started:
        keeper.end()


def key_stands(store: MetaStore, node_id: int) -> bool:
    """In etcd, by a linearizable read."""
    key = store.keyspace.absolute(keys.live(node_id))
    return bool(store.strategy.read(key, deadline=time.monotonic() + DEADLINE).kvs)


def test_a_killed_process_is_down_after_its_lease_and_not_before(
    start: Callable[[int], Keeper], etcd_store: MetaStore
) -> None:
    keeper = start(1)
    keeper.says(lambda line: line["renewals"] >= 1)
    etcd_store.wait_for(lambda snapshot: snapshot.is_live(1), timeout=DEADLINE)
    said = keeper.says(lambda line: line["state"] == "live")
    keeper.process.send_signal(signal.SIGSTOP)  # so that its last word is known when it is killed
    said = keeper.last_said() or said
    keeper.process.kill()
    keeper.process.wait(DEADLINE)
    said = keeper.last_said() or said
    ends = said["renewedAt"] + lease_seconds(TTL)
    while time.monotonic() < ends - 0.2:
        stands = key_stands(etcd_store, 1)
        if time.monotonic() < ends:  # asked and answered before
            assert stands, "down before its time"
        with contextlib.suppress(WaitTimedOut):
            etcd_store.wait_for(lambda snapshot: snapshot.is_live(1) is False, timeout=0.2)
    etcd_store.wait_for(lambda snapshot: snapshot.is_live(1) is False, timeout=DEADLINE)
    assert time.monotonic() >= ends
    assert not key_stands(etcd_store, 1)
    assert etcd_store.strategy.keep_alive(said["lease"], deadline=time.monotonic() + DEADLINE) == 0


def test_a_stopped_process_comes_back_by_itself(start: Callable[[int], Keeper], etcd_store: MetaStore) -> None:
    keeper = start(2)
    before = keeper.says(lambda line: line["state"] == "live")
    etcd_store.wait_for(lambda snapshot: snapshot.is_live(2), timeout=DEADLINE)
    keeper.process.send_signal(signal.SIGSTOP)
    etcd_store.wait_for(lambda snapshot: snapshot.is_live(2) is False, timeout=DEADLINE)
    assert not key_stands(etcd_store, 2)
    keeper.process.send_signal(signal.SIGCONT)
    after = keeper.says(lambda line: line["state"] == "live" and line["losses"] == 1)
    assert after["instance"] == before["instance"]
    assert after["lease"] != before["lease"]
    record = etcd_store.wait_for(lambda snapshot: snapshot.liveness(2), timeout=DEADLINE)
    assert record.instance == before["instance"]
    assert len(record.interruptions) == 1


def test_a_stopped_process_whose_id_was_taken_gives_up(start: Callable[[int], Keeper], etcd_store: MetaStore) -> None:
    """And the one that took it, which had to wait for the dead lease, stays as it is."""
    keeper = start(3)
    keeper.says(lambda line: line["state"] == "live")
    etcd_store.wait_for(lambda snapshot: snapshot.is_live(3), timeout=DEADLINE)
    keeper.process.send_signal(signal.SIGSTOP)
    other = Liveness(etcd_store, 3, host="copy:8088", version="1", ttl=TTL)
    other.start()
    try:
        assert other.wait_live(DEADLINE), "it waits for the lease to end, and no longer"
        keeper.process.send_signal(signal.SIGCONT)
        refused = keeper.says(lambda line: line["state"] == "refused")
        assert "copy:8088" in refused["error"]
        assert "this one is at h3:8088" in refused["error"]
        assert keeper.process.wait(DEADLINE) == 0
        assert other.status().losses == 0
        assert key_stands(etcd_store, 3)
    except NodeAlreadyRunning:
        pytest.fail("it did not wait long enough for a dead lease")
    finally:
        other.stop()
    assert not key_stands(etcd_store, 3), "stopping ends it at once"
