"""Liveness and progress against a list at the same revision: no gap detector covers them.

The list is pinned to a revision that was published, and held against the picture of then: no merging, and any
difference is a lost event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Kind
from etcdmeta.records.transaction import RawKeyValue

SPANS = {
    Kind.LIVENESS: (b"state/live/", b"state/live0"),
    Kind.PROGRESS: (b"state/progress/", b"state/progress0"),
}


def divergence(snapshot: Snapshot, kind: Kind, kvs: Iterable[RawKeyValue], prefix_length: int) -> bytes | None:
    """The relative key of the first difference; None: the picture is right."""
    start, end = SPANS[kind]
    held = dict(_held(snapshot, kind))
    held |= {key: row[1] for key, row in snapshot.tables.others.items() if start <= key < end}
    stored = {kv.key[prefix_length:]: kv.mod_revision for kv in kvs}
    differing = (key for key in sorted(held.keys() | stored.keys()) if held.get(key) != stored.get(key))
    return next(differing, None)


def _held(snapshot: Snapshot, kind: Kind) -> Iterator[tuple[bytes, int]]:
    if kind is Kind.LIVENESS:
        for node_id, row in snapshot.tables.liveness.items():
            yield keys.live(node_id), row[1]
    else:
        for (shard_id, node_id), placed in snapshot.tables.progress.items():
            yield keys.progress(placed[3], placed[4], shard_id, node_id), placed[1]
