"""A `MetaStore` in the test's own process: no etcd, the same words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from etcdmeta.consensus.local import LocalStrategy
from etcdmeta.store import MetaStore, SystemClock

DEADLINE = 30.0
"""Seconds: the default of each call, so that a test on a busy machine fails for what it tests, and not for time."""


@contextmanager
def local_store(
    strategy: LocalStrategy | None = None,
    *,
    cluster: str = "default",
    timeout: float = DEADLINE,
    actor: str = "test",
    max_age: float | None = None,
    clock: SystemClock | None = None,
    init: bool = True,
) -> Iterator[MetaStore]:
    """A store over metadata in memory, followed and current; closed with the block.

    ``strategy`` is its connection: give one to share a cluster among stores, or to break something (see
    `etcdmeta.testing`). Without one the cluster is new, and the block's own. ``init``: make the cluster, so that
    commands can follow at once; False leaves the place empty, as before ``etcdmeta cluster init``. The rest are
    `MetaStore`'s own.
    """
    link = strategy or LocalStrategy()
    with MetaStore(link, cluster=cluster, timeout=timeout, actor=actor, max_age=max_age, clock=clock) as store:
        store.wait_live()
        if init:
            store.init_cluster()
        yield store
