"""Databases, policies, shard groups, queries and subscriptions, as methods."""

from __future__ import annotations

from collections.abc import Iterable

from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.group import CreateShardGroup, DeleteShardGroup
from etcdmeta.commands.group_upkeep import PrecreateShardGroups, PruneShardGroups, TruncateShardGroups
from etcdmeta.commands.policy import AlterPolicy, CreatePolicy, DropPolicy, SetDefaultPolicy
from etcdmeta.commands.query import CreateContinuousQuery, DropContinuousQuery
from etcdmeta.commands.subscription import CreateSubscription, DropSubscription
from etcdmeta.model.entities import ContinuousQuery, ShardGroup, Subscription
from etcdmeta.model.owners import SubscriptionMode
from etcdmeta.model.views import DatabaseView, PolicyView
from etcdmeta.store.operations import Outcome
from etcdmeta.store.shortcuts.basis import AnyDuration, Executes, all_steps, duration, optional_duration, word


class DataShortcuts:
    """One method a command."""

    def create_database(
        self: Executes,
        name: str,
        *,
        duration: AnyDuration | None = None,
        replicas: int | None = None,
        group_duration: AnyDuration | None = None,
        policy: str | None = None,
    ) -> DatabaseView:
        """With its default policy: ``autogen``, for ever, one replica, where nothing else is said.

        The same again is no error, nor is the name alone. Raises `InvalidName`, `DatabaseExists`, …
        """
        self.execute(
            CreateDatabase(
                name=name,
                policy=policy,
                duration=optional_duration(duration),
                replicas=replicas,
                group_duration=optional_duration(group_duration),
            )
        )
        return self.snapshot().database(name)

    def drop_database(self: Executes, name: str) -> Outcome:
        """With all that it holds, in one transaction whatever that is. Raises `DatabaseNotFound`."""
        return self.execute(DropDatabase(name=name))

    def create_policy(
        self: Executes,
        database: str,
        name: str,
        *,
        duration: AnyDuration,
        replicas: int = 1,
        group_duration: AnyDuration | None = None,
        default: bool = False,
    ) -> PolicyView:
        self.execute(
            CreatePolicy(
                database=database,
                name=name,
                duration=_duration(duration),
                replicas=replicas,
                group_duration=optional_duration(group_duration),
                default=default,
            )
        )
        return self.snapshot().policy(database, name)

    def alter_policy(
        self: Executes,
        database: str,
        name: str,
        *,
        new_name: str | None = None,
        duration: AnyDuration | None = None,
        replicas: int | None = None,
        group_duration: AnyDuration | None = None,
        default: bool = False,
    ) -> PolicyView:
        """Changes what is given, and leaves the rest. Existing shard groups stay as they are."""
        self.execute(
            AlterPolicy(
                database=database,
                name=name,
                new_name=new_name,
                duration=optional_duration(duration),
                replicas=replicas,
                group_duration=optional_duration(group_duration),
                default=default,
            )
        )
        return self.snapshot().policy(database, new_name or name)

    def drop_policy(self: Executes, database: str, name: str) -> Outcome:
        return self.execute(DropPolicy(database=database, name=name))

    def set_default_policy(self: Executes, database: str, name: str) -> Outcome:
        return self.execute(SetDefaultPolicy(database=database, name=name))

    def create_shard_group(self: Executes, database: str, policy: str, at: int) -> ShardGroup:
        """The group that holds that time (ns since 1970): made where there is none.

        However many clients ask at once, it exists once. Raises `NodesRequired`, `InvalidTime`, `PolicyNotFound`.
        """
        outcome = self.execute(CreateShardGroup(database=database, policy=policy, at=at))
        return self.snapshot().group(int(outcome.result["group_id"]))

    def delete_shard_group(self: Executes, group_id: int) -> Outcome:
        """Marks it deleted; `prune_shard_groups` takes the record away later."""
        return self.execute(DeleteShardGroup(group_id=group_id))

    def precreate_shard_groups(self: Executes, until: int, *, database: str | None = None) -> tuple[Outcome, ...]:
        """The group that follows each live one which ends by ``until`` (ns since 1970)."""
        return all_steps(self, PrecreateShardGroups(until=until, database=database))

    def truncate_shard_groups(
        self: Executes, at: int, *, database: str | None = None, policy: str | None = None
    ) -> tuple[Outcome, ...]:
        """No group takes points from ``at`` (ns since 1970) on any more; new groups will, with the nodes there are."""
        return all_steps(self, TruncateShardGroups(at=at, database=database, policy=policy))

    def prune_shard_groups(self: Executes, deleted_before: int) -> tuple[Outcome, ...]:
        """Forget groups that were marked deleted before that time (ns since 1970)."""
        return all_steps(self, PruneShardGroups(deleted_before=deleted_before))

    def create_continuous_query(self: Executes, database: str, name: str, query: str) -> ContinuousQuery:
        """The same text again (case-insensitive) is no error (InfluxDB 1.x)."""
        self.execute(CreateContinuousQuery(database=database, name=name, query=query))
        return self.snapshot().database(database).query(name)

    def drop_continuous_query(self: Executes, database: str, name: str) -> Outcome:
        return self.execute(DropContinuousQuery(database=database, name=name))

    def create_subscription(
        self: Executes,
        database: str,
        policy: str,
        name: str,
        mode: SubscriptionMode | str,
        destinations: Iterable[str],
    ) -> Subscription:
        """``mode`` ANY or ALL; destinations are http, https or udp URLs with host and port."""
        command = CreateSubscription(
            database=database,
            policy=policy,
            name=name,
            mode=word(SubscriptionMode, mode),
            destinations=tuple(destinations),
        )
        self.execute(command)
        return self.snapshot().policy(database, policy).subscription(name)

    def drop_subscription(self: Executes, database: str, policy: str, name: str) -> Outcome:
        return self.execute(DropSubscription(database=database, policy=policy, name=name))


_duration = duration  # the methods have arguments of that name
