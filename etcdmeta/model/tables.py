"""The immutable tables behind a snapshot: rows of stored bytes, found by id, name or time.

A row is an exact tuple of bytes and ints: the garbage collector stops tracking such tuples, so 100,000 of them cost it
nothing (measured: a full collection of 100,000 objects with slots takes 43 ms, of tuples 6 ms). Values stay bytes;
`Decoder` makes models of them when somebody asks.

Structure is shared: the big tables are `OverlayMap`s, and a database or policy that did not change is the same object
in the next picture. The records of a listing or of a revision are put into a copy of the last tables
(`etcdmeta.replica.draft`, the only place that does), and never changed once a `Snapshot` holds them.
"""

from __future__ import annotations

from typing import Protocol

from etcdmeta.model.entities import (
    Cluster,
    ContinuousQuery,
    Database,
    Grant,
    Liveness,
    Node,
    Progress,
    RetentionPolicy,
    ShardGroup,
    Subscription,
    User,
)
from etcdmeta.model.imports import Import
from etcdmeta.model.moveplans import Move, MovePlan
from etcdmeta.model.overlay import OverlayMap
from etcdmeta.model.owners import Status
from etcdmeta.model.timeindex import TimeIndex

Row = tuple[bytes, int, int]
"""value, mod revision, create revision"""

PlacedRow = tuple[bytes, int, int, int, int]
"""value, mod revision, create revision, database id, policy id: of a group or a progress record"""

ShardPlacement = tuple[int, dict[int, Status]]
"""shard id, status of each owner by node id"""


class Decoder(Protocol):
    """Makes models of rows, and knows their keys. The encoding is a floor above; a snapshot is given its decoder."""

    def key(self, kind: str, *where: int | str) -> bytes:
        """Where a record stands; `etcdmeta.records.keys.Kind` has the kinds, and says what ``where`` is."""

    def cluster(self, row: Row) -> Cluster: ...
    def named_id(self, row: Row) -> int: ...
    def node(self, row: Row) -> Node: ...
    def user(self, row: Row) -> User: ...
    def database(self, row: Row) -> Database: ...
    def policy(self, row: Row, database_id: int) -> RetentionPolicy: ...
    def query(self, row: Row, database_id: int) -> ContinuousQuery: ...
    def grant(self, row: Row, database_id: int, user_id: int) -> Grant: ...
    def subscription(self, row: Row, database_id: int, policy_id: int) -> Subscription: ...
    def group(self, row: PlacedRow) -> ShardGroup: ...
    def plan(self, row: Row) -> MovePlan: ...
    def imported(self, row: Row) -> Import: ...
    def moves(self, row: Row) -> tuple[Move, ...]: ...
    def liveness(self, row: Row, node_id: int) -> Liveness: ...
    def progress(self, row: PlacedRow, shard_id: int, node_id: int) -> Progress: ...
    def group_owners(self, value: bytes) -> tuple[int, ...]:
        """The node ids of all owners in a group's value, one entry an owner, without making models."""

    def group_placements(self, value: bytes) -> tuple[ShardPlacement, ...]:
        """The shards of a group and who owns them, without making models; none where it is deleted."""

    def group_is_deleted(self, value: bytes) -> bool: ...
    def group_may_copy(self, value: bytes) -> bool:
        """False: no owner in a group's value copies, for certain."""


class PolicyTable:
    """What stands below one policy. ``info`` is None while only its children are known: it is invisible then.

    Three indexes of its groups by start: ``serving`` has those that hold points, with their effective ends, so they do
    not overlap; ``truncated`` the live ones that were cut short (some hold nothing any more), with their whole
    ends; ``deleted`` those that wait to be pruned.
    """

    __slots__ = ("deleted", "info", "serving", "subscriptions", "truncated")

    def __init__(self) -> None:
        self.info: Row | None = None
        self.subscriptions: dict[str, Row] = {}
        self.serving: TimeIndex = TimeIndex()
        self.truncated: TimeIndex = TimeIndex()
        self.deleted: TimeIndex = TimeIndex()

    def copy(self) -> PolicyTable:
        new = PolicyTable.__new__(PolicyTable)
        new.info = self.info
        new.subscriptions = self.subscriptions
        new.serving = self.serving
        new.truncated = self.truncated
        new.deleted = self.deleted
        return new

    @property
    def is_empty(self) -> bool:
        return self.info is None and not (self.subscriptions or self.serving or self.truncated or self.deleted)


class DatabaseTable:
    """What stands below one database; invisible while ``info`` is None."""

    __slots__ = ("grants", "info", "names", "policies", "queries")

    def __init__(self) -> None:
        self.info: Row | None = None
        self.names: dict[str, Row] = {}
        self.queries: dict[str, Row] = {}
        self.grants: dict[int, Row] = {}
        self.policies: dict[int, PolicyTable] = {}

    def copy(self) -> DatabaseTable:
        new = DatabaseTable.__new__(DatabaseTable)
        new.info = self.info
        new.names = self.names
        new.queries = self.queries
        new.grants = self.grants
        new.policies = self.policies
        return new

    @property
    def is_empty(self) -> bool:
        return self.info is None and not (self.names or self.queries or self.grants or self.policies)


class GenerationMark:
    """etcd's counters of ``state/generation``: what a later read of it is held against (dangers 4, 9)."""

    __slots__ = ("create_revision", "mod_revision", "value", "version")

    def __init__(self, create_revision: int, mod_revision: int, version: int, value: bytes) -> None:
        self.create_revision = create_revision
        self.mod_revision = mod_revision
        self.version = version
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GenerationMark) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"GenerationMark(version={self.version}, mod={self.mod_revision}, create={self.create_revision})"

    def _key(self) -> tuple[int, int, int, bytes]:
        return self.create_revision, self.mod_revision, self.version, self.value


class Tables:
    """All records of one revision. ``unreadable`` maps a relative key to why its value could not be decoded;
    those rows, and keys of a later version's making, are kept in ``others``."""

    __slots__ = (
        "cluster",
        "database_names",
        "databases",
        "generation",
        "groups",
        "host_names",
        "identity_names",
        "imports",
        "liveness",
        "nodes",
        "others",
        "plan_moves",
        "plans",
        "progress",
        "shards",
        "unreadable",
        "user_names",
        "users",
    )

    def __init__(self) -> None:
        self.cluster: Row | None = None
        self.generation: GenerationMark | None = None
        self.database_names: OverlayMap[str, Row] = OverlayMap.from_dict({})
        self.user_names: OverlayMap[str, Row] = OverlayMap.from_dict({})
        self.host_names: OverlayMap[str, Row] = OverlayMap.from_dict({})
        self.identity_names: OverlayMap[str, Row] = OverlayMap.from_dict({})
        self.nodes: OverlayMap[int, Row] = OverlayMap.from_dict({})
        self.users: OverlayMap[int, Row] = OverlayMap.from_dict({})
        self.databases: OverlayMap[int, DatabaseTable] = OverlayMap.from_dict({})
        self.groups: OverlayMap[int, PlacedRow] = OverlayMap.from_dict({})
        self.shards: OverlayMap[int, int] = OverlayMap.from_dict({})
        self.plans: OverlayMap[int, Row] = OverlayMap.from_dict({})
        self.plan_moves: OverlayMap[tuple[int, int], Row] = OverlayMap.from_dict({})
        self.imports: OverlayMap[int, Row] = OverlayMap.from_dict({})
        self.liveness: OverlayMap[int, Row] = OverlayMap.from_dict({})
        self.progress: OverlayMap[tuple[int, int], PlacedRow] = OverlayMap.from_dict({})
        self.others: OverlayMap[bytes, Row] = OverlayMap.from_dict({})
        self.unreadable: dict[bytes, str] = {}

    def copy(self) -> Tables:
        # Spelled out: a loop over the names would be a fifth of the cost of applying a change.
        new = Tables.__new__(Tables)
        new.cluster = self.cluster
        new.generation = self.generation
        new.database_names = self.database_names
        new.user_names = self.user_names
        new.host_names = self.host_names
        new.identity_names = self.identity_names
        new.nodes = self.nodes
        new.users = self.users
        new.databases = self.databases
        new.groups = self.groups
        new.shards = self.shards
        new.plans = self.plans
        new.plan_moves = self.plan_moves
        new.imports = self.imports
        new.liveness = self.liveness
        new.progress = self.progress
        new.others = self.others
        new.unreadable = self.unreadable
        return new

    def policy(self, database_id: int, policy_id: int) -> PolicyTable | None:
        """The table of a policy that is visible: it and its database have their records."""
        database = self.databases.get(database_id)
        if database is None or database.info is None:
            return None
        policy = database.policies.get(policy_id)
        return policy if policy is not None and policy.info is not None else None
