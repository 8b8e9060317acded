"""Retention policies: how long a database's data is kept, in how many copies, in groups of which length."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.quarantine import require_readable_key
from etcdmeta.errors import InvalidInput, PolicyExists, ReplicationFactorTooLow
from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import RetentionPolicy
from etcdmeta.model.names import check_name
from etcdmeta.model.retention import check_durations, normalise_group_duration
from etcdmeta.model.views import DatabaseView, PolicyView
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_name_ref

MOST_REPLICAS: Final = 2**32 - 1
"""What InfluxDB's ReplicaN can hold."""


class CreatePolicy(Command):
    """Add a policy to a database, as its default where asked for.

    The same policy again is unchanged; a group duration that was not given counts as the one it would become.
    To ask for the default and not be the default is a difference, too.

    Compares: ``create(db/D/name/E)=0``; ``create(db/D/info)``, with default its ``mod``. Writes:
    ``db/D/name/E``, ``db/D/rp/P/info``, with default ``db/D/info``. Result: ``database_id``, ``policy_id``.
    Errors: `DatabaseNotFound`, `PolicyExists`, `InvalidName`, `ReplicationFactorTooLow`, `DurationTooLow`,
    `IncompatibleDurations`, `RecordUnreadable`.
    Source: InfluxDB 1.x, CREATE RETENTION POLICY.
    """

    NAME: ClassVar[str] = "create policy"

    database: str
    name: str
    duration: Duration
    replicas: int
    group_duration: Duration | None = None
    default: bool = False

    def plan(self, context: Context) -> Plan:
        check_name(self.name, "retention policy")
        policy = new_policy(self.name, self.duration, self.replicas, self.group_duration)
        database = context.snapshot.database(self.database)
        name_key = keys.policy_name(database.id, self.name)
        _require_readable(context, database, self.name)
        existing = database.find_policy(self.name)
        if existing is not None:
            return self._made_before(existing, policy)

        policy_id = context.ids.take(policy=1)["policy"][0]
        policy = policy.model_copy(update={"id": policy_id, "database_id": database.id})
        builder = PlanBuilder()
        builder.require_absent(name_key)
        builder.put(name_key, encode_name_ref(policy_id))
        builder.put(keys.policy_info(database.id, policy_id), encode(policy))
        if self.default:
            _set_default(builder, database, policy_id)
        else:
            builder.require_created(keys.database_info(database.id), database.create_revision)
        default = "default " if self.default else ""
        return builder.build(
            f"created {default}policy {described(policy)} in database {self.database!r}",
            {"database_id": database.id, "policy_id": policy_id},
        )

    def _made_before(self, existing: PolicyView, policy: RetentionPolicy) -> Plan:
        if _durability(existing.record) != _durability(policy):
            raise PolicyExists(
                f"policy {described(existing.record)} exists in database {self.database!r}",
                value=self.name,
                rule="making the same policy again changes nothing; another one cannot have its name",
                remedy="alter it, or choose another name",
            )
        if self.default and not existing.is_default:
            raise PolicyExists(
                f"policy {self.name!r} exists in database {self.database!r} and is not the default",
                value=self.name,
                rule="making a policy again does not make it the default",
                remedy=f"`etcdmeta rp set-default {self.database}.{self.name}`",
            )
        return unchanged(
            f"policy {self.name!r} is there already",
            {"database_id": existing.database.id, "policy_id": existing.id},
        )


class AlterPolicy(Command):
    """Change what is given of a policy, its name included. Groups that exist stay as they are.

    A renamed default policy stays the default. A new duration does not change the group duration: give both
    where they would not fit. Nothing to change: unchanged.

    Compares: ``mod(rp/P/info)``; to rename ``mod(name/E1)``, ``create(name/E2)=0``; to become the default
    ``mod(db/D/info)``. Writes: ``rp/P/info``; to rename deletes ``name/E1`` and puts ``name/E2``; to become
    the default ``db/D/info``. Result: ``database_id``, ``policy_id``.
    Errors: `DatabaseNotFound`, `PolicyNotFound`, `PolicyExists` (the new name), and those of `CreatePolicy`.
    Source: InfluxDB 1.x, ALTER RETENTION POLICY, and its meta client's rename.
    """

    NAME: ClassVar[str] = "alter policy"

    database: str
    name: str
    new_name: str | None = None
    duration: Duration | None = None
    replicas: int | None = None
    group_duration: Duration | None = None
    default: bool = False

    def plan(self, context: Context) -> Plan:
        database = context.snapshot.database(self.database)
        policy = _policy(context, database, self.name)
        builder = PlanBuilder()
        builder.require_modified(keys.policy_info(database.id, policy.id), policy.mod_revision)
        update = self._changed_numbers(policy.record)
        if self.new_name is not None and self.new_name != self.name:
            self._rename(builder, context, policy, self.new_name)
            update["name"] = self.new_name
        changed = [f"{field.replace('_', ' ')}: {_shown(value)}" for field, value in update.items()]
        if self.default and not policy.is_default:
            _set_default(builder, database, policy.id)
            changed.append("default")
        result = {"database_id": database.id, "policy_id": policy.id}
        if not changed:
            return unchanged(f"policy {self.name!r} is like that already", result)
        if update:
            altered = policy.record.model_copy(update=update)
            builder.put(keys.policy_info(database.id, policy.id), encode(altered))
        return builder.build(
            f"altered policy {self.name!r} of database {self.database!r}: {', '.join(changed)}", result
        )

    def _changed_numbers(self, record: RetentionPolicy) -> dict[str, Any]:
        duration = record.duration if self.duration is None else self.duration
        group_duration = record.group_duration
        if self.group_duration is not None:
            group_duration = normalise_group_duration(self.group_duration, duration)
        if (duration, group_duration) != (record.duration, record.group_duration):
            check_durations(duration, group_duration)
        replicas = record.replicas if self.replicas is None else check_replicas(self.replicas)
        wanted = {"duration": duration, "replicas": replicas, "group_duration": group_duration}
        return {field: value for field, value in wanted.items() if value != getattr(record, field)}

    def _rename(self, builder: PlanBuilder, context: Context, policy: PolicyView, new_name: str) -> None:
        check_name(new_name, "retention policy")
        new_key = keys.policy_name(policy.database.id, new_name)
        _require_readable(context, policy.database, new_name)
        if policy.database.find_policy(new_name) is not None:
            raise PolicyExists(
                f"policy {new_name!r} exists in database {self.database!r}",
                value=new_name,
                rule="a new name is one that no policy of the database has",
                remedy="choose another name",
            )
        old_key = keys.policy_name(policy.database.id, self.name)
        builder.require_modified(old_key, policy.name_revision)
        builder.require_absent(new_key)
        builder.delete(old_key)
        builder.put(new_key, encode_name_ref(policy.id))


class SetDefaultPolicy(Command):
    """Make a policy the one that is meant where none is named. The default already: unchanged.

    Compares: ``mod(db/D/info)``, ``mod(rp/P/info)``. Writes: ``db/D/info``. Result: ``database_id``,
    ``policy_id``.
    Errors: `DatabaseNotFound`, `PolicyNotFound`. Source: InfluxDB 1.x, ALTER RETENTION POLICY … DEFAULT.
    """

    NAME: ClassVar[str] = "set default policy"

    database: str
    name: str

    def plan(self, context: Context) -> Plan:
        database = context.snapshot.database(self.database)
        policy = _policy(context, database, self.name)
        result = {"database_id": database.id, "policy_id": policy.id}
        if policy.is_default:
            return unchanged(f"policy {self.name!r} is the default already", result)
        builder = PlanBuilder()
        builder.require_modified(keys.policy_info(database.id, policy.id), policy.mod_revision)
        _set_default(builder, database, policy.id)
        return builder.build(f"made policy {self.name!r} the default of database {self.database!r}", result)


class DropPolicy(Command):
    """Drop a policy with its groups and subscriptions. The default one can go, too: then there is none.

    Compares: ``mod(name/E)``, ``create(rp/P/info)``, ``mod(db/D/info)`` (which says what the default is).
    Writes: deletes ``name/E``, the range ``rp/P/``, the range ``progress/D/P/``; where it was the default,
    ``db/D/info``. Result: ``database_id``, ``policy_id``. Errors: `DatabaseNotFound`, `PolicyNotFound`.
    Source: InfluxDB 1.x, DROP RETENTION POLICY; which finds a missing one no error, while here whoever names
    what is not there is told so.
    """

    NAME: ClassVar[str] = "drop policy"

    database: str
    name: str

    @property
    def lasting(self) -> bool:
        """Who dropped what is known for ever (bounded)."""
        return True

    def plan(self, context: Context) -> Plan:
        database = context.snapshot.database(self.database)
        policy = _policy(context, database, self.name)
        builder = PlanBuilder()
        builder.require_modified(keys.policy_name(database.id, self.name), policy.name_revision)
        builder.require_created(keys.policy_info(database.id, policy.id), policy.create_revision)
        builder.require_modified(keys.database_info(database.id), database.mod_revision)
        builder.delete(keys.policy_name(database.id, self.name))
        builder.delete_range(*keys.policy_span(database.id, policy.id))
        builder.delete_range(*keys.progress_span(database.id, policy.id))
        notices = []
        if policy.is_default:
            _set_default(builder, database, 0)
            notices.append(f"database {self.database!r} has no default policy now")
        return builder.build(
            f"dropped policy {self.name!r} of database {self.database!r} and everything in it",
            {"database_id": database.id, "policy_id": policy.id},
            notices=notices,
        )


def new_policy(name: str, duration: Duration, replicas: int, group_duration: Duration | None) -> RetentionPolicy:
    """A policy by InfluxDB's rules, still without ids. Raises what `CreatePolicy` lists for bad values."""
    check_name(name, "retention policy")
    length = normalise_group_duration(group_duration, duration)
    check_durations(duration, length)
    return RetentionPolicy(
        id=0,
        database_id=0,
        name=name,
        replicas=check_replicas(replicas),
        duration=duration,
        group_duration=length,
    )


def check_replicas(replicas: int) -> int:
    """The number itself. Raises `ReplicationFactorTooLow`, `InvalidInput`."""
    if replicas < 1:
        raise ReplicationFactorTooLow(
            f"a policy cannot keep {replicas} copies",
            value=replicas,
            rule="a replication factor is at least 1",
        )
    if replicas > MOST_REPLICAS:
        raise InvalidInput(
            f"a policy cannot keep {replicas} copies",
            value=replicas,
            rule=f"a replication factor is at most {MOST_REPLICAS}",
        )
    return replicas


def described(policy: RetentionPolicy) -> str:
    """A policy in one line."""
    return (
        f"{policy.name!r} (duration {policy.duration.influxql()}, replication factor {policy.replicas}, "
        f"shard groups of {policy.group_duration.influxql()})"
    )


def _policy(context: Context, database: DatabaseView, name: str) -> PolicyView:
    """Raises `PolicyNotFound`, `RecordUnreadable`."""
    _require_readable(context, database, name)
    return database.policy(name)


def _require_readable(context: Context, database: DatabaseView, name: str) -> None:
    """Raises `RecordUnreadable` where it cannot be known whether the policy is there."""
    what = f"cannot tell whether policy {name!r} is there"
    require_readable_key(context.snapshot, keys.policy_name(database.id, name), what)
    row = context.snapshot.tables.databases[database.id].names.get(name)
    if row is not None:
        policy_id = context.snapshot.decoder.named_id(row)
        require_readable_key(context.snapshot, keys.policy_info(database.id, policy_id), what)


def _durability(policy: RetentionPolicy) -> tuple[Duration, int, Duration]:
    return policy.duration, policy.replicas, policy.group_duration


def _set_default(builder: PlanBuilder, database: DatabaseView, policy_id: int) -> None:
    """0: none."""
    key = keys.database_info(database.id)
    builder.require_modified(key, database.mod_revision)
    builder.put(key, encode(database.record.model_copy(update={"default_policy_id": policy_id})))


def _shown(value: object) -> str:
    return value.influxql() if isinstance(value, Duration) else repr(value)
