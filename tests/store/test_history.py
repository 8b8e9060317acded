"""The ledger as a list: its filters, and following it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from etcdmeta import MetaStore, errors
from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.store import HistoryEntry, following, history, touching
from etcdmeta.store.touching import Touching
from tests.store.test_past import filled
from tests.store.worlds import SECONDS, World


class Following:
    """Reads `follow_history` in a thread, into ``seen``."""

    def __init__(self, entries: Iterator[HistoryEntry]) -> None:
        self.seen: list[HistoryEntry] = []
        self._entries = entries
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for entry in self._entries:
            with self._news:
                self.seen.append(entry)
                self._news.notify_all()

    def until(self, summary: str) -> list[HistoryEntry]:
        """Everything up to the entry that says so."""
        with self._news:
            assert self._news.wait_for(lambda: any(summary in entry.summary for entry in self.seen), 2 * SECONDS)
            return list(self.seen)

    def join(self) -> None:
        self._thread.join(2 * SECONDS)
        assert not self._thread.is_alive()


def commands(entries: list[HistoryEntry]) -> list[str]:
    return [entry.command for entry in entries]


def test_filters(world: World) -> None:
    store = world.open(actor="ann")
    other = world.open(actor="bob")
    shard_id = filled(store)
    other.create_database("logs")
    everything = store.history()
    assert commands(store.history(actors={"bob"})) == ["create database"]
    assert commands(store.history(commands=("create",))) == [
        name for name in commands(everything) if name.startswith("create")
    ]
    assert store.history(since=everything[3].time, until=everything[5].time, limit=None)
    assert all(entry.time <= everything[2].time for entry in store.history(until=everything[2].time))
    assert store.history(limit=2) == everything[-2:]
    assert store.history(limit=0) == []
    (one,) = store.history(operation_id=everything[4].operation_id)
    assert one == everything[4]

    def of(noun: str, name: str | int | tuple[str, str]) -> list[str]:
        return commands(store.history(touching=touching(store.snapshot(), noun, name)))

    group_id = store.snapshot().group_of_shard(shard_id).id
    life = ["create shard group", "begin copy", "finish copy"]
    assert of("shard", shard_id) == of("group", group_id) == life
    assert of("database", "metrics") == ["create database", *life]
    assert of("policy", ("metrics", "autogen")) == ["create database", *life]
    assert of("policy", ("metrics", "")) == ["create database", *life]
    assert of("node", 1) == ["add node"]
    assert of("user", "ann") == ["create user", "drop user"]
    assert of("plan", 7) == []
    with pytest.raises(errors.InvalidInput, match="weather"):
        of("weather", 1)


def test_who_it_was_is_told_and_filtered(local: World) -> None:
    local.open(actor="ann").init_cluster()
    local.open(actor="bob").create_database("logs")
    (entry,) = local.open().history(actors={"bob"})
    assert entry.actor == "bob"


def test_only_what_is_shown_is_decoded(local: World, monkeypatch: pytest.MonkeyPatch) -> None:
    store = local.open()
    filled(store)
    decoded = []
    real = history.decode_entry
    monkeypatch.setattr(history, "decode_entry", lambda kv: decoded.append(kv) or real(kv))
    assert len(store.history(limit=2)) == 2
    assert len(decoded) <= 3


def test_ranges_that_were_deleted_touch_what_was_in_them() -> None:
    whole = Touching("state/db/0000000000000001")
    assert whole.matches(["state/db/0000000000000001/*"])
    assert whole.matches(["state/db/0000000000000001/rp/0000000000000002/*"])
    assert Touching("state/db/0000000000000001/rp/0000000000000002").matches(["state/db/0000000000000001/*"])
    assert not whole.matches(["state/db/0000000000000010/info", "state/node/0000000000000001"])
    assert not Touching("state/name/db/=a").matches(["state/name/db/=ab"])


def test_following_tells_each_commit_once_in_order(world: World) -> None:
    store, writer = world.open(), world.open()
    writer.init_cluster()
    first = Following(store.follow_history(after=writer.snapshot().revision))
    again = Following(store.follow_history(after=0, commands=("create",)))
    try:
        shard_id = filled(writer)
        writer.create_database("end")
        seen = first.until("'end'")
        assert commands(seen) == commands(writer.history())[1:]
        assert [entry.generation for entry in seen] == [entry.generation for entry in writer.history()][1:]
        assert [entry.operation_id for entry in again.until("'end'")] == [
            entry.operation_id for entry in writer.history(commands=("create",))
        ]
        assert writer.snapshot().shard(shard_id)
    finally:
        store.close()
        first.join()
        again.join()


def test_following_ends_when_nothing_comes(local: World) -> None:
    store = local.open()
    store.init_cluster()
    assert list(store.follow_history(timeout=0.01)) == []
    assert commands(list(store.follow_history(after=0, timeout=0.01))) == ["init cluster"]


def test_what_a_batch_did_is_all_told(local: World) -> None:
    store = local.open()
    store.init_cluster()
    store.create_database("metrics")
    told = Following(store.follow_history())
    try:
        with store.batch() as batch:
            for name in "abc":
                batch.execute(CreateContinuousQuery(database="metrics", name=name, query="select 1"))
        store.create_database("end")
        assert commands(told.until("'end'")) == [*["create continuous query"] * 3, "create database"]
    finally:
        store.close()
        told.join()


def test_with_too_many_waiting_the_ledger_is_read(local: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_MOST_WAITING", 2)
    store = local.open()
    store.init_cluster()
    store.create_database("metrics")
    entries = store.follow_history(timeout=0.01)
    pulled = store.follow_history(after=store.snapshot().revision, timeout=SECONDS)
    assert list(entries) == []
    got = threading.Event()
    seen: list[str] = []

    def read() -> None:
        for entry in pulled:
            seen.append(entry.summary)
            got.wait(SECONDS)
            if "'end'" in entry.summary:
                return

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        store.create_database(f"db{number}")
    store.create_database("end")
    got.set()
    reader.join(2 * SECONDS)
    assert not reader.is_alive()
    expected = [entry.summary for entry in store.history(limit=None)][-len(seen) :]
    assert seen == expected
    assert len(seen) >= 20


def test_following_goes_on_after_a_restore() -> None:
    cluster = LocalCluster()
    with MetaStore(LocalStrategy(cluster), cluster="prod", actor="ann") as store:
        store.wait_live(30)
        store.init_cluster()
        store.create_database("kept")
        told = Following(store.follow_history())
        backup = cluster.save()
        store.create_database("lost")
        told.until("'lost'")
        cluster.restore(backup)
        store.wait_for(lambda snapshot: snapshot.find_database("lost") is None, timeout=30)
        store.accept_restore()
        store.create_database("end")
        seen = commands(told.until("'end'"))
        assert seen == ["create database", "accept restore", "create database"]
        store.close()
        told.join()
