"""Protobuf bytes → model, or what the indexes need of them.

Decoding never guesses: what cannot be read raises `ValueError` and is quarantined by whoever loads it; words of a
later version (a status, a state) are kept as they are.
"""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from etcdmeta.model.durations import Duration
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
from etcdmeta.model.imports import Import, ImportState
from etcdmeta.model.moveplans import Move, MovePlan, PlanKind, PlanLimits, PlanState
from etcdmeta.model.names import from_bytes
from etcdmeta.model.owners import NodeState, OwnerStatus, Privilege, SubscriptionMode
from etcdmeta.model.tables import PlacedRow, Row, ShardPlacement
from etcdmeta.records.keys import Kind, render
from etcdmeta.records.pb import records_pb2 as pb

M = TypeVar("M", bound=Message)

_STATUSES: dict[str, OwnerStatus | str] = {"": OwnerStatus.ACTIVE, **{s.value: s for s in OwnerStatus}}
_STATES: dict[str, NodeState | str] = {"": NodeState.JOINED, **{s.value: s for s in NodeState}}
_COPYING = OwnerStatus.COPYING.value.encode()
_PLAN_KINDS: dict[str, PlanKind | str] = {k.value: k for k in PlanKind}
_PLAN_STATES: dict[str, PlanState | str] = {s.value: s for s in PlanState}
_IMPORT_STATES: dict[str, ImportState | str] = {s.value: s for s in ImportState}
_MODES: dict[str, SubscriptionMode | str] = {m.value: m for m in SubscriptionMode}
_PRIVILEGES: dict[str, Privilege | str] = {p.value: p for p in Privilege}


def parse(message: type[M], value: bytes) -> M:
    """Raises ValueError where the bytes are none of that message."""
    try:
        return message.FromString(value)
    except DecodeError as error:
        raise ValueError(f"no {message.DESCRIPTOR.name}: {error}") from None


def decode_secret(value: bytes) -> bytes:
    return parse(pb.Secret, value).bcrypt_hash


def decode_moves(value: bytes) -> tuple[Move, ...]:
    """One page of a plan. Raises ValueError."""
    return tuple(
        [
            Move(m.shard_id, m.from_node, m.to_node, m.source, m.size if m.HasField("size") else None)
            for m in parse(pb.Moves, value).moves
        ]
    )


GroupFacts = tuple[int, int, int, int, bool, bool, tuple[int, ...]]
"""id, start, end, effective end, deleted, truncated, ids of the shards"""


def group_facts(value: bytes) -> GroupFacts:
    """What the indexes need of a group, without making models. Raises DecodeError."""
    return facts_of(parse_group(value))


parse_group = pb.ShardGroup.FromString
"""Raises DecodeError. For `facts_of`, and for the loader, to which each call of Python's is a tenth of its time."""


def facts_of(m: pb.ShardGroup) -> GroupFacts:
    end, shards = m.end, m.shards
    truncated = m.HasField("truncated_at")
    effective = min(end, m.truncated_at) if truncated else end
    ids = (shards[0].id,) if len(shards) == 1 else tuple([shard.id for shard in shards])
    return m.id, m.start, end, effective, m.HasField("deleted_at"), truncated, ids


def check(kind: Kind, value: bytes) -> None:
    """Raises ValueError where a value is none of its kind."""
    message_type = _MESSAGES.get(kind)
    if message_type is not None:
        parse(message_type, value)


_MESSAGES: dict[Kind, type[Message]] = {
    Kind.CLUSTER: pb.Cluster,
    Kind.GENERATION: pb.Generation,
    Kind.DATABASE_NAME: pb.NameRef,
    Kind.USER_NAME: pb.NameRef,
    Kind.HOST_NAME: pb.NameRef,
    Kind.IDENTITY_NAME: pb.NameRef,
    Kind.POLICY_NAME: pb.NameRef,
    Kind.NODE: pb.Node,
    Kind.USER: pb.User,
    Kind.DATABASE: pb.Database,
    Kind.QUERY: pb.ContinuousQuery,
    Kind.GRANT: pb.Grant,
    Kind.POLICY: pb.RetentionPolicy,
    Kind.SUBSCRIPTION: pb.Subscription,
    Kind.GROUP: pb.ShardGroup,
    Kind.PLAN: pb.Plan,
    Kind.PLAN_MOVES: pb.Moves,
    Kind.IMPORT: pb.Import,
    Kind.LIVENESS: pb.Liveness,
    Kind.PROGRESS: pb.Progress,
}


def _counters(row: Row | PlacedRow) -> dict[str, Any]:
    """What every record knows of its key."""
    return {"mod_revision": row[1], "create_revision": row[2], "stored": row[0]}


class RecordDecoder:
    """The `etcdmeta.model.tables.Decoder` over this encoding; holds nothing."""

    __slots__ = ()

    def key(self, kind: str, *where: int | str) -> bytes:
        return render((Kind(kind), where))

    def cluster(self, row: Row) -> Cluster:
        m = pb.Cluster.FromString(row[0])
        return Cluster(
            **_counters(row),
            cluster_id=m.cluster_id,
            epoch=m.epoch,
            oldest_reader=m.oldest_reader,
            oldest_writer=m.oldest_writer,
            generation_base=m.generation_base,
            ledger_floor=m.ledger_floor,
            read_only=m.read_only,
        )

    def named_id(self, row: Row) -> int:
        return pb.NameRef.FromString(row[0]).id

    def node(self, row: Row) -> Node:
        m = pb.Node.FromString(row[0])
        return Node(
            **_counters(row),
            id=m.id,
            host=m.host,
            labels=dict(sorted(m.labels.items())),
            state=_STATES.get(m.state, m.state),
            identity_hash=m.identity_hash,
            reports_liveness=m.reports_liveness,
            joined_at=m.joined_at,
        )

    def user(self, row: Row) -> User:
        m = pb.User.FromString(row[0])
        return User(**_counters(row), id=m.id, name=from_bytes(m.name), admin=m.admin)

    def database(self, row: Row) -> Database:
        m = pb.Database.FromString(row[0])
        return Database(
            **_counters(row),
            id=m.id,
            name=from_bytes(m.name),
            default_policy_id=m.default_policy_id,
        )

    def policy(self, row: Row, database_id: int) -> RetentionPolicy:
        m = pb.RetentionPolicy.FromString(row[0])
        return RetentionPolicy(
            **_counters(row),
            id=m.id,
            database_id=database_id,
            name=from_bytes(m.name),
            replicas=m.replicas,
            duration=Duration(m.duration),
            group_duration=Duration(m.group_duration),
        )

    def query(self, row: Row, database_id: int) -> ContinuousQuery:
        m = pb.ContinuousQuery.FromString(row[0])
        return ContinuousQuery(
            **_counters(row),
            database_id=database_id,
            name=from_bytes(m.name),
            query=from_bytes(m.query),
            place=m.place,
        )

    def grant(self, row: Row, database_id: int, user_id: int) -> Grant:
        m = pb.Grant.FromString(row[0])
        return Grant(
            **_counters(row),
            database_id=database_id,
            user_id=user_id,
            privilege=_PRIVILEGES.get(m.privilege, m.privilege),
        )

    def subscription(self, row: Row, database_id: int, policy_id: int) -> Subscription:
        m = pb.Subscription.FromString(row[0])
        return Subscription(
            **_counters(row),
            database_id=database_id,
            policy_id=policy_id,
            name=from_bytes(m.name),
            mode=_MODES.get(m.mode, m.mode),
            destinations=tuple(m.destinations),
            place=m.place,
        )

    def group(self, row: PlacedRow) -> ShardGroup:
        m = pb.ShardGroup.FromString(row[0])
        # One nested dict through validation: half the time of nested constructors, and of model_construct.
        return ShardGroup.model_validate(
            {
                **_counters(row),
                "id": m.id,
                "database_id": row[3],
                "policy_id": row[4],
                "start": m.start,
                "end": m.end,
                "deleted_at": m.deleted_at if m.HasField("deleted_at") else None,
                "truncated_at": m.truncated_at if m.HasField("truncated_at") else None,
                "shards": tuple(
                    [
                        {
                            "id": s.id,
                            "last_attempt": s.last_attempt,
                            "owners": tuple(
                                [
                                    {
                                        "node_id": o.node_id,
                                        "status": _STATUSES.get(o.status, o.status),
                                        "source": o.source or None,
                                        "attempt": o.attempt,
                                        "since": o.since if o.HasField("since") else None,
                                        "reason": o.reason,
                                    }
                                    for o in s.owners
                                ]
                            ),
                        }
                        for s in m.shards
                    ]
                ),
            }
        )

    def group_owners(self, value: bytes) -> tuple[int, ...]:
        return tuple([o.node_id for s in pb.ShardGroup.FromString(value).shards for o in s.owners])

    def group_placements(self, value: bytes) -> tuple[ShardPlacement, ...]:
        m = pb.ShardGroup.FromString(value)
        if m.HasField("deleted_at"):
            return ()
        return tuple([(s.id, {o.node_id: _STATUSES.get(o.status, o.status) for o in s.owners}) for s in m.shards])

    def group_is_deleted(self, value: bytes) -> bool:
        return pb.ShardGroup.FromString(value).HasField("deleted_at")

    def group_may_copy(self, value: bytes) -> bool:
        return _COPYING in value  # the status is stored as its word

    def plan(self, row: Row) -> MovePlan:
        m = pb.Plan.FromString(row[0])
        return MovePlan(
            **_counters(row),
            id=m.id,
            kind=_PLAN_KINDS.get(m.kind, m.kind),
            state=_PLAN_STATES.get(m.state, m.state),
            reason=m.reason,
            author=m.author,
            created_at=m.created_at,
            changed_at=m.changed_at,
            moves=m.moves,
            pages=m.pages,
            # 0 is of no writer of ours: the least is meant.
            limits=PlanLimits(
                per_target=max(1, m.per_target), per_source=max(1, m.per_source), at_once=max(1, m.at_once)
            ),
            subjects=tuple(m.subjects),
            replacement=m.replacement,
            remove_subjects=m.remove_subjects,
            prior_states=dict(sorted(m.prior_states.items())),
            before=dict(sorted(m.before.items())),
            after=dict(sorted(m.after.items())),
            undoes=m.undoes,
            undone_by=m.undone_by,
            note=m.note,
        )

    def imported(self, row: Row) -> Import:
        m = pb.Import.FromString(row[0])
        return Import(
            **_counters(row),
            id=m.id,
            state=_IMPORT_STATES.get(m.state, m.state),
            digest=m.digest,
            source=m.source,
            author=m.author,
            started_at=m.started_at,
            changed_at=m.changed_at,
            planned_at=m.planned_at,
            first_database=m.first_database,
            databases=m.databases,
            first_policy=m.first_policy,
            policies=m.policies,
            first_user=m.first_user,
            users=m.users,
            first_group=m.first_group,
            first_shard=m.first_shard,
            groups=m.groups,
            records=m.records,
            nodes=dict(sorted(m.nodes.items())),
            new_nodes=tuple(m.new_nodes),
            raised=dict(sorted(m.raised.items())),
            shown=m.shown,
        )

    def moves(self, row: Row) -> tuple[Move, ...]:
        return decode_moves(row[0])

    def liveness(self, row: Row, node_id: int) -> Liveness:
        m = pb.Liveness.FromString(row[0])
        return Liveness(
            **_counters(row),
            node_id=node_id,
            instance=m.instance,
            since=m.since,
            version=m.version,
            host=m.host,
            generation=m.generation,
            cache_age=m.cache_age,
            agent_address=m.agent_address,
            interruptions=tuple(m.interruptions),
            lease_seconds=m.lease_seconds,
            clock=m.clock,
        )

    def progress(self, row: PlacedRow, shard_id: int, node_id: int) -> Progress:
        m = pb.Progress.FromString(row[0])
        return Progress(
            **_counters(row),
            database_id=row[3],
            policy_id=row[4],
            shard_id=shard_id,
            node_id=node_id,
            attempt=m.attempt,
            bytes_done=m.bytes_done if m.HasField("bytes_done") else None,
            bytes_total=m.bytes_total if m.HasField("bytes_total") else None,
            bytes_per_second=m.bytes_per_second if m.HasField("bytes_per_second") else None,
            updated=m.updated,
        )
