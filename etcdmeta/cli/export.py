"""``etcdmeta export``: the metadata in a file, in InfluxDB's encoding or as our own JSON document."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etcdmeta.cli.archive_items import ExportItem, LossItem
from etcdmeta.cli.asking import confirm
from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.options import Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard_cells import size_text
from etcdmeta.cli.tables import Column, draw
from etcdmeta.cli.text import counted
from etcdmeta.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Collection

    from etcdmeta.influxdb import Loss
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store.exporting import Whole

app = lone_verb()

_NOUNS = {
    "nodes": ("node",),
    "databases": ("database",),
    "policies": ("policy", "policies"),
    "shardGroups": ("shard group",),
    "users": ("user",),
}


class Format(StrEnum):
    """What a file may be."""

    INFLUXDB = "influxdb"
    JSON = "json"


class Target(StrEnum):
    """The version of InfluxDB that is to read it: `etcdmeta.influxdb.Dialect`, without importing it."""

    V0_9_4 = "0.9.4"
    V0_9_6 = "0.9.6"
    V0_10 = "0.10"
    V1 = "1.x"


Pieces = Callable[[], Iterator[bytes]]


@verb(
    app,
    "export",
    epilog="influxdb is the bare Data message: meta.db of 1.x, state.bin of a raft snapshot. What the target cannot\n"
    "hold is listed first, and refused (exit 4) without --lossy. json is ours, complete and importable. The file has\n"
    "passwords' hashes in it: mode 0600. Twice the same picture gives the same bytes.",
)
def export(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; - is standard output.")],
    format_: Annotated[Format, typer.Option("--format", help="influxdb or json.")] = Format.JSON,
    dialect: Annotated[Target | None, typer.Option(help="Which InfluxDB: 0.9.4, 0.9.6, 0.10 or 1.x.")] = None,
    lossy: Annotated[bool, typer.Option("--lossy", help="Leave out what the dialect cannot hold.")] = False,
    all_owners: Annotated[
        bool, typer.Option("--all-owners", help="Also owners that do not serve: InfluxDB would read from them.")
    ] = False,
    db: Annotated[list[str] | None, typer.Option("--db", metavar="NAME", help="Only this database.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and lost.")] = False,
    yes: Yes = False,
) -> None:
    """Write the metadata to a file: for InfluxDB, or as JSON for people, tools and import."""
    session = Session.of(ctx)
    if (format_ is Format.INFLUXDB) != (dialect is not None):
        missing = "--dialect 0.9.4|0.9.6|0.10|1.x" if dialect is None else "--format influxdb"
        ctx.fail(f"--format influxdb and --dialect, which says what is to read it, go together: add {missing}")
    if format_ is Format.JSON and (lossy or all_owners):
        ctx.fail("--lossy and --all-owners are about InfluxDB: JSON holds everything")
    if file == "-":
        _check_stream(ctx, session, format_, dry_run=dry_run)
    overwrite = file != "-" and not dry_run and Path(file).exists()
    if overwrite:
        confirm(session, f"this overwrites {file}", yes=yes)
    with session.store() as store:
        from etcdmeta.cli.waiting import waiting
        from etcdmeta.store.exporting import read_whole

        with waiting(session, "reading"):
            whole = read_whole(store, session.remaining())
        _, picture = session.look(store)
    only = _chosen(whole.snapshot, db)
    with waiting(session, "exporting"):
        losses, pieces = _made(whole, dialect, only, all_owners=all_owners, lossy=lossy)
        if losses:
            _tell_losses(session, losses)
            if not (lossy or dry_run):
                raise _refusal(losses, dialect)
        size, digest = _write(session, file, pieces, dry_run=dry_run, overwrite=overwrite)
    item = ExportItem(
        file=None if file == "-" else file,
        format=format_.value,
        dialect=None if dialect is None else dialect.value,
        written=not dry_run,
        bytes=size,
        sha256=digest,
        counts=_counts(whole.snapshot, only),
        losses=[LossItem(what=loss.what, count=loss.number, first=loss.first) for loss in losses],
    )
    _tell(session, item, picture)
    if dry_run and losses and not lossy:
        session.note("it would be refused without --lossy", level="warning")
        raise typer.Exit(4)


def _check_stream(ctx: typer.Context, session: Session, format_: Format, *, dry_run: bool) -> None:
    if not session.output.is_table and not dry_run:
        ctx.fail("standard output takes the export or its record, not both: name a file, or leave -o out")
    if format_ is Format.INFLUXDB and session.stdout.isatty() and not dry_run:
        raise InvalidInput("this is binary, and standard output is a terminal", remedy="name a file, or pipe it")


def _chosen(snapshot: Snapshot, names: list[str] | None) -> frozenset[str] | None:
    """Raises `DatabaseNotFound`."""
    return None if not names else frozenset(snapshot.database(name).name for name in names)


def _made(
    whole: Whole, dialect: Target | None, only: Collection[str] | None, *, all_owners: bool, lossy: bool
) -> tuple[list[Loss], Pieces]:
    snapshot = whole.snapshot
    if dialect is None:
        from etcdmeta.archive import write_document

        return [], lambda: write_document(snapshot, hashes=whole.hashes, counters=whole.counters, databases=only)
    from etcdmeta.influxdb import Counters, Dialect, depart, encode, what_is_lost

    counters = Counters(*(whole.counters.get(kind, 0) for kind in ("node", "group", "shard")))
    departure = depart(snapshot, hashes=whole.hashes, counters=counters, all_owners=all_owners, only=only)
    target = Dialect(dialect.value)
    losses = [*departure.lost, *what_is_lost(departure.data, target)]
    return losses, lambda: iter([encode(departure.data, target, lossy=lossy or bool(losses))])


def _refusal(losses: list[Loss], dialect: Target | None) -> Exception:
    from etcdmeta.influxdb import DialectCannotHold

    listed = ", ".join(f"{loss.number} × {loss.what}" for loss in losses)
    return DialectCannotHold(
        f"InfluxDB {dialect} cannot hold all of it: {listed}",
        value=tuple(loss.what for loss in losses),
        rule="nothing is lost without being asked for",
        remedy="choose another --dialect, or lose it with --lossy",
    )


def _write(session: Session, file: str, pieces: Pieces, *, dry_run: bool, overwrite: bool) -> tuple[int, str]:
    """Size and SHA-256 of what was, or would be, written."""
    digest, size = hashlib.sha256(), 0

    def each(write: Callable[[bytes], Any]) -> None:
        nonlocal size
        for piece in pieces():
            digest.update(piece)
            size += len(piece)
            write(piece)

    if dry_run:
        each(len)
    elif file == "-":
        binary = getattr(session.stdout, "buffer", None)
        each(binary.write if binary is not None else lambda piece: session.stdout.write(piece.decode()))
        if binary is not None:
            binary.flush()
    else:
        from etcdmeta.store.filing import atomic

        with atomic(Path(file), overwrite=overwrite) as target:
            each(target.write)
    return size, digest.hexdigest()


def _counts(snapshot: Snapshot, only: Collection[str] | None) -> dict[str, int]:
    views = [view for view in snapshot.databases() if only is None or view.name in only]
    policies = [policy for view in views for policy in view.policies()]
    return {
        "nodes": len(snapshot.nodes()),
        "databases": len(views),
        "policies": len(policies),
        "shardGroups": sum(policy.group_count(include_deleted=True) for policy in policies),
        "users": len(snapshot.users()),
    }


def _tell_losses(session: Session, losses: list[Loss]) -> None:
    if session.quiet:
        return
    session.stderr.write("what InfluxDB has no place for:\n")
    columns: tuple[Column[Loss], ...] = (
        Column("COUNT", lambda loss: str(loss.number), right=True),
        Column("WHAT", lambda loss: loss.what),
        Column("FIRST", lambda loss: loss.first),
    )
    draw(session.stderr, columns, losses, terminal=False, colour=False)


def _tell(session: Session, item: ExportItem, picture: Any) -> None:
    if session.output.is_table:
        held = ", ".join(counted(count, *_NOUNS[kind]) for kind, count in item.counts.items())
        what = f"generation {picture.generation}: {held}; {size_text(item.bytes)}, SHA-256 {item.sha256}"
        said = f"exported {what}" if item.written else f"would export {what}"
        if item.file is None:
            session.note(said)
        else:
            session.output.sentence(f"{said}, to {item.file}" if item.written else said)
        return
    session.output.listing(
        Listing(
            kind="ExportList",
            items=[item],
            columns=(),
            fields=ExportItem.fields(),
            plain=ExportItem.plain,
            name=lambda one: one.file or "-",
            things="exports",
        ),
        picture,
    )
