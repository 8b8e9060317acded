"""A real server asked for its metadata, in each state that it can be in."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from etcdmeta.errors import Unavailable
from etcdmeta.influxdb import Data, SourceKind, SourceUnreadable, detect
from etcdmeta.influxdb.asking import ask_server
from tests.influxdb_server.server import HOST, InfluxServer

pytestmark = pytest.mark.xdist_group("influxdb-server")

SECONDS = 60.0


def test_a_server_answers_with_all_that_it_has(start_server: Callable[..., InfluxServer]) -> None:
    server = start_server()
    source = detect(ask_server(server.backup_address, timeout=SECONDS))
    assert source.kind is SourceKind.LEGACY_BACKUP
    empty = source.decode()
    assert empty == Data(index=empty.index, cluster_id=empty.cluster_id)
    server.query('CREATE DATABASE "метрики"')
    changed = detect(ask_server(server.backup_address, timeout=SECONDS)).decode()
    assert [database.name for database in changed.databases] == ["метрики"]
    assert changed.index > empty.index


def test_its_other_port_is_not_the_one(start_server: Callable[..., InfluxServer]) -> None:
    server = start_server()
    with pytest.raises(SourceUnreadable, match="answers in HTTP") as caught:
        ask_server(f"{HOST}:{server.http_port}", timeout=SECONDS)
    assert "8088" in str(caught.value.remedy)


def test_a_server_that_hangs_or_is_gone(start_server: Callable[..., InfluxServer]) -> None:
    server = start_server()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable, match=r"did not answer within 0\.3 s"):
            ask_server(server.backup_address, timeout=0.3)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    ask_server(server.backup_address, timeout=SECONDS)
    server.stop()
    with pytest.raises(Unavailable, match="Connection refused"):
        ask_server(server.backup_address, timeout=SECONDS)
