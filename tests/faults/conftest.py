"""A real cluster that is hurt, and mended after each test."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.embedded import Cluster
from etcdmeta.replica.config import FollowerConfig
from tests.store.worlds import SECONDS, World, etcd_world, soon, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etcdmeta.embedded import Binaries
    from etcdmeta.store import MetaStore
    from etcdmeta.testing.proxy import Proxy

QUICK = FollowerConfig(
    request_timeout=1.0,
    open_timeout=1.0,
    probe_after=0.5,
    probe_timeout=0.5,
    probe_retry=0.1,
    probe_failures=2,
    stalled_after=2.0,
    backoff_base=0.1,
    backoff_cap=0.5,
)
"""The protocol's follower, in less of a hurry than a test."""


@dataclass
class Site:
    """A cluster, a store that follows it, and one that writes."""

    cluster: Cluster
    world: World
    proxy_factory: Callable[[str], Proxy]
    proxies: list[Proxy] = field(default_factory=list)

    def writer(self) -> MetaStore:
        """On all members, with a cluster of metadata to write to."""
        store = self.world.open(follower=QUICK)
        store.init_cluster()
        return store

    def follower(self) -> MetaStore:
        """On all members."""
        return self.world.open(follower=QUICK)

    def proxied(self, *, follower: FollowerConfig = QUICK, timeout: float = SECONDS) -> MetaStore:
        """On the first member, through a proxy: the last of ``proxies``."""
        self.proxies.append(self.proxy_factory(self.cluster.endpoints[0]))
        return self.world.open(EtcdStrategy(self.proxies[-1].address), follower=follower, timeout=timeout)

    def index_of(self, store: MetaStore) -> int:
        """The member that a store follows."""
        wait_until(lambda: store.freshness().endpoint, "the store follows a member")
        return self.cluster.endpoints.index(str(store.freshness().endpoint))

    def mend(self) -> None:
        """All members run, and serve."""
        for proxy in self.proxies:
            proxy.heal()
        for index, member in enumerate(self.cluster.members):
            if member.state == "frozen":
                self.cluster.thaw(index)
            elif member.state != "running":
                self.cluster.restart(index, wait=False)
        self.cluster.wait_until_serving()


@pytest.fixture(scope="package")
def battered(etcd_binaries: Binaries) -> Iterator[Cluster]:
    """One for all tests here; each leaves it as it found it."""
    with Cluster(3, unsafe_no_fsync=True, binaries=etcd_binaries) as cluster:
        yield cluster


@pytest.fixture
def site(battered: Cluster, etcd_prefix: str, proxy_factory: Callable[[str], Proxy]) -> Iterator[Site]:
    before = set(threading.enumerate())
    site = Site(battered, etcd_world(battered, etcd_prefix), proxy_factory)
    try:
        yield site
    finally:
        site.mend()
        site.world.close()
        for proxy in site.proxies:
            proxy.close()
    wait_until(lambda: set(threading.enumerate()) <= before, "no thread is left")


def away(store: MetaStore, proxy: Proxy) -> None:
    """Cuts a store off, and waits until it knows."""
    proxy.cut()
    wait_until(lambda: store.freshness().state.value != "live", "the store has noticed")


__all__ = ["QUICK", "Site", "away", "soon"]
