"""One run of docker-compose.yml: a project name and ports of its own, and nothing left of it afterwards."""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from etcdmeta.embedded import find_binaries
from etcdmeta.embedded.etcdctl import run_etcdctl
from etcdmeta.embedded.ports import PortLease

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
LOCAL_IMAGE = "etcdmeta-etcd:local"
LOCAL_AGENT_IMAGE = "etcdmeta-agent:local"
NAMES = ("etcd-1", "etcd-2", "etcd-3")
AGENTS = ("agent-1", "agent-2", "agent-3")
COMMAND_SECONDS = 90.0
BUILD_SECONDS = 400.0
"""For an image that has to be made from packages, on a slow and busy machine."""
HEALTH_SECONDS = 60.0


def run(*command: str, env: dict[str, str] | None = None, check: bool = True, timeout: float = COMMAND_SECONDS) -> str:
    """What the command prints; its complaints are part of the error."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        cwd=ROOT,
        env=os.environ | (env or {}),
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def missing() -> str | None:
    """Why these tests cannot run here; None when they can."""
    if shutil.which("docker") is None:
        return "there is no docker program"
    done = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)
    if done.returncode != 0 or "Server Version" not in done.stdout:
        words = done.stderr.strip().splitlines() or ["docker info failed"]
        return f"no container engine answers: {words[-1]}"
    if compose_command() is None:
        return "there is neither docker compose nor docker-compose"
    return None


def compose_command() -> tuple[str, ...] | None:
    """Version 2 if it is there, else version 1."""
    done = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False, timeout=COMMAND_SECONDS)
    if done.returncode == 0:
        return ("docker", "compose")
    return ("docker-compose",) if shutil.which("docker-compose") else None


class Compose:
    """Three members in containers, ``etcd-1`` … ``etcd-3``, and when wanted three agents, ``agent-1`` … ``agent-3``."""

    def __init__(self) -> None:
        command = compose_command()
        assert command is not None
        self._lease = PortLease("127.0.0.1", len(NAMES) + len(AGENTS))
        self.project = f"etcdmeta-test-{secrets.token_hex(4)}"
        addresses = {name: f"127.0.0.1:{port}" for name, port in zip(NAMES + AGENTS, self._lease.ports, strict=True)}
        self.endpoints = {name: addresses[name] for name in NAMES}
        self.agents = {name: addresses[name] for name in AGENTS}
        image = os.environ.get("ETCDMETA_ETCD_IMAGE", "")
        if not image:
            run("scripts/etcd-image")
            image = LOCAL_IMAGE
        # etcd-1 is ETCDMETA_ETCD_PORT_1, agent-3 is ETCDMETA_AGENT_PORT_3.
        ports = {
            f"ETCDMETA_{name.upper().replace('-', '_PORT_')}": address.rpartition(":")[2]
            for name, address in addresses.items()
        }
        self._environment = {"ETCDMETA_ETCD_IMAGE": image, **ports}
        self._command = (*command, "--project-name", self.project)
        self._since = str(int(time.time()))

    def compose(self, *arguments: str) -> str:
        return run(*self._command, *arguments, env=self._environment)

    def up(self) -> None:
        self.compose("up", "--detach", *NAMES)
        for name in NAMES:
            self.wait_for_health(name)

    def up_agents(self) -> None:
        """They are created; when they serve is theirs to say."""
        image = os.environ.get("ETCDMETA_AGENT_IMAGE", "")
        if not image:
            run("scripts/agent-image", timeout=BUILD_SECONDS)
            image = LOCAL_AGENT_IMAGE
        self._environment["ETCDMETA_AGENT_IMAGE"] = image
        self.compose("up", "--detach", "--no-build", *AGENTS)

    def remove_agents(self) -> None:
        """Their volumes stay until `remove`."""
        self.compose("rm", "--force", "--stop", *AGENTS)

    def remove(self) -> None:
        """Containers, networks and volumes; ports last."""
        self.compose("down", "--volumes", "--timeout", "1", "--remove-orphans")
        mine = f"--filter=label=com.docker.compose.project={self.project}"
        left = [run("docker", kind, "ls", "--quiet", mine) for kind in ("container", "volume", "network")]
        self._lease.release()
        assert left == ["", "", ""]

    def container(self, name: str) -> str:
        service = f"--filter=label=com.docker.compose.service={name}"
        project = f"--filter=label=com.docker.compose.project={self.project}"
        return run("docker", "container", "ls", "--all", "--quiet", service, project).strip()

    def state(self, name: str) -> tuple[str, str]:
        """Status of the container, and its health."""
        state = json.loads(run("docker", "inspect", self.container(name)))[0]["State"]
        return state["Status"], state["Health"]["Status"]

    def logs(self, name: str, lines: int = 30) -> str:
        """What the container said last, on both streams."""
        done = subprocess.run(
            ["docker", "logs", "--tail", str(lines), self.container(name)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        return done.stdout

    def exit_code(self, name: str) -> int:
        """Of the last run of a container that has ended."""
        state = json.loads(run("docker", "inspect", self.container(name)))[0]["State"]
        assert state["Status"] == "exited"
        return int(state["ExitCode"])

    def wait_for_health(self, name: str, health: str = "healthy") -> None:
        """By the engine's events, not by asking again and again. Raises TimeoutError."""
        deadline = time.monotonic() + HEALTH_SECONDS
        events = subprocess.Popen(
            ["docker", "events", "--since", self._since, "--filter", f"container={self.container(name)}"],
            stdout=subprocess.PIPE,
        )
        with events:
            try:
                while self.state(name)[1] != health:
                    assert events.stdout is not None
                    left = max(0.0, deadline - time.monotonic())
                    ready, _, _ = select.select([events.stdout], [], [], left)
                    if not ready:
                        raise TimeoutError(f"{name} did not become {health}: {self.state(name)}")
                    os.read(events.stdout.fileno(), 65536)
            finally:
                events.kill()

    def docker(self, verb: str, name: str) -> None:
        """``stop``, ``start``, ``kill``, ``pause``, ``unpause`` one container."""
        run("docker", verb, self.container(name))

    def network(self, name: str) -> str:
        return f"{self.project}_{name}"

    def cut_off(self, name: str, network: str = "etcd") -> None:
        run("docker", "network", "disconnect", self.network(network), self.container(name))

    def connect(self, name: str, network: str = "etcd") -> None:
        run("docker", "network", "connect", "--alias", name, self.network(network), self.container(name))

    def add_network(self, name: str) -> None:
        label = f"com.docker.compose.project={self.project}"
        run("docker", "network", "create", "--label", label, self.network(name))

    def remove_network(self, name: str) -> None:
        run("docker", "network", "rm", self.network(name))

    def etcdctl(self, *arguments: str, on: Sequence[str] = NAMES, timeout: float = 15.0) -> str:
        """etcdctl of the wheel, from outside of the containers."""
        endpoints = [self.endpoints[name] for name in on]
        return run_etcdctl(find_binaries().etcdctl, arguments, endpoints=endpoints, timeout=timeout)
