"""New groups by the page: what an import writes, and a join, at a fraction of one by one.

A revision with a hundred groups below one policy copies the policy's and the database's tables, and the maps of groups
and shards, once instead of a hundred times, and nothing is made of a change that nobody looks at. Only what is usual is
taken, as in `etcdmeta.replica.loader`; what is not (a group that is there already, one that was cut short or deleted, a
value that cannot be read) is left to `Draft.put`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from etcdmeta.model.tables import PlacedRow
from etcdmeta.records import keys
from etcdmeta.records.decoding import parse_group
from etcdmeta.records.keys import Kind
from etcdmeta.records.transaction import PUT_EVENT, RawEvent
from etcdmeta.replica.changes import Fact
from etcdmeta.replica.draft import Draft

_SIGN = 1 << 63
_TAIL = 33
"""Bytes of a group's key behind its policy's: start, slash, id."""


class GroupRun:
    """New groups that follow each other in one revision. Iterated, it says what changed, as `apply` lists it."""

    __slots__ = ("_ends", "_groups", "_ids", "_parts", "_rows", "_shards", "_starts")

    def __init__(self) -> None:
        self._rows: list[PlacedRow] = []
        self._starts, self._ends, self._ids = array("q"), array("q"), array("Q")
        self._parts: list[tuple[tuple[Any, Any], int]] = []
        """Database id and policy id, and the place in the columns from which on groups are that policy's."""
        self._groups: dict[int, PlacedRow] = {}
        self._shards: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Fact]:
        for row, start, group_id in zip(self._rows, self._starts, self._ids, strict=True):
            yield (Kind.GROUP, (row[3], row[4], start, group_id)), None, row

    def collect(self, events: Sequence[RawEvent], at: int, prefix_length: int) -> None:
        """From that event on, up to one that is no usual new group."""
        # One loop, with each field read once: two microseconds a group, of which there are a hundred thousand.
        rows, groups, shards = self._rows, self._groups, self._shards
        add_start, add_end, add_id = self._starts.append, self._ends.append, self._ids.append
        head = b""
        ids: tuple[Any, Any] = (0, 0)
        for index in range(at, len(events)):
            event = events[index]
            kv = event.kv
            key = kv.key
            if event.type != PUT_EVENT:
                return
            if not head or not key.startswith(head):  # until the policy changes, all keys begin like this one
                kind, where = keys.locate(key[prefix_length:])
                if kind is not Kind.GROUP:
                    return
                head = key[:-_TAIL]
                ids = where[0], where[1]
                self._parts.append((ids, len(rows)))
            value = kv.value
            try:
                message = parse_group(value)
            except DecodeError:
                return
            group_id, start, end = message.id, message.start, message.end
            if (
                key != b"%b%016x/%016x" % (head, start + _SIGN, group_id)
                or end <= start
                or message.HasField("truncated_at")
                or message.HasField("deleted_at")
                or group_id in groups
            ):
                return
            mod, create = kv.mod_revision, kv.create_revision
            row = (value, mod, mod if create == mod else create, *ids)
            groups[group_id] = row
            rows.append(row)
            add_start(start)
            add_end(end)
            add_id(group_id)
            of_group = message.shards
            if len(of_group) == 1:  # by index: half the time of a loop
                shards[of_group[0].id] = group_id
            else:
                for shard in of_group:
                    shards[shard.id] = group_id

    def put(self, draft: Draft) -> bool:
        """All of them into the draft; False: one is there already, and nothing was put."""
        if not draft.add_groups(self._groups, self._shards):
            return False
        ends = [begin for _, begin in self._parts[1:]] + [len(self._rows)]
        for ((database_id, policy_id), begin), end in zip(self._parts, ends, strict=True):
            database = draft.database(database_id)
            policy = draft.policy(database, policy_id)
            columns = (column[begin:end] for column in (self._starts, self._ends, self._ids))
            policy.serving = policy.serving.add_run(*columns)
            draft.close_policy(database, policy_id, policy)
            draft.close_database(database_id, database)
        return True


class NewGroups:
    """Of one revision, in its order. ``prefix_length``: bytes before ``state/`` in every key."""

    def __init__(self, draft: Draft, prefix_length: int) -> None:
        self._draft = draft
        self._skip = prefix_length
        self._refused = 0
        """Events before this place go one by one."""

    def take(self, events: Sequence[RawEvent], at: int) -> GroupRun | None:
        """Puts the new groups from that event on into the draft; None: the event is for the draft to make."""
        # What this version cannot read, and holds, may be under any key.
        if at < self._refused or self._draft.tables.others:
            return None
        run = GroupRun()
        run.collect(events, at, self._skip)
        if run and not run.put(self._draft):
            self._refused = at + len(run)
            return None
        return run or None
