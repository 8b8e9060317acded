"""A real server starts on what we write, and shows what went in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from etcdmeta.influxdb import Data, Dialect, decode, detect, encode, for_dialect
from etcdmeta.influxdb.asking import ask_server
from tests.influxdb.worlds import FIXTURES, PAIRS, name_of
from tests.influxdb_server.picture import picture_of_data, picture_of_server
from tests.influxdb_server.server import InfluxServer

pytestmark = pytest.mark.xdist_group("influxdb-server")

FILES = [path for path, _ in PAIRS] + [FIXTURES / "v1.6-upgraded-from-0.9" / "meta.db"]
SECONDS = 60.0


def stored(server: InfluxServer) -> Data:
    return detect(ask_server(server.backup_address, timeout=SECONDS)).decode()


def comparable(data: Data) -> Data:
    """Without what a server changes on its own: it takes a cluster id where there is none, has no nodes, and writes a
    user's privileges in random order."""
    users = tuple(
        replace(user, privileges=tuple(sorted(user.privileges, key=lambda given: given.database)))
        for user in data.users
    )
    return replace(data, cluster_id=0, max_node_id=0, users=users)


@pytest.mark.parametrize("path", FILES, ids=[name_of(path) for path in FILES])
def test_a_server_shows_what_went_in(path: Path, start_server: Callable[..., InfluxServer]) -> None:
    """Files with nodes, too: all but the nodes themselves, which 1.x does not have, must survive."""
    data = decode(path.read_bytes())
    server = start_server(meta=encode(data, Dialect.V1, lossy=True))
    assert picture_of_server(server) == picture_of_data(data)
    # What SHOW … does not say: deleted and truncated groups, hashes, counters.
    assert comparable(stored(server)) == comparable(for_dialect(data, Dialect.V1))
