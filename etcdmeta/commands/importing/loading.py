"""What an import brings is written: below databases that nobody sees yet, then, with their roots, for all to see."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import chain
from typing import ClassVar

from pydantic import ConfigDict, Field, PrivateAttr

from etcdmeta.commands.importing.beginning import another_import
from etcdmeta.commands.importing.pages import put_below, put_roots, put_secrets
from etcdmeta.commands.importing.shipment import Page, Pair
from etcdmeta.commands.importing.written import count_below, is_written, page_is_written, roots_written
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.errors import ImportConflict
from etcdmeta.model.imports import Import, ImportState
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.keys import Kind

_IN_BASE64 = ConfigDict(ser_json_bytes="base64")


class LoadImport(Command):
    """Write one page of what nobody sees yet. Written already: unchanged.

    ``records``: keys and values, of records below the import's own databases and of its map of ids. Pages may be
    written in any order, and by many at once: none changes what another relies on, and none can land after the import
    has begun to show, since that changes its own record.

    Compares: ``mod(import/I)``. Writes: the records. Result: ``import_id``. Errors: `ImportNotFound`,
    `ImportConflict`, `InvalidInput`.
    """

    NAME: ClassVar[str] = "load import"
    model_config = _IN_BASE64

    import_id: int
    records: tuple[Pair, ...]
    _own: bool = PrivateAttr(default=False)

    @classmethod
    def of_shipment(cls, import_id: int, page: Page) -> LoadImport:
        """Of a page that this process made of its source a moment ago: every key and value was made of the same
        numbers, so that they are not decoded and held against each other again, a tenth of an import's time."""
        made = cls(import_id=import_id, records=page.records)
        made._own = True
        return made

    def fingerprint(self) -> bytes:
        """Of the same fields as any command's, but not by way of JSON, of which a page is 40 KB."""
        parts = tuple(chain.from_iterable(self.records))
        head = f"{self.NAME} {self.import_id} {[*map(len, parts)]} "
        return hashlib.sha256(b"".join((head.encode(), *parts))).digest()

    def plan(self, context: Context) -> Plan:
        record = context.snapshot.imported(self.import_id)
        pairs = self.records
        builder = PlanBuilder().require_modified(keys.import_(record.id), record.mod_revision)
        if self._own:
            builder.put_all(pairs)
        else:
            put_below(builder, record, pairs)
        if page_is_written(context.snapshot, pairs):
            return unchanged(f"that page of import {record.id} is written already", {"import_id": record.id})
        if record.state != ImportState.LOADING:
            raise _not_now(record, "loads")
        return builder.build(f"import {record.id}: {len(pairs)} records", {"import_id": record.id})


class PublishImport(Command):
    """Write one page of roots: nodes, users, databases; what they are the roots of shows at once. Written: unchanged.

    ``records`` as of `LoadImport`; ``secrets`` likewise, of the users' hashes. With the first page it is checked that
    all is loaded; with the last one the import is done. Nodes of ours that stand for the source's must still be there.

    Compares: ``mod(import/I)``; ``create=0`` of each record; range ``node/``: ``mod<r+1``. Writes: the records,
    ``import/I``. Result: ``import_id``, ``state``. Errors: `ImportNotFound`, `ImportConflict`, `InvalidInput`,
    `NodeNotFound`.
    """

    NAME: ClassVar[str] = "publish import"
    SECRET: ClassVar[frozenset[str]] = frozenset({"secrets"})
    model_config = _IN_BASE64

    import_id: int
    records: tuple[Pair, ...] = ()
    secrets: tuple[Pair, ...] = Field(default=(), repr=False)

    @property
    def lasting(self) -> bool:
        """Where metadata came from is known for ever (bounded)."""
        return True

    def plan(self, context: Context) -> Plan:
        snapshot = context.snapshot
        record = snapshot.imported(self.import_id)
        pairs = self.records
        done = {"import_id": record.id, "state": str(record.state)}
        if record.state == ImportState.DONE:
            return unchanged(f"import {record.id} is done already", done)
        if record.state not in {ImportState.LOADING, ImportState.PUBLISHING}:
            raise _not_now(record, "shows")
        wanted = record.databases + record.users + len(record.new_nodes)
        shown = roots_written(snapshot, record)
        written = bool(pairs) and is_written(snapshot, pairs[0][0])
        if record.state == ImportState.LOADING:
            _require_loaded(snapshot, record)
        elif written and shown < wanted:
            return unchanged(f"that page of import {record.id} is written already", done)
        builder = PlanBuilder().require_modified(keys.import_(record.id), record.mod_revision)
        if not written:
            _require_free(snapshot, pairs)
            _require_nodes(snapshot, record)
            builder.require_unchanged(*keys.NODES_SPAN, snapshot.revision)
            put_roots(builder, record, pairs)
            put_secrets(builder, record, self.secrets)
            shown += sum(keys.locate(key)[0] in {Kind.NODE, Kind.USER, Kind.DATABASE} for key, _ in pairs)
        state = ImportState.DONE if shown == wanted else ImportState.PUBLISHING
        changed = {"state": state, "changed_at": context.now, "shown": True}
        builder.put(keys.import_(record.id), encode(record.model_copy(update=changed)))
        what = f"{record.databases} databases, {record.users} users, {record.groups} shard groups"
        summary = f"imported {record.source}: {what}" if state == ImportState.DONE else (
            f"import {record.id}: {shown} of {wanted} databases, users and nodes show"
        )
        return builder.build(summary, done | {"state": str(state)})


def _require_loaded(snapshot: Snapshot, record: Import) -> None:
    there = count_below(snapshot, record)
    if there != record.records:
        raise ImportConflict(
            f"import {record.id} has {there} of its {record.records} records",
            value=record.id,
            rule="it shows when all of it is there",
            remedy="run the same command again, which writes the rest",
        )


def _require_free(snapshot: Snapshot, pairs: Iterable[Pair]) -> None:
    """Names that somebody else took meanwhile."""
    for key, _ in pairs:
        kind, where = keys.locate(key)
        if kind in {Kind.DATABASE_NAME, Kind.USER_NAME, Kind.HOST_NAME} and is_written(snapshot, key):
            raise ImportConflict(
                f"the {kind.removesuffix(' name')} {where[0]!r} was made by somebody else meanwhile",
                value=where[0],
                rule="an import takes no name from what is there",
                remedy="drop or rename that one and run the same command again, or `etcdmeta import --abort`",
            )


def _require_nodes(snapshot: Snapshot, record: Import) -> None:
    for node_id in set(record.nodes.values()) - set(record.new_nodes):
        node = snapshot.node(node_id)
        if node.state == NodeState.REMOVED:
            raise ImportConflict(
                f"node {node_id}, which stands for one of the source, was removed meanwhile",
                value=node_id,
                rule="what owns shards is a node",
                remedy="take the import back, `etcdmeta import --abort`, and map that node to another one",
            )


def _not_now(record: Import, what: str) -> ImportConflict:
    if record.state == ImportState.ABORTING:
        return another_import(record)
    return ImportConflict(
        f"import {record.id} is {record.state}, and {what} no more",
        value=record.id,
        rule="loading, publishing, done; or aborting, aborted",
        remedy="`etcdmeta import --list` shows what there is",
    )
