"""What the tests ask of agents in containers: how they are, and traffic that does not stop while they are hurt."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.errors import EtcdMetaError
from etcdmeta.store import MetaStore
from etcdmeta.store.agents import AgentStatus, agent_statuses
from tests.docker.compose import AGENTS, Compose

SECONDS = 120.0
"""For what has to happen while a leader is elected and programs start on a busy machine. A follower that has failed
often waits up to 30 s before each attempt, the first of which may come too early."""
ASK_EVERY = 0.1
PACE = 0.02
"""Seconds between two writes, so that the machine has time left for the containers."""

DATABASE = "metrics"


def ask(compose: Compose, name: str) -> AgentStatus | EtcdMetaError:
    """What it says by its published port."""
    address = compose.agents[name]
    return agent_statuses([address], timeout=5.0)[address]


def wait_for(compose: Compose, name: str, what: Callable[[AgentStatus], object]) -> AgentStatus:
    """Until its status is so."""
    deadline = time.monotonic() + SECONDS
    while True:
        status = ask(compose, name)
        if isinstance(status, AgentStatus) and what(status):
            return status
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name}: {status}\n{compose.logs(name)}")
        time.sleep(ASK_EVERY)


def follows_etcd(status: AgentStatus) -> bool:
    """And is a node of the cluster."""
    return status.live and status.source == "etcd" and status.node_id != 0


def open_store(compose: Compose, *names: str, timeout: float = SECONDS) -> MetaStore:
    """Over these agents, or all."""
    addresses = ",".join(compose.agents[name] for name in names or AGENTS)
    return MetaStore.open(f"agent://{addresses}", cluster="default", actor="test", timeout=timeout)


def queries(store: MetaStore) -> list[str]:
    """Names of what `create` made, oldest first."""
    return [query.name for query in store.snapshot().database(DATABASE).queries()]


def create(store: MetaStore, name: str, *, timeout: float | None = None) -> int:
    """One change. Returns its generation."""
    outcome = store.execute(CreateContinuousQuery(database=DATABASE, name=name, query="SELECT 1"), timeout=timeout)
    assert outcome.generation is not None
    return outcome.generation


@contextlib.contextmanager
def never_older(compose: Compose) -> Iterator[None]:
    """Fails where an agent shows an older picture than it showed before; that it does not answer is no failure."""
    over = threading.Event()
    shown: dict[str, tuple[int, int]] = {}
    older: list[str] = []

    def look() -> None:
        while not over.wait(ASK_EVERY):
            for name in AGENTS:
                status = ask(compose, name)
                if not isinstance(status, AgentStatus) or status.state == "cold":
                    continue
                now = (status.revision, status.generation)
                before = shown.get(name, (0, 0))
                if now[0] < before[0] or now[1] < before[1]:
                    older.append(f"{name}: {now} after {before}")
                shown[name] = now

    looking = threading.Thread(target=look, name="never-older", daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join(SECONDS)
    assert not looking.is_alive()
    assert sorted(shown) == sorted(AGENTS), "each was seen"
    assert older == []


class Traffic:
    """Writers and readers, each a thread, until the block ends. What fails is raised there.

    ``written``: acknowledged, in the order of the acknowledgements; ``reads``: how many were answered.
    """

    def __init__(self, compose: Compose, *, writers: int = 2) -> None:
        self._compose = compose
        self._over = threading.Event()
        self._mutex = threading.Lock()
        self._errors: list[BaseException] = []
        self.written: list[str] = []
        self.reads = 0
        work: Sequence[tuple[str, Callable[[], None]]] = [
            *((f"writer-{number}", lambda number=number: self._write(number)) for number in range(writers)),
            ("reader", self._read),
            ("newcomer", self._come),
        ]
        self._threads = [
            threading.Thread(target=self._guarded, args=(each,), name=name, daemon=True) for name, each in work
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        deadline = time.monotonic() + 2 * SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._errors:
            raise self._errors[0]
        assert [thread.name for thread in self._threads if thread.is_alive()] == []

    def wait_for_more(self, count: int = 5) -> None:
        """Until that many writes and reads more were answered."""
        with self._mutex:
            written, reads = len(self.written) + count, self.reads + count
        deadline = time.monotonic() + 2 * SECONDS
        while len(self.written) < written or self.reads < reads:
            if self._errors:
                raise self._errors[0]
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.written)} writes, {self.reads} reads")
            time.sleep(ASK_EVERY)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again where the block ends
            self._errors.append(error)

    def _write(self, number: int) -> None:
        with open_store(self._compose) as store:
            count = 0
            while not self._over.wait(PACE):
                name = f"traffic-{number}-{count}"
                create(store, name)
                assert store.snapshot().database(DATABASE).find_query(name) is not None, "its own write"
                with self._mutex:
                    self.written.append(name)
                count += 1

    def _read(self) -> None:
        """Linearizable reads of one client: all that was acknowledged before is there."""
        with open_store(self._compose) as store:
            while not self._over.wait(PACE):
                self._check(store)

    def _come(self) -> None:
        """A new client every time."""
        while not self._over.wait(PACE):
            with open_store(self._compose) as store:
                self._check(store)

    def _check(self, store: MetaStore) -> None:
        with self._mutex:
            acknowledged = set(self.written)
        snapshot = store.read_consistent()
        missing = acknowledged - {query.name for query in snapshot.database(DATABASE).queries()}
        assert missing == set()
        with self._mutex:
            self.reads += 1
