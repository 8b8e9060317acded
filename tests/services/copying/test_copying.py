"""A node copies what the metadata wants of it: real files, from the start to the end, and all that comes between."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from etcdmeta.embedded import Cluster
from etcdmeta.errors import CopyCancelled, TooStale
from etcdmeta.model.entities import Liveness
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Delete, Put
from etcdmeta.services.copying import CopyJob
from etcdmeta.services.copying.dropping import Unowned
from etcdmeta.services.copying.reporting import Reporter
from etcdmeta.services.copying.wanted import copy_of
from etcdmeta.store import Fence, MetaStore, SystemClock
from etcdmeta.testing.transfers import DirectoryTransfer
from tests.services.copying.places import SECONDS, Gate, Place, fill, node
from tests.store.worlds import World, soon, wait_until


def test_a_shard_is_copied_and_served(world: World, tmp_path: Path) -> None:
    """On etcd, in this process, and through an agent."""
    place = Place(world.open(), tmp_path, shards=3)
    with node(place, 2):
        for shard_id in place.shards:
            place.store.begin_copy(shard_id, 1, 2)
        for shard_id in place.shards:
            place.wait_status(2, OwnerStatus.ACTIVE, shard_id)
            assert place.same(2, shard_id)
    assert not place.store.snapshot().tables.progress


def test_no_more_than_a_few_at_once(local: World, tmp_path: Path) -> None:
    place, gate = Place(local.open(), tmp_path, shards=5), Gate()
    for shard_id in place.shards:
        place.store.begin_copy(shard_id, 1, 2)
    with node(place, 2, DirectoryTransfer(place.root_of(2), place.root_of, gate), at_once=2):
        wait_until(lambda: len(gate.jobs) == 2, "two copies run")
        gate.open.set()
        for shard_id in place.shards:
            place.wait_status(2, OwnerStatus.ACTIVE, shard_id)
    assert [job.shard.id for job in gate.jobs] == place.shards  # what was begun first comes first


def test_how_far_it_is_is_seen(world: World, tmp_path: Path) -> None:
    """The first report is written at once."""
    place, gate = Place(world.open(), tmp_path), Gate()

    class Slow(DirectoryTransfer):
        async def copy(self, job: CopyJob) -> None:
            await job.report(1, 2)
            gate.reached.set()
            await asyncio.to_thread(gate.open.wait, SECONDS)

    with node(place, 2, Slow(place.root_of(2), place.root_of)):
        place.store.begin_copy(1, 1, 2)
        assert gate.reached.wait(SECONDS)
        progress = place.store.wait_for(lambda s: (p := s.progress(1, 2)) and p.bytes_done and p, SECONDS)
        gate.open.set()
        place.wait_status(2, OwnerStatus.ACTIVE)
    assert (progress.bytes_done, progress.bytes_total) == (1, 2)


def test_a_report_is_written_every_five_seconds_at_most(local: World, tmp_path: Path) -> None:
    place, seconds = Place(local.open(), tmp_path), [0.0]
    place.store.begin_copy(1, 1, 2)
    wanted = copy_of(place.store.snapshot(), 2, 1)
    assert wanted is not None
    reporter = Reporter(place.store, wanted, 2, SystemClock(), lambda: seconds[0])
    assert reporter.due
    reporter.write(10, 100)
    progress = place.store.wait_for(lambda s: (p := s.progress(1, 2)) and p.bytes_done and p, SECONDS)
    assert (progress.attempt, progress.bytes_done, progress.bytes_total) == (1, 10, 100)
    assert progress.bytes_per_second is None
    seconds[0] = 4.9
    assert not reporter.due
    seconds[0] = 5.0
    assert reporter.due
    generation = place.store.snapshot().generation
    reporter.write(60, 100)
    progress = place.store.wait_for(lambda s: (p := s.progress(1, 2)) and p.bytes_done == 60 and p, SECONDS)
    assert progress.bytes_per_second == 10
    assert place.store.read_consistent().generation == generation  # advisory
    place.store.cancel_copy(1, 2)
    with pytest.raises(CopyCancelled, match="attempt 1 to copy shard 1"):
        reporter.write(70, 100)
    place.store.begin_copy(1, 1, 2)  # another attempt, another record
    with pytest.raises(CopyCancelled):
        reporter.write(70, 100)
    assert place.store.snapshot().progress(1, 2).bytes_done is None  # type: ignore[union-attr]


def progress_key(world: World, node_id: int, shard_id: int = 1) -> bytes:
    group = world.open().snapshot().group_of_shard(shard_id)
    return world.keyspace.absolute(keys.progress(group.database_id, group.policy_id, shard_id, node_id))


def test_an_owner_without_a_progress_record_is_copied(world: World, tmp_path: Path) -> None:
    """The owner alone says what is wanted; what is missing is put anew, for those who count copies by it."""
    place, gate = Place(world.open(), tmp_path), Gate()
    place.store.begin_copy(1, 1, 2)
    world.commit(Delete(progress_key(world, 2)))
    place.store.wait_for(lambda snapshot: not snapshot.tables.progress, SECONDS)
    with node(place, 2, DirectoryTransfer(place.root_of(2), place.root_of, gate)):
        assert gate.reached.wait(SECONDS)
        place.store.wait_for(lambda snapshot: snapshot.progress(1, 2), SECONDS)
        gate.open.set()
        place.wait_status(2, OwnerStatus.ACTIVE)
    assert place.same(2)
    assert not place.store.snapshot().tables.progress
    assert place.store.snapshot().shard(1).last_attempt == 1


def test_a_record_that_goes_in_the_middle_is_put_anew_only_while_the_owner_copies(world: World, tmp_path: Path) -> None:
    place = Place(world.open(), tmp_path, nodes=2)
    place.store.begin_copy(1, 1, 2)
    place.store.wait_for(lambda snapshot: snapshot.progress(1, 2), SECONDS)
    wanted = copy_of(place.store.snapshot(), 2, 1)
    assert wanted is not None
    reporter = Reporter(place.store, wanted, 2, SystemClock(), lambda: 0.0)
    for done in (1, 2):
        world.commit(Delete(progress_key(world, 2)))
        reporter.write(done, 100)
        place.store.wait_for(lambda s, n=done: (p := s.progress(1, 2)) and p.bytes_done == n, SECONDS)  # type: ignore[misc]
    world.commit(Delete(progress_key(world, 2)))
    place.store.cancel_copy(1, 2)
    with pytest.raises(CopyCancelled):
        reporter.write(3, 100)
    place.store.wait_for(lambda snapshot: not snapshot.tables.progress, SECONDS)
    assert not world.raw.read(progress_key(world, 2), deadline=soon()).kvs


def test_a_cancel_in_that_very_moment_leaves_no_record(
    local: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was looked at, and is cancelled before the fresh record is put."""
    place, other = Place(local.open(), tmp_path, nodes=2), local.open()
    place.store.begin_copy(1, 1, 2)
    local.commit(Delete(progress_key(local, 2)))
    place.store.wait_for(lambda snapshot: not snapshot.tables.progress, SECONDS)
    wanted = copy_of(place.store.snapshot(), 2, 1)
    assert wanted is not None
    transact = place.store.strategy.transact

    def late(txn: Any, *, deadline: float) -> Any:
        monkeypatch.undo()
        other.cancel_copy(1, 2)
        return transact(txn, deadline=deadline)

    monkeypatch.setattr(place.store.strategy, "transact", late)
    with pytest.raises(CopyCancelled):
        Reporter(place.store, wanted, 2, SystemClock(), lambda: 0.0).write(1, 2)
    assert not local.raw.read(progress_key(local, 2), deadline=soon()).kvs


def test_many_reports_at_once_are_one_write(local: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often, from however many of its tasks, and carried anew after its process gave it up once."""
    place, written = Place(local.open(), tmp_path, nodes=2), []
    write = Reporter.write
    monkeypatch.setattr(Reporter, "write", lambda self, *told: written.append(told) or write(self, *told))

    class Eager(DirectoryTransfer):
        async def copy(self, job: CopyJob) -> None:
            await asyncio.gather(*(job.report(n, 100) for n in range(100)))
            await super().copy(job)

    with node(place, 2, Eager(place.root_of(2), place.root_of), monotonic=lambda: 7.0):
        place.store.begin_copy(1, 1, 2)
        place.wait_status(2, OwnerStatus.ACTIVE)
    assert written == [(0, 100)]


@pytest.mark.parametrize("how", [asyncio.CancelledError(), CopyCancelled("so it says")], ids=["task", "copy"])
def test_what_cancels_itself_has_failed(local: World, tmp_path: Path, how: BaseException) -> None:
    """Nobody asked for it; begun again at once, it would do it again and again."""

    class Quits(DirectoryTransfer):
        async def copy(self, job: CopyJob) -> None:
            raise how

    place = Place(local.open(), tmp_path)
    with node(place, 2, Quits(place.root_of(2), place.root_of)):
        place.store.begin_copy(1, 1, 2)
        owner = place.wait_status(2, OwnerStatus.FAILED)
    assert owner is not None
    assert "Cancelled" in owner.reason


def test_what_a_node_commits_compares_its_liveness(local: World, tmp_path: Path) -> None:
    place, fences = Place(local.open(), tmp_path), [None]
    asked = threading.Semaphore(0)

    def fence() -> Fence | None:
        asked.release()
        return fences[0]

    with node(place, 2, fence=fence):
        place.store.begin_copy(1, 1, 2)
        for _ in range(3):
            assert asked.acquire(timeout=SECONDS)  # it has copied, and is not live: it waits
        local.commit(Put(keys.live(2), encode(Liveness(node_id=2, instance=1, since=1))))
        row = place.store.wait_for(lambda snapshot: snapshot.tables.liveness.get(2), SECONDS)
        assert place.owner(place.store.snapshot(), 2).status == OwnerStatus.COPYING  # type: ignore[union-attr]
        fences[0] = Fence(keys.live(2), row[2] - 1, "an earlier life")  # type: ignore[call-overload]
        for _ in range(3):
            assert asked.acquire(timeout=SECONDS)
        assert place.owner(place.store.snapshot(), 2).status == OwnerStatus.COPYING  # type: ignore[union-attr]
        fences[0] = Fence(keys.live(2), row[2], "its liveness")  # type: ignore[call-overload]
        place.wait_status(2, OwnerStatus.ACTIVE)


def test_what_fails_says_why(local: World, tmp_path: Path) -> None:
    class Broken(DirectoryTransfer):
        async def copy(self, job: CopyJob) -> None:
            raise OSError("disk\nfull " + 3000 * "x")

    place = Place(local.open(), tmp_path)
    with node(place, 2, Broken(place.root_of(2), place.root_of)):
        place.store.begin_copy(1, 1, 2)
        owner = place.wait_status(2, OwnerStatus.FAILED)
    assert owner is not None
    assert owner.reason.startswith("OSError: disk full xxx")
    with node(place, 2):  # and somebody has it begun anew
        place.store.begin_copy(1, 1, 2)
        owner = place.wait_status(2, OwnerStatus.ACTIVE)
    assert owner is not None
    assert owner.attempt == 2


@pytest.mark.parametrize("how", ["cancelled", "its group is deleted", "its database is dropped"])
def test_what_is_not_wanted_any_more_ends(local: World, tmp_path: Path, how: str) -> None:
    place, ended = Place(local.open(), tmp_path), threading.Event()
    begun = threading.Event()

    class Endless(DirectoryTransfer):
        async def copy(self, job: CopyJob) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    with node(place, 2, Endless(place.root_of(2), place.root_of)):
        place.store.begin_copy(1, 1, 2)
        assert begun.wait(SECONDS)
        if how == "cancelled":
            place.store.cancel_copy(1, 2)
        elif how == "its group is deleted":
            place.store.delete_shard_group(place.store.snapshot().group_of_shard(1).id)
        else:
            place.store.drop_database("d")
        assert ended.wait(SECONDS)


def test_a_late_finisher_changes_nothing(local: World, tmp_path: Path) -> None:
    """Its first attempt ends, without listening, when a second one is asked for; only the second one counts."""
    place, gate = Place(local.open(), tmp_path), Gate()
    attempts: list[int] = []

    class Deaf(DirectoryTransfer):
        async def copy(self, job: CopyJob) -> None:
            attempts.append(job.attempt)
            gate.reached.set()
            while not gate.open.is_set():
                try:
                    await asyncio.to_thread(gate.open.wait, SECONDS)
                except asyncio.CancelledError:
                    continue

    with node(place, 2, Deaf(place.root_of(2), place.root_of), at_once=1):
        place.store.begin_copy(1, 1, 2)
        assert gate.reached.wait(SECONDS)
        place.store.cancel_copy(1, 2)
        place.store.begin_copy(1, 1, 2)
        gate.open.set()
        owner = place.wait_status(2, OwnerStatus.ACTIVE)
    assert owner is not None
    assert owner.attempt == 2
    assert attempts == [1, 2]


def test_the_next_attempt_waits_for_the_end_of_the_one_before(local: World, tmp_path: Path) -> None:
    """One shard is in one pair of hands, though there is room for two copies."""
    place, gate = Place(local.open(), tmp_path, shards=2), Gate()
    running: list[int] = []
    most: list[int] = []

    class Slow(DirectoryTransfer):
        async def copy(self, job: CopyJob) -> None:
            if job.shard.id == 2:
                return await super().copy(job)
            running.append(job.attempt)
            most.append(len(running))
            gate.reached.set()
            try:
                await asyncio.sleep(SECONDS if job.attempt == 1 else 0)
            finally:
                await asyncio.to_thread(gate.open.wait, SECONDS)
                running.remove(job.attempt)

    with node(place, 2, Slow(place.root_of(2), place.root_of), at_once=2):
        place.store.begin_copy(1, 1, 2)
        assert gate.reached.wait(SECONDS)
        place.store.cancel_copy(1, 2)
        place.store.begin_copy(1, 1, 2)
        place.store.begin_copy(2, 1, 2)
        place.wait_status(2, OwnerStatus.ACTIVE, 2)  # the second attempt was looked at, too
        gate.open.set()
        place.wait_status(2, OwnerStatus.ACTIVE)
    assert most == [1, 1]


def test_a_node_that_is_drained_takes_nothing_more(local: World, tmp_path: Path) -> None:
    place, gate = Place(local.open(), tmp_path), Gate()
    with node(place, 2, DirectoryTransfer(place.root_of(2), place.root_of, gate)):
        place.store.begin_copy(1, 1, 2)
        assert gate.reached.wait(SECONDS)
        place.store.drain_node(2)
        place.wait_status(2, None)
        gate.open.set()


# --- a process that dies


def test_a_process_that_was_killed_goes_on_when_it_is_back(
    etcd_cluster: Cluster, etcd_prefix: str, etcd_store: MetaStore, tmp_path: Path
) -> None:
    place = Place(etcd_store, tmp_path)
    place.store.begin_copy(1, 1, 2)
    for kill in (True, False):
        words = [",".join(etcd_cluster.endpoints), etcd_prefix, "2", str(tmp_path), "wait" if kill else "go"]
        command = [sys.executable, "-m", "tests.services.copying.copier", *words]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "copying\n"
            if kill:
                process.send_signal(signal.SIGKILL)
                process.wait(SECONDS)
                assert (place.root_of(2) / ".1.coming").is_dir()
                owner = place.owner(place.store.read_consistent(), 2)
                assert owner is not None
                assert owner.status == OwnerStatus.COPYING
            else:
                finished = place.wait_status(2, OwnerStatus.ACTIVE)
                process.terminate()
    assert finished is not None
    assert finished.attempt == 1
    assert place.same(2)
    assert not (place.root_of(2) / ".1.coming").exists()


# --- dropping


def test_what_is_owned_no_more_goes_after_the_grace(local: World, tmp_path: Path) -> None:
    place, seconds = Place(local.open(), tmp_path, shards=2, replicas=2), [0.0]
    dropped: list[int] = []
    looked = threading.Semaphore(0)

    class Telling(DirectoryTransfer):
        async def shards(self) -> Collection[int]:
            looked.release()
            return await super().shards()

        async def drop(self, shard_id: int) -> None:
            await super().drop(shard_id)
            dropped.append(shard_id)

    place.store.begin_copy(1, 1, 3)
    place.store.finish_copy(1, 3, 1)
    transfer = Telling(place.root_of(2), place.root_of)
    with node(place, 2, transfer, grace=60.0, look_every=0.02, monotonic=lambda: seconds[0]):
        looked_again(looked)
        place.store.remove_owner(1, 2)
        looked_again(looked)
        seconds[0] = 59.9
        looked_again(looked)
        assert dropped == []
        seconds[0] = 120.0
        wait_until(lambda: dropped == [1], "it is dropped")
    assert not (place.root_of(2) / "1").exists()
    assert (place.root_of(2) / "2").is_dir()


def looked_again(looked: threading.Semaphore) -> None:
    for _ in range(3):
        assert looked.acquire(timeout=SECONDS)


def test_no_copy_begins_while_its_files_are_dropped(local: World, tmp_path: Path) -> None:
    place, gate = Place(local.open(), tmp_path), Gate()
    fill(place.root_of(2) / "1")
    order: list[str] = []

    class Slow(DirectoryTransfer):
        async def drop(self, shard_id: int) -> None:
            gate.reached.set()
            await asyncio.to_thread(gate.open.wait, SECONDS)
            await super().drop(shard_id)
            order.append("dropped")

        async def copy(self, job: CopyJob) -> None:
            order.append("copied")
            await super().copy(job)

    with node(place, 2, Slow(place.root_of(2), place.root_of), grace=0.0, look_every=0.02):
        assert gate.reached.wait(SECONDS)
        place.store.begin_copy(1, 1, 2)
        place.store.begin_copy(1, 1, 3)  # something to be woken up by
        gate.open.set()
        place.wait_status(2, OwnerStatus.ACTIVE)
    assert order == ["dropped", "copied"]
    assert place.same(2)


@pytest.mark.parametrize("what", ["owned again", "unreadable", "etcd is away", "another epoch"])
def test_files_stay_where_it_is_not_certain(
    local: World, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, seconds = Place(local.open(), tmp_path), [0.0]
    gone = Unowned(place.store, 2, 60.0, lambda: seconds[0])
    assert gone.may_go([1, 99]) == []
    seconds[0] = 60.0
    match what:
        case "owned again":
            place.store.begin_copy(1, 1, 2)
            assert gone.may_go([1]) == []
        case "unreadable":
            group = place.store.snapshot().group_of_shard(1)
            local.commit(Put(keys.group(group.database_id, group.policy_id, group.start, group.id), b"\xff"))
            place.store.wait_for(lambda snapshot: snapshot.unreadable, SECONDS)
            assert gone.may_go([1, 99]) == []
        case "etcd is away":
            monkeypatch.setattr(place.store, "read_consistent", refuse)
            with pytest.raises(TooStale):
                gone.may_go([99])
        case "another epoch":
            record = place.store.snapshot().cluster
            assert record is not None
            local.commit(Put(keys.CLUSTER, encode(record.model_copy(update={"epoch": record.epoch + 1}))))
            place.store.wait_for(lambda s: s.cluster and s.cluster.epoch != record.epoch, SECONDS)
            assert gone.may_go([99]) == []
            seconds[0] = 120.0


def refuse(*_: object, **__: object) -> None:
    raise TooStale("it is not proven")
