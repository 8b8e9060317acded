"""The shard groups of an export: as they are stored, and made into InfluxDB's when somebody looks, or all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

from etcdmeta.influxdb.columns import convert
from etcdmeta.influxdb.data import ShardGroupInfo, ShardInfo
from etcdmeta.records.decoding import parse_group
from etcdmeta.records.pb import records_pb2 as pb


class StoredGroups(Sequence[ShardGroupInfo]):
    """In order of their start. ``special``: place → the group, of those that are not plain: deleted, truncated, with
    owners that need more than their id, or unlike their neighbours. Compares by content."""

    __slots__ = ("_runs", "_values", "special")

    def __init__(self, values: Sequence[bytes], make: Callable[[pb.ShardGroup], ShardGroupInfo]) -> None:
        """``values``: `pb.ShardGroup` each, in order; ``make`` is asked for those that are not plain."""
        self._values = values
        self._runs = list(convert(values))
        self.special: dict[int, ShardGroupInfo] = {
            place: make(parse_group(values[place]))
            for begin, end, encoded in self._runs
            if encoded is None
            for place in range(begin, end)
        }

    def encoded(self, one: Callable[[ShardGroupInfo], bytes]) -> Iterator[bytes]:
        """All of them as fields of a RetentionPolicyInfo, in order; ``one`` encodes a special one so."""
        for begin, end, encoded in self._runs:
            if encoded is not None:
                yield encoded
            else:
                yield from (one(self.special[place]) for place in range(begin, end))

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, index: int) -> ShardGroupInfo: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ShardGroupInfo, ...]: ...
    def __getitem__(self, index: int | slice) -> ShardGroupInfo | tuple[ShardGroupInfo, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        place = range(len(self))[index]
        return self.special[place] if place in self.special else _plain(self._values[place])

    def __iter__(self) -> Iterator[ShardGroupInfo]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"<{len(self)} shard groups>"


def _plain(value: bytes) -> ShardGroupInfo:
    m: Any = parse_group(value)
    shards = tuple([ShardInfo(s.id, (), tuple([o.node_id for o in s.owners])) for s in m.shards])
    return ShardGroupInfo(m.id, m.start, m.end, 0, None, shards)
