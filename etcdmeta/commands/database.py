"""Databases: created together with their default retention policy, dropped with everything below them."""

from __future__ import annotations

from typing import ClassVar, Final

from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.policy import described, new_policy
from etcdmeta.commands.quarantine import require_readable_key
from etcdmeta.errors import DatabaseExists
from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import Database
from etcdmeta.model.names import check_name
from etcdmeta.model.retention import FOREVER, normalise_group_duration
from etcdmeta.model.views import DatabaseView, PolicyView
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_name_ref

DEFAULT_POLICY: Final = "autogen"
"""The name of the policy that a database is created with (InfluxDB 1.0 and later)."""

DEFAULT_REPLICAS: Final = 1
"""As in a single InfluxDB 1.x server."""


class CreateDatabase(Command):
    """Make a database, and its default policy with it.

    None means "not said": ``autogen``, for ever, one replica, shard groups by the duration. A database that
    is there is unchanged if its default policy is as said; so the name alone is never an error.

    Compares: ``create(name/db/E)=0``; that nothing stands below ``db/D/``. Writes: ``name/db/E``,
    ``db/D/info``, ``db/D/rp/P/info``, ``db/D/name/<policy>``. Result: ``database_id``, ``policy_id``.
    Errors: `DatabaseExists`, `InvalidName`, `ReplicationFactorTooLow`, `DurationTooLow`,
    `IncompatibleDurations`, `RecordUnreadable`.
    Source: InfluxDB 1.x, CREATE DATABASE … WITH.
    """

    NAME: ClassVar[str] = "create database"

    name: str
    policy: str | None = None
    duration: Duration | None = None
    replicas: int | None = None
    group_duration: Duration | None = None

    def plan(self, context: Context) -> Plan:
        check_name(self.name, "database")
        policy_name = DEFAULT_POLICY if self.policy is None else self.policy
        policy = new_policy(
            policy_name,
            FOREVER if self.duration is None else self.duration,
            DEFAULT_REPLICAS if self.replicas is None else self.replicas,
            self.group_duration,
        )
        snapshot = context.snapshot
        name_key = keys.database_name(self.name)
        require_readable_key(snapshot, name_key, f"cannot tell whether database {self.name!r} is there")
        existing = snapshot.find_database(self.name)
        if existing is not None:
            return self._made_before(existing)

        ids = context.ids.take(database=1, policy=1)
        database_id, policy_id = ids["database"][0], ids["policy"][0]
        policy = policy.model_copy(update={"id": policy_id, "database_id": database_id})
        database = Database(id=database_id, name=self.name, default_policy_id=policy_id)
        builder = PlanBuilder()
        builder.require_absent(name_key)
        builder.require_none(*keys.database_span(database_id))
        builder.put(name_key, encode_name_ref(database_id))
        builder.put(keys.database_info(database_id), encode(database))
        builder.put(keys.policy_info(database_id, policy_id), encode(policy))
        builder.put(keys.policy_name(database_id, policy_name), encode_name_ref(policy_id))
        return builder.build(
            f"created database {self.name!r} with policy {described(policy)}",
            {"database_id": database_id, "policy_id": policy_id},
        )

    def _made_before(self, database: DatabaseView) -> Plan:
        policy = database.default_policy
        differing = self._differing(policy)
        if differing:
            raise DatabaseExists(
                f"database {self.name!r} exists, and its default policy has {', '.join(differing)}",
                value=self.name,
                rule="making the same database again changes nothing; another one cannot have its name",
                remedy="leave the options out, or alter the policy",
            )
        return unchanged(
            f"database {self.name!r} is there already",
            {"database_id": database.id, "policy_id": 0 if policy is None else policy.id},
        )

    def _differing(self, policy: PolicyView | None) -> list[str]:
        """In words, what the present default policy has otherwise than was said."""
        if policy is None:
            said = (self.policy, self.duration, self.replicas, self.group_duration)
            return [] if all(option is None for option in said) else ["no default policy"]
        differing = []
        if self.policy is not None and self.policy != policy.name:
            differing.append(f"the name {policy.name!r}")
        if self.duration is not None and self.duration != policy.duration:
            differing.append(f"duration {policy.duration.influxql()}")
        if self.replicas is not None and self.replicas != policy.replicas:
            differing.append(f"replication factor {policy.replicas}")
        if (
            self.group_duration is not None
            and normalise_group_duration(self.group_duration, policy.duration) != policy.group_duration
        ):
            differing.append(f"shard group duration {policy.group_duration.influxql()}")
        return differing


class DropDatabase(Command):
    """Drop a database with its policies, groups, queries, subscriptions and grants.

    Three operations, whatever it holds. Its id is never used again. Everything that is written below a
    database compares that it lives, so nothing can appear in it afterwards.

    Compares: ``mod(name/db/E)``, ``create(db/D/info)``. Writes: deletes ``name/db/E``, the range ``db/D/``,
    the range ``progress/D/``. Result: ``database_id``. Errors: `DatabaseNotFound`, `RecordUnreadable`.
    Source: InfluxDB 1.x, DROP DATABASE; which finds a missing one no error, while here whoever names what is
    not there is told so.
    """

    NAME: ClassVar[str] = "drop database"

    name: str

    @property
    def lasting(self) -> bool:
        """Who dropped what is known for ever (bounded)."""
        return True

    def plan(self, context: Context) -> Plan:
        name_key = keys.database_name(self.name)
        require_readable_key(context.snapshot, name_key, f"cannot tell whether database {self.name!r} is there")
        database = context.snapshot.database(self.name)
        builder = PlanBuilder()
        builder.require_modified(name_key, database.name_revision)
        builder.require_created(keys.database_info(database.id), database.create_revision)
        builder.delete(name_key)
        builder.delete_range(*keys.database_span(database.id))
        builder.delete_range(*keys.progress_span(database.id))
        return builder.build(f"dropped database {self.name!r} and everything in it", {"database_id": database.id})
