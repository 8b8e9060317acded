"""Subscriptions: where copies of the points that are written into a policy are sent."""

from __future__ import annotations

from typing import ClassVar

from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.quarantine import require_readable_key
from etcdmeta.errors import InvalidInput, SubscriptionExists
from etcdmeta.model.entities import Subscription
from etcdmeta.model.names import check_destination, check_label_name
from etcdmeta.model.owners import SubscriptionMode
from etcdmeta.model.views import PolicyView
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode


class CreateSubscription(Command):
    """Add a subscription to a policy (empty: the default policy).

    The same mode and destinations again, in whatever order, are unchanged.

    Compares: ``create(rp/P/sub/E)=0``; ``mod(rp/P/info)``, since the policy was found by its name;
    ``mod(db/D/info)`` where that said which policy is the default. Writes: ``rp/P/sub/E``.
    Result: ``database_id``, ``policy_id``. Errors: `DatabaseNotFound`, `PolicyNotFound`,
    `SubscriptionExists`, `InvalidName`, `InvalidAddress` (a destination), `InvalidInput` (none),
    `RecordUnreadable`.
    Source: InfluxDB 1.x, CREATE SUBSCRIPTION; which finds the same one again an error.
    """

    NAME: ClassVar[str] = "create subscription"

    database: str
    policy: str = ""
    name: str
    mode: SubscriptionMode
    destinations: tuple[str, ...]

    def plan(self, context: Context) -> Plan:
        check_label_name(self.name, "subscription")
        if not self.destinations:
            raise InvalidInput("the subscription needs a destination", rule="at least one destination")
        for destination in self.destinations:
            check_destination(destination)
        policy = context.snapshot.policy(self.database, self.policy)
        database = policy.database
        key = keys.subscription(database.id, policy.id, self.name)
        require_readable_key(context.snapshot, key, f"cannot tell whether subscription {self.name!r} is there")
        result = {"database_id": database.id, "policy_id": policy.id}
        existing = policy.find_subscription(self.name)
        if existing is not None:
            if existing.mode == self.mode and sorted(existing.destinations) == sorted(self.destinations):
                return unchanged(f"subscription {self.name!r} is there already", result)
            raise SubscriptionExists(
                f"subscription {self.name!r} exists on {_shown(policy)}: {existing.mode} of "
                f"{', '.join(existing.destinations)}",
                value=self.name,
                rule="making the same subscription again changes nothing; another one cannot have its name",
                remedy="drop it first, or choose another name",
            )
        record = Subscription(
            database_id=database.id,
            policy_id=policy.id,
            name=self.name,
            mode=self.mode,
            destinations=self.destinations,
        )
        builder = PlanBuilder()
        builder.require_absent(key)
        _require_policy(builder, policy, by_default=not self.policy)
        builder.put(key, encode(record))
        return builder.build(f"created subscription {self.name!r} on {_shown(policy)}", result)


class DropSubscription(Command):
    """Drop a subscription of a policy (empty: the default policy).

    Compares: ``mod(rp/P/sub/E)``, ``mod(rp/P/info)``; ``mod(db/D/info)`` as `CreateSubscription`. Writes:
    deletes ``rp/P/sub/E``. Result: ``database_id``, ``policy_id``.
    Errors: `DatabaseNotFound`, `PolicyNotFound`, `SubscriptionNotFound`. Source: InfluxDB 1.x, DROP
    SUBSCRIPTION.
    """

    NAME: ClassVar[str] = "drop subscription"

    database: str
    policy: str = ""
    name: str

    def plan(self, context: Context) -> Plan:
        policy = context.snapshot.policy(self.database, self.policy)
        key = keys.subscription(policy.database.id, policy.id, self.name)
        require_readable_key(context.snapshot, key, f"cannot tell whether subscription {self.name!r} is there")
        subscription = policy.subscription(self.name)
        builder = PlanBuilder().require_modified(key, subscription.mod_revision)
        _require_policy(builder, policy, by_default=not self.policy)
        builder.delete(key)
        return builder.build(
            f"dropped subscription {self.name!r} of {_shown(policy)}",
            {"database_id": policy.database.id, "policy_id": policy.id},
        )


def _require_policy(builder: PlanBuilder, policy: PolicyView, *, by_default: bool) -> None:
    """That the policy lives and is still the one that was named."""
    database = policy.database
    builder.require_modified(keys.policy_info(database.id, policy.id), policy.mod_revision)
    if by_default:
        builder.require_modified(keys.database_info(database.id), database.mod_revision)


def _shown(policy: PolicyView) -> str:
    return f"policy {policy.name!r} of database {policy.database.name!r}"
