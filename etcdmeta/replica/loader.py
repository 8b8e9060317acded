"""A listing of etcd → snapshot.

Groups, which are nearly everything, go straight into plain dicts and sorted lists, so that at 100,000 of them
building costs less than reading; the rest goes the way of single changes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from operator import ge
from typing import Final

from google.protobuf.message import DecodeError

from etcdmeta.model.overlay import OverlayMap
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.tables import PlacedRow, Tables
from etcdmeta.model.timeindex import Entry, TimeIndex
from etcdmeta.records import keys
from etcdmeta.records.decoding import RecordDecoder, facts_of, parse_group
from etcdmeta.records.keys import Kind
from etcdmeta.records.transaction import RawKeyValue
from etcdmeta.replica.draft import Draft, index_entries, read_group

_SIGN: Final = 1 << 63
"""What a key adds to a start, so that keys sort by time."""


class Loader:
    """Collects the pages of one listing. ``prefix_length``: bytes before ``state/`` in every key."""

    def __init__(self, prefix_length: int) -> None:
        self._skip = prefix_length
        self._draft = Draft(Tables())
        self._groups: dict[int, PlacedRow] = {}
        self._shards: dict[int, int] = {}
        self._policies: dict[tuple[int, int], _Policy] = {}
        self._head = b"\0"
        self._policy = _Policy()

    def add(self, kvs: Iterable[RawKeyValue]) -> None:
        """One page of the listing. Pages may come in any order of ranges."""
        skip, head, groups, shards = self._skip, self._head, self._groups, self._shards
        policy = self._policy
        (database_id, policy_id), starts, ends, group_ids = policy.ids, policy.starts, policy.ends, policy.group_ids
        for kv in kvs:
            key = kv.key
            if not key.startswith(head):
                place = keys.locate(key[skip:])
                if place[0] is not Kind.GROUP:
                    row = (kv.value, kv.mod_revision, kv.create_revision)
                    self._draft.put(key[skip:], place, row, kv.version)
                    continue
                # Until the policy changes, all keys begin like this one, up to their start.
                head = self._head = key[:-33]
                database_id, policy_id = ids = (int(place[1][0]), int(place[1][1]))
                policy = self._policy = self._policies.setdefault(ids, _Policy(ids))
                starts, ends, group_ids = policy.starts, policy.ends, policy.group_ids
            value = kv.value
            try:
                message = parse_group(value)
            except DecodeError:
                self._odd(key[skip:], kv)
                continue
            group_id, start, end = message.id, message.start, message.end
            if key[-33:] != b"%016x/%016x" % (start + _SIGN, group_id) or group_id in groups:
                self._odd(key[skip:], kv)
                continue
            mod, create = kv.mod_revision, kv.create_revision
            # Most have changed never: one int for both revisions saves 32 bytes a group.
            groups[group_id] = (value, mod, mod if create == mod else create, database_id, policy_id)
            of_group = message.shards
            if len(of_group) == 1:  # by index: half the time of a loop
                shards[of_group[0].id] = group_id
            else:
                for shard in of_group:
                    shards[shard.id] = group_id
            if message.HasField("truncated_at") or message.HasField("deleted_at") or end <= start:
                for name, *entry in index_entries(facts_of(message)):
                    policy.entries[name].append((entry[0], entry[1], entry[2]))
            else:
                starts.append(start)
                ends.append(end)
                group_ids.append(group_id)

    def finish(self, revision: int, *, restores: int = 0) -> Snapshot:
        """The picture at the listing's revision."""
        draft = self._draft
        tables = draft.tables
        tables.groups = OverlayMap.from_dict(self._groups)
        tables.shards = OverlayMap.from_dict(self._shards)
        for (database_id, policy_id), collected in self._policies.items():
            database = draft.database(database_id)
            policy = draft.policy(database, policy_id)
            for name, index in collected.indexes():
                setattr(policy, name, index)
            draft.close_policy(database, policy_id, policy)
            draft.close_database(database_id, database)
        return Snapshot(tables, revision, RecordDecoder(), restores=restores)

    def _odd(self, key: bytes, kv: RawKeyValue) -> None:
        row = (kv.value, kv.mod_revision, kv.create_revision)
        try:
            read_group(keys.locate(key), kv.value)
            why = "another shard group has its id"
        except ValueError as error:
            why = str(error)
        tables = self._draft.tables
        tables.others = tables.others.set(key, row)
        tables.unreadable = {**tables.unreadable, key: why}


class _Policy:
    """The groups of one policy: those that serve with nothing special about them as three columns, the few others
    as entries of the indexes they belong to."""

    __slots__ = ("ends", "entries", "group_ids", "ids", "starts")

    def __init__(self, ids: tuple[int, int] = (0, 0)) -> None:
        self.ids = ids
        self.starts, self.ends, self.group_ids = array("q"), array("q"), array("Q")
        self.entries: dict[str, list[Entry]] = {"serving": [], "truncated": [], "deleted": []}

    def indexes(self) -> Iterator[tuple[str, TimeIndex]]:
        others = self.entries.pop("serving")
        if others or any(map(ge, self.starts, self.starts[1:])):
            entries = [*zip(self.starts, self.ends, self.group_ids, strict=True), *others]
            yield "serving", TimeIndex.from_sorted(sorted(entries, key=_by_start))
        else:  # as etcd sends them
            yield "serving", TimeIndex.from_columns(self.starts, self.ends, self.group_ids)
        for name, entries in self.entries.items():
            yield name, TimeIndex.from_sorted(sorted(entries, key=_by_start))


def _by_start(entry: Entry) -> tuple[int, int]:
    return entry[0], entry[2]
