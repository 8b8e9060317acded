"""Strangers on the port: they cost bounded memory, others are served meanwhile, and in the end they are put out.

Against agents in processes of their own, on loopback, one plain and one with mutual TLS.
"""

from __future__ import annotations

import random
import resource
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from etcdmeta.agent.hardening import raise_open_files, server_options
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.pb import agent_pb2_grpc
from tests.agent import raw
from tests.agent.certs import Authority, client_credentials, write
from tests.agent.talking import SECONDS, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW = 500
ROOT = Path(__file__).parents[2]
MOST_GROWTH = 64 * 2**20


@dataclass
class Agent:
    """A process that serves, and a way to ask it."""

    process: subprocess.Popen[str]
    port: int
    credentials: Any

    def fetch(self) -> int:
        """On a connection of its own; the revision of the whole picture."""
        options = (("grpc.use_local_subchannel_pool", 1),)
        address = f"127.0.0.1:{self.port}"
        with (
            grpc.secure_channel(address, self.credentials, options)
            if self.credentials
            else grpc.insecure_channel(address, options)
        ) as channel:
            stub = agent_pb2_grpc.MetadataStub(channel)
            pieces = list(stub.Fetch(pb.FetchRequest(), timeout=SECONDS))
        return int(pieces[0].revision)

    def memory(self) -> int:
        """Resident bytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024

    def files(self) -> int:
        """Open ones, sockets among them."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())


@contextmanager
def running(*arguments: str, credentials: Any = None) -> Iterator[Agent]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.agent.garbage_server", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # gRPC tells there of each handshake that fails
        text=True,
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline()
        assert port, "the agent did not start"
        agent = Agent(process, int(port), credentials)
        assert agent.fetch() > 0
        yield agent
        assert process.poll() is None, "the agent is gone"
        process.communicate("", timeout=SECONDS)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def plain() -> Iterator[Agent]:
    with running() as agent:
        yield agent


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    directory, authority = tmp_path_factory.mktemp("certificates"), Authority()
    write(directory, authority.server(), authority.pem)
    with running(str(directory), credentials=client_credentials(authority.pem, authority.client("a.example"))) as agent:
        yield agent


@pytest.fixture(params=["plain", "secure"])
def agent(request: pytest.FixtureRequest) -> Agent:
    found: Agent = request.getfixturevalue(request.param)
    return found


# --- one at a time

GARBAGE = {
    "HTTP/1": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/1 POST": b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000,
    "TLS": raw.TLS_HELLO + bytes(200),
    "HTTP/2 without TLS": raw.opening() + raw.call("Fetch"),
    "half of TLS's hello": raw.TLS_HELLO,
    "half of HTTP/2's preface": raw.PREFACE[:10],
    "a preface and no settings": raw.PREFACE,
    "zeros": bytes(4096),
    "a frame of 16 MiB": raw.opening() + b"\xff\xff\xff" + bytes(100),
    "a head that never ends": raw.opening() + raw.frame(raw.HEADERS, b"\x82", stream=1),
    "a head that is none": raw.opening() + raw.frame(raw.HEADERS, b"\xff" * 50, flags=raw.END_HEADERS, stream=1),
    "a call without a body": raw.opening() + raw.call("Execute"),
    "a body without end": raw.opening() + raw.call("Execute") + raw.frame(raw.DATA, b"\0\0\xff\xff\xff", stream=1),
    "nothing": b"",
}


def test_each_is_put_out_and_the_next_is_served(agent: Agent) -> None:
    chance = random.Random(20261123)
    begin = (b"", raw.PREFACE, raw.opening(), raw.opening() + raw.call("Fetch"), raw.TLS_HELLO)
    chances = {
        f"random {number}": chance.choice(begin) + chance.randbytes(chance.randrange(1, 2000)) for number in range(150)
    }
    with ExitStack() as stack:
        peers = {name: stack.enter_context(raw.connect(agent.port, data)) for name, data in (GARBAGE | chances).items()}
        assert agent.fetch() > 0
        left = raw.until_closed(peers.values(), seconds=SECONDS)
        assert not [name for name, peer in peers.items() if peer in left]
    assert agent.fetch() > 0


# --- many, slowly

# What each of the slow ones begins with, and goes on with for as long as it may.
SLOWLY = {
    "plain": (
        (b"", raw.PREFACE[:1]),
        (raw.opening(), b"\0"),
        (raw.opening() + raw.frame(raw.HEADERS, b"\x82", stream=1)[:9], b"\x82"),
        (raw.opening() + raw.call("Execute") + raw.frame(raw.DATA, bytes(100), stream=1)[:10], b"\1"),
    ),
    "secure": ((b"", b"\x16"), (raw.TLS_HELLO, b"\0"), (raw.TLS_HELLO[:3], b"\0"), (raw.TLS_HELLO + bytes(50), b"\0")),
}


@pytest.mark.parametrize("kind", ["plain", "secure"])
def test_500_slow_ones_cost_bounded_memory_and_others_are_served(kind: str, request: pytest.FixtureRequest) -> None:
    agent: Agent = request.getfixturevalue(kind)
    raise_open_files(SLOW + 256)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= SLOW + 256, "ulimit -n does not allow this test"
    for _ in range(20):  # what a process takes once
        agent.fetch()
    before, files = agent.memory(), agent.files()
    with ExitStack() as stack:
        lines = SLOWLY[kind]
        peers = [stack.enter_context(raw.connect(agent.port, lines[n % len(lines)][0])) for n in range(SLOW)]
        stop = threading.Event()
        dripping = threading.Thread(target=_drip, args=(peers, [line[1] for line in lines], stop))
        dripping.start()
        stack.callback(lambda: (stop.set(), dripping.join(SECONDS)))
        wait_until(lambda: agent.files() >= files + SLOW // 2, "the agent has them")
        most = 0
        for _ in range(10):
            assert agent.fetch() > 0
            most = max(most, agent.memory())
        assert most - before < MOST_GROWTH
        assert not raw.until_closed(peers, seconds=SECONDS), "closed by the agent, though they went on sending"
        assert agent.fetch() > 0
    assert agent.memory() - before < MOST_GROWTH
    wait_until(lambda: agent.files() <= files + 5, "the agent's sockets are closed")


def _drip(peers: list[socket.socket], bytes_: list[bytes], stop: threading.Event) -> None:
    while not stop.wait(0.5):
        for number, byte in enumerate(bytes_):
            raw.drip(peers[number :: len(bytes_)], byte)


# --- gRPC's options: those that it does not know, it ignores


def test_our_clients_may_ping_as_often_as_they_do() -> None:
    """By default gRPC takes the fourth within 5 minutes for an attack."""
    with _bare_server(server_options()) as port, raw.connect(port, raw.opening()) as peer:
        for number in range(4):
            time.sleep(1.1 if number else 0.0)  # what is tested is the interval: at least 1 s
            peer.send(raw.frame(raw.PING, number.to_bytes(8, "big")))
        received = raw.frames(raw.receive(peer, seconds=SECONDS, enough=4))
    assert not [payload for kind, _, payload in received if kind == raw.GOAWAY]
    assert [payload[-1] for kind, _, payload in received if kind == raw.PING] == [0, 1, 2, 3]


def test_connections_are_counted_and_the_next_is_closed_at_once() -> None:
    with _bare_server(server_options(connections=5)) as port, ExitStack() as stack:
        peers = [stack.enter_context(raw.connect(port)) for _ in range(8)]
        wait_until(lambda: len(raw.until_closed(peers, seconds=0.1)) == 5, "three are closed, long before their time")
        left = raw.until_closed(peers, seconds=0.5)
        assert len(left) == 5
        left[0].close()
        wait_until(
            lambda: bool(raw.until_closed([stack.enter_context(raw.connect(port))], seconds=0.2)), "a place is free"
        )


def test_a_port_is_one_agents() -> None:
    with _bare_server(server_options()) as port:
        other = grpc.server(None, options=server_options())
        with pytest.raises(RuntimeError):
            other.add_insecure_port(f"127.0.0.1:{port}")


@contextmanager
def _bare_server(options: tuple[tuple[str, int], ...]) -> Iterator[int]:
    server = grpc.server(None, options=options)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait(SECONDS)


# --- open files


def test_open_files_are_raised_as_far_as_they_may_be(caplog: pytest.LogCaptureFixture) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
        assert raise_open_files(400) == 400
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (400, hard)
        assert raise_open_files(300) == 400, "never lowered"
        assert not caplog.records
        if hard != resource.RLIM_INFINITY:
            assert raise_open_files(hard + 1) == hard
            assert "LimitNOFILE" in caplog.text
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
