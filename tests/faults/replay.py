"""Holds a store's changes against its pictures: none lost, none doubled, each on what was there before it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from etcdmeta.records import keys
from etcdmeta.replica.changes import INDEXES, Change, Lagged
from etcdmeta.replica.listing import listing
from tests.store.invariants import check_picture
from tests.store.worlds import SECONDS

if TYPE_CHECKING:
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore
    from tests.store.worlds import World

Rows = dict[bytes, tuple[bytes, int, int]]


def news_of(snapshot: Snapshot) -> Rows:
    """The records that changes tell of, by key."""
    return {
        key: (value, mod, create) for key, value, mod, create in listing(snapshot) if keys.locate(key)[0] not in INDEXES
    }


class Replay:
    """Everything that a store tells from now on."""

    def __init__(self, store: MetaStore, patience: float = SECONDS) -> None:
        self._store = store
        self._rows = news_of(store.snapshot())
        self._news = store.changes(since=store.snapshot(), timeout=patience)
        self.joined = 0
        """Changes that a new listing had to bridge."""
        self.group_counts: set[int] = set()
        """How many shard groups the pictures had that changes were told of."""

    def check(self, world: World, writer: MetaStore) -> Snapshot:
        """Once the store has caught up: cache, changes and etcd agree. ``writer`` marks where the changes end."""
        marker = f"marker-{secrets.token_hex(4)}"
        mark(writer, self._store, marker)
        self.until(marker)
        return self.compare(world)

    def until(self, marker: str) -> None:
        """Applies what is told, up to the creation of that database."""
        for item in self._news:
            assert not isinstance(item, Lagged), "the changes were not read in time"
            self._apply(item)
            if (item.kind, item.where) == ("policy", f"{marker}.autogen"):
                return
        raise AssertionError(f"database {marker} was not told of")

    def compare(self, world: World) -> Snapshot:
        """The picture, which etcd lists just so, and to which the changes lead."""
        snapshot = self._store.snapshot()
        assert listing(snapshot) == world.records(snapshot.revision)
        check_picture(snapshot)
        assert self._rows == news_of(snapshot), "the changes do not lead to the picture"
        return snapshot

    def _apply(self, change: Change) -> None:
        self.group_counts.add(len(change.snapshot.tables.groups))
        key = keys.render(change.place)
        before, after = (None if row is None else tuple(row[:3]) for row in change.rows)
        assert self._rows.get(key) == before, f"{change!r} does not follow what was told before"
        self.joined += change.joined
        if after is None:
            del self._rows[key]
        else:
            self._rows[key] = after


def mark(writer: MetaStore, reader: MetaStore, marker: str) -> None:
    """Makes a database of that name, and waits until it is seen."""
    writer.create_database(marker)
    reader.wait_for(lambda snapshot: snapshot.find_database(marker), SECONDS)
