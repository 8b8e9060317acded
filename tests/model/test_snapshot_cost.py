"""What an answer costs: a group by its time and a shard by its id are searches, which decode one record at most;
a change shares with the picture before it all that it did not touch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.decoding import RecordDecoder
from tests.model.pictures import Book, after, group

SPAN = 10
GROUPS = 300


class CountingDecoder:
    """What was made of the rows, by kind."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        method = getattr(RecordDecoder(), name)

        def counted(*arguments: Any) -> Any:
            self.made[name] += 1
            return method(*arguments)

        return counted


class Searchable:
    """A table that can be asked for one entry, and not be walked through."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def get(self, key: Any, default: Any = None) -> Any:
        return self._table.get(key, default)

    def find(self, time: int) -> Any:
        return self._table.find(time)

    def __getitem__(self, key: Any) -> Any:
        return self._table[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._table

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("a scan")


@pytest.fixture
def book() -> Book:
    book = Book()
    for d in (1, 2):
        book.database(d, f"db{d}", default=1)
        book.policy(d, 1, "autogen")
        book.policy(d, 2, "other")
    for number in range(GROUPS):
        book.group(group(number + 1, number * SPAN, (number + 1) * SPAN, 1, 2))
    return book


@pytest.fixture
def decoder() -> CountingDecoder:
    return CountingDecoder()


@pytest.fixture
def snapshot(book: Book, decoder: CountingDecoder) -> Snapshot:
    """It counts, and will not be scanned."""
    loaded = book.load()
    tables = loaded.tables.copy()
    tables.groups = Searchable(tables.groups)  # type: ignore[assignment]
    tables.shards = Searchable(tables.shards)  # type: ignore[assignment]
    database = tables.databases[1].copy()
    policy = database.policies[1].copy()
    policy.serving = Searchable(policy.serving)  # type: ignore[assignment]
    database.policies = {**database.policies, 1: policy}
    tables.databases = tables.databases.set(1, database)
    return Snapshot(tables, loaded.revision, decoder)


def test_nothing_is_decoded_by_loading(book: Book, decoder: CountingDecoder, snapshot: Snapshot) -> None:
    assert decoder.made == {}


def test_a_scan_would_be_seen(snapshot: Snapshot) -> None:
    with pytest.raises((AssertionError, AttributeError)):
        list(snapshot.policy("db1").groups())
    with pytest.raises((AssertionError, AttributeError)):
        list(snapshot.shards_of(1))


def test_a_group_at_a_time_is_searched_and_decoded_once(decoder: CountingDecoder, snapshot: Snapshot) -> None:
    policy = snapshot.policy("db1")
    decoder.made.clear()
    assert policy.group_id_at(1234) == 124
    assert decoder.made == {}, "the id is in the index"
    found = policy.group_at(1234)
    assert found is not None
    assert found.id == 124
    assert decoder.made == {"group": 1}
    assert policy.group_at(1239) is found, "the same record is the same model"
    assert policy.group_at(GROUPS * SPAN) is None
    assert decoder.made == {"group": 1}


def test_a_shard_by_its_id_is_searched_and_decoded_once(decoder: CountingDecoder, snapshot: Snapshot) -> None:
    shard = snapshot.shard(1240)
    assert shard.id == 1240
    assert decoder.made == {"group": 1}
    assert snapshot.shard(1240) is shard
    assert snapshot.group_of_shard(1240) is snapshot.group(124)
    assert decoder.made == {"group": 1}


def test_what_a_node_owns_decodes_only_what_matches(book: Book, decoder: CountingDecoder) -> None:
    book.group(group(1000, 10**6, 10**6 + 1, 7))
    loaded = book.load()
    snapshot = Snapshot(loaded.tables, loaded.revision, decoder)
    assert [g.id for g, _, _ in snapshot.shards_of(7)] == [1000]
    assert decoder.made["group"] == 1


def test_groups_between_are_searched(book: Book, decoder: CountingDecoder) -> None:
    loaded = book.load()
    snapshot = Snapshot(loaded.tables, loaded.revision, decoder)
    assert [g.id for g in snapshot.policy("db1").groups_between(1235, 1250)] == [124, 125, 126]
    assert decoder.made["group"] == 3


# --- what two pictures share


def test_a_change_leaves_everything_else_the_same_object(book: Book) -> None:
    before = book.load()
    key = keys.group(1, 1, 0, 1)
    now, _ = after(before, book.put(key, group(1, 0, SPAN, 1, 3)))
    old, new = before.tables, now.tables
    assert new.groups[1] is not old.groups[1]
    assert [i for i in range(2, GROUPS + 1) if new.groups[i] is not old.groups[i]] == []
    assert new.databases is old.databases, "neither its time nor its life has changed: no index has"
    assert new.shards is old.shards
    names = ("database_names", "user_names", "host_names", "identity_names")
    for table in (*names, "nodes", "users", "liveness", "progress", "others"):
        assert getattr(new, table) is getattr(old, table)
    assert before.group(1).shards[0].owner(3) is None, "the picture before is what it was"
    assert now.group(1).shards[0].owner(3) is not None


def test_a_new_group_touches_its_own_policy_alone(book: Book) -> None:
    before = book.load()
    record = group(5000, GROUPS * SPAN, (GROUPS + 1) * SPAN, 1)
    now, _ = after(before, book.put(keys.group(1, 1, record.start, 5000), record))
    old, new = before.tables, now.tables
    assert new.databases[2] is old.databases[2]
    assert new.databases[1].policies[2] is old.databases[1].policies[2]
    assert new.databases[1].policies[1] is not old.databases[1].policies[1]
    assert new.databases[1].names is old.databases[1].names
    assert new.databases[1].policies[1].deleted is old.databases[1].policies[1].deleted
    assert before.policy("db1").group_at(record.start) is None


def test_a_change_elsewhere_shares_every_group(book: Book) -> None:
    before = book.load()
    now, _ = after(before, book.put(keys.live(1), b""))
    assert now.tables.groups is before.tables.groups
    assert now.tables.databases is before.tables.databases


def test_models_are_shared_until_their_record_changes(book: Book) -> None:
    before = book.load()
    first, second = before.group(1), before.group(2)
    now, _ = after(before, book.put(keys.group(1, 1, 0, 1), group(1, 0, SPAN, 9)))
    assert now.group(2) is second
    assert now.group(1) is not first
    assert now.group(1).shards[0].owners[0].node_id == 9
    assert before.group(1).shards[0].owners[0].node_id == 1, "each picture shows its own, whoever asked last"
