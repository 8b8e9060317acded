"""The stored map of ids of an import: which of the source's became which of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from etcdmeta.records import keys
from etcdmeta.records.decoding import parse
from etcdmeta.records.pb import records_pb2 as pb

if TYPE_CHECKING:
    from etcdmeta.consensus.protocol import Strategy
    from etcdmeta.records.keys import Keyspace


class MappedRun(NamedTuple):
    """``kind``: group or shard; ``length`` ids from ``theirs`` on became those from ``ours`` on."""

    kind: str
    theirs: int
    ours: int
    length: int


class Reads(Protocol):
    """What of a `MetaStore` this needs."""

    @property
    def strategy(self) -> Strategy: ...
    @property
    def keyspace(self) -> Keyspace: ...
    def deadline(self, timeout: float | None) -> float: ...


def read_id_map(store: Reads, import_id: int, *, timeout: float | None = None) -> Iterator[MappedRun]:
    """In order; none where ids were kept. Raises `Unavailable`; ValueError for a page that is none."""
    start, end = map(store.keyspace.absolute, keys.import_maps_span(import_id))
    for answer in store.strategy.list(start, end, deadline=store.deadline(timeout)):
        for kv in answer.kvs:
            kind = store.keyspace.relative(kv.key).split(b"/")[3].decode()
            for run in parse(pb.IdRuns, kv.value).runs:
                yield MappedRun(kind, run.theirs, run.ours, run.count)
