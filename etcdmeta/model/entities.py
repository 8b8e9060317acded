"""The records as people and planners see them: frozen, validated, decoded from stored bytes when asked for.

What a record means and which rules hold are InfluxDB's (0.9.0 – 1.6), but for the owner's status, which InfluxDB
0.9.4 prepared for (its pull request 3913) and never shipped. Times are int nanoseconds since 1970 UTC, None where
unset; ids are unsigned 64-bit integers. References between records are ids, never names.

A decoded record remembers the bytes it came from (`Record.stored`), so that rewriting it keeps the fields that a
newer version put there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from etcdmeta.model.durations import MINUTE, Duration
from etcdmeta.model.owners import SERVING, NodeState, OwnerStatus, Privilege, SubscriptionMode

Id = Annotated[int, Field(ge=0, lt=2**64)]
Labels = Annotated[
    Mapping[str, str],
    AfterValidator(lambda labels: MappingProxyType(dict(labels))),
    PlainSerializer(dict, return_type=dict[str, str]),
]


class Frozen(BaseModel):
    """Immutable, and strict about what it is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Record(Frozen):
    """One key's value, with etcd's counters of the key: when it was last changed, and created."""

    mod_revision: int = 0
    create_revision: int = 0
    stored: bytes = Field(default=b"", repr=False, exclude=True)


class LivenessView(Protocol):
    """Who is alive. `Snapshot` is one."""

    def is_live(self, node_id: int) -> bool | None:
        """None: the node never reported liveness, so nothing is known."""


class Cluster(Record):
    """The guard: what every transaction compares.

    ``generation`` (the count of commits) is ``generation_base`` plus etcd's version of the generation's key.
    """

    cluster_id: Id
    epoch: Id
    oldest_reader: int = 1
    oldest_writer: int = 1
    generation_base: int = 0
    ledger_floor: int = 0
    read_only: bool = False


class Node(Record):
    """A database node. A removed one stays as a tombstone, so that its id is never used again.

    ``reports_liveness``: it said that it would, so that silence means down. ``joined_at`` 0: nobody said.
    """

    id: Id
    host: str
    labels: Labels = Field(default_factory=lambda: MappingProxyType({}))
    state: NodeState | str = NodeState.JOINED
    identity_hash: bytes = Field(default=b"", repr=False, exclude=True)
    reports_liveness: bool = False
    joined_at: int = 0

    @property
    def takes_shards(self) -> bool:
        """Whether new owners may be placed on it."""
        return self.state == NodeState.JOINED


class User(Record):
    """A user. The password's hash lies apart (``secret/``), where no cache reads it."""

    id: Id
    name: str
    admin: bool = False


class Grant(Record):
    """What a user may do on a database."""

    database_id: Id
    user_id: Id
    privilege: Privilege | str


class Database(Record):
    """``default_policy_id`` 0: none."""

    id: Id
    name: str
    default_policy_id: Id = 0


class RetentionPolicy(Record):
    """How long data is kept, in how many copies. ``duration`` 0: forever."""

    id: Id
    database_id: Id
    name: str
    replicas: int
    duration: Duration
    group_duration: Duration


class ContinuousQuery(Record):
    """A query that the database runs by itself, at intervals; its text is not interpreted here.

    ``place``: among those that one transaction made, so that an import keeps their order; 0: made by itself.
    """

    database_id: Id
    name: str
    query: str
    place: int = 0


class Subscription(Record):
    """Where the points written into a policy are sent as well: to ANY or ALL of the destinations (URLs).

    ``place``: as of a query.
    """

    database_id: Id
    policy_id: Id
    name: str
    mode: SubscriptionMode | str
    destinations: tuple[str, ...]
    place: int = 0


class ShardOwner(Frozen):
    """One node's share in a shard. ``attempt`` numbers the copy that made, or makes, it an owner."""

    node_id: Id
    status: OwnerStatus | str = OwnerStatus.ACTIVE
    source: int | None = None
    attempt: int = 0
    since: int | None = None
    reason: str = ""

    @property
    def serves(self) -> bool:
        """By its status alone; whether its node lives is another question."""
        return self.status in SERVING


class Shard(Frozen):
    """``last_attempt`` only grows, so that the finisher of an earlier life of an owner is refused."""

    id: Id
    owners: tuple[ShardOwner, ...] = ()
    last_attempt: int = 0

    def owner(self, node_id: int) -> ShardOwner | None:
        return next((owner for owner in self.owners if owner.node_id == node_id), None)

    def serving_owners(self, liveness: LivenessView | None = None) -> tuple[ShardOwner, ...]:
        """Owners that can serve now: active or leaving, on a node that is not known to be down.

        A node that never reported liveness counts by its status alone.
        """
        if liveness is None:
            return tuple(owner for owner in self.owners if owner.serves)
        return tuple(o for o in self.owners if o.serves and liveness.is_live(o.node_id) is not False)


class ShardGroup(Record):
    """The shards of one span of time, [start, end) in nanoseconds, cut at ``truncated_at`` where that is set."""

    id: Id
    database_id: Id
    policy_id: Id
    start: int
    end: int
    deleted_at: int | None = None
    truncated_at: int | None = None
    shards: tuple[Shard, ...] = ()

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def effective_end(self) -> int:
        """Where it stops taking points: its end, or where it was truncated."""
        return self.end if self.truncated_at is None else min(self.end, self.truncated_at)

    def contains(self, time: int) -> bool:
        """Whether a point of that time lives here (InfluxDB: not deleted, and before the truncation)."""
        return not self.is_deleted and self.start <= time < self.effective_end

    def overlaps(self, low: int, high: int) -> bool:
        """Whether the whole span meets [low, high], both inclusive, as InfluxDB asks it."""
        return self.start <= high and self.end > low

    def shard_for(self, point_hash: int) -> Shard:
        """The shard of a point: its hash modulo the number of shards (InfluxDB)."""
        return self.shards[point_hash % len(self.shards)]

    def shard(self, shard_id: int) -> Shard | None:
        return next((shard for shard in self.shards if shard.id == shard_id), None)

    def with_shard(self, shard: Shard) -> ShardGroup:
        """The same group with one shard replaced by that of the same id."""
        return self.model_copy(update={"shards": tuple(shard if s.id == shard.id else s for s in self.shards)})


NEVER_PROVEN = 2**63 - 1
"""As a picture's age in nanoseconds: it was never current."""
FLAPPING_COUNT = 3
FLAPPING_WINDOW = 10 * MINUTE
"""A node that came back this often within this time (nanoseconds) is flapping."""


class Liveness(Record):
    """A node's sign of life, under its lease. Advisory: no plan depends on it without comparing its key.

    ``instance`` tells processes apart, ``since`` is when this one became live. ``generation`` and ``cache_age`` are
    those of the node's own picture; an age of 0 is a current one. ``interruptions``: when the node came back after a
    restart or a lost lease, the latest ones. ``lease_seconds``: how long the key outlives its last renewal, 0 unsaid.
    ``clock``: what time it was at the node when it said this, 0 unsaid; services go by the peers' clocks, too.
    """

    node_id: Id
    instance: int
    since: int
    version: str = ""
    host: str = ""
    generation: int = 0
    cache_age: int = 0
    agent_address: str = ""
    interruptions: tuple[int, ...] = ()
    lease_seconds: int = 0
    clock: int = 0

    def recent_interruptions(self, now: int) -> int:
        """How many lie within `FLAPPING_WINDOW` before ``now``."""
        return sum(now - FLAPPING_WINDOW < time <= now for time in self.interruptions)

    def is_flapping(self, now: int) -> bool:
        """Whether it lost its lease, or was restarted, too often to be relied on."""
        return self.recent_interruptions(now) >= FLAPPING_COUNT


class Progress(Record):
    """How far a copy is; None is unknown. Advisory."""

    database_id: Id
    policy_id: Id
    shard_id: Id
    node_id: Id
    attempt: int
    bytes_done: int | None = None
    bytes_total: int | None = None
    bytes_per_second: int | None = None
    updated: int = 0
