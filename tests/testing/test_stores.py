"""`local_store`: a store for users' own tests, and the ways to break what it stands on."""

from __future__ import annotations

import threading

import pytest

from etcdmeta import errors
from etcdmeta.store import FollowerState, MetaStore, SystemClock
from etcdmeta.testing import LocalCluster, LocalStrategy, local_store

SECONDS = 20.0


def test_it_is_a_store_with_its_cluster_made() -> None:
    before = set(threading.enumerate())
    with local_store() as store:
        assert isinstance(store, MetaStore)
        assert store.snapshot().cluster is not None
        assert store.snapshot().nodes() == ()
        store.create_database("metrics", duration="30d")
        assert [d.name for d in store.snapshot().databases()] == ["metrics"]
        assert store.history()[-1].actor == "test"
    assert set(threading.enumerate()) <= before, "no thread is left"
    with pytest.raises(errors.StoreClosed):
        store.snapshot()


def test_each_is_a_world_of_its_own() -> None:
    with local_store() as one, local_store() as other:
        one.create_database("metrics")
        assert other.read_consistent().databases() == ()


def test_several_share_one_cluster_where_they_are_given_it() -> None:
    etcd = LocalCluster()
    with local_store(LocalStrategy(etcd)) as one, local_store(LocalStrategy(etcd)) as other:
        one.create_database("metrics")
        assert other.read_consistent().database("metrics").id == one.snapshot().database("metrics").id
    with local_store(LocalStrategy(etcd), cluster="elsewhere") as third:
        assert third.snapshot().databases() == ()


def test_before_the_cluster_is_made() -> None:
    with local_store(init=False) as store:
        assert store.snapshot().cluster is None
        with pytest.raises(errors.NotInitialised):
            store.create_database("metrics")


def test_a_lost_answer_is_settled() -> None:
    etcd = LocalCluster()
    link = LocalStrategy(etcd)
    with local_store(link) as store, local_store(LocalStrategy(etcd)) as other:
        before = store.snapshot().generation
        link.lose_answer()
        store.create_database("answered by nobody")
        link.lose_request()
        store.create_database("asked for in vain, then again")
        assert store.snapshot().generation == before + 2, "each was done once"
        found = other.wait_for(lambda s: s if s.generation == before + 2 else None, timeout=SECONDS)
        assert len(found.databases()) == 2


def test_a_connection_that_breaks() -> None:
    link = LocalStrategy(LocalCluster())
    with local_store(link) as store:
        store.create_database("metrics")
        link.disconnect()
        with pytest.raises(errors.Unavailable):
            store.create_database("other")
        assert store.snapshot().database("metrics"), "reading goes on"
        link.reconnect()
        store.wait_live(SECONDS)
        store.create_database("other")
        assert store.freshness().state is FollowerState.LIVE


def test_a_clock_of_the_tests_own() -> None:
    class Stopped(SystemClock):
        def now(self) -> int:
            return 1_700_000_000 * 10**9

    with local_store(clock=Stopped()) as store:
        store.create_database("metrics")
        assert store.history()[-1].time == Stopped().now()
