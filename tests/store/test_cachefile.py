"""Danger 15: starting while etcd is away. The file is a start, not a truth."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from etcdmeta import MetaStore, errors
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.replica.listing import listing
from etcdmeta.store import FollowerState
from etcdmeta.store.cachefile import load, save


def opened(cluster: LocalCluster, path: Path, *, away: bool = False) -> MetaStore:
    strategy = LocalStrategy(cluster)
    if away:
        strategy.disconnect()
    return MetaStore(strategy, cluster="prod", cache_file=path)


@pytest.fixture
def cluster() -> LocalCluster:
    return LocalCluster()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picture.cache"


@pytest.fixture
def kept(cluster: LocalCluster, path: Path) -> list[tuple[bytes, bytes, int, int]]:
    """What stands in the file: the picture of a store that was closed."""
    with opened(cluster, path) as store:
        store.wait_live(10)
        for number in range(3):
            store.add_node(f"n{number}:1")
        store.create_database("metrics", duration="30d", replicas=2)
        store.create_shard_group("metrics", "", at=1_795_000_000_000_000_000)
        return listing(store.snapshot())


def test_it_serves_while_etcd_is_away_and_says_how_old_it_is(
    cluster: LocalCluster, path: Path, kept: list[tuple[bytes, bytes, int, int]]
) -> None:
    with opened(cluster, path, away=True) as store:
        store.wait_usable(0.2)
        assert listing(store.snapshot()) == kept
        assert store.snapshot().policy("metrics").group_at(1_795_000_000_000_000_000) is not None
        fresh = store.freshness()
        assert fresh.state is FollowerState.STALE
        assert 0 < fresh.age < 60
        with pytest.raises(errors.Unavailable):
            store.create_database("more")


def test_it_goes_on_from_the_file_when_etcd_is_there(
    cluster: LocalCluster, path: Path, kept: list[tuple[bytes, bytes, int, int]]
) -> None:
    with MetaStore(LocalStrategy(cluster), cluster="prod") as other:
        other.wait_live(10)
        other.create_database("meanwhile")
    with opened(cluster, path) as store:
        since = store.snapshot()
        store.wait_live(10)
        assert store.read_consistent().find_database("meanwhile") is not None
        names = [change.where for change in store.changes(since=since, timeout=0) if change.kind == "database"]
        assert names == ["meanwhile"]


def test_another_world_than_the_file_s_is_noticed(
    cluster: LocalCluster, path: Path, kept: list[tuple[bytes, bytes, int, int]]
) -> None:
    with MetaStore(LocalStrategy(cluster), cluster="prod") as other:
        other.wait_live(10)
        backup = cluster.save()
    with opened(cluster, path) as store:
        store.wait_live(10)
        store.create_database("lost")
    cluster.restore(backup)
    with opened(cluster, path) as store:
        store.wait_for(lambda snapshot: snapshot.restores, timeout=10)
        assert isinstance(store.freshness().problem, errors.ClusterRestored)
    # What is in doubt is not kept: the next start notices it, too.
    with opened(cluster, path) as store:
        store.wait_for(lambda snapshot: snapshot.restores, timeout=10)


def test_the_file_is_private(path: Path, kept: list[tuple[bytes, bytes, int, int]]) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("at", [0, 1, 40, 200, -1])
def test_a_damaged_file_is_no_reason_not_to_start(
    cluster: LocalCluster, path: Path, kept: list[tuple[bytes, bytes, int, int]], at: int
) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= 0xFF
    path.write_bytes(damaged)
    assert load(path, "prod") is None
    with opened(cluster, path) as store:
        store.wait_live(10)
        assert listing(store.snapshot()) == kept


def test_another_cluster_s_file_is_refused(path: Path, kept: list[tuple[bytes, bytes, int, int]]) -> None:
    with pytest.raises(errors.ConfigurationInvalid, match="'prod'"):
        load(path, "other")


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    cluster: LocalCluster, path: Path, kept: list[tuple[bytes, bytes, int, int]]
) -> None:
    cached = load(path, "prod")
    assert cached is not None
    with pytest.raises(OSError, match="No such file"):
        save(path.parent / "nowhere" / "file", "prod", cached.snapshot, age=0.0)
    again = load(path, "prod")
    assert again is not None
    assert listing(again.snapshot) == kept
