"""What an import writes: every record, in the same order and on the same pages whenever it is asked.

First everything below databases, and the map of ids: nobody sees it, since records without their root are in no picture
(law 2). Then the roots: nodes, users, databases. Whoever resumes an import makes the same shipment from the same source
and the import's stored record, so that what is written already need not be written down anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from etcdmeta.commands.importing.idmap import IdMap
from etcdmeta.commands.importing.incoming import (
    Incoming,
    IncomingDatabase,
    IncomingNode,
    IncomingOwner,
    IncomingPolicy,
    IncomingUser,
)
from etcdmeta.commands.importing.made import Row, bare
from etcdmeta.model.imports import Import
from etcdmeta.model.names import to_bytes
from etcdmeta.model.owners import NodeState
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode_name_ref, encode_secret
from etcdmeta.records.pb import records_pb2 as pb

PAGE_RECORDS: Final = 96
"""Of the 100 operations that a transaction may have (law 5); the rest is for the import's own record."""
PAGE_BYTES: Final = 700_000
_MOST_MESSAGES: Final = 1_000

Owners = tuple[Row, ...]
"""Of each shard of a group all but its id: its owners, and its last attempt, where there is one to say."""

Pair = tuple[bytes, bytes]
"""A key, relative to the cluster's prefix, and its value."""


class Page(NamedTuple):
    """What one transaction puts. ``secrets``: password hashes, which no log may hold. ``size``: bytes of all keys and
    values."""

    records: tuple[Pair, ...]
    secrets: tuple[Pair, ...] = ()
    size: int = 0


class Shipment:
    """See the module. ``record`` is the import as it is stored, which says under which ids."""

    def __init__(self, incoming: Incoming, record: Import) -> None:
        self.incoming = incoming
        self.record = record
        policies = [policy for database in incoming.databases for policy in database.policies]
        self.groups = IdMap((group[0] for policy in policies for group in bare(policy.groups)), record.first_group)
        shards = (shard[0] for policy in policies for group in bare(policy.groups) for shard in group[5])
        self.shards = IdMap(shards, record.first_shard)
        counts = (len(database.policies) for database in incoming.databases)
        self._grants: dict[int, list[tuple[int, str]]] = {}
        for number, user in enumerate(incoming.users):
            for place, privilege in user.grants:
                self._grants.setdefault(place, []).append((number, privilege))
        self._messages: dict[Owners, tuple[pb.ShardGroup, tuple[pb.Shard, ...]]] = {}
        self._first_policies = [record.first_policy, *accumulate(counts, initial=record.first_policy)][1:]

    def frame(self) -> Iterator[Page]:
        """Of what nobody sees yet: all but the groups, to be written in this order, since lists are in order of
        creation."""
        yield from _filled(self._frame())

    def groups_of_all(self) -> Iterator[Page]:
        """Of what nobody sees yet: the groups, which may be written in any order."""
        yield from _filled(self._groups())

    def roots(self) -> Iterator[Page]:
        """What makes it visible, in the order in which it may become so: who owns, who may, and what there is."""
        yield from _paged(self._roots())

    def _frame(self) -> Iterator[Pair]:
        for kind, ids in (("group", self.groups), ("shard", self.shards)):
            for number, page in enumerate(ids.pages()):
                yield keys.import_map(self.record.id, kind, number), page
        for place, database in enumerate(self.incoming.databases):
            yield from self._below_database(self.record.first_database + place, place, database)

    def _below_database(self, database_id: int, place: int, database: IncomingDatabase) -> Iterator[Pair]:
        for number, (name, text) in enumerate(database.queries, 1):
            query = pb.ContinuousQuery(name=to_bytes(name), query=to_bytes(text), place=number)
            yield keys.query(database_id, name), query.SerializeToString()
        for number, privilege in self._grants.get(place, ()):
            key = keys.grant(database_id, self.record.first_user + number)
            yield key, pb.Grant(privilege=privilege).SerializeToString()
        for number, policy in enumerate(database.policies):
            yield from self._below_policy(database_id, self._first_policies[place] + number, policy)

    def _below_policy(self, database_id: int, policy_id: int, policy: IncomingPolicy) -> Iterator[Pair]:
        message = pb.RetentionPolicy(
            id=policy_id,
            name=to_bytes(policy.name),
            replicas=policy.replicas,
            duration=policy.duration,
            group_duration=policy.group_duration,
        )
        yield keys.policy_name(database_id, policy.name), encode_name_ref(policy_id)
        yield keys.policy_info(database_id, policy_id), message.SerializeToString()
        for number, (name, mode, destinations) in enumerate(policy.subscriptions, 1):
            subscription = pb.Subscription(name=to_bytes(name), mode=mode, destinations=destinations, place=number)
            yield keys.subscription(database_id, policy_id, name), subscription.SerializeToString()

    def _groups(self) -> Iterator[Pair]:
        ids = self.groups
        for place, database in enumerate(self.incoming.databases):
            database_id = self.record.first_database + place
            for policy_id, policy in enumerate(database.policies, self._first_policies[place]):
                head = keys.groups_span(database_id, policy_id)[0]
                for row in bare(policy.groups):
                    group_id = ids[row[0]] if ids.first else row[0]
                    yield keys.group_in(head, row[1], group_id), self._group(row, group_id)

    def _group(self, row: Row, group_id: int) -> bytes:
        """Few sets of owners serve many groups: a message of each set is filled anew, at a third of making it."""
        ids = self.shards
        _, start, end, deleted_at, truncated_at, shards = row
        owners = tuple([shard[1:] for shard in shards])
        made = self._messages.get(owners)
        if made is None:
            if len(self._messages) == _MOST_MESSAGES:
                self._messages.clear()
            message = self._message(owners)
            made = self._messages[owners] = message, tuple(message.shards)
        message, parts = made
        message.id, message.start, message.end = group_id, start, end
        for into, shard in zip(parts, shards, strict=True):
            into.id = ids[shard[0]] if ids.first else shard[0]
        if deleted_at is None and truncated_at is None:
            return message.SerializeToString()
        special = pb.ShardGroup()
        special.CopyFrom(message)
        if deleted_at is not None:
            special.deleted_at = deleted_at
        if truncated_at is not None:
            special.truncated_at = truncated_at
        return special.SerializeToString()

    def _message(self, owners: Owners) -> pb.ShardGroup:
        """What groups whose shards have these owners, shard by shard, have in common."""
        message = pb.ShardGroup()
        nodes = self.record.nodes
        for of_shard, *last_attempt in owners:
            into = message.shards.add(last_attempt=last_attempt[0] if last_attempt else 0)
            for each in of_shard:
                owner = each if isinstance(each, IncomingOwner) else IncomingOwner(each)
                made = into.owners.add(node_id=nodes[owner.node_id])
                made.status, made.attempt, made.reason = owner.status, owner.attempt, owner.reason
                made.source = nodes.get(owner.source, 0)
                if owner.since is not None:
                    made.since = owner.since
        return message

    def _roots(self) -> Iterator[Page]:
        new = set(self.record.new_nodes)
        for node in self.incoming.nodes:
            if self.record.nodes[node.id] in new:
                yield Page(tuple(_node(node, self.record.nodes[node.id])))
        for number, user in enumerate(self.incoming.users):
            user_id = self.record.first_user + number
            name = (keys.user_name(user.name), encode_name_ref(user_id))
            secret = (keys.secret(user_id), encode_secret(user.hash))
            yield Page((name, (keys.user(user_id), _user(user, user_id))), (secret,))
        for place, database in enumerate(self.incoming.databases):
            database_id = self.record.first_database + place
            default = database.default_policy
            default_id = 0 if default is None else self._first_policies[place] + default
            message = pb.Database(id=database_id, name=to_bytes(database.name), default_policy_id=default_id)
            name = (keys.database_name(database.name), encode_name_ref(database_id))
            yield Page((name, (keys.database_info(database_id), message.SerializeToString())))


def _node(node: IncomingNode, node_id: int) -> Iterator[Pair]:
    message = pb.Node(id=node_id, host=node.host, state=node.state, labels=dict(node.labels))
    yield keys.node(node_id), message.SerializeToString(deterministic=True)
    if node.state != NodeState.REMOVED:
        yield keys.host_name(node.host), encode_name_ref(node_id)


def _user(user: IncomingUser, user_id: int) -> bytes:
    return pb.User(id=user_id, name=to_bytes(user.name), admin=user.admin).SerializeToString()


def _paged(parts: Iterable[Page]) -> Iterator[Page]:
    """As many parts on a page as fit; none is split: a name and what it stands for come at once."""
    records: list[Pair] = []
    secrets: list[Pair] = []
    size = 0
    for part in parts:
        more = sum(len(key) + len(value) for pairs in part[:2] for key, value in pairs)
        count = len(records) + len(secrets) + len(part.records) + len(part.secrets)
        if records and (count > PAGE_RECORDS or size + more > PAGE_BYTES):
            yield Page(tuple(records), tuple(secrets), size)
            records, secrets, size = [], [], 0
        records += part.records
        secrets += part.secrets
        size += more
    if records:
        yield Page(tuple(records), tuple(secrets), size)


def _filled(pairs: Iterable[Pair]) -> Iterator[Page]:
    """As many on a page as fit."""
    records: list[Pair] = []
    size = 0
    for key, value in pairs:
        more = len(key) + len(value)
        if len(records) == PAGE_RECORDS or (records and size + more > PAGE_BYTES):
            yield Page(tuple(records), size=size)
            records, size = [], 0
        records.append((key, value))
        size += more
    if records:
        yield Page(tuple(records), size=size)
