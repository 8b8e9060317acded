"""The shard groups of an import: checked against each other, and repaired by the rules of `oddities`."""

from __future__ import annotations

from typing import NamedTuple

from etcdmeta.commands.importing.made import Columns, Made
from etcdmeta.influxdb.data import (
    Data,
    GroupRow,
    RetentionPolicyInfo,
    ShardGroupInfo,
    ShardInfo,
    ids_of,
    info_of,
    rows_of,
)
from etcdmeta.influxdb.oddities import Oddities, Rule
from etcdmeta.model.times import MAX_TIME, MIN_TIME, format_time


class ArrivingGroup(NamedTuple):
    """``shards``: (id, node ids of the owners). Times as in `model.entities.ShardGroup`."""

    id: int
    start: int
    end: int
    deleted_at: int | None
    truncated_at: int | None
    shards: tuple[tuple[int, tuple[int, ...]], ...]


_Row = tuple[int, int, int, int | None, int | None, tuple[tuple[int, tuple[int, ...]], ...]]
"""An `ArrivingGroup` in the making."""


class Groups:
    """What is unique over all policies: ids. ``owners``: node id → path of the first shard that it owns.
    ``highest_read`` is the highest id of a group as it came, ``highest_group`` the highest after repairs."""

    def __init__(self, data: Data, odd: Oddities, *, now: int, owner: int | None) -> None:
        self.owners: dict[int, str] = {}
        self._odd = odd
        self._now = now
        self._owner = owner
        self._group_ids: set[int] = set()
        self._shard_ids: set[int] = set()
        self._usual_owners: dict[tuple[int, ...], tuple[int, ...]] = {}
        policies = (policy for database in data.databases for policy in database.retention_policies)
        self.highest_read = max((max(ids_of(policy.shard_groups), default=0) for policy in policies), default=0)
        self._next_group = max(data.max_shard_group_id, self.highest_read) + 1

    @property
    def highest_group(self) -> int:
        return max(self._group_ids, default=0)

    @property
    def highest_shard(self) -> int:
        return max(self._shard_ids, default=0)

    def of_policy(self, policy: RetentionPolicyInfo, path: str) -> Made[ArrivingGroup]:
        """In InfluxDB's order."""
        found = Columns()
        for place, row in enumerate(rows_of(policy.shard_groups)):
            if not self._take_plain(row, found):
                found.add_row(self._usual(row) or self._group(info_of(row), f"{path}.ShardGroups[{place}]"))
        if not found.is_plain:
            self._part(found, path)
        return Made(found, ArrivingGroup._make)

    def _take_plain(self, row: GroupRow, found: Columns) -> bool:
        """Where nothing is odd, the same owners were seen before, and there is one shard and no mark, as of nearly all:
        at a quarter of the cost. False: it is to be looked at, part by part."""
        group_id, start, end, deleted_at, truncated_at, shards = row
        if deleted_at or truncated_at or len(shards) != 1:
            return False
        shard_id, owner_ids, node_ids = shards[0]
        owners = self._usual_owners.get(owner_ids or node_ids)
        if (
            owners is None
            or (owner_ids and node_ids)
            or not (group_id and shard_id and start and end)
            or not MIN_TIME <= start < end <= MAX_TIME
            or group_id in self._group_ids
            or shard_id in self._shard_ids
        ):
            return False
        self._group_ids.add(group_id)
        self._shard_ids.add(shard_id)
        found.add(group_id, start, end, shard_id, owners)
        return True

    def _usual(self, row: GroupRow) -> _Row | None:
        """Where nothing is odd, and the same owners were seen before, at a third of the cost. None: as above."""
        group_id, start, end, deleted_at, truncated_at, shards = row
        if (
            group_id in self._group_ids
            or not group_id
            or not MIN_TIME <= start < end <= MAX_TIME
            or not start
            or not end
        ):
            return None
        made = []
        for shard_id, owner_ids, node_ids in shards:
            owners = self._usual_owners.get(owner_ids or node_ids)
            if owners is None or (owner_ids and node_ids) or not shard_id:
                return None
            made.append((shard_id, owners))
        ids = [shard_id for shard_id, _ in made]
        if not ids or not self._shard_ids.isdisjoint(ids) or (len(ids) > 1 and len(set(ids)) < len(ids)):
            return None
        self._group_ids.add(group_id)
        self._shard_ids.update(ids)
        return group_id, start, end, deleted_at or None, truncated_at or None, tuple(made)

    def _group(self, info: ShardGroupInfo, path: str) -> _Row:
        odd = self._odd
        group_id = info.id
        if group_id == 0 or group_id in self._group_ids:
            group_id, self._next_group = self._next_group, self._next_group + 1
            odd.add(Rule.DUPLICATE_GROUP_ID, f"{path}.ID", f"id {info.id} becomes {group_id}")
        self._group_ids.add(group_id)
        start, end = self._time(info.start_time, f"{path}.StartTime"), self._time(info.end_time, f"{path}.EndTime")
        deleted_at = info.deleted_at or None
        if deleted_at is None and start >= end:
            odd.add(Rule.START_AFTER_END, path, f"it goes from {format_time(start)} to {format_time(end)}")
        shards = tuple([self._shard(shard, f"{path}.Shards[{i}]") for i, shard in enumerate(info.shards)])
        if deleted_at is None and not shards:
            odd.add(Rule.GROUP_WITHOUT_SHARDS, path, f"group {group_id} has no shards")
            deleted_at = self._now
        return group_id, start, end, deleted_at, info.truncated_at or None, shards

    def _time(self, time: int, path: str) -> int:
        if time == 0:
            self._odd.add(Rule.TIME_UNSET, path, "it is 0")
        elif not MIN_TIME <= time <= MAX_TIME:
            self._odd.add(Rule.TIME_OUT_OF_RANGE, path, str(time))
        return max(MIN_TIME, min(time, MAX_TIME))

    def _shard(self, shard: ShardInfo, path: str) -> tuple[int, tuple[int, ...]]:
        odd = self._odd
        if shard.id == 0:
            odd.add(Rule.ID_ZERO, f"{path}.ID", "it is 0")
        elif shard.id in self._shard_ids:
            odd.add(Rule.DUPLICATE_SHARD_ID, f"{path}.ID", f"shard {shard.id} is there already")
        self._shard_ids.add(shard.id)
        if shard.owner_ids and shard.owners:
            odd.add(Rule.BOTH_KINDS_OF_OWNERS, path, f"OwnerIDs {shard.owner_ids}, Owners {shard.owners}")
        owners = shard.effective_owners
        if len(set(owners)) != len(owners):
            odd.add(Rule.OWNER_TWICE, path, f"owners {owners}")
            owners = tuple(dict.fromkeys(owners))
        elif owners:
            self._usual_owners[owners] = owners
        if not owners:
            if self._owner is None:
                odd.add(Rule.SHARD_WITHOUT_OWNERS, path, f"shard {shard.id}")
            else:
                owners = (self._owner,)
        for node_id in owners:
            self.owners.setdefault(node_id, path)
        return shard.id, owners

    def _part(self, found: Columns, path: str) -> None:
        """Truncates the earlier of two live groups that overlap where the later begins."""
        live = sorted(
            (start, group_id, end if truncated_at is None else min(end, truncated_at), place)
            for place, (group_id, start, end, deleted_at, truncated_at, _) in enumerate(found)
            if deleted_at is None
        )
        before = -1
        before_id, before_end = 0, MIN_TIME
        for start, group_id, end, place in live:
            if end <= start:
                continue
            if start < before_end:
                what = f"groups {before_id} and {group_id} overlap from {format_time(start)} on"
                self._odd.add(Rule.OVERLAPPING_GROUPS, f"{path}.ShardGroups[{before}]", what)
                row = found[before]
                found.replace(before, (*row[:4], start, row[5]))
            before, before_id, before_end = place, group_id, end
