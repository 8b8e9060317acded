"""The document read again: JSON → what an import plans from, everything in it checked."""

from __future__ import annotations

import json
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, NoReturn

from etcdmeta.archive.document import API_VERSION, KIND
from etcdmeta.archive.errors import DocumentInvalid
from etcdmeta.archive.values import Bad, Times, any_name, count, each, fields, kind, one_id, shown, unique, words
from etcdmeta.commands.guard import KINDS
from etcdmeta.commands.importing.incoming import (
    Incoming,
    IncomingDatabase,
    IncomingGroup,
    IncomingNode,
    IncomingOwner,
    IncomingPolicy,
    IncomingShard,
    IncomingSubscription,
    IncomingUser,
)
from etcdmeta.model.durations import Duration
from etcdmeta.model.names import to_bytes
from etcdmeta.model.owners import NodeState, OwnerStatus

MAX_BYTES: Final = 256 << 20
"""600,000 shard groups with three owners."""
MAX_VALUES: Final = 20_000_000
"""Values in it; each costs some 60 bytes of memory, and as little as 2 of the file."""

_DOCUMENT: Final = frozenset(
    {"apiVersion", "kind", "clusterId", "generation", "counters", "nodes", "databases", "users"}
)
_NODE: Final = frozenset({"id", "host", "state", "labels", "joinedAt"})
_DATABASE: Final = frozenset({"id", "name", "defaultPolicy", "queries", "policies"})
_QUERY: Final = frozenset({"name", "query"})
_POLICY: Final = frozenset(
    {"id", "name", "duration", "durationNs", "shardGroupDuration", "shardGroupDurationNs", "replicas",
     "subscriptions", "groups"}
)  # fmt: skip
_SUBSCRIPTION: Final = frozenset({"name", "mode", "destinations"})
_GROUP: Final = frozenset({"id", "start", "end", "deletedAt", "truncatedAt", "shards"})
_SHARD: Final = frozenset({"id", "lastAttempt", "owners"})
_OWNER: Final = frozenset({"nodeId", "status", "source", "attempt", "since", "reason"})
_USER: Final = frozenset({"id", "name", "admin", "hash", "grants"})
_GRANT: Final = frozenset({"database", "privilege"})


def read_document(blob: bytes) -> Incoming:
    """Raises `DocumentInvalid`, with the path of what is wrong."""
    if len(blob) > MAX_BYTES:
        raise DocumentInvalid(f"{len(blob)} bytes are too many", value=len(blob), rule=f"at most {MAX_BYTES} are read")
    values = blob.count(b",") + blob.count(b"[") + blob.count(b"{")
    if values > MAX_VALUES:
        raise DocumentInvalid(f"{values} values are too many", value=values, rule=f"at most {MAX_VALUES} are read")
    try:
        value = json.loads(blob, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        raise DocumentInvalid("it is nested too deeply", rule="a document has ten levels") from None
    except Bad as bad:
        raise DocumentInvalid(bad.why, path=bad.path) from None
    except ValueError as unreadable:
        raise DocumentInvalid(
            f"this is no JSON: {unreadable}", remedy="the file is damaged, or cut off, or is something else"
        ) from None
    try:
        return _Reader().document(value)
    except Bad as bad:
        raise DocumentInvalid(
            bad.why,
            path=bad.path,
            value=bad.value,
            rule="a document says what a cluster can be",
            remedy="mend it there, or export it again",
        ) from None


class _Reader:
    def __init__(self) -> None:
        self._times = Times()
        self._nodes: set[int] = set()
        self._groups: set[int] = set()
        self._shards: set[int] = set()
        self._databases: dict[str, int] = {}

    def document(self, value: Any) -> Incoming:
        if isinstance(value, dict):  # what it is comes first: else all that is missing would be told
            if value.get("apiVersion") != API_VERSION:
                raise Bad(f"{shown(value.get('apiVersion'))} is not {API_VERSION!r}", "apiVersion")
            if value.get("kind") != KIND:
                raise Bad(f"{shown(value.get('kind'))} is not {KIND!r}", "kind")
        d = fields(value, _DOCUMENT)
        highest = self._counters(d["counters"])
        nodes = each(d["nodes"], "nodes", self._node)
        unique([node.id for node in nodes], "nodes", "id")
        self._nodes = {node.id for node in nodes}
        hosts = [(i, node.host) for i, node in enumerate(nodes) if node.state != NodeState.REMOVED]
        for place, (index, host) in enumerate(hosts):
            if host in {other for _, other in hosts[:place]}:
                raise Bad(f"{shown(host)} is there already", f"nodes[{index}].host", host)
        databases = each(d["databases"], "databases", self._database)
        unique([database.name for database in databases], "databases", "name")
        self._databases = {database.name: place for place, database in enumerate(databases)}
        users = each(d["users"], "users", self._user)
        unique([user.name for user in users], "users", "name")
        used = {"node": self._nodes, "group": self._groups, "shard": self._shards}
        return Incoming(
            cluster_id=_cluster_id(d["clusterId"]),
            generation=count(d["generation"], "generation"),
            nodes=tuple(nodes),
            databases=tuple(databases),
            users=tuple(users),
            highest=MappingProxyType({what: max(highest.get(what, 0), *ids, 0) for what, ids in used.items()}),
        )

    def _counters(self, value: Any) -> dict[str, int]:
        if not isinstance(value, dict):
            raise Bad(f"it is {kind(value)}, and should be an object", "counters")
        for name in value.keys() - set(KINDS):
            raise Bad("there is no such kind of ids", f"counters.{name[:60]}")
        return {
            name: 0 if text == "0" else one_id(text, f"counters.{name}") for name, text in value.items()
        }  # fmt: skip

    def _node(self, value: Any) -> IncomingNode:
        n = fields(value, _NODE)
        labels = n["labels"]
        if not isinstance(labels, dict):
            raise Bad(f"it is {kind(labels)}, and should be an object", "labels")
        for name, text in labels.items():
            words(name, "labels")
            words(text, f"labels.{name}")
        self._times.maybe(n["joinedAt"], "joinedAt")
        state = words(n["state"], "state")
        return IncomingNode(
            one_id(n["id"], "id"), words(n["host"], "host"), labels, "" if state == NodeState.JOINED else state
        )

    def _database(self, value: Any) -> IncomingDatabase:
        d = fields(value, _DATABASE)
        one_id(d["id"], "id")
        policies = each(d["policies"], "policies", self._policy)
        names = [policy.name for policy in policies]
        unique(names, "policies", "name")
        default = None
        if d["defaultPolicy"] is not None:
            said = any_name(d["defaultPolicy"], "defaultPolicy")
            if said not in names:
                raise Bad(f"there is no policy {shown(said)}", "defaultPolicy", said)
            default = names.index(said)
        queries = each(d["queries"], "queries", _query)
        unique([name for name, _ in queries], "queries", "name")
        return IncomingDatabase(any_name(d["name"], "name"), default, tuple(policies), tuple(queries))

    def _policy(self, value: Any) -> IncomingPolicy:
        p = fields(value, _POLICY)
        one_id(p["id"], "id")
        groups = each(p["groups"], "groups", self._group)
        _check_overlaps(groups)
        subscriptions = each(p["subscriptions"], "subscriptions", _subscription)
        unique([subscription.name for subscription in subscriptions], "subscriptions", "name")
        return IncomingPolicy(
            any_name(p["name"], "name"),
            _duration(p, "duration"),
            _duration(p, "shardGroupDuration", 1),
            count(p["replicas"], "replicas", 1),
            tuple(groups),
            tuple(subscriptions),
        )

    def _group(self, value: Any) -> IncomingGroup:
        g = fields(value, _GROUP)
        times = self._times
        group_id = one_id(g["id"], "id")
        if group_id in self._groups:
            raise Bad(f"group {group_id} is there already", "id", group_id)
        self._groups.add(group_id)
        start, end, deleted_at = times.one(g["start"], "start"), times.one(g["end"], "end"), g["deletedAt"]
        if start >= end and deleted_at is None:
            raise Bad("it ends before it starts", "end", g["end"])
        return IncomingGroup(
            group_id,
            start,
            end,
            times.maybe(deleted_at, "deletedAt"),
            times.maybe(g["truncatedAt"], "truncatedAt"),
            tuple(each(g["shards"], "shards", self._shard)),
        )

    def _shard(self, value: Any) -> IncomingShard:
        s = fields(value, _SHARD)
        shard_id = one_id(s["id"], "id")
        if shard_id in self._shards:
            raise Bad(f"shard {shard_id} is there already", "id", shard_id)
        self._shards.add(shard_id)
        owners = each(s["owners"], "owners", self._owner)
        if len({owner.node_id for owner in owners}) != len(owners):
            unique([owner.node_id for owner in owners], "owners", "nodeId")
        return IncomingShard(shard_id, tuple(owners), count(s["lastAttempt"], "lastAttempt"))

    def _owner(self, value: Any) -> IncomingOwner:
        o = fields(value, _OWNER)
        node_id, source, status = one_id(o["nodeId"], "nodeId"), o["source"], words(o["status"], "status")
        if node_id not in self._nodes:
            raise Bad(f"there is no node {node_id}", "nodeId", node_id)
        return IncomingOwner(
            node_id,
            "" if status == OwnerStatus.ACTIVE else status,
            0 if source is None else one_id(source, "source"),
            count(o["attempt"], "attempt"),
            self._times.maybe(o["since"], "since"),
            words(o["reason"], "reason"),
        )

    def _user(self, value: Any) -> IncomingUser:
        u = fields(value, _USER)
        one_id(u["id"], "id")
        if not isinstance(u["admin"], bool):
            raise Bad(f"it is {kind(u['admin'])}, and should be true or false", "admin")
        if u["hash"] is None:
            raise Bad("the password's hash is missing", "hash")
        hashed = to_bytes(any_name(u["hash"], "hash"))
        grants = each(u["grants"], "grants", self._grant)
        unique([place for place, _ in grants], "grants", "database")
        return IncomingUser(any_name(u["name"], "name"), u["admin"], hashed, tuple(grants))

    def _grant(self, value: Any) -> tuple[int, str]:
        g = fields(value, _GRANT)
        name = any_name(g["database"], "database")
        if name not in self._databases:
            raise Bad(f"there is no database {shown(name)}", "database", name)
        return self._databases[name], words(g["privilege"], "privilege")


def _query(value: Any) -> tuple[str, str]:
    q = fields(value, _QUERY)
    return any_name(q["name"], "name"), any_name(q["query"], "query")


def _subscription(value: Any) -> IncomingSubscription:
    s = fields(value, _SUBSCRIPTION)
    destinations = each(s["destinations"], "destinations", lambda one: words(one, ""))
    return IncomingSubscription(any_name(s["name"], "name"), words(s["mode"], "mode"), tuple(destinations))


def _duration(policy: dict[str, Any], name: str, least: int = 0) -> int:
    """Given twice, for people and for programs: both have to agree."""
    nanoseconds = count(policy[f"{name}Ns"], f"{name}Ns", least)
    if policy[name] != str(Duration(nanoseconds)):
        raise Bad(f"{shown(policy[name])} is not {nanoseconds} ns", name, policy[name])
    return nanoseconds


def _check_overlaps(groups: list[IncomingGroup]) -> None:
    live = []
    for place, group in enumerate(groups):
        if group.deleted_at is None:
            end = group.end if group.truncated_at is None else min(group.end, group.truncated_at)
            if end > group.start:
                live.append((group.start, end, place))
    live.sort()
    for (_, end, _), (start, _, place) in pairwise(live):
        if start < end:
            raise Bad("it overlaps another live group of the policy", f"groups[{place}].start", start)


def _cluster_id(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20 and int(value) < 2**64:
        return int(value)
    raise Bad(f"{shown(value)} is no cluster id: a decimal string of 64 bits", "clusterId", value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Bad(f"the key {shown(twice)} is there twice in one object")
    return found


def _no_constant(text: str) -> NoReturn:
    raise Bad(f"{text} is no number of JSON's")
