"""What an import is, would be, and would do, for people and as items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from etcdmeta.cli.import_items import IdRunItem, ImportItem, OddityItem
from etcdmeta.cli.output import Listing
from etcdmeta.cli.tables import Column, block
from etcdmeta.cli.text import counted, printable
from etcdmeta.commands.importing.beginning import KEPT_KINDS
from etcdmeta.model.times import format_time

if TYPE_CHECKING:
    from etcdmeta.cli.import_source import Found, Reading
    from etcdmeta.commands.importing.incoming import Incoming
    from etcdmeta.model.imports import Import
    from etcdmeta.store.importing import Preview

MOST_NAMED = 8


def item_of(record: Import, *, begun: bool = True) -> ImportItem:
    """Of a stored import, or of one that would be stored."""
    given_anew = {kind for kind in ("group", "shard") if getattr(record, f"first_{kind}")}
    if record.new_nodes and any(theirs != ours for theirs, ours in record.nodes.items() if ours in record.new_nodes):
        given_anew.add("node")
    return ImportItem(
        id=record.id if begun else None,
        state=str(record.state) if begun else None,
        source=record.source,
        source_kind=None,
        digest=record.digest.hex(),
        author=record.author,
        started_at=record.started_at if begun else None,
        changed_at=record.changed_at if begun else None,
        databases=record.databases,
        policies=record.policies,
        users=record.users,
        shard_groups=record.groups,
        records=record.records,
        ids_kept=[kind for kind in KEPT_KINDS if kind not in given_anew],
        nodes={str(theirs): str(ours) for theirs, ours in record.nodes.items()},
        new_nodes=list(record.new_nodes),
    )


def preview_item(preview: Preview, reading: Reading) -> ImportItem:
    """With all that reading the source told."""
    return item_of(preview.record, begun=preview.resumes or preview.stands).model_copy(
        update={
            "source_kind": reading.kind,
            "names": [database.name for database in preview.incoming.databases],
            "steps": preview.steps or None,
            "resumes": preview.resumes,
            "conflicts": list(preview.findings.conflicts),
            "notices": list(preview.findings.notices),
            "oddities": oddities(reading.odd),
        }
    )


def oddities(odd: Iterable[Found]) -> list[OddityItem]:
    return [OddityItem.model_validate(asdict(found)) for found in odd]


def preview_text(preview: Preview, reading: Reading) -> str:
    """What would be made, and how."""
    record, incoming = preview.record, preview.incoming
    names = [database.name for database in incoming.databases]
    shards = sum(len(g.shards) for d in incoming.databases for p in d.policies for g in p.groups)
    ownerless = sum(not s.owners for d in incoming.databases for p in d.policies for g in p.groups for s in g.shards)
    kept = item_of(record).ids_kept
    ids = f"those of the source: {', '.join(kept)}" if kept else "all given anew"
    if kept and len(kept) < len(KEPT_KINDS):
        ids += f"; given anew: {', '.join(kind for kind in KEPT_KINDS if kind not in kept)}"
    many = f"in {preview.steps} transactions, unseen until the last ones"
    how = "in one transaction" if preview.steps == 1 else many
    if preview.resumes:
        how = f"goes on with import {record.id}"
    elif preview.stands:
        how = f"nothing: import {record.id} has done it, and all of it is there"
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    return block(
        [
            ("source", f"{reading.name}: {reading.kind}"),
            ("databases", f"{len(names)}: {shown}" if names else "0"),
            ("policies", str(record.policies)),
            ("groups", f"{counted(record.groups, 'shard group')} with {counted(shards, 'shard')}"),
            *([("ownerless", f"{counted(ownerless, 'shard')}; --owner NODE makes an owner")] * bool(ownerless)),
            ("queries", str(sum(len(database.queries) for database in incoming.databases))),
            ("users", str(record.users)),
            ("nodes", _nodes(record, incoming) or "none"),
            ("ids", ids),
            ("how", how),
            *(("notice", notice) for notice in preview.findings.notices),
            *(("refused", conflict) for conflict in preview.findings.conflicts),
        ]
    )


def _nodes(record: Import, incoming: Incoming) -> str:
    new = set(record.new_nodes)
    said = {n.id: n.state or "new" for n in incoming.nodes if record.nodes[n.id] in new}
    shown = [
        f"{theirs} → n{ours}" + (f" ({said[theirs]})" if theirs in said else "")
        for theirs, ours in sorted(record.nodes.items())
    ]
    more = f" and {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
    return ", ".join(shown[:MOST_NAMED]) + more


_ORDER = ("refused", "repaired", "kept")


def odd_text(odd: Sequence[Found], *, every: bool) -> str:
    """A paragraph a rule, the worst first: what is done, and where it is met; ``every``: all places, else the first."""
    lines = []
    for treatment in _ORDER:
        found = [one for one in odd if one.treatment == treatment]
        for rule in dict.fromkeys(one.rule for one in found):
            places = [one for one in found if one.rule == rule]
            lines.append(f"{treatment:<10}{rule}, {places[0].count} ×: {places[0].done}")
            shown = places if every else places[:1]
            lines += [f"{'':<10}{one.path}: {one.what}" for one in shown]
            if len(shown) < places[0].count and every:
                lines.append(f"{'':<10}… and {places[0].count - len(shown)} more")
    return "".join(f"{printable(line)}\n" for line in lines)


def import_listing(items: Iterable[ImportItem]) -> Listing[ImportItem]:
    return Listing(
        kind="ImportList",
        items=list(items),
        columns=[
            Column("IMPORT", lambda item: "-" if item.id is None else str(item.id), right=True),
            Column("STATE", lambda item: item.state or "not begun"),
            Column("STARTED", lambda item: "" if item.started_at is None else _time(item.started_at)),
            Column("SOURCE", lambda item: item.source),
            Column("DATABASES", lambda item: str(item.databases), right=True, rank=2),
            Column("USERS", lambda item: str(item.users), right=True, rank=1),
            Column("GROUPS", lambda item: str(item.shard_groups), right=True),
            Column("AUTHOR", lambda item: item.author, rank=3),
            Column("RECORDS", lambda item: str(item.records), right=True, wide=True),
            Column("IDS KEPT", lambda item: ",".join(item.ids_kept), wide=True),
        ],
        fields=ImportItem.fields(),
        plain=lambda item: item.plain(),
        name=lambda item: "" if item.id is None else str(item.id),
        things="imports",
    )


def run_listing(runs: Iterable[IdRunItem]) -> Listing[IdRunItem]:
    return Listing(
        kind="IdRunList",
        items=list(runs),
        columns=[
            Column("KIND", lambda run: run.kind),
            Column("THEIRS", lambda run: _span(run.theirs, run.count), right=True),
            Column("OURS", lambda run: _span(run.ours, run.count), right=True),
            Column("COUNT", lambda run: str(run.count), right=True),
        ],
        fields=IdRunItem.fields(),
        plain=lambda run: run.plain(),
        name=lambda run: str(run.ours),
        things="ids that were given anew",
    )


def node_runs(record: Import) -> Iterator[IdRunItem]:
    for theirs, ours in record.nodes.items():
        if theirs != ours:
            yield IdRunItem(kind="node", theirs=theirs, ours=ours, count=1)


def _time(at: int) -> str:
    return format_time(at // 10**9 * 10**9)


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}–{first + count - 1}"
