"""An import begins: under which ids, and that nobody else imports meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pydantic import ConfigDict, Field

from etcdmeta.commands.cluster import found_cluster
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.quarantine import require_readable
from etcdmeta.commands.shard_edit import check_reason
from etcdmeta.errors import ImportConflict, InvalidInput
from etcdmeta.model.imports import Import, ImportState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_id_counter

DIGEST_BYTES: Final = 32
ENDED_KEPT: Final = 50
"""Imports that have ended and are still known; older ones go, with their maps, when new ones come."""
KEPT_KINDS: Final = ("node", "group", "shard")
"""Whose ids name things outside of etcd: an empty cluster keeps those of the source."""


class BeginImport(Command):
    """Store an import, before anything of it is written. The same one under way: unchanged, with its id.

    Every ``first_…`` is the first of as many ids as were reserved. ``nodes``: id in the source → ours, both in decimal;
    ``new_nodes``: those of ours that it makes. ``raised``: kind → what the counter of ids is raised to, where the
    source's ids are kept; ``counters``: the mod revisions of those counters, as they were read (0: absent).
    ``cluster_id``, ``epoch``: candidates where there is no cluster yet, as in `InitCluster`.

    Exclusion: at most one import has not ended. Compares: ``create(import/I)=0``; range ``import/``: ``mod<r+1``;
    ``mod(ids/<kind>)`` of what is raised. Writes: ``import/I``, the counters (and the guard); deletes the oldest
    beyond 50 that have ended. Result: ``import_id``. Errors: `ImportConflict`, `InvalidInput`, `PrefixNotEmpty`,
    `RecordUnreadable`. Source: the issue of interchange; InfluxDB has no import of its metadata.
    """

    NAME: ClassVar[str] = "begin import"
    model_config = ConfigDict(ser_json_bytes="base64")

    import_id: int
    source: str
    digest: bytes
    author: str = ""
    planned_at: int
    first_database: int = 0
    databases: int = 0
    first_policy: int = 0
    policies: int = 0
    first_user: int = 0
    users: int = 0
    first_group: int = 0
    first_shard: int = 0
    groups: int = 0
    records: int = 0
    nodes: Mapping[str, int] = Field(default_factory=dict)
    new_nodes: tuple[int, ...] = ()
    raised: Mapping[str, int] = Field(default_factory=dict)
    counters: Mapping[str, int] = Field(default_factory=dict)
    cluster_id: int = 0
    epoch: int = 0

    @property
    def lasting(self) -> bool:
        """Where metadata came from is known for ever (bounded)."""
        return True

    def public(self) -> dict[str, Any]:
        """Without the candidates: chance, not intent."""
        return self.model_dump(mode="json", exclude={"cluster_id", "epoch"})

    def plan(self, context: Context) -> Plan:
        snapshot = context.snapshot
        check_reason(self.source)
        check_reason(self.author)
        self._check()
        require_readable(snapshot, *keys.IMPORTS_SPAN, "nobody can tell whether another import is under way")
        under_way = snapshot.import_under_way()
        if under_way is not None:
            if under_way.digest == self.digest:
                return unchanged(f"import {under_way.id} is under way", {"import_id": under_way.id})
            raise another_import(under_way)
        record = self.record(context.now)
        builder = PlanBuilder()
        if snapshot.cluster is None:
            found_cluster(builder, snapshot, self.cluster_id, self.epoch)
        builder.require_absent(keys.import_(record.id))
        builder.require_unchanged(*keys.IMPORTS_SPAN, snapshot.revision)
        builder.put(keys.import_(record.id), encode(record))
        for kind, highest in self.raised.items():
            builder.require_modified(keys.ids(kind), self.counters.get(kind, 0))
            builder.put(keys.ids(kind), encode_id_counter(highest))
        _forget_oldest(builder, snapshot)
        return builder.build(f"import {record.id} of {self.source} began", {"import_id": record.id})

    def _check(self) -> None:
        if len(self.digest) != DIGEST_BYTES:
            raise InvalidInput("this is no digest", value=len(self.digest), rule="SHA-256 has 32 bytes")
        if strange := set(self.raised) - set(KEPT_KINDS):
            raise InvalidInput(f"ids of {strange} are not kept", value=strange, rule=f"kept are {KEPT_KINDS}")
        nodes = [*self.nodes, *map(str, self.nodes.values())]
        if not all(node.isascii() and node.isdigit() and 0 < int(node) < 2**64 for node in nodes):
            raise InvalidInput("nodes that cannot be", rule="id in the source → id here, in decimal")
        if not set(self.new_nodes) <= set(self.nodes.values()):
            raise InvalidInput("new nodes that nothing maps to", value=self.new_nodes)

    def record(self, now: int) -> Import:
        """As it is stored."""
        same = (
            "source digest author planned_at first_database databases first_policy policies first_user users "
            "first_group first_shard groups records new_nodes raised"
        )
        return Import(
            id=self.import_id,
            state=ImportState.LOADING,
            started_at=now,
            changed_at=now,
            nodes={int(theirs): ours for theirs, ours in self.nodes.items()},
            **{name: getattr(self, name) for name in same.split()},
        )


def another_import(record: Import) -> ImportConflict:
    return ImportConflict(
        f"import {record.id} of {record.source} is {record.state}",
        value=record.id,
        rule="one import at a time",
        remedy="finish it by the command that began it, or take it back: `etcdmeta import --abort`",
    )


def _forget_oldest(builder: PlanBuilder, snapshot: Snapshot) -> None:
    ended = [record for record in snapshot.imports() if record.has_ended]
    for record in ended[: max(0, len(ended) - ENDED_KEPT)][:10]:
        builder.require_modified(keys.import_(record.id), record.mod_revision)
        builder.delete(keys.import_(record.id)).delete_range(*keys.import_maps_span(record.id))
