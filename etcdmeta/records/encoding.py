"""Model → protobuf bytes.

Encoding starts from the bytes that a record was decoded from (`Record.stored`), so that fields which a newer version
put there survive a rewrite by this one; in a group, shards are matched by id and owners by node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from etcdmeta.errors import RecordTooLarge
from etcdmeta.model.entities import (
    Cluster,
    ContinuousQuery,
    Database,
    Grant,
    Liveness,
    Node,
    Progress,
    Record,
    RetentionPolicy,
    ShardGroup,
    Subscription,
    User,
)
from etcdmeta.model.imports import Import
from etcdmeta.model.moveplans import Move, MovePlan
from etcdmeta.model.names import to_bytes
from etcdmeta.model.owners import NodeState, OwnerStatus
from etcdmeta.records.decoding import parse
from etcdmeta.records.pb import records_pb2 as pb

MAX_VALUE = 1 << 20
"""Bytes. What is larger does not fit a transaction (law 5)."""


def encode(record: Record) -> bytes:
    """The stored form of a record. Raises `RecordTooLarge`."""
    kind = type(record)
    message_type, fill = _ENCODERS[kind]
    message = parse(message_type, record.stored)
    fill(message, record)
    value: bytes = message.SerializeToString(deterministic=True)
    if len(value) > MAX_VALUE:
        raise RecordTooLarge(
            f"the {kind.__name__} record would be {len(value)} bytes",
            value=len(value),
            rule=f"one record holds at most {MAX_VALUE} bytes",
            remedy="use fewer or shorter parts",
        )
    return value


def _fill_cluster(m: Any, c: Any) -> None:
    m.cluster_id, m.epoch = c.cluster_id, c.epoch
    m.oldest_reader, m.oldest_writer = c.oldest_reader, c.oldest_writer
    m.generation_base, m.ledger_floor, m.read_only = c.generation_base, c.ledger_floor, c.read_only


def _fill_node(m: Any, n: Any) -> None:
    m.id, m.host = n.id, n.host
    m.labels.clear()
    m.labels.update(n.labels)
    m.state = "" if n.state == NodeState.JOINED else str(n.state)
    m.identity_hash, m.reports_liveness, m.joined_at = n.identity_hash, n.reports_liveness, n.joined_at


def _fill_user(m: Any, u: Any) -> None:
    m.id, m.name, m.admin = u.id, to_bytes(u.name), u.admin


def _fill_database(m: Any, d: Any) -> None:
    m.id, m.name, m.default_policy_id = d.id, to_bytes(d.name), d.default_policy_id


def _fill_policy(m: Any, p: Any) -> None:
    m.id, m.name, m.replicas = p.id, to_bytes(p.name), p.replicas
    m.duration, m.group_duration = p.duration, p.group_duration


def _fill_query(m: Any, q: Any) -> None:
    m.name, m.query, m.place = to_bytes(q.name), to_bytes(q.query), q.place


def _fill_subscription(m: Any, s: Any) -> None:
    m.name, m.mode = to_bytes(s.name), str(s.mode)
    m.destinations[:] = s.destinations
    m.place = s.place


def _fill_grant(m: Any, g: Any) -> None:
    m.privilege = str(g.privilege)


def _fill_liveness(m: Any, v: Any) -> None:
    m.instance, m.since, m.version, m.host = v.instance, v.since, v.version, v.host
    m.generation, m.cache_age, m.agent_address = v.generation, v.cache_age, v.agent_address
    m.interruptions[:] = v.interruptions
    m.lease_seconds = v.lease_seconds
    m.clock = v.clock


def _set_optional(m: Any, name: str, value: int | None) -> None:
    if value is None:
        m.ClearField(name)
    else:
        setattr(m, name, value)


def _fill_progress(m: Any, p: Any) -> None:
    m.attempt, m.updated = p.attempt, p.updated
    _set_optional(m, "bytes_done", p.bytes_done)
    _set_optional(m, "bytes_total", p.bytes_total)
    _set_optional(m, "bytes_per_second", p.bytes_per_second)


def _fill_plan(m: Any, p: Any) -> None:
    m.id, m.kind, m.state = p.id, str(p.kind), str(p.state)
    m.reason, m.author, m.note = p.reason, p.author, p.note
    m.created_at, m.changed_at = p.created_at, p.changed_at
    m.moves, m.pages = p.moves, p.pages
    m.per_target, m.per_source, m.at_once = p.limits.per_target, p.limits.per_source, p.limits.at_once
    m.subjects[:] = p.subjects
    m.replacement, m.remove_subjects = p.replacement, p.remove_subjects
    for name in ("prior_states", "before", "after"):
        getattr(m, name).clear()
        getattr(m, name).update(getattr(p, name))
    m.undoes, m.undone_by = p.undoes, p.undone_by


def _fill_import(m: Any, i: Any) -> None:
    m.id, m.state, m.digest, m.source, m.author = i.id, str(i.state), i.digest, i.source, i.author
    m.started_at, m.changed_at, m.planned_at = i.started_at, i.changed_at, i.planned_at
    m.first_database, m.databases = i.first_database, i.databases
    m.first_policy, m.policies = i.first_policy, i.policies
    m.first_user, m.users = i.first_user, i.users
    m.first_group, m.first_shard, m.groups, m.records = i.first_group, i.first_shard, i.groups, i.records
    m.nodes.clear()
    m.nodes.update(i.nodes)
    m.new_nodes[:] = i.new_nodes
    m.raised.clear()
    m.raised.update(i.raised)
    m.shown = i.shown


def _fill_group(m: Any, g: Any) -> None:
    m.id, m.start, m.end = g.id, g.start, g.end
    _set_optional(m, "deleted_at", g.deleted_at)
    _set_optional(m, "truncated_at", g.truncated_at)
    if [shard.id for shard in m.shards] != [shard.id for shard in g.shards]:
        _rearrange(m.shards, g.shards, "id")
    for shard, shard_message in zip(g.shards, m.shards, strict=True):
        shard_message.id, shard_message.last_attempt = shard.id, shard.last_attempt
        owners = shard_message.owners
        if [owner.node_id for owner in owners] != [owner.node_id for owner in shard.owners]:
            _rearrange(owners, shard.owners, "node_id")
        for owner, om in zip(shard.owners, owners, strict=True):
            om.node_id, om.source, om.attempt = owner.node_id, owner.source or 0, owner.attempt
            om.status = "" if owner.status == OwnerStatus.ACTIVE else str(owner.status)
            om.reason = owner.reason
            _set_optional(om, "since", owner.since)


def _rearrange(messages: Any, models: Sequence[Any], name: str) -> None:
    """One message a model, in the models' order: the one of the same id with all that it holds, else an empty one.
    ``name`` is the id's, in both."""
    # As bytes, because clearing the list takes the messages in it with it.
    old = {getattr(message, name): message.SerializeToString() for message in messages}
    del messages[:]
    for model in models:
        messages.add().MergeFromString(old.get(getattr(model, name), b""))


_ENCODERS: dict[type[Record], tuple[Any, Callable[[Any, Any], None]]] = {
    Cluster: (pb.Cluster, _fill_cluster),
    Node: (pb.Node, _fill_node),
    User: (pb.User, _fill_user),
    Database: (pb.Database, _fill_database),
    RetentionPolicy: (pb.RetentionPolicy, _fill_policy),
    ShardGroup: (pb.ShardGroup, _fill_group),
    ContinuousQuery: (pb.ContinuousQuery, _fill_query),
    Subscription: (pb.Subscription, _fill_subscription),
    Grant: (pb.Grant, _fill_grant),
    Liveness: (pb.Liveness, _fill_liveness),
    Progress: (pb.Progress, _fill_progress),
    MovePlan: (pb.Plan, _fill_plan),
    Import: (pb.Import, _fill_import),
}


def encode_name_ref(record_id: int) -> bytes:
    """The value of a name's own key."""
    return pb.NameRef(id=record_id).SerializeToString()


def encode_moves(moves: Sequence[Move]) -> bytes:
    """One page of a plan."""
    page = pb.Moves()
    for move in moves:
        m = page.moves.add(shard_id=move.shard_id, from_node=move.from_node, to_node=move.to_node, source=move.source)
        _set_optional(m, "size", move.size)
    return page.SerializeToString()


def encode_id_counter(highest: int) -> bytes:
    return pb.IdCounter(highest=highest).SerializeToString()


def encode_secret(bcrypt_hash: bytes) -> bytes:
    return pb.Secret(bcrypt_hash=bcrypt_hash).SerializeToString()
