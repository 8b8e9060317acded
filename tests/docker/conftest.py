import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.docker.compose import Compose, missing


@contextmanager
def started() -> Iterator[Compose]:
    """The members of docker-compose.yml, all healthy, until the block ends."""
    reason = missing()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI has to run the container tests, and cannot: {reason}")
        pytest.skip(reason)
    containers = Compose()
    try:
        containers.up()
        yield containers
    finally:
        containers.remove()


@pytest.fixture(scope="package")
def compose() -> Iterator[Compose]:
    """For all tests of the members alone. A test that hurts one mends it, too. It ends with the last of them: health
    checks of idle members cost the tests that follow."""
    with started() as containers:
        yield containers


@pytest.fixture(scope="module")
def own_compose() -> Iterator[Compose]:
    """For one module that moves its members between networks: what that leaves in the engine and in etcd's connections
    among its members is nobody else's."""
    with started() as containers:
        yield containers
