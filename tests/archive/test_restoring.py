"""A backup restored: exactly, all or nothing, whatever happens in between."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.errors import Fenced, NotFound, PrefixNotEmpty, Refused
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.store import MetaStore
from etcdmeta.store.backups import compare, write_backup
from etcdmeta.store.restoring import abort_restore, hold, look_for_restore, restore_backup, running
from etcdmeta.testing import local_store
from tests.archive.worlds import NOW, all_keys, fill, lists, records_of
from tests.importing.interrupted import Dying, How, Killed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etcdmeta.records.transaction import Transaction, TxnResult

HERE = Keyspace("restored")
MADE_ANEW = {keys.CLUSTER, keys.GENERATION}


@pytest.fixture(scope="module")
def source() -> Iterator[MetaStore]:
    with local_store() as store:
        fill(store)
        yield store


@pytest.fixture(scope="module")
def backup(source: MetaStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backups") / "b"
    write_backup(source, path, now=NOW)
    return path


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps for little."""
    monkeypatch.setattr(running, "STEP_RECORDS", 20)
    monkeypatch.setattr(hold, "_LOOK_AGAIN", 0.0)


class Crashing(Dying):
    """Dies without a word, as by kill -9: its lease stays for its time."""

    def revoke_lease(self, lease: int, *, deadline: float) -> None:
        if self.count <= self._at:
            super().revoke_lease(lease, deadline=deadline)


def restore(strategy: LocalStrategy, path: Path, patience: float = 5.0) -> running.Restored:
    return restore_backup(strategy, HERE, path, actor="test", now=NOW, patience=patience)


def open_restored(cluster: LocalCluster) -> MetaStore:
    store = MetaStore(LocalStrategy(cluster), cluster=HERE.cluster, timeout=30)
    try:
        store.wait_live()
    except BaseException:
        store.close()
        raise
    return store


def is_whole(cluster: LocalCluster, source: MetaStore, done: running.Restored) -> None:
    """Every key, every list in its order, counters and generation."""
    with open_restored(cluster) as store:
        old = {key: value for key, value in records_of(source).items() if not key.startswith(b"state/progress/")}
        new = records_of(store)
        added = {keys.ledger(done.operation_id)}
        assert new.keys() == old.keys() | added
        assert {key: value for key, value in new.items() if key not in MADE_ANEW | added} == {
            key: value for key, value in old.items() if key not in MADE_ANEW
        }
        before, after = source.snapshot(), store.snapshot()
        assert before.cluster is not None
        assert after.cluster is not None
        assert after.cluster.cluster_id == before.cluster.cluster_id
        assert after.cluster.epoch != before.cluster.epoch
        assert after.generation == before.generation + 1 == done.generation
        assert lists(after) == lists(before)
        told = [(entry.operation_id, entry.summary) for entry in source.history(limit=None)]
        *history, last = store.history(limit=None)
        assert [(entry.operation_id, entry.summary) for entry in history] == told
        assert (last.command, last.generation) == ("restore backup", done.generation)
        assert store.verify_password("zoe", "password of zoe")
        store.create_database("after")  # ids go on
        assert store.snapshot().database("after").id > max(view.id for view in before.databases())


def test_the_same_in_an_empty_place(source: MetaStore, backup: Path) -> None:
    cluster = LocalCluster()
    done = restore(LocalStrategy(cluster), backup)
    with open_restored(cluster) as store:
        assert compare(store, backup).is_none
        store.drop_database("with space")
        difference = compare(store, backup)
        assert difference.missing >= 3
        assert (difference.changed, difference.added) == (0, 0)
    again = LocalCluster()
    is_whole(again, source, restore(LocalStrategy(again), backup))
    assert done.resumed_from == 0


@pytest.mark.parametrize("how", How)
@pytest.mark.usefixtures("small_steps")
def test_interrupted_at_each_step_it_goes_on(how: How, source: MetaStore, backup: Path) -> None:
    for at in itertools.count():
        cluster = LocalCluster()
        dying = Crashing(cluster, at, how)
        if how is How.LOST:
            is_whole(cluster, source, restore(dying, backup))
            if dying.count <= at:
                break
            continue
        try:
            restore(dying, backup)
            break
        except Killed:
            pass
        if keys.CLUSTER in all_keys(LocalStrategy(cluster), HERE):
            continue  # it was the last one
        if any(key.startswith(keys.STATE) for key in all_keys(LocalStrategy(cluster), HERE)):
            with pytest.raises(PrefixNotEmpty, match="a backup is being restored"):
                open_restored(cluster)
        cluster.advance(hold.LEASE_SECONDS)  # as the killed process's lease
        is_whole(cluster, source, restore(LocalStrategy(cluster), backup))
    assert at > 5


@pytest.mark.usefixtures("small_steps")
def test_interrupted_at_each_step_it_can_be_taken_back(backup: Path) -> None:
    for at in itertools.count():
        cluster = LocalCluster()
        try:
            restore(Crashing(cluster, at, How.AFTER), backup)
            break
        except Killed:
            pass
        strategy = LocalStrategy(cluster)
        if keys.CLUSTER in all_keys(strategy, HERE):
            with pytest.raises(NotFound, match="no restore is under way"):
                abort_restore(strategy, HERE)
            break
        cluster.advance(hold.LEASE_SECONDS)
        assert look_for_restore(strategy, HERE, float("inf")).done > 0 or at == 0
        strategy.lose_answer()
        abort_restore(strategy, HERE)
        assert all_keys(strategy, HERE) == {}
        with open_restored(cluster) as store:
            store.init_cluster()
    assert at > 5


@pytest.mark.usefixtures("small_steps")
def test_a_follower_shows_nothing_before_all_is_there(source: MetaStore, backup: Path) -> None:
    cluster = LocalCluster()
    with MetaStore(LocalStrategy(cluster), cluster=HERE.cluster, timeout=30) as watcher:
        watcher.wait_live()
        seen = []
        watcher.tap(lambda publication: seen.append(publication.snapshot))

        class Watching(LocalStrategy):
            def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
                assert watcher.latest().cluster is None
                assert not watcher.latest().tables.databases
                return super().transact(txn, deadline=deadline)

        done = restore(Watching(cluster), backup)
        whole = watcher.wait_for(lambda snapshot: snapshot.cluster is not None and snapshot)
        assert whole.generation == done.generation
        watcher.wait_live()
        assert watcher.freshness().problem is None
        odd = ("distrust", "foreign", "gaps", "alarms", "destroyed", "restores")
        assert not any(watcher.counters()[name] for name in odd)
        shown = [snapshot for snapshot in seen if snapshot.tables.databases or snapshot.tables.nodes]
        assert shown
        assert {snapshot.generation for snapshot in shown} == {done.generation}
        assert lists(shown[0]) == lists(source.snapshot())


@pytest.mark.usefixtures("small_steps")
def test_one_at_a_time(backup: Path, source: MetaStore, tmp_path: Path) -> None:
    cluster = LocalCluster()
    other = tmp_path / "other"
    write_backup(source, other, now=NOW + 1)
    with pytest.raises(Killed):
        restore(Crashing(cluster, 3, How.AFTER), backup)
    strategy = LocalStrategy(cluster)
    with pytest.raises(Refused, match="another restore is under way here, of"):
        restore(strategy, other)
    with pytest.raises(Refused, match="a process works on this restore"):
        abort_restore(strategy, HERE)
    cluster.advance(hold.LEASE_SECONDS)
    with pytest.raises(Refused, match="another restore is under way here, of"):
        restore(strategy, other)
    assert restore(strategy, backup).resumed_from > 40
    for path in (backup, other):
        with pytest.raises(PrefixNotEmpty):
            restore(strategy, path)


@pytest.mark.usefixtures("small_steps")
def test_who_lost_the_place_stops(backup: Path, source: MetaStore) -> None:
    """A process that stood still for longer than its lease, while another went on."""
    cluster = LocalCluster()

    class Sleepy(LocalStrategy):
        count = 0

        def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
            self.count += 1
            if self.count == 4:
                cluster.advance(hold.LEASE_SECONDS)
                with pytest.raises(Killed):
                    restore(Crashing(cluster, 2, How.AFTER), backup)
            return super().transact(txn, deadline=deadline)

    with pytest.raises(Fenced):
        restore(Sleepy(cluster), backup)
    cluster.advance(hold.LEASE_SECONDS)
    is_whole(cluster, source, restore(LocalStrategy(cluster), backup))


@pytest.mark.usefixtures("small_steps")
def test_a_lost_lease_is_taken_again_where_nobody_else_came(backup: Path, source: MetaStore) -> None:
    cluster = LocalCluster()

    class Pausing(LocalStrategy):
        count = 0

        def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
            self.count += 1
            if self.count in (3, 7):
                cluster.advance(hold.LEASE_SECONDS)
            elif self.count in (5, 9):  # 3 and 7 failed, 4 and 8 took the place again
                assert look_for_restore(LocalStrategy(cluster), HERE, float("inf")).running
            return super().transact(txn, deadline=deadline)

    is_whole(cluster, source, restore(Pausing(cluster), backup))


@pytest.mark.usefixtures("small_steps")
def test_a_step_that_lands_late_does_nothing(backup: Path, source: MetaStore) -> None:
    """Its answer is lost; it is sent again; and then the first sending arrives."""
    for at in range(1, 5):
        cluster = LocalCluster()
        strategy = LocalStrategy(cluster)
        held = LocalStrategy(cluster)

        class Late(LocalStrategy):
            count = 0

            def transact(self, txn: Transaction, *, deadline: float, held: LocalStrategy = held, at: int = at) -> TxnResult:  # noqa: E501
                self.count += 1
                if self.count == at + 1:
                    held.hold_request()
                    return held.transact(txn, deadline=deadline)
                if self.count == at + 3:
                    assert [result.succeeded for result in held.release()] == [False]
                return super().transact(txn, deadline=deadline)

        is_whole(cluster, source, restore(Late(cluster), backup))
        strategy.close()


def test_where_something_is_nothing_is_restored(backup: Path) -> None:
    for key in (b"lead/retention", b"state/zzz", b"ids/node"):
        cluster = LocalCluster()
        strategy = LocalStrategy(cluster)
        from etcdmeta.records.transaction import Put, Transaction

        strategy.transact(Transaction((), (Put(HERE.absolute(key), b"x"),)), deadline=float("inf"))
        with pytest.raises(PrefixNotEmpty):
            restore(strategy, backup)
        assert all_keys(strategy, HERE) == {key: b"x"}


def test_lists_keep_their_order_whatever_the_ids_are(tmp_path: Path) -> None:
    """Ids are reserved before they are used: what came later may have the lower one."""
    from etcdmeta.commands.database import CreateDatabase
    from etcdmeta.store.backups import lasting

    with local_store() as store:
        reserver = store._commits._ids  # type: ignore[attr-defined]
        first = reserver.reserve({"database": 1, "policy": 1}, deadline=time.monotonic() + 9)
        store.create_database("later id")
        for kind, ids in first.items():
            reserver._counters[kind].left[:0] = ids
        store.execute(CreateDatabase(name="earlier id"))
        assert [view.name for view in store.snapshot().databases()] == ["later id", "earlier id"]
        path = tmp_path / "b"
        write_backup(store, path, now=NOW)
        cluster = LocalCluster()
        restore(LocalStrategy(cluster), path)
        with open_restored(cluster) as restored:
            assert [view.name for view in restored.snapshot().databases()] == ["later id", "earlier id"]
            assert list(lasting(store.strategy, store.keyspace, 0))
