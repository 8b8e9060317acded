"""Changing the guard: accepting a restored etcd, the read-only flag, the ledger's floor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.errors import InvalidInput, NotInitialised
from etcdmeta.model.entities import Cluster
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_id_counter

KINDS = ("database", "policy", "group", "shard", "node", "user", "plan", "import")
"""Kinds of ids; each has a counter under ``ids/``."""


class AcceptRestore(Command):
    """Somebody has looked: what a restored etcd holds is the world from now on.

    The guard gets a new ``epoch``, which stops every writer of the old world and tells every follower; its generation
    goes on above ``generation``, the highest that anybody saw before; the counters of ids are raised to ``highest``, so
    that no id which was in use in the lost part comes back for something else. ``counters`` are etcd's mod revisions
    of the counters' keys, as they were read (0: absent).

    Compares: the guard (by whoever commits), ``mod(ids/<kind>)`` of each. Writes: the guard, the counters. Result:
    ``epoch``, ``highest``. Errors: `NotInitialised`, `InvalidInput`. Source: the protocol's danger 9.
    """

    NAME: ClassVar[str] = "accept restore"
    REPAIRS: ClassVar[bool] = True

    epoch: int
    generation: int
    highest: Mapping[str, int]
    counters: Mapping[str, int]

    def plan(self, context: Context) -> Plan:
        cluster = _guard(context)
        if not 0 < self.epoch < 2**64 or self.epoch == cluster.epoch:
            raise InvalidInput(f"{self.epoch} cannot be the new epoch", value=self.epoch, rule="a new random number")
        mark = context.snapshot.generation_mark
        base = max(cluster.generation_base, self.generation - (mark.version if mark else 0))
        builder = PlanBuilder()
        builder.put(keys.CLUSTER, encode(cluster.model_copy(update={"epoch": self.epoch, "generation_base": base})))
        for kind, value in self.highest.items():
            builder.require_modified(keys.ids(kind), self.counters[kind])
            builder.put(keys.ids(kind), encode_id_counter(value))
        return builder.build(
            "accepted the restored etcd: a new epoch, and ids above those that were in use",
            {"epoch": str(self.epoch), "highest": {kind: str(value) for kind, value in self.highest.items()}},
        )


class SetReadOnly(Command):
    """Refuse all writes but this one's undoing, for maintenance: every transaction compares the guard.

    Compares: the guard (by whoever commits). Writes: the guard. Result: ``read_only``. Errors: `NotInitialised`.
    """

    NAME: ClassVar[str] = "set read-only"
    REPAIRS: ClassVar[bool] = True

    read_only: bool

    def plan(self, context: Context) -> Plan:
        cluster = _guard(context)
        summary = "the cluster is read-only" if self.read_only else "the cluster takes writes"
        result = {"read_only": self.read_only}
        if cluster.read_only == self.read_only:
            return unchanged(summary, result)
        changed = cluster.model_copy(update={"read_only": self.read_only})
        return PlanBuilder().put(keys.CLUSTER, encode(changed)).build(summary, result)


class RaiseLedgerFloor(Command):
    """Say that ledger entries which were put below a revision may be gone, before they are taken away.

    Compares: the guard (by whoever commits). Writes: the guard. Result: ``ledger_floor``. Errors: `NotInitialised`.
    Source: the protocol's "Pruning the ledger".
    """

    NAME: ClassVar[str] = "raise ledger floor"

    floor: int

    def plan(self, context: Context) -> Plan:
        cluster = _guard(context)
        result = {"ledger_floor": max(self.floor, cluster.ledger_floor)}
        if cluster.ledger_floor >= self.floor:
            return unchanged(f"the ledger's floor is at revision {cluster.ledger_floor}", result)
        changed = cluster.model_copy(update={"ledger_floor": self.floor})
        return (
            PlanBuilder()
            .put(keys.CLUSTER, encode(changed))
            .build(f"raised the ledger's floor to revision {self.floor}", result)
        )


def _guard(context: Context) -> Cluster:
    cluster = context.snapshot.cluster
    if cluster is None:
        raise NotInitialised("no cluster is initialised here", remedy="run `etcdmeta cluster init`")
    return cluster
