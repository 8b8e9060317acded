"""New groups by the page: what an import writes, and a join, at a fraction of one by one.

A revision with a hundred groups below one policy copies the policy's and the database's tables, and the maps of groups
and shards, once instead of a hundred times. Only what is usual is collected, as in `etcdmeta.replica.loader`; what is
not (a group that is there already, one that was cut short or deleted, a value that cannot be read) is left to
`Draft.put`, for which all that was collected before is put into the tables first.
"""

from __future__ import annotations

from array import array
from typing import Any

from google.protobuf.message import DecodeError

from etcdmeta.model.tables import PlacedRow
from etcdmeta.records import keys
from etcdmeta.records.decoding import parse_group
from etcdmeta.records.keys import Kind, Place
from etcdmeta.records.transaction import RawKeyValue
from etcdmeta.replica.draft import Draft

_SIGN = 1 << 63
_TAIL = 33
"""Bytes of a group's key behind its policy's: start, slash, id."""

Taken = tuple[Place, None, PlacedRow]
"""As `etcdmeta.replica.apply` lists a change: where, before, after."""


class NewGroups:
    """Of one revision, in its order. ``prefix_length``: bytes before ``state/`` in every key."""

    def __init__(self, draft: Draft, prefix_length: int) -> None:
        self._draft = draft
        self._skip = prefix_length
        self._head = b""
        self._ids: tuple[Any, Any] = (0, 0)
        self._columns = _Columns()
        self._policies: dict[tuple[Any, Any], _Columns] = {}
        self._groups: dict[int, PlacedRow] = {}
        self._shards: dict[int, int] = {}

    def take(self, kv: RawKeyValue, is_put: bool) -> Taken | None:
        """None: it is for the draft to make, and nothing is waiting."""
        key = kv.key
        head = key[:-_TAIL]
        if not is_put or (head != self._head and not self._enter(key, head)):
            self._left()
            return None
        value = kv.value
        try:
            message = parse_group(value)
        except DecodeError:
            self._left()
            return None
        group_id, start, end = message.id, message.start, message.end
        if (
            key[-_TAIL:] != b"%016x/%016x" % (start + _SIGN, group_id)
            or end <= start
            or message.HasField("truncated_at")
            or message.HasField("deleted_at")
            or group_id in self._groups
            or group_id in self._draft.tables.groups
        ):
            self._left()
            return None
        database_id, policy_id = self._ids
        row = (value, kv.mod_revision, kv.create_revision, database_id, policy_id)
        self._groups[group_id] = row
        shards, columns = message.shards, self._columns
        if len(shards) == 1:  # by index: half the time of a loop
            self._shards[shards[0].id] = group_id
        else:
            for shard in shards:
                self._shards[shard.id] = group_id
        columns.starts.append(start)
        columns.ends.append(end)
        columns.ids.append(group_id)
        return (Kind.GROUP, (database_id, policy_id, start, group_id)), None, row

    def _enter(self, key: bytes, head: bytes) -> bool:
        """Until the policy changes, all keys begin like this one. False: it is no group's, or something that this
        version cannot read is held, maybe under the key that comes next."""
        kind, where = keys.locate(key[self._skip :])
        if kind is not Kind.GROUP or self._draft.tables.others:
            return False
        self._head = head
        self._ids = ids = where[0], where[1]
        self._columns = self._policies.setdefault(ids, _Columns())
        return True

    def _left(self) -> None:
        """To the draft: with all that came before it."""
        self.finish()
        self._head = b""  # and what comes next is looked at anew: something may be held by then

    def finish(self) -> None:
        """Put what was collected into the draft."""
        if not self._groups:
            return
        draft = self._draft
        draft.add_groups(self._groups, self._shards)
        for (database_id, policy_id), columns in self._policies.items():
            database = draft.database(database_id)
            policy = draft.policy(database, policy_id)
            policy.serving = policy.serving.add_run(columns.starts, columns.ends, columns.ids)
            draft.close_policy(database, policy_id, policy)
            draft.close_database(database_id, database)
        self._policies, self._groups, self._shards = {}, {}, {}


class _Columns:
    """Groups of one policy."""

    __slots__ = ("ends", "ids", "starts")

    def __init__(self) -> None:
        self.starts, self.ends, self.ids = array("q"), array("q"), array("Q")
