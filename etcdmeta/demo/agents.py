"""The nodes of the play: each ``etcdmeta agent run``, with a folder and a port of its own, and a database beside it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from etcdmeta.demo.stage import Companion, Stage
from etcdmeta.embedded.ports import PortLease
from etcdmeta.errors import Defect

TTL = "4s"
"""Short, so that a play does not wait long until a killed node is seen to be down."""
START_SECONDS = 60.0


class NodeAgent:
    """One node: its agent, and its database. It may be killed and started again: its folder says who it is."""

    def __init__(self, host: str, directory: Path, port: int) -> None:
        self.host = host
        self.address = f"127.0.0.1:{port}"
        self.name = host.partition(":")[0]
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None
        self.database: Companion | None = None
        self._said: queue.Queue[str] = queue.Queue(maxsize=10_000)
        self._reader: threading.Thread | None = None

    def start(self, stage: Stage, options: str, environment: Mapping[str, str]) -> None:
        """Returns when both are ready; shows the command and what they say of the node. Raises `Defect`."""
        name = self.name
        line = f"agent run --data-dir {name} --host {self.host} --listen {self.address} --ttl {TTL} {options}".strip()
        stage.show(f"$ etcdmeta {line} &")
        self._said = queue.Queue(maxsize=10_000)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "etcdmeta", "--log-format", "json", *line.split()],
            cwd=self._directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process, self._said), daemon=True)
        self._reader.start()
        for message in self._until("ready"):
            if message.startswith("node "):
                stage.show(f"[{name}] {message}")
        self.database = Companion(
            [sys.executable, "-m", "etcdmeta.demo.database", self.address, self.host, str(self._directory)],
            {n: value for n, value in environment.items() if not n.startswith(("ETCDMETA_E", "ETCDCTL_E"))},
        )
        for said in self.database.until("has its picture"):
            stage.show(f"[{name}] {said}")

    def kill(self) -> None:
        """As a machine that loses its power."""
        if self.database is not None:
            self.database.kill()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Told to end, and ended where it does not."""
        if self.database is not None:
            self.database.stop()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader is not None:
            self._reader.join(10)

    def _until(self, word: str) -> list[str]:
        said: list[str] = []
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                said.append(self._said.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                raise Defect(f"the agent of {self.host} was not ready in time, but said {said[-5:]}") from None
            if said[-1].startswith(word):
                return said
            if not said[-1]:
                raise Defect(f"the agent of {self.host} ended: {said[-5:]}")

    @staticmethod
    def _read(process: subprocess.Popen[str], said: queue.Queue[str]) -> None:
        """What it says, each time the sentence alone; at its end an empty one. What nobody reads is dropped."""
        assert process.stderr is not None  # asked for above
        for line in process.stderr:
            try:
                message = str(json.loads(line)["message"])
            except (ValueError, KeyError):
                message = line.strip() or "…"
            if not said.full():
                said.put(message)
        process.stderr.close()
        if not said.full():
            said.put("")


class Agents:
    """All nodes, in a temporary folder; they end with the block."""

    def __init__(self, hosts: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """``environment``: what leads to etcd. Only the agent that is given it knows of etcd at the start."""
        self._hosts = hosts
        self._environment = {**os.environ, **environment}

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="etcdmeta-demo-")
        self._lease = PortLease("127.0.0.1", len(self._hosts))
        self.folder = Path(self._folder.name)
        self.all = [
            NodeAgent(host, self.folder, port) for host, port in zip(self._hosts, self._lease.ports, strict=True)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for agent in self.all:
                agent.stop()
        finally:
            self._lease.release()
            self._folder.cleanup()

    def start(self, stage: Stage, agent: NodeAgent, options: str, *, knows_etcd: bool = False) -> None:
        hidden = () if knows_etcd else ("ETCDMETA_ENDPOINTS", "ETCDCTL_ENDPOINTS")
        environment = {name: value for name, value in self._environment.items() if name not in hidden}
        # Nor may a file of the person's own lead elsewhere.
        agent.start(stage, options, {**environment, "ETCDMETA_CONFIG": os.devnull, "ETCDMETA_CONTEXT": ""})
