"""A real server starts on what we write, and shows what went in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from etcdmeta.influxdb import Counters, Dialect, arrive, decode, depart, encode, for_dialect
from tests.commands.conftest import MONDAY, World
from tests.influxdb.worlds import FIXTURES, PAIRS, name_of
from tests.influxdb_server.holding import comparable, stored
from tests.influxdb_server.picture import (
    as_imported,
    picture_of_arrival,
    picture_of_data,
    picture_of_server,
    picture_of_snapshot,
)
from tests.influxdb_server.server import InfluxServer, Login, Refused

pytestmark = pytest.mark.xdist_group("influxdb-server")

FILES = [path for path, _ in PAIRS] + [FIXTURES / "v1.6-upgraded-from-0.9" / "meta.db"]


@pytest.mark.parametrize("path", FILES, ids=[name_of(path) for path in FILES])
def test_a_server_shows_what_went_in(path: Path, start_server: Callable[..., InfluxServer]) -> None:
    """Files with nodes, too: all but the nodes themselves, which 1.x does not have, must survive."""
    data = decode(path.read_bytes())
    server = start_server(meta=encode(data, Dialect.V1, lossy=True))
    assert picture_of_server(server) == picture_of_data(data)
    # What SHOW … does not say: deleted and truncated groups, hashes, counters.
    assert comparable(stored(server)) == comparable(for_dialect(data, Dialect.V1))


@pytest.mark.parametrize("path", FILES, ids=[name_of(path) for path in FILES])
def test_what_an_import_is_planned_from_is_what_the_file_says(path: Path) -> None:
    """The same picture without a server."""
    data = decode(path.read_bytes())
    arrival = arrive(data, now=1)
    assert not arrival.oddities.refused
    assert picture_of_arrival(arrival) == as_imported(picture_of_data(data))


def test_users_log_in_with_their_old_passwords(start_server: Callable[..., InfluxServer]) -> None:
    data = decode((FIXTURES / "v1.6" / "meta.db").read_bytes())
    users = json.loads((FIXTURES / "v1.6" / "users.json").read_text())
    server = start_server(meta=encode(data, Dialect.V1), auth=True)
    assert picture_of_server(server, Login("admin", users["admin"]["password"])) == picture_of_data(data)
    assert set(users) == {user.name for user in data.users}
    for name, about in users.items():
        login = Login(name, about["password"])
        status, _ = server.http("/query", {"q": "SHOW DATABASES"}, login)
        assert status == about["auth_ok_http_status"]
        if status == 200:
            (shown,) = server.influx("SHOW DATABASES", login)
            assert [name for (name,) in shown["series"][0]["values"]] == about["show_databases_as_user"]
        with pytest.raises(Refused, match="authorization failed"):
            server.influx("SHOW DATABASES", login._replace(password=login.password + "x"))


def test_our_own_picture_is_shown_as_the_export_says_it(start_server: Callable[..., InfluxServer]) -> None:
    world = World()
    world.add_nodes(3)
    world.add_database(replicas=2)
    world.add_group(MONDAY)
    departure = depart(world.snapshot, hashes={}, counters=Counters())
    server = start_server(meta=encode(departure.data, Dialect.V1, lossy=True))
    assert picture_of_server(server) == picture_of_data(departure.data) == picture_of_snapshot(world.snapshot)
