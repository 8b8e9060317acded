"""The shard groups of an import: checked against each other, and repaired by the rules of `oddities`."""

from __future__ import annotations

from typing import NamedTuple

from etcdmeta.influxdb.data import Data, RetentionPolicyInfo, ShardGroupInfo, ShardInfo
from etcdmeta.influxdb.oddities import Oddities, Rule
from etcdmeta.model.times import MAX_TIME, MIN_TIME


class ArrivingGroup(NamedTuple):
    """``shards``: (id, node ids of the owners). Times as in `model.entities.ShardGroup`."""

    id: int
    start: int
    end: int
    deleted_at: int | None
    truncated_at: int | None
    shards: tuple[tuple[int, tuple[int, ...]], ...]


class _Live(NamedTuple):
    start: int
    id: int
    end: int
    place: int
    path: str


class Groups:
    """What is unique over all policies: ids. ``owners``: node id → path of the first shard that it owns.
    ``highest_read`` is the highest id of a group as it came, ``highest_group`` the highest after repairs."""

    def __init__(self, data: Data, odd: Oddities, *, now: int, owner: int | None) -> None:
        self.owners: dict[int, str] = {}
        self.highest_group = 0
        self.highest_shard = 0
        self._odd = odd
        self._now = now
        self._owner = owner
        self._group_ids: set[int] = set()
        self._shard_ids: set[int] = set()
        ids = (g.id for d in data.databases for p in d.retention_policies for g in p.shard_groups)
        self.highest_read = max(ids, default=0)
        self._next_group = max(data.max_shard_group_id, self.highest_read) + 1

    def of_policy(self, policy: RetentionPolicyInfo, path: str) -> tuple[ArrivingGroup, ...]:
        """In InfluxDB's order."""
        found: list[ArrivingGroup] = []
        live: list[_Live] = []
        for index, info in enumerate(policy.shard_groups):
            inner = f"{path}.ShardGroups[{index}]"
            group = self._group(info, inner)
            found.append(group)
            if group.deleted_at is None:
                end = group.end if group.truncated_at is None else min(group.end, group.truncated_at)
                live.append(_Live(group.start, group.id, end, index, inner))
        self._part(live, found)
        return tuple(found)

    def _group(self, info: ShardGroupInfo, path: str) -> ArrivingGroup:
        odd = self._odd
        group_id = info.id
        if group_id == 0 or group_id in self._group_ids:
            group_id, self._next_group = self._next_group, self._next_group + 1
            odd.add(Rule.DUPLICATE_GROUP_ID, f"{path}.ID", f"id {info.id} becomes {group_id}")
        self._group_ids.add(group_id)
        self.highest_group = max(self.highest_group, group_id)
        start, end = self._time(info.start_time, f"{path}.StartTime"), self._time(info.end_time, f"{path}.EndTime")
        deleted_at = info.deleted_at or None
        if deleted_at is None and start >= end:
            odd.add(Rule.START_AFTER_END, path, f"it goes from {start} to {end}")
        shards = tuple([self._shard(shard, f"{path}.Shards[{i}]") for i, shard in enumerate(info.shards)])
        if deleted_at is None and not shards:
            odd.add(Rule.GROUP_WITHOUT_SHARDS, path, f"group {group_id} has no shards")
            deleted_at = self._now
        return ArrivingGroup(group_id, start, end, deleted_at, info.truncated_at or None, shards)

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
        self.highest_shard = max(self.highest_shard, shard.id)
        if shard.owner_ids and shard.owners:
            odd.add(Rule.BOTH_KINDS_OF_OWNERS, path, f"OwnerIDs {shard.owner_ids}, Owners {shard.owners}")
        owners = shard.effective_owners
        if len(set(owners)) != len(owners):
            odd.add(Rule.OWNER_TWICE, path, f"owners {owners}")
            owners = tuple(dict.fromkeys(owners))
        if not owners:
            if self._owner is None:
                odd.add(Rule.SHARD_WITHOUT_OWNERS, path, f"shard {shard.id}")
            else:
                owners = (self._owner,)
        for node_id in owners:
            self.owners.setdefault(node_id, path)
        return shard.id, owners

    def _part(self, live: list[_Live], found: list[ArrivingGroup]) -> None:
        """Truncates the earlier of two live groups that overlap where the later begins."""
        before: _Live | None = None
        for group in sorted(group for group in live if group.end > group.start):
            if before is not None and group.start < before.end:
                what = f"groups {before.id} and {group.id} overlap from {group.start}"
                self._odd.add(Rule.OVERLAPPING_GROUPS, before.path, what)
                found[before.place] = found[before.place]._replace(truncated_at=group.start)
            before = group
