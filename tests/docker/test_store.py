"""A store over the members in containers: one is stopped, killed, frozen or cut off, and commands go on.

After each the cache is what etcd lists, no change was lost or doubled, and every command was done once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from etcdmeta.commands.database import CreateDatabase
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.errors import EtcdMetaError, OutcomeUnknown, Unavailable
from etcdmeta.records.keys import Keyspace
from etcdmeta.replica.listing import listing
from etcdmeta.store import Change, FollowerState, MetaStore
from tests.docker.compose import NAMES, Compose

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker"), pytest.mark.timeout(240)]

SECONDS = 60.0
"""For what has to go on while a leader is elected on a busy machine."""

Hurt = Callable[[Compose, str], None]
WAYS: dict[str, tuple[Hurt, Hurt]] = {
    "stop": (lambda c, n: c.docker("stop", n), lambda c, n: c.docker("start", n)),
    "kill": (lambda c, n: c.docker("kill", n), lambda c, n: c.docker("start", n)),
    "pause": (lambda c, n: c.docker("pause", n), lambda c, n: c.docker("unpause", n)),
    "network": (lambda c, n: c.cut_off(n), lambda c, n: c.connect(n)),
}


@pytest.fixture
def store(compose: Compose, etcd_prefix: str) -> Iterator[MetaStore]:
    endpoints = [compose.endpoints[name] for name in NAMES]
    with MetaStore.open(endpoints, cluster=etcd_prefix, timeout=SECONDS, actor="test") as opened:
        for host in ("db-1:8088", "db-2:8088"):
            opened.add_node(host)
        opened.create_database("metrics", replicas=2)
        yield opened


def listed(compose: Compose, cluster: str, revision: int) -> list[tuple[bytes, bytes, int, int]]:
    """What etcd has, read past the store."""
    keyspace = Keyspace(cluster)
    strategy = EtcdStrategy(",".join(compose.endpoints.values()))
    try:
        pages = strategy.list(*keyspace.state_range, revision=revision, deadline=time.monotonic() + SECONDS)
        return [
            (keyspace.relative(kv.key), kv.value, kv.mod_revision, kv.create_revision)
            for page in pages
            for kv in page.kvs
        ]
    finally:
        strategy.close()


def check_cache(compose: Compose, store: MetaStore) -> None:
    snapshot = store.read_consistent()
    assert listing(snapshot) == listed(compose, store.cluster_name, snapshot.revision)


def watched_member(compose: Compose, store: MetaStore) -> str:
    endpoint = store.freshness().endpoint
    return next(name for name in NAMES if compose.endpoints[name] == endpoint)


def leader(compose: Compose, store: MetaStore) -> str:
    statuses = store.members()
    for name in NAMES:
        status = statuses[compose.endpoints[name]]
        if not isinstance(status, EtcdMetaError) and status.is_leader:
            return name
    raise AssertionError(f"no leader: {statuses}")


class Listener:
    """Another store's ears: the names of the queries that it saw made, in order."""

    def __init__(self, store: MetaStore) -> None:
        self.seen: list[str] = []
        self._changes = store.changes(since=store.snapshot(), timeout=SECONDS)
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._until = ""

    def _listen(self) -> None:
        for item in self._changes:
            if isinstance(item, Change) and item.kind == "query":
                assert item.action == "created"
                self.seen.append(item.where)
                if item.where == self._until:
                    return

    def start(self, until: str) -> None:
        self._until = until
        self._thread.start()

    def finish(self) -> list[str]:
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), f"the last change did not come; seen: {self.seen}"
        return self.seen


def write(store: MetaStore, names: list[str]) -> None:
    for name in names:
        store.create_continuous_query("metrics", name, "SELECT 1")


@pytest.mark.parametrize("whom", ["leader", "watched"])
@pytest.mark.parametrize("way", WAYS)
def test_commands_go_on_and_nothing_is_lost_or_doubled(compose: Compose, store: MetaStore, way: str, whom: str) -> None:
    hurt, mend = WAYS[way]
    before, during, after = ([f"{phase}{number}" for number in range(3)] for phase in ("before", "during", "after"))
    first_generation = store.snapshot().generation
    with MetaStore.open(store._strategy.endpoints, cluster=store.cluster_name, timeout=SECONDS) as other:
        listener = Listener(other)
        listener.start(until=f"metrics {after[-1]}")
        write(store, before)
        victim = leader(compose, store) if whom == "leader" else watched_member(compose, other)
        hurt(compose, victim)
        try:
            write(store, during)
            check_cache(compose, store)
            check_cache(compose, other)
        finally:
            mend(compose, victim)
        compose.wait_for_health(victim)
        write(store, after)
        for each in (store, other):
            check_cache(compose, each)
            assert each.freshness().state is FollowerState.LIVE
        assert listener.finish() == [f"metrics {name}" for name in (*before, *during, *after)]
    assert store.snapshot().generation == first_generation + 9, "each command was done once"


def test_without_a_majority_reading_goes_on_and_writing_ends_in_time(compose: Compose, store: MetaStore) -> None:
    before = store.snapshot()
    gone = NAMES[:2]
    for name in gone:
        compose.docker("stop", name)
    try:
        assert store.snapshot().database("metrics").id == before.database("metrics").id
        with pytest.raises(Unavailable):
            store.read_consistent(timeout=3.0)
        with pytest.raises((Unavailable, OutcomeUnknown)) as caught:
            store.execute(CreateDatabase(name="meanwhile"), timeout=3.0)
    finally:
        for name in gone:
            compose.docker("start", name)
    for name in gone:
        compose.wait_for_health(name)
    store.create_database("after")
    check_cache(compose, store)
    if isinstance(caught.value, Unavailable):  # then it was certainly not committed
        assert store.snapshot().find_database("meanwhile") is None
        assert before.generation + 1 == store.snapshot().generation


def test_the_cache_goes_on_after_all_members_were_restarted(compose: Compose, store: MetaStore) -> None:
    for name in NAMES:
        compose.docker("kill", name)
    for name in NAMES:
        compose.docker("start", name)
    for name in NAMES:
        compose.wait_for_health(name)
    store.create_database("after")
    check_cache(compose, store)
