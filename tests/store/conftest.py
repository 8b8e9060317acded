"""Worlds for the tests of the store: every store is closed, and no thread may be left."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.store.worlds import World, etcd_world, local_world, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def local(etcd_prefix: str) -> Iterator[World]:
    """Metadata in this process."""
    yield from _used(local_world(etcd_prefix))


@pytest.fixture(params=["local", "etcd"])
def world(request: pytest.FixtureRequest, etcd_prefix: str) -> Iterator[World]:
    """Each test with it runs on both kinds."""
    if request.param == "local":
        yield from _used(local_world(etcd_prefix))
    else:
        cluster = request.getfixturevalue("etcd_cluster")
        yield from _used(etcd_world(cluster, etcd_prefix))


def _used(world: World) -> Iterator[World]:
    before = set(threading.enumerate())
    yield world
    world.close()
    wait_until(lambda: set(threading.enumerate()) <= before, "no thread is left")
