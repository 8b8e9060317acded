"""An import is all there or not at all, wherever it is interrupted; run again it goes on, and it can be taken back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from etcdmeta.commands.database import CreateDatabase
from etcdmeta.commands.importing.loading import LoadImport
from etcdmeta.commands.importing.shipment import Shipment
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.errors import ImportConflict, ImportNotFound, InvalidInput, NodeNotFound
from etcdmeta.model.imports import ImportState
from etcdmeta.store import MetaStore
from etcdmeta.store.importing import ImportProgress, Intake, preview_import, run_import, take_back
from etcdmeta.testing import local_store
from tests.importing.interrupted import Dying, How, Killed, records
from tests.importing.sources import RICH, intake, intake_of, now, seen, small


@pytest.fixture(scope="module")
def whole() -> dict[str, object]:
    """What the rich file comes to without any trouble."""
    with local_store(init=False) as store:
        run_import(store, intake_of(RICH), now=now())
        return seen(store)


def test_what_fits_is_one_transaction_and_one_generation() -> None:
    with local_store() as store:
        before = store.snapshot().generation
        changes = []
        record = run_import(store, intake(small()), now=now(), report=changes.append)
        assert record.state == ImportState.DONE
        assert store.snapshot().generation == before + 1
        assert len(store.snapshot().databases()) == 1
        assert [change.done for change in changes] == [changes[-1].total]
        assert store.verify_password("user0", "x") is False  # the hash is there, and is of no password


def test_what_is_larger_shows_in_one_generation() -> None:
    with local_store(init=False) as store:
        pictures: list[tuple[int, int, int, int]] = []

        def look(_: ImportProgress) -> None:
            snapshot = store.snapshot()
            groups = len([*snapshot.groups()])
            pictures.append((len(snapshot.databases()), len(snapshot.users()), len(snapshot.nodes()), groups))

        record = run_import(store, intake_of(RICH), now=now(), report=look)
        assert record.records == 461
        assert set(pictures[:-1]) == {(0, 0, 0, 0)}
        assert pictures[-1][:3] == (11, 7, 5)
        assert len(pictures) == 7  # two pages of the frame, four of groups, and the roots


def test_progress_counts_each_record_once() -> None:
    with local_store(init=False) as store:
        told: list[ImportProgress] = []
        record = run_import(store, intake_of(RICH), now=now(), report=told.append)
        assert [t.done for t in told] == sorted(t.done for t in told)
        roots = record.databases + record.users + len(record.new_nodes)
        assert told[-1].done == told[-1].total == record.records + roots


@pytest.mark.parametrize("how", How)
def test_interrupted_anywhere_the_same_command_goes_on(how: How, whole: dict[str, object]) -> None:
    """Kills at each transaction in turn; ids are reserved anew only where none of it had begun."""
    at = 0
    while True:
        cluster = LocalCluster()
        dying = Dying(cluster, at, how)
        _import_and_die(dying)
        with local_store(LocalStrategy(cluster), init=False) as store:
            half = seen(store)
            assert half["databases"] == {} or half == whole, f"at transaction {at}"
            record = run_import(store, intake_of(RICH), now=now())
            assert record.state == ImportState.DONE
            assert seen(store) == whole
            assert not store.snapshot().unreadable
            assert len([key for key in records(cluster) if key.startswith(b"state/import/")]) == 1
        if dying.count <= at:
            break
        at += 1
    assert at > 7


@pytest.mark.parametrize("at", range(2, 9))
def test_interrupted_anywhere_it_can_be_taken_back(at: int) -> None:
    cluster = LocalCluster()
    _import_and_die(Dying(cluster, at, How.AFTER))
    with local_store(LocalStrategy(cluster), init=False) as store:
        under_way = store.snapshot().import_under_way()
        if under_way is None:
            assert at < 3 or store.snapshot().imports()  # before it began, or when it was done
            return
        record, notices = take_back(store, "a try")
        assert record.state == ImportState.ABORTED
        assert notices == ()
        left = {key for key in records(cluster) if not key.startswith((b"ids/", b"state/import/", b"state/cluster"))}
        assert left == set()
        # Nobody saw the ids that it kept: they are kept again.
        again = run_import(store, intake_of(RICH), now=now())
        assert (again.id, again.first_group, again.first_shard) == (2, 0, 0)


def test_roots_that_show_in_two_generations_are_taken_back_too() -> None:
    cluster = LocalCluster()
    many = intake(small(databases=60, groups=1, users=0, nodes=("n1:1", "n2:1", "n3:1")))
    with local_store(LocalStrategy(cluster), init=False) as store:
        steps = preview_import(store, many, now=now()).steps
    # One reservation of ids, the begin, and all pages but the last.
    _import_and_die(Dying(cluster, steps - 1, How.AFTER), many)
    with local_store(LocalStrategy(cluster), init=False) as store:
        snapshot = store.snapshot()
        under_way = snapshot.import_under_way()
        assert under_way is not None
        assert under_way.state == ImportState.PUBLISHING
        assert 0 < len(snapshot.databases()) < 60
        store.create_database("other", replicas=2)
        owners = store.create_shard_group("other", "autogen", 0).shards[0].owners
        record, notices = take_back(store)
        assert record.state == ImportState.ABORTED
        assert record.shown
        assert any("was visible, and is gone" in notice for notice in notices)
        after = store.snapshot()
        assert [database.name for database in after.databases()] == ["other"]
        # Two of its nodes own a shard of somebody else by now.
        assert {node.id for node in after.nodes()} == {owner.node_id for owner in owners}
        assert len(after.nodes(include_removed=True)) == 3
        # Ids that were seen are not given out again.
        again = run_import(store, many, now=now())
        assert again.first_group > 0
        assert len(store.snapshot().databases()) == 61


def test_two_imports_exclude_each_other() -> None:
    cluster = LocalCluster()
    _import_and_die(Dying(cluster, 5, How.AFTER))
    with local_store(LocalStrategy(cluster), init=False) as store:
        for attempt in (preview_import, run_import):
            with pytest.raises(ImportConflict, match="one import at a time") as caught:
                attempt(store, intake(small()), now=now())
            assert "--abort" in str(caught.value.remedy)
        assert run_import(store, intake_of(RICH), now=now()).state == ImportState.DONE
        run_import(store, intake(small()), now=now())


def test_the_same_import_by_two_at_once_is_done_once(whole: dict[str, object]) -> None:
    cluster = LocalCluster()
    barrier = threading.Barrier(2, timeout=20)

    def one(_: int) -> object:
        with local_store(LocalStrategy(cluster), init=False) as store:
            barrier.wait()
            return run_import(store, intake_of(RICH), now=now()).state

    with ThreadPoolExecutor(2) as threads:
        ended = [*threads.map(one, range(2))]
    assert ended == [ImportState.DONE, ImportState.DONE]
    with local_store(LocalStrategy(cluster), init=False) as store:
        assert seen(store) == whole
        assert [record.state for record in store.snapshot().imports()] == [ImportState.DONE]


def test_a_page_that_comes_late_changes_nothing() -> None:
    cluster = LocalCluster()
    with local_store(LocalStrategy(cluster), init=False) as store:
        source = intake_of(RICH)
        record = run_import(store, source, now=now())
        before = records(cluster)
        page = next(Shipment(source.make(0), record).groups_of_all())
        late = LoadImport(import_id=record.id, records=page.records)
        assert not store.execute(late).changed
        assert records(cluster) == before
        store.drop_database("telegraf")  # of which that page was
        with pytest.raises(ImportConflict, match="loads no more"):
            store.execute(late)


def test_imported_again_nothing_changes_until_something_of_it_is_gone() -> None:
    with local_store(init=False) as store:
        record = run_import(store, intake_of(RICH), now=now())
        generation = store.snapshot().generation
        assert run_import(store, intake_of(RICH), now=now()).id == record.id
        assert store.snapshot().generation == generation
        for database in store.snapshot().databases():
            store.drop_database(database.name)
        for user in store.snapshot().users():
            store.drop_user(user.name)
        assert run_import(store, intake_of(RICH), now=now()).id == record.id + 1


def test_names_taken_meanwhile_are_told_and_nothing_shows() -> None:
    cluster = LocalCluster()
    _import_and_die(Dying(cluster, 6, How.AFTER))
    with local_store(LocalStrategy(cluster), init=False) as store:
        store.execute(CreateDatabase(name="a.b.c"))
        with pytest.raises(ImportConflict, match=r"database 'a\.b\.c' was made by somebody else"):
            run_import(store, intake_of(RICH), now=now())
        assert [d.name for d in store.snapshot().databases()] == ["a.b.c"]
        store.drop_database("a.b.c")
        assert run_import(store, intake_of(RICH), now=now()).state == ImportState.DONE


def test_what_is_there_is_in_the_way_and_all_of_it_is_named() -> None:
    with local_store() as store:
        store.create_database("db0")
        store.create_user("user0", "secret")
        before = store.snapshot().generation
        with pytest.raises(ImportConflict) as caught:
            run_import(store, intake(small()), now=now())
        assert caught.value.value == ("database 'db0' is there already", "user 'user0' is there already")
        preview = preview_import(store, intake(small()), now=now())
        assert preview.findings.conflicts == caught.value.value
        assert store.snapshot().generation == before


def test_a_node_that_is_removed_meanwhile_is_told() -> None:
    cluster = LocalCluster()
    with local_store(LocalStrategy(cluster)) as store:
        store.add_node("mine:1")
        store.add_node("mine:2")
        source = intake_of(RICH, nodes={1: 1})
    _import_and_die(Dying(cluster, 7, How.AFTER), source)
    with local_store(LocalStrategy(cluster)) as store:
        assert store.snapshot().import_under_way() is not None
        store.remove_node(1)
        with pytest.raises(ImportConflict, match="node 1, which stands for one of the source, was removed"):
            run_import(store, source, now=now())
        assert not store.snapshot().databases()
        take_back(store)


def test_a_preview_writes_nothing() -> None:
    cluster = LocalCluster()
    with local_store(LocalStrategy(cluster), init=False) as store:
        preview = preview_import(store, intake_of(RICH), now=now())
        assert (preview.steps, preview.resumes) == (8, False)
        assert records(cluster) == {}


def test_a_page_may_hold_nothing_but_the_import_s_own() -> None:
    cluster = LocalCluster()
    _import_and_die(Dying(cluster, 3, How.AFTER))
    with local_store(LocalStrategy(cluster), init=False) as store:
        store.execute(CreateDatabase(name="mine"))
        mine = store.snapshot().database("mine").id
        for key in (b"state/cluster", b"state/db/%016x/rp/%016x/info" % (mine, 1), b"ids/node", b"import/%016x/x" % 9):
            with pytest.raises(InvalidInput, match="not for import 1 to write"):
                store.execute(LoadImport(import_id=1, records=((key, b""),)))
        with pytest.raises(InvalidInput, match="records cannot be that"):
            store.execute(LoadImport(import_id=1, records=b"\xff"))
        pages = [((b"a", b"bc"),), ((b"ab", b"c"),), ((b"", b"abc"),), ((b"a", b""), (b"b", b"c")), ()]
        prints = {LoadImport(import_id=number, records=page).fingerprint() for page in pages for number in (1, 2)}
        assert len(prints) == 2 * len(pages)
        with pytest.raises(ImportNotFound):
            store.execute(LoadImport(import_id=9, records=()))


def test_nothing_is_under_way_to_be_taken_back() -> None:
    with local_store() as store:
        with pytest.raises(ImportConflict, match="no import is under way"):
            take_back(store)
        with pytest.raises(NodeNotFound):
            run_import(store, intake(small(), nodes={1: 99}), now=now())


def _import_and_die(dying: Dying, source: Intake | None = None) -> None:
    with MetaStore(dying, timeout=20) as store:
        store.wait_live()
        with suppress(Killed):
            run_import(store, source or intake_of(RICH), now=now())
