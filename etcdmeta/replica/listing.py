"""A snapshot as etcd would list it, and what lies between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.decoding import group_facts
from etcdmeta.records.keys import Kind, Place
from etcdmeta.records.transaction import DELETE_EVENT, PUT_EVENT, Event, KeyValue
from etcdmeta.replica.changes import Change
from etcdmeta.replica.draft import FLAT, PER_DATABASE


def diff(old: Snapshot, new: Snapshot) -> tuple[Change, ...]:
    """What lies between two pictures, as joined changes: parents first, then in order of creation."""
    before, after = dict(places(old)), dict(places(new))
    changes = [
        Change(place, before.get(place), after.get(place), old, new, True)
        for place in {**before, **after}
        if before.get(place) != after.get(place)
    ]
    return tuple(sorted(changes, key=_rank))


def events_between(changes: Iterable[Change], snapshot: Snapshot, prefix: bytes) -> tuple[Event, ...]:
    """What a difference that leads to ``snapshot`` would look like on a watch. Keys are absolute."""
    return tuple(_event(change, snapshot, prefix) for change in changes)


def _event(change: Change, snapshot: Snapshot, prefix: bytes) -> Event:
    _, row = change.rows
    key = prefix + key_of(change.place)
    if row is None:
        return Event(DELETE_EVENT, KeyValue(key, b"", 0, snapshot.revision, 0))
    mark = snapshot.generation_mark
    version = mark.version if mark is not None and change.place[0] is Kind.GENERATION else 1
    return Event(PUT_EVENT, KeyValue(key, row[0], row[2], row[1], version))


def key_of(place: Place) -> bytes:
    """The relative key of a place; what is held in quarantine has no other place than its key."""
    return str(place[1][0]).encode("latin-1") if place[0] is Kind.OTHER else keys.render(place)


def _rank(change: Change) -> tuple[int, int]:
    before, after = change.rows
    return _ORDER[change.place[0]], (before if after is None else after)[2]


_ORDER = {kind: position for position, kind in enumerate(Kind)}


def listing(snapshot: Snapshot) -> list[tuple[bytes, bytes, int, int]]:
    """Every record as etcd lists it: (relative key, value, mod, create), sorted by key.

    What a cache must equal: the tests hold it against a listing of etcd at the same revision.
    """
    rows = []
    for place, row in places(snapshot):
        rows.append((key_of(place), row[0], row[1], row[2]))
    return sorted(rows)


def places(snapshot: Snapshot) -> Iterator[tuple[Place, Any]]:
    """Every record, by its place, in no order that counts."""
    tables = snapshot.tables
    if tables.cluster is not None:
        yield (Kind.CLUSTER, ()), tables.cluster
    if tables.generation is not None:
        mark = tables.generation
        yield (Kind.GENERATION, ()), (mark.value, mark.mod_revision, mark.create_revision)
    for kind, name in FLAT.items():
        for key, row in getattr(tables, name).items():
            yield (kind, (key,)), row
    for (shard_id, node_id), row in tables.progress.items():
        yield (Kind.PROGRESS, (row[3], row[4], shard_id, node_id)), row
    for (plan_id, page), row in tables.plan_moves.items():
        yield (Kind.PLAN_MOVES, (plan_id, page)), row
    for d, database in tables.databases.items():
        if database.info is not None:
            yield (Kind.DATABASE, (d,)), database.info
        for kind, name in PER_DATABASE.items():
            for key, row in getattr(database, name).items():
                yield (kind, (d, key)), row
        for p, policy in database.policies.items():
            if policy.info is not None:
                yield (Kind.POLICY, (d, p)), policy.info
            for key, row in policy.subscriptions.items():
                yield (Kind.SUBSCRIPTION, (d, p, key)), row
    for group_id, row in tables.groups.items():
        yield (Kind.GROUP, (row[3], row[4], group_facts(row[0])[1], group_id)), row
    for key, row in tables.others.items():
        yield (Kind.OTHER, (key.decode("latin-1"),)), row
