import os
from collections.abc import Iterator

import pytest

from tests.docker.compose import Compose, missing


@pytest.fixture(scope="session")
def compose() -> Iterator[Compose]:
    """The members of docker-compose.yml, all healthy. A test that hurts one mends it, too."""
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
