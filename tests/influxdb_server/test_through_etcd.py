"""There and back: from a real server into etcd, and from etcd into a real server, which shows what went in."""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etcdmeta.embedded import Cluster
from etcdmeta.influxdb import Counters, Data, Dialect, arrive, decode, depart, encode, hand_on
from etcdmeta.store import MetaStore
from etcdmeta.store.exporting import read_whole
from etcdmeta.store.importing import Intake, run_import
from etcdmeta.testing import local_store
from tests.cli.conftest import Cli, cli, environ, prod
from tests.influxdb.worlds import FIXTURES, name_of
from tests.influxdb_server.holding import comparable, stored
from tests.influxdb_server.picture import (
    as_imported,
    picture_of_data,
    picture_of_server,
    picture_of_snapshot,
    without_owners,
)
from tests.influxdb_server.server import InfluxServer, Login
from tests.influxdb_server.statements import NOW, Statements
from tests.influxdb_server.test_files import FILES

__all__ = ["cli", "environ", "prod"]

pytestmark = pytest.mark.xdist_group("influxdb-server")

SERVER = FIXTURES / "v1.6" / "meta.db"


@pytest.mark.parametrize("path", FILES, ids=[name_of(path) for path in FILES])
def test_a_server_shows_what_went_through_etcd(path: Path, start_server: Callable[..., InfluxServer]) -> None:
    data = decode(path.read_bytes())
    with local_store(init=False) as store:
        _import(store, data)
        assert picture_of_snapshot(store.snapshot()) == as_imported(picture_of_data(data))
        exported = _export(store)
    server = start_server(meta=exported)
    assert picture_of_server(server) == as_imported(picture_of_data(data))
    assert comparable(stored(server)) == comparable(decode(exported))


def test_random_statements_there_and_back(
    start_server: Callable[..., InfluxServer], etcd_cluster: Cluster, etcd_prefix: str
) -> None:
    seed = int(os.environ.get("ETCDMETA_SEED", random.randrange(2**32)))
    print(f"ETCDMETA_SEED={seed}")
    server = start_server()
    statements = Statements(server, random.Random(seed))
    statements.run(200)
    shown, data = picture_of_server(server), stored(server)
    with MetaStore.open(",".join(etcd_cluster.endpoints), cluster=etcd_prefix, timeout=20) as store:
        _import(store, data)
        assert picture_of_snapshot(store.snapshot()) == as_imported(shown)
        exported = _export(store)
    other = start_server(meta=exported)
    assert picture_of_server(other) == as_imported(shown)
    for name in statements.users:
        assert other.http("/query", {"q": "SHOW DATABASES"}, statements.login(name))[0] == 200


def test_by_the_command_line(
    prod: Cli, start_server: Callable[..., InfluxServer], tmp_path: Path
) -> None:
    """import influxdb://, then export for 1.x: what the second server shows, and who may log in there."""
    first = start_server(meta=SERVER.read_bytes())
    assert prod("node", "join", "--host", "one:8088").code == 0
    ran = prod("import", f"influxdb://{first.backup_address}", "--owner", "one:8088", "--yes")
    assert ran.code == 0, ran.err
    target = tmp_path / "meta.db"
    refused = prod("export", str(target), "--format", "influxdb", "--dialect", "1.x")
    assert refused.code == 4  # 1.x has no nodes
    assert not target.exists()
    exported = prod("export", str(target), "--format", "influxdb", "--dialect", "1.x", "--lossy")
    assert exported.code == 0, exported.err
    users = json.loads((FIXTURES / "v1.6" / "users.json").read_text())
    second = start_server(meta=target.read_bytes(), auth=True)
    shown = picture_of_server(second, Login("admin", users["admin"]["password"]))
    assert without_owners(shown) == without_owners(picture_of_data(decode(SERVER.read_bytes())))
    for name, about in users.items():
        status, _ = second.http("/query", {"q": "SHOW DATABASES"}, Login(name, about["password"]))
        assert status == about["auth_ok_http_status"]


def _import(store: MetaStore, data: Data) -> None:
    digest = hashlib.sha256(repr(data).encode("utf-8", "surrogateescape")).digest()
    intake = Intake("a test", digest, lambda now: hand_on(arrive(data, now=now)))
    run_import(store, intake, now=time.time_ns() if not data.databases else NOW)


def _export(store: MetaStore) -> bytes:
    whole = read_whole(store)
    counters = Counters(*(whole.counters.get(kind, 0) for kind in ("node", "group", "shard")))
    return encode(depart(whole.snapshot, hashes=whole.hashes, counters=counters).data, Dialect.V1, lossy=True)
