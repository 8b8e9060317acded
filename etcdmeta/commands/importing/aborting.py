"""An import is taken back: whatever it wrote goes, in steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from etcdmeta.commands.node import set_state
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.shard_edit import check_reason
from etcdmeta.errors import ImportConflict
from etcdmeta.model.imports import Import, ImportState
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode

A_STEP: Final = 24
"""Databases, users or nodes that go in one transaction: at most four operations each."""


class AbortImport(Command):
    """Take back what an import has written, seen or not; an import that is done stays. Aborted already: unchanged.

    Nodes that it made stay as removed ones, since their ids are never used again; one that owns other shards by now
    stays a node, and is told of. Ids that it kept may be kept by the next import, if nobody saw them.

    Compares: ``mod(import/I)``; ``mod`` of names and nodes. Writes: deletes ``db/D/``, names, users, secrets; puts
    ``node/N``, ``import/I``. A workflow: ``more`` until all is gone. Result: ``import_id``, ``state``. Errors:
    `ImportNotFound`, `ImportConflict`.
    """

    NAME: ClassVar[str] = "abort import"

    import_id: int
    reason: str = ""

    @property
    def lasting(self) -> bool:
        """Who took it back is known for ever (bounded)."""
        return True

    def plan(self, context: Context) -> Plan:
        check_reason(self.reason)
        snapshot = context.snapshot
        record = snapshot.imported(self.import_id)
        if record.state == ImportState.ABORTED:
            return unchanged(f"import {record.id} is aborted already", {"import_id": record.id, "state": "aborted"})
        if record.state == ImportState.DONE:
            raise ImportConflict(
                f"import {record.id} is done",
                value=record.id,
                rule="what is imported is like all else from then on",
                remedy="drop its databases and users one by one",
            )
        builder = PlanBuilder().require_modified(keys.import_(record.id), record.mod_revision)
        left = [*_databases(snapshot, record), *_users(snapshot, record), *_nodes(snapshot, record)]
        notices: list[str] = []
        for kind, thing in left[:A_STEP]:
            _TAKE[kind](builder, snapshot, thing, notices)
        ended = len(left) <= A_STEP
        if ended:
            builder.delete_range(*keys.import_maps_span(record.id))
        state = ImportState.ABORTED if ended else ImportState.ABORTING
        changed = record.model_copy(update={"state": state, "changed_at": context.now})
        builder.put(keys.import_(record.id), encode(changed))
        summary = f"import {record.id} of {record.source} is {state}"
        return builder.build(
            summary, {"import_id": record.id, "state": str(state)}, more=not ended, notices=notices
        )


_Things = Iterator[tuple[str, int]]


def _databases(snapshot: Snapshot, record: Import) -> _Things:
    for database_id in range(record.first_database, record.first_database + record.databases):
        if database_id in snapshot.tables.databases:
            yield "database", database_id


def _users(snapshot: Snapshot, record: Import) -> _Things:
    for user_id in range(record.first_user, record.first_user + record.users):
        if user_id in snapshot.tables.users:
            yield "user", user_id


def _nodes(snapshot: Snapshot, record: Import) -> _Things:
    for node_id in record.new_nodes:
        node = snapshot.find_node(node_id)
        if node is not None and node.state != NodeState.REMOVED and not _owns_other(snapshot, record, node_id):
            yield "node", node_id


def _owns_other(snapshot: Snapshot, record: Import, node_id: int) -> bool:
    return any(not record.holds_database(group.database_id) for group, *_ in snapshot.shards_of(node_id))


def _take_database(builder: PlanBuilder, snapshot: Snapshot, database_id: int, notices: list[str]) -> None:
    table = snapshot.tables.databases.get(database_id)
    if table is not None and table.info is not None:
        view = snapshot.database_by_id(database_id)
        name_key = keys.database_name(view.name)
        if snapshot.find_database(view.name) is not None:
            builder.require_modified(name_key, view.name_revision).delete(name_key)
        builder.require_created(keys.database_info(database_id), view.create_revision)
        notices.append(f"database {view.name!r} was visible, and is gone")
    builder.delete_range(*keys.database_span(database_id)).delete_range(*keys.progress_span(database_id))


def _take_user(builder: PlanBuilder, snapshot: Snapshot, user_id: int, notices: list[str]) -> None:
    user = snapshot.user_by_id(user_id)
    assert user is not None  # by `_users`, on the same picture
    name_key = keys.user_name(user.name)
    builder.require_created(keys.user(user_id), user.create_revision)
    builder.require_modified(name_key, snapshot.user_name_revision(user.name)).delete(name_key)
    builder.delete(keys.user(user_id)).delete(keys.secret(user_id))
    notices.append(f"user {user.name!r} was visible, and is gone")


def _take_node(builder: PlanBuilder, snapshot: Snapshot, node_id: int, notices: list[str]) -> None:
    node = snapshot.node(node_id)
    set_state(builder, node, NodeState.REMOVED)
    host_key = keys.host_name(node.host)
    builder.require_modified(host_key, snapshot.host_name_revision(node.host)).delete(host_key)
    builder.delete(keys.live(node_id))
    notices.append(f"node {node_id} ({node.host}) was visible, and is removed")


_TAKE = {"database": _take_database, "user": _take_user, "node": _take_node}
