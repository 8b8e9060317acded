"""Which shards: the filters of `shard status`.

Several values of one filter are alternatives; all filters must fit. A filter that names something that is not
there is an error, not an empty list: a typing error must not look like good news.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etcdmeta.errors import InvalidInput, PolicyNotFound
from etcdmeta.model.entities import ShardGroup
from etcdmeta.model.health import Health, Presence, ShardStatus
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.views import PolicyView

NODE_STATES = (Presence.DOWN, Presence.GONE)
"""What `--state` takes besides an owner's own status: how its node is."""


@dataclass(frozen=True, slots=True)
class ShardFilter:
    """As typed. ``policies`` are (database or "", policy); ``nodes`` ids or hosts; times are nanoseconds.

    ``since`` and ``until`` keep the groups that meet that span, both inclusive; ``at`` those that hold it.
    """

    databases: tuple[str, ...] = ()
    policies: tuple[tuple[str, str], ...] = ()
    groups: tuple[int, ...] = ()
    shards: tuple[int, ...] = ()
    nodes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    healths: tuple[Health, ...] = ()
    at: tuple[int, ...] = ()
    since: int | None = None
    until: int | None = None
    copying: bool = False
    deleted: bool = False

    def resolve(self, snapshot: Snapshot) -> Selection:
        """Look up all that is named. Raises `NotFound`; `InvalidInput` for a status nobody knows or has."""
        for name in self.databases:
            snapshot.database(name)
        for group_id in self.groups:
            snapshot.group(group_id)
        self._check_states(snapshot)
        return Selection(
            self,
            policies=self._policy_ids(snapshot),
            named={snapshot.group_of_shard(shard_id).id for shard_id in self.shards} | set(self.groups),
            nodes=frozenset(snapshot.node(which).id for which in self.nodes),
        )

    def _policy_ids(self, snapshot: Snapshot) -> frozenset[int] | None:
        if not self.policies:
            return None
        among = self.databases or [database.name for database in snapshot.databases()]
        found: set[int] = set()
        for database, policy in self.policies:
            places = [snapshot.database(name) for name in ([database] if database else among)]
            ids = {view.id for place in places if (view := place.find_policy(policy)) is not None}
            if not ids:
                where = f"database {database!r}" if database else "any of the databases looked at"
                raise PolicyNotFound(f"retention policy {policy!r} is not there in {where}", value=policy)
            found |= ids
        return frozenset(found)

    def _check_states(self, snapshot: Snapshot) -> None:
        """A word that this version does not know may still be stored; one that nobody stored is a slip."""
        known = {*OwnerStatus, *NODE_STATES}
        strange = set(self.states) - known
        if not strange:
            return
        groups = snapshot.groups(include_deleted=True)
        owners = (owner for group in groups for shard in group.shards for owner in shard.owners)
        stored = {str(owner.status) for owner in owners}
        for word in sorted(strange - stored):
            raise InvalidInput(
                f"no owner has status {word!r}", value=word, rule=f"states are {', '.join(sorted(known))}"
            )


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter whose names were looked up in one snapshot. ``named``: groups given by --group or --shard."""

    asked: ShardFilter
    policies: frozenset[int] | None
    named: set[int]
    nodes: frozenset[int]

    def groups(self, snapshot: Snapshot) -> Iterator[tuple[PolicyView, ShardGroup]]:
        """The groups that may hold selected shards.

        Named ones are looked up, not searched for; a deleted one counts when it was named, or with --all.
        """
        asked = self.asked
        if self.named:
            for group_id in sorted(self.named):
                group = snapshot.group(group_id)
                database = snapshot.database_by_id(group.database_id)
                policy = database.policy_by_id(group.policy_id)
                if self._takes_policy(policy) and self._takes_group(group):
                    yield policy, group
            return
        named = [snapshot.database(name) for name in dict.fromkeys(asked.databases)]
        for database in named or snapshot.databases():
            for policy in database.policies():
                if self._takes_policy(policy):
                    for group in policy.groups(include_deleted=asked.deleted):
                        if self._takes_group(group):
                            yield policy, group

    def takes(self, status: ShardStatus) -> bool:
        """Whether the shard itself is wanted, its group being so."""
        asked = self.asked
        if asked.shards and status.shard_id not in asked.shards:
            return False
        if asked.healths and status.health not in asked.healths:
            return False
        owners = status.owners
        if self.nodes and not any(owner.node_id in self.nodes for owner in owners):
            return False
        if asked.copying and not any(owner.status == OwnerStatus.COPYING for owner in owners):
            return False
        states = asked.states
        return not states or any(str(o.status) in states or str(o.presence) in states for o in owners)

    def _takes_policy(self, policy: PolicyView) -> bool:
        if self.asked.databases and policy.database.name not in self.asked.databases:
            return False
        return self.policies is None or policy.id in self.policies

    def _takes_group(self, group: ShardGroup) -> bool:
        asked = self.asked
        if asked.groups and group.id not in asked.groups:
            return False
        if asked.at and not any(group.start <= time < group.effective_end for time in asked.at):
            return False
        if asked.since is not None and group.end <= asked.since:
            return False
        return asked.until is None or group.start <= asked.until
