"""Worlds for the tests of the store: every store is closed, and no thread may be left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store.worlds import World, agent_world, etcd_world, local_world, threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def local(etcd_prefix: str) -> Iterator[World]:
    """Metadata in this process."""
    yield from _used(lambda: local_world(etcd_prefix))


@pytest.fixture(params=["local", "etcd", "agent"])
def world(request: pytest.FixtureRequest, etcd_prefix: str) -> Iterator[World]:
    """Each test with it runs on all kinds."""
    if request.param == "local":
        yield from _used(lambda: local_world(etcd_prefix))
    elif request.param == "etcd":
        cluster = request.getfixturevalue("etcd_cluster")
        yield from _used(lambda: etcd_world(cluster, etcd_prefix))
    else:
        yield from _used(lambda: agent_world(etcd_prefix))


def _used(make: Callable[[], World]) -> Iterator[World]:
    before = threads()
    world = make()
    yield world
    world.close()
    try:
        wait_until(lambda: threads() <= before, "no thread is left")
    except AssertionError as late:
        raise AssertionError(f"left are {sorted(thread.name for thread in threads() - before)}") from late
