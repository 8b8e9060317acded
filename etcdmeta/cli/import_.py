"""``etcdmeta import``: metadata from outside, taken in whole or not at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.naming import parse_id
from etcdmeta.cli.options import Reason, Yes
from etcdmeta.cli.session import Session
from etcdmeta.cli.text import counted
from etcdmeta.errors import InvalidInput

if TYPE_CHECKING:
    from etcdmeta.cli.import_items import IdRunItem
    from etcdmeta.cli.import_source import Reading
    from etcdmeta.commands.importing.incoming import Incoming
    from etcdmeta.model.imports import Import
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore
    from etcdmeta.store.importing import ImportProgress, Intake, Preview

app = lone_verb()

SERVER_SECONDS = 30.0
SHOWN_RUNS = 20
"""Of the map of ids, after an import; ``--map`` has all."""
_Many = list[str] | None


@verb(
    app,
    "import",
    epilog="SOURCE is found out by its bytes: a bare Data message of any version (meta.db, state.bin), a 0.9 fetch\n"
    "response, the folder of a 0.9/0.10 raft snapshot, a legacy backup's meta.NN, a portable backup's folder or its\n"
    ".meta or .manifest, our own backup or JSON document; - is standard input, influxdb://HOST:8088 a running 1.x.\n"
    "Interrupted, the same command goes on. Exit code: 0 imported, 2 unreadable, 4 refused or in the way.",
)
def import_(
    ctx: typer.Context,
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="A file, a folder, - or influxdb://HOST.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be made, and all that is odd.")] = False,
    yes: Yes = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse whatever is odd; nothing is repaired.")] = False,
    owner: Annotated[str | None, typer.Option(metavar="NODE", help="Owns the shards that nobody owns.")] = None,
    nodes: Annotated[_Many, typer.Option("--nodes", metavar="OLD=NEW", help="Our node NEW stands for OLD.")] = None,
    db: Annotated[_Many, typer.Option("--db", metavar="NAME", help="Only this database, without users.")] = None,
    as_: Annotated[str | None, typer.Option("--as", metavar="NEW", help="Its new name, with one --db.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Each odd thing on its own line.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="The imports that there were.")] = False,
    map_: Annotated[str | None, typer.Option("--map", metavar="ID", help="Which ids became which.")] = None,
    abort: Annotated[bool, typer.Option("--abort", help="Take back the import that is under way.")] = False,
    reason: Reason = "",
) -> None:
    """Take metadata in: all of it, or nothing.

    Into an empty cluster ids are kept; else they are given anew, and the map is kept. What is odd is repaired by a
    named rule, kept, or refused, and asks first.
    """
    session = Session.of(ctx)
    if sum((source is not None, list_, map_ is not None, abort)) != 1:
        raise InvalidInput("one of SOURCE, --list, --map ID and --abort", rule="exactly one of them")
    if abort:
        _take_back(session, reason, yes=yes, dry_run=dry_run)
    elif source is None:
        _show(session, map_)
    else:
        if as_ is not None and len(db or ()) != 1:
            raise InvalidInput("--as wants exactly one --db", value=as_, rule="one name for one database")
        databases = {name: as_ or name for name in db or ()}
        options = {"db": databases, "owner": owner, "nodes": sorted(nodes or ()), "strict": strict}
        reading = _read(session, source, owner is not None, strict, databases)
        with session.store() as store:
            _import(session, store, reading, options, owner, nodes or (), yes=yes, dry_run=dry_run, every=all_)


def _read(session: Session, source: str, owner: bool, strict: bool, databases: Mapping[str, str]) -> Reading:
    from etcdmeta.cli.import_source import read_source
    from etcdmeta.cli.waiting import waiting

    with waiting(session, f"reading {source}"):
        stdin = getattr(session.stdin, "buffer", sys.stdin.buffer)
        reading = read_source(source, stdin, owner=owner, timeout=session.remaining(SERVER_SECONDS))
    reading.strict, reading.databases = strict, databases
    return reading


def _import(
    session: Session,
    store: MetaStore,
    reading: Reading,
    options: Mapping[str, object],
    owner: str | None,
    nodes: Sequence[str],
    *,
    yes: bool,
    dry_run: bool,
    every: bool,
) -> None:
    from etcdmeta.cli.import_report import preview_text
    from etcdmeta.cli.import_source import digest_of
    from etcdmeta.cli.waiting import waiting
    from etcdmeta.store.importing import Intake, preview_import

    snapshot, now = store.snapshot(), time.time_ns()
    under_way = snapshot.import_under_way()
    digest = digest_of(reading, options)
    if under_way is not None and under_way.digest == digest:
        now = under_way.planned_at  # made once, for both
    with waiting(session, f"reading {reading.name}"):
        chosen = _chosen(snapshot, reading.make(now), reading.owner, owner, nodes)
        if owner is not None and reading.owner not in chosen:
            session.note(f"every shard has owners: --owner {owner} has nothing to do", level="warning")
        intake = Intake(f"{reading.name} ({reading.kind})", digest, reading.make, chosen)
        preview = preview_import(store, intake, now=now, timeout=session.remaining())
    if session.output.is_table:
        text = preview_text(preview, reading)
        (session.stdout if dry_run else session.stderr).write(text if dry_run or not session.quiet else "")
        _tell_odd(session, reading, every=every, dry_run=dry_run)
    if dry_run:
        _end_dry(session, preview, reading)
        return
    reading.check()
    preview.findings.raise_first()
    if preview.stands:
        session.output.sentence(f"import {preview.record.id} has done it, and all of it is there; nothing changed")
        if session.output.is_table:
            return
    if reading.odd and not (preview.resumes or preview.stands):
        rules = len({odd.rule for odd in reading.odd})
        total = sum({odd.rule: odd.count for odd in reading.odd}.values())
        what = f"this imports what has {counted(total, 'oddity', 'oddities')} by {counted(rules, 'rule')}, as listed"
        confirm(session, what, yes=yes, rule="what is odd is repaired or kept with consent")
    record = _run(session, store, intake, preview, now)
    _tell(session, store, record, reading)


def _run(session: Session, store: MetaStore, intake: Intake, preview: Preview, now: int) -> Import:
    from etcdmeta.cli.progress import progress
    from etcdmeta.store.importing import run_import

    with progress(session, "importing", records=preview.record.records) as shown:

        def report(how_far: ImportProgress) -> None:
            shown.report(how_far.done, how_far.bytes, of=how_far.total)

        try:
            return run_import(store, intake, now=now, timeout=session.remaining(), report=report)
        except KeyboardInterrupt:
            if store.snapshot().import_under_way() is not None:
                session.note("what is written stays unseen: the same command goes on, and import --abort takes it back")
            raise


def _chosen(
    snapshot: Snapshot, incoming: Incoming, theirs: int | None, owner: str | None, nodes: Sequence[str]
) -> dict[int, int]:
    """id in the source → ours, as ``--nodes`` and ``--owner`` say. Raises `InvalidInput`, `NodeNotFound`."""
    by_host = {node.host: node.id for node in incoming.nodes if node.host}
    chosen = {}
    for text in nodes:
        old, equals, new = text.rpartition("=")
        if not equals or not old or not new:
            raise InvalidInput(f"{text!r} is no OLD=NEW", value=text, rule="a node of the source, =, one of ours")
        chosen[by_host[old] if old in by_host else parse_id(old.removeprefix("n"), "node")] = snapshot.node(new).id
    if owner is not None:
        if theirs is None:
            raise InvalidInput("--owner is for InfluxDB's files", value=owner, rule="our own say who owns what")
        ours = snapshot.node(owner).id
        if any(node.id == theirs for node in incoming.nodes):  # else nothing that is taken in lacks an owner
            chosen[theirs] = ours
    return chosen


def _tell_odd(session: Session, reading: Reading, *, every: bool, dry_run: bool) -> None:
    from etcdmeta.cli.import_report import odd_text

    if reading.odd and (dry_run or not session.quiet):
        stream = session.stdout if dry_run else session.stderr
        stream.write("\n" + odd_text(reading.odd, every=every))


def _end_dry(session: Session, preview: Preview, reading: Reading) -> None:
    from etcdmeta.cli.import_report import import_listing, preview_item

    if not session.output.is_table:
        session.output.listing(import_listing([preview_item(preview, reading)]))
    session.note("dry run: nothing was written")
    if reading.refused or preview.findings.conflicts:
        must = preview.findings.conflicts or any(odd.treatment == "refused" for odd in reading.refused)
        why = "" if must else ": --strict refuses whatever is odd, repaired and kept as well"
        session.note(f"it would be refused{why}", level="warning")
        raise typer.Exit(4)


def _tell(session: Session, store: MetaStore, record: Import, reading: Reading) -> None:
    from etcdmeta.cli.import_report import import_listing, item_of, oddities, run_listing

    snapshot, picture = session.look(store)
    output = session.output
    runs = _runs(session, store, record)
    if not output.is_table:
        more = {"source_kind": reading.kind, "oddities": oddities(reading.odd), "id_map": runs}
        output.listing(import_listing([item_of(record).model_copy(update=more)]), picture)
        return
    what = f"{counted(record.databases, 'database')}, {counted(record.users, 'user')}"
    groups = counted(record.groups, "shard group")
    output.sentence(f"imported {record.source}: {what}, {groups} (generation {snapshot.generation})")
    if runs:
        cut = f"; the first {SHOWN_RUNS} of {len(runs)} runs" if len(runs) > SHOWN_RUNS else ""
        output.sentence(f"ids were given anew (etcdmeta import --map {record.id}{cut}):")
        output.listing(run_listing(runs[:SHOWN_RUNS]))


def _show(session: Session, map_: str | None) -> None:
    from etcdmeta.cli.import_report import import_listing, item_of, run_listing

    with session.store() as store:
        snapshot, picture = session.look(store)
        if map_ is None:
            session.output.listing(import_listing(map(item_of, snapshot.imports())), picture)
            return
        record = snapshot.imported(parse_id(map_, "import"))
        session.output.listing(run_listing(_runs(session, store, record)), picture)


def _runs(session: Session, store: MetaStore, record: Import) -> list[IdRunItem]:
    """Which ids became which; none where all were kept."""
    from etcdmeta.cli.import_items import IdRunItem
    from etcdmeta.cli.import_report import node_runs
    from etcdmeta.store.importing import read_id_map

    anew = record.first_group or record.first_shard
    stored = read_id_map(store, record.id, timeout=session.remaining()) if anew else ()
    return [
        *node_runs(record),
        *(IdRunItem(kind=run.kind, theirs=run.theirs, ours=run.ours, count=run.length) for run in stored),
    ]


def _take_back(session: Session, reason: str, *, yes: bool, dry_run: bool) -> None:
    from etcdmeta.cli.import_report import import_listing, item_of
    from etcdmeta.commands.importing.written import count_below, roots_written
    from etcdmeta.store.importing import take_back

    with session.store() as store:
        snapshot, _ = session.look(store)
        record = snapshot.import_under_way()
        if record is not None:
            below, roots = count_below(snapshot, record), roots_written(snapshot, record)
            seen = f"; {roots} nodes, users and databases of it are visible" if roots else ""
            what = f"this takes import {record.id} of {record.source} back: {counted(below, 'record')}{seen}"
            if dry_run:
                session.output.sentence(what)
                session.note("dry run: nothing was written")
                return
            confirm(session, what, yes=yes)
        record, notices = take_back(store, reason)
        for notice in notices:
            session.note(notice, level="warning")
        snapshot, picture = session.look(store)
        if session.output.is_table:
            session.output.sentence(f"import {record.id} is {record.state} (generation {snapshot.generation})")
        else:
            session.output.listing(import_listing([item_of(record)]), picture)
