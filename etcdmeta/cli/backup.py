"""``etcdmeta backup``: all that lasts of a cluster in one file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli.archive_items import BackupItem
from etcdmeta.cli.asking import confirm
from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.options import Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.progress import progress
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard_cells import size_text
from etcdmeta.cli.text import counted
from etcdmeta.model.times import format_time

if TYPE_CHECKING:
    from etcdmeta.archive.backup import Header, Summary

app = lone_verb()


@verb(
    app,
    "backup",
    epilog="In it: all records at one revision, passwords' hashes, counters of ids and the history. Not in it: what\n"
    "is under leases (liveness, elections), and the progress of copies. It is read back before it gets its name.",
)
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup: mode 0600, hashes are in it.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Write nothing: check a backup that is there, all of it.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Write everything that lasts of the cluster to a file, at one revision; restore puts it back."""
    session = Session.of(ctx)
    if verify:
        _verify(session, file)
        return
    overwrite = file.exists()
    if overwrite:
        confirm(session, f"this overwrites {file}", yes=yes)
    from etcdmeta.store.backups import write_backup

    with session.store() as store, progress(session, "backing up") as shown:
        written = write_backup(
            store, file, now=time.time_ns(), overwrite=overwrite, timeout=session.remaining(), report=shown.report
        )
    _tell(session, file, written.header, written.summary, written.size, written.unreadable, "backed up")


def _verify(session: Session, file: Path) -> None:
    from etcdmeta.store.backups import read_back

    with progress(session, "reading", size=file.stat().st_size if file.exists() else None) as shown:
        check, size = read_back(readable(file), shown.report)
    _tell(session, file, check.header, check.summary, size, check.unreadable, "whole:")


def readable(file: Path) -> Path:
    """The file itself. Raises `InvalidInput` where it cannot be opened."""
    from etcdmeta.errors import InvalidInput

    try:
        with file.open("rb"):
            return file
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}", value=str(file), rule="a backup") from None


def _tell(
    session: Session,
    file: Path,
    header: Header,
    summary: Summary,
    size: int,
    unreadable: tuple[bytes, ...],
    said: str,
) -> None:
    names = [key.decode("ascii", "backslashreplace") for key in unreadable]
    if names:
        what = counted(len(names), "record")
        session.note(f"{what} cannot be decoded, and stand in it as they are: {names[0]} …", level="warning")
    item = BackupItem(
        file=str(file),
        bytes=size,
        sha256=summary.sha256.hex(),
        cluster=header.cluster,
        cluster_id=header.cluster_id,
        epoch=header.epoch,
        generation=header.generation,
        revision=header.revision,
        created_at=header.created_at,
        made_by=header.made_by,
        records=summary.records,
        counts=summary.counts,
        unreadable=names,
    )
    if session.output.is_table:
        session.output.sentence(
            f"{said} generation {item.generation} of cluster {item.cluster_id} ({item.cluster}): "
            f"{counted(item.records, 'record')}, {size_text(size)}, taken {format_time(item.created_at)}, "
            f"SHA-256 {item.sha256}"
        )
        return
    session.output.listing(
        Listing(
            kind="BackupList",
            items=[item],
            columns=(),
            fields=BackupItem.fields(),
            plain=BackupItem.plain,
            name=lambda one: one.file,
            things="backups",
        )
    )
