"""InfluxDB's metadata as it is stored, complete: its own names for things, nothing interpreted.

Times are int nanoseconds since 1970 and durations int nanoseconds, as stored: 0 is "unset" where InfluxDB says so.
Text is str; bytes that are not UTF-8 are lone surrogates (`etcdmeta.model.names`). ``None``: the optional field is
absent. Groups, shards and owners come by the 100,000: they are named tuples, and a policy that was decoded makes them
when they are looked at (`GroupList`). Everything here compares by content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, overload


class ShardInfo(NamedTuple):
    """``owner_ids`` is how 0.9.0 – 0.9.3 wrote owners, ``owners`` (node ids) how later versions do."""

    id: int
    owner_ids: tuple[int, ...] = ()
    owners: tuple[int, ...] = ()

    @property
    def effective_owners(self) -> tuple[int, ...]:
        """As every version of InfluxDB decodes it: OwnerIDs win where there are any."""
        return self.owner_ids or self.owners


class ShardGroupInfo(NamedTuple):
    """``deleted_at`` 0: not deleted; ``truncated_at`` None or 0: not truncated."""

    id: int
    start_time: int
    end_time: int
    deleted_at: int = 0
    truncated_at: int | None = None
    shards: tuple[ShardInfo, ...] = ()


ShardRow = tuple[int, tuple[int, ...], tuple[int, ...]]
GroupRow = tuple[int, int, int, int, int | None, tuple[ShardRow, ...]]
"""As `ShardInfo` and `ShardGroupInfo`, which are such rows."""

Owners = tuple[tuple[int, ...], tuple[int, ...]]
"""A shard's two lists of them."""
_MOST_OWNERS: Final = 1_000


class GroupList(Sequence[ShardGroupInfo]):
    """The groups of a decoded policy, made from protobuf's messages at each look."""

    __slots__ = ("_messages", "_owners")

    def __init__(self, messages: Any) -> None:
        self._messages = messages
        self._owners: dict[bytes, Owners] = {}
        """By their encoding: few sets of owners serve many shards, and looking one up is a third of reading it."""

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, index: int) -> ShardGroupInfo: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ShardGroupInfo, ...]: ...
    def __getitem__(self, index: int | slice) -> ShardGroupInfo | tuple[ShardGroupInfo, ...]:
        if isinstance(index, slice):
            return tuple(info_of(self._row(m)) for m in self._messages[index])
        return info_of(self._row(self._messages[index]))

    def __iter__(self) -> Iterator[ShardGroupInfo]:
        return map(info_of, self.rows())

    def ids(self) -> list[int]:
        return [message.ID for message in self._messages]

    def rows(self) -> Iterator[GroupRow]:
        return map(self._row, self._messages)

    def _row(self, m: Any) -> GroupRow:
        truncated_at = m.TruncatedAt if m.HasField("TruncatedAt") else None
        shards = m.Shards
        if len(shards) == 1:  # by index: the usual case, without a loop
            return m.ID, m.StartTime, m.EndTime, m.DeletedAt, truncated_at, (self._shard(shards[0]),)
        return m.ID, m.StartTime, m.EndTime, m.DeletedAt, truncated_at, tuple(map(self._shard, shards))

    def _shard(self, m: Any) -> ShardRow:
        shard_id = m.ID
        # Written anew by protobuf, so that it begins with field 1, the id, as a tag of one byte and seven bits a byte;
        # what follows says the owners, and no other field of a shard comes before them.
        encoded = m.SerializeToString()[1 + (shard_id.bit_length() + 6) // 7 :]
        owners = self._owners.get(encoded)
        if owners is None:
            if len(self._owners) == _MOST_OWNERS:
                self._owners.clear()
            owners = self._owners[encoded] = tuple(m.OwnerIDs), tuple([owner.NodeID for owner in m.Owners])
        return shard_id, *owners

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (GroupList, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"<{len(self)} shard groups>"


def ids_of(groups: Sequence[ShardGroupInfo]) -> Iterable[int]:
    """The groups' ids, without making the groups where they are a decoded policy's."""
    return groups.ids() if isinstance(groups, GroupList) else [group.id for group in groups]


def rows_of(groups: Sequence[ShardGroupInfo]) -> Iterable[GroupRow]:
    """The groups with their shards as bare tuples, where they are a decoded policy's: a fifth less."""
    return groups.rows() if isinstance(groups, GroupList) else groups


def info_of(row: GroupRow) -> ShardGroupInfo:
    group_id, start_time, end_time, deleted_at, truncated_at, shards = row
    made = tuple([ShardInfo(*shard) for shard in shards])
    return ShardGroupInfo(group_id, start_time, end_time, deleted_at, truncated_at, made)


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """``host`` is the cluster address in 0.9; from 0.10 ``tcp_host`` is, and ``host`` serves HTTP."""

    id: int
    host: str
    tcp_host: str | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionInfo:
    """``mode``: ANY or ALL. A destination may hold a password, so that none is shown."""

    name: str
    mode: str
    destinations: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ContinuousQueryInfo:
    """The text is not interpreted."""

    name: str
    query: str


@dataclass(frozen=True, slots=True)
class RetentionPolicyInfo:
    """``duration`` 0: for ever."""

    name: str
    duration: int
    shard_group_duration: int
    replica_n: int
    shard_groups: Sequence[ShardGroupInfo] = ()
    subscriptions: tuple[SubscriptionInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """``default_retention_policy`` "": none."""

    name: str
    default_retention_policy: str = ""
    retention_policies: tuple[RetentionPolicyInfo, ...] = ()
    continuous_queries: tuple[ContinuousQueryInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class UserPrivilege:
    """``privilege``: 0 none, 1 read, 2 write, 3 all."""

    database: str
    privilege: int


@dataclass(frozen=True, slots=True)
class UserInfo:
    """``hash`` is bcrypt's, and never shown."""

    name: str
    hash: bytes = field(repr=False)
    admin: bool = False
    privileges: tuple[UserPrivilege, ...] = ()


@dataclass(frozen=True, slots=True)
class Data:
    """All of it. ``nodes`` to 0.9; ``data_nodes`` and ``meta_nodes`` from 0.10; none of them from 1.0."""

    term: int = 0
    index: int = 0
    cluster_id: int = 0
    nodes: tuple[NodeInfo, ...] = ()
    databases: tuple[DatabaseInfo, ...] = ()
    users: tuple[UserInfo, ...] = ()
    max_node_id: int = 0
    max_shard_group_id: int = 0
    max_shard_id: int = 0
    data_nodes: tuple[NodeInfo, ...] = ()
    meta_nodes: tuple[NodeInfo, ...] = ()
