"""A restored etcd: loud, readable, and closed for writes until somebody accepts it; then above all that was before."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from etcdmeta import MetaStore, errors
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.replica.listing import listing
from etcdmeta.store import FollowerState
from etcdmeta.store.listeners import Publication


@pytest.fixture
def cluster() -> LocalCluster:
    return LocalCluster()


@pytest.fixture
def store(cluster: LocalCluster) -> Iterator[MetaStore]:
    with MetaStore(LocalStrategy(cluster), cluster="prod") as opened:
        opened.wait_live(10)
        opened.add_node("a:1")
        opened.create_database("kept")
        yield opened


def restored(cluster: LocalCluster, store: MetaStore) -> None:
    """Back to before three databases were made."""
    backup = cluster.save()
    for number in range(3):
        store.create_database(f"lost{number}")
    cluster.restore(backup)
    store.wait_for(lambda snapshot: snapshot.find_database("lost0") is None, timeout=10)


def test_writes_are_refused_and_reads_show_the_new_world(cluster: LocalCluster, store: MetaStore) -> None:
    before = store.snapshot()
    restored(cluster, store)
    after = store.snapshot()
    assert before.position.epoch != after.position.epoch
    assert [database.name for database in after.databases()] == ["kept"]
    assert isinstance(store.freshness().problem, errors.ClusterRestored)
    with pytest.raises(errors.ClusterRestored, match="accept-restore"):
        store.create_database("more")
    assert store.snapshot().find_database("more") is None


def test_accepting_goes_on_above_all_that_was_before(cluster: LocalCluster, store: MetaStore) -> None:
    lost_generation, lost_id = 5, 4
    restored(cluster, store)
    outcome = store.accept_restore()
    assert outcome.generation is not None
    assert outcome.generation > lost_generation
    assert store.create_database("more").id > lost_id
    assert store.freshness().problem is None
    store.wait_for(lambda _: store.freshness().state is FollowerState.LIVE, timeout=10)


def test_a_store_that_saw_nothing_of_the_lost_part_is_told(cluster: LocalCluster, store: MetaStore) -> None:
    restored(cluster, store)
    with MetaStore(LocalStrategy(cluster), cluster="prod") as late:
        late.wait_live(10)
        outcome = late.accept_restore(id_margin=1000, generation=700)
        assert outcome.generation == 701
        assert late.create_database("more").id > 1000
    # The one that had seen the lost part learns of the acceptance by the guard's new epoch, and writes again.
    store.wait_for(lambda snapshot: snapshot.find_database("more") is not None, timeout=10)
    store.create_database("again")


def test_a_revision_of_the_lost_part_is_no_longer_there_when_the_new_world_is_seen(
    cluster: LocalCluster, store: MetaStore
) -> None:
    """Who sees the restored picture and writes waits for a revision that the lost part had, too."""
    waiters = store._driver.waiters
    before, new = threading.Lock(), threading.Lock()
    seen: list[bool] = []

    def while_publishing(publication: Publication) -> None:
        if publication.snapshot.restores:
            assert store.snapshot() is publication.snapshot
            revision = publication.snapshot.revision + 1
            seen.append(waiters.wait(revision, deadline=0.0))
            new.acquire()
            waiters.release_at(revision, new)

    end = store.tap(while_publishing)
    before.acquire()
    waiters.release_at(1_000_000, before)
    restored(cluster, store)
    end()
    assert seen == [False]
    assert before.acquire(timeout=10), "who waited in the old world is woken to look again"
    assert new.locked(), "who waits in the new one waits for its own revision"
    store.accept_restore()
    assert new.acquire(timeout=10)


def test_the_first_epoch_ends_no_waiting() -> None:
    """Of several that begin a cluster at once, the second may hear of its commit before its picture shows the first."""
    with MetaStore(LocalStrategy(), cluster="prod") as store:
        store.wait_live(10)
        due = threading.Lock()
        due.acquire()
        store._driver.waiters.release_at(store.snapshot().revision + 20, due)
        store.init_cluster()
        assert due.locked()
        for number in range(20):
            store.create_database(f"db{number}")
        assert due.acquire(timeout=10)


def test_another_writer_of_the_old_world_is_stopped_by_the_guard(cluster: LocalCluster, store: MetaStore) -> None:
    restored(cluster, store)
    plan = store.plan(store.acceptance())
    assert {write.key for write in plan.writes if hasattr(write, "key")} >= {b"state/cluster", b"ids/database"}
    before = store.snapshot().cluster
    store.accept_restore()
    after = store.snapshot().cluster
    assert before is not None
    assert after is not None
    assert before.epoch != after.epoch
    assert before.cluster_id == after.cluster_id


def test_read_only_refuses_everybody_and_writes_nothing(cluster: LocalCluster, store: MetaStore) -> None:
    store.set_read_only(True)
    with MetaStore(LocalStrategy(cluster), cluster="prod") as other:
        other.wait_live(10)
        seen = listing(other.snapshot())
        with pytest.raises(errors.ReadOnly):
            other.create_database("more")
        assert listing(other.read_consistent()) == seen
        assert not store.set_read_only(True).changed
        store.set_read_only(False)
        other.wait_for(lambda snapshot: snapshot.cluster is not None and not snapshot.cluster.read_only, timeout=10)
        other.create_database("more")
