"""Metadata from outside as an import plans from them, whatever they came from: InfluxDB's file or our own.

Checked and repaired by whoever read the source. Ids are the source's own; databases, policies and users have none there
that counts, and come in order of creation. Groups come by the 100,000, so that they and what is in them are named
tuples. Nothing here was stored yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple


class IncomingOwner(NamedTuple):
    """``node_id`` is the source's. ``status``: "" is active; else as in `etcdmeta.model.owners`, unknown words
    included. ``since``: nanoseconds since 1970, None: not said."""

    node_id: int
    status: str = ""
    source: int = 0
    attempt: int = 0
    since: int | None = None
    reason: str = ""


class IncomingShard(NamedTuple):
    """``last_attempt``: the shard's counter of attempts, which only grows."""

    id: int
    owners: tuple[IncomingOwner, ...] = ()
    last_attempt: int = 0


class IncomingGroup(NamedTuple):
    """[``start``, ``end``), nanoseconds since 1970, as are ``deleted_at`` and ``truncated_at`` (None: is not)."""

    id: int
    start: int
    end: int
    deleted_at: int | None
    truncated_at: int | None
    shards: tuple[IncomingShard, ...]


class IncomingSubscription(NamedTuple):
    """Destinations as they were, whatever they hold; one may hold a password."""

    name: str
    mode: str
    destinations: tuple[str, ...]

    def __repr__(self) -> str:
        return f"IncomingSubscription({self.name!r}, {self.mode!r}, {len(self.destinations)} destinations)"


@dataclass(frozen=True, slots=True)
class IncomingNode:
    """``state``: "" is joined; else draining, removing, removed. A removed one may have no host."""

    id: int
    host: str
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    state: str = ""


@dataclass(frozen=True, slots=True)
class IncomingPolicy:
    """Durations in nanoseconds; ``duration`` 0: for ever."""

    name: str
    duration: int
    group_duration: int
    replicas: int
    groups: Sequence[IncomingGroup] = ()
    subscriptions: tuple[IncomingSubscription, ...] = ()


@dataclass(frozen=True, slots=True)
class IncomingDatabase:
    """``default_policy``: the place in ``policies``, None: there is none. ``queries``: (name, text)."""

    name: str
    default_policy: int | None
    policies: tuple[IncomingPolicy, ...]
    queries: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class IncomingUser:
    """``grants``: (place in `Incoming.databases`, the privilege's word). ``hash``: bcrypt's."""

    name: str
    admin: bool
    hash: bytes = field(repr=False)
    grants: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Incoming:
    """All of it. ``highest``: per kind (node, group, shard) the highest id that the source ever gave out; at least
    what is in use here. ``cluster_id`` 0 and ``generation`` 0: the source has none."""

    cluster_id: int = 0
    generation: int = 0
    nodes: tuple[IncomingNode, ...] = ()
    databases: tuple[IncomingDatabase, ...] = ()
    users: tuple[IncomingUser, ...] = ()
    highest: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
