import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etcdmeta.embedded.guard import Guard
from tests.influxdb_server.server import InfluxServer, missing


@pytest.fixture(scope="session")
def influxd() -> Iterator[Guard]:
    """That there is one, or why not; and that none of them outlives the tests."""
    reason = missing()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has to run the tests with a real InfluxDB, and cannot: {reason}")
        pytest.skip(reason)
    guard = Guard()
    yield guard
    guard.dismiss()


@pytest.fixture
def start_server(influxd: Guard, tmp_path: Path) -> Iterator[Callable[..., InfluxServer]]:
    """``start_server(meta=…, auth=…)``: each of them in a folder of its own, and ended with the test."""
    servers: list[InfluxServer] = []
    numbers = itertools.count()

    def start(*, meta: bytes | None = None, auth: bool = False) -> InfluxServer:
        server = InfluxServer(tmp_path / f"influxdb-{next(numbers)}", influxd, meta=meta, auth=auth)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()
