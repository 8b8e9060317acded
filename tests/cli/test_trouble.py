"""What a person meets when etcd, or who they are, is the trouble: the exit code, and a sentence to act on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from etcdmeta.embedded import Cluster
from etcdmeta.model.entities import Cluster as Guard
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.store.opening import open_strategy
from etcdmeta.testing.plugin import ClusterFactory
from tests.cli.conftest import Cli


def test_who_is_asking(cli: Cli, etcd_cluster_factory: ClusterFactory) -> None:
    etcd = etcd_cluster_factory(1)
    for line in cli("cluster", "init", "--print-roles").lines:
        if line.startswith("etcdctl"):
            etcd.etcdctl(*line.split()[1:])
    for user, role in (("writer", "etcdmeta-default-writer"), ("reader", "etcdmeta-default-reader")):
        etcd.etcdctl("user", "add", user, "--interactive=false", stdin="geheim\n")
        etcd.etcdctl("user", "grant-role", user, role)
    etcd.enable_auth("root-geheim")
    at = ("--endpoints", etcd.endpoints[0])

    nobody = cli("cluster", "init", *at)
    assert nobody.code == 6
    wrong = cli("cluster", "init", *at, env={"ETCDMETA_USER": "writer", "ETCDMETA_PASSWORD": "falsch"})
    assert wrong.code == 6
    assert "user writer (ETCDMETA_USER)" in wrong.err
    assert "falsch" not in wrong.err
    assert cli("cluster", "init", *at, env={"ETCDCTL_USER": "writer:geheim"}).code == 0
    reader = {"ETCDCTL_USER": "reader:geheim"}
    assert cli("cluster", "id", *at, env=reader).code == 0
    assert cli("db", "create", "x", *at, env=reader).code == 6
    assert cli("user", "list", *at, env=reader).code == 0
    assert cli("cluster", "id", *at, "--user", "writer").code == 2, "no password, and nobody to ask"


def test_no_majority(cli: Cli, etcd_cluster_factory: ClusterFactory) -> None:
    etcd = etcd_cluster_factory(3)
    at = ("--endpoints", ",".join(etcd.endpoints))
    assert cli("cluster", "init", *at).code == 0
    etcd.kill(0)
    assert cli("db", "create", "one-less", *at).code == 0
    etcd.kill(1)
    ran = cli("db", "create", "two-less", *at, "--timeout", "3s")
    assert ran.code == 5
    assert "tried:" in ran.err


class _Web(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the test is told enough."""


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Web) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_endpoint_that_is_no_etcd(cli: Cli, web: str) -> None:
    ran = cli("db", "list", "--endpoints", web, "--timeout", "3s")
    assert ran.code == 5
    assert web in ran.err


@pytest.mark.parametrize("endpoint", ["", "host:port", "http://", "a:1:2", "127.0.0.1:99999"])
def test_an_endpoint_that_cannot_be(cli: Cli, endpoint: str) -> None:
    assert cli("db", "list", "--endpoints", f"{endpoint},").code == 2


def test_a_newer_schema(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> None:
    space = keys.Keyspace(etcd_prefix)
    guard = Guard(cluster_id=1, epoch=1, oldest_reader=99, oldest_writer=99)
    strategy = open_strategy(etcd_cluster.endpoints)
    try:
        writes = (Put(space.absolute(keys.CLUSTER), encode(guard)), Put(space.absolute(keys.GENERATION), b"nonce"))
        assert strategy.transact(Transaction((), writes), deadline=time.monotonic() + 10).succeeded
    finally:
        strategy.close()
    for arguments in (("db", "list"), ("db", "create", "x"), ("cluster", "init")):
        ran = prod(*arguments)
        assert (ran.code, ran.out) == (7, ""), arguments


def test_too_large_a_record(prod: Cli) -> None:
    prod("cluster", "init")
    prod("db", "create", "metrics")
    ran = prod("cq", "create", "metrics", "q", "SELECT " + "x" * 2_000_000)
    assert ran.code in (2, 4)
    assert prod("cq", "list", "-o", "name").out == ""
