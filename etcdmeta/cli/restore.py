"""``etcdmeta restore``: a backup becomes a cluster, in an empty place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli.archive_items import RestoreItem
from etcdmeta.cli.asking import confirm
from etcdmeta.cli.backup import readable
from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.options import Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.progress import progress
from etcdmeta.cli.session import Session
from etcdmeta.cli.text import counted
from etcdmeta.errors import InvalidInput
from etcdmeta.model.times import format_time

if TYPE_CHECKING:
    from etcdmeta.store import MetaStore

app = lone_verb()


@verb(
    app,
    "restore",
    epilog="Into an empty --cluster only. Nothing shows before all of it is there; interrupted, the same command goes\n"
    "on, and --abort takes back what was written. Exit code with --verify: 0 the same, 4 different.",
)
def restore(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The backup.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Write nothing: compare what etcd holds to the backup.")
    ] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Take back a restore that did not end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check backup and place; write nothing.")] = False,
    yes: Yes = False,
) -> None:
    """Put a backup back: the same ids, cluster id, users and history, under a new epoch and the next generation."""
    session = Session.of(ctx)
    if (file is None) != abort or (abort and verify):
        raise InvalidInput("one of FILE and --abort", rule="--verify goes with FILE, --abort goes alone")
    with session.store(wait=verify) as store:
        if file is None:
            _abort(session, store, yes=yes, dry_run=dry_run)
        elif verify:
            _verify(session, store, readable(file))
        else:
            _restore(session, store, readable(file), yes=yes, dry_run=dry_run)


def _restore(session: Session, store: MetaStore, file: Path, *, yes: bool, dry_run: bool) -> None:
    from etcdmeta.store.backups import read_back
    from etcdmeta.store.exporting import refuse_agents
    from etcdmeta.store.restoring import check_place, restore_backup

    refuse_agents(store.strategy)
    size = file.stat().st_size
    with progress(session, "checking the backup", size=size) as shown:
        check, _ = read_back(file, shown.report)
    header = check.header
    under_way = check_place(store.strategy, store.keyspace, store.deadline(session.remaining()))
    what = (
        f"generation {header.generation} of cluster {header.cluster_id} ({header.cluster}, taken "
        f"{format_time(header.created_at)}): {counted(check.summary.records, 'record')}"
    )
    resumed = under_way.done if under_way is not None and under_way.digest == check.summary.sha256 else 0
    if dry_run:
        item = RestoreItem(
            file=str(file), state="planned", cluster=store.cluster_name, cluster_id=header.cluster_id,
            backup_generation=header.generation, generation=None, records=check.summary.records, resumed_from=resumed,
        )  # fmt: skip
        _tell(session, item, f"would restore {what}, to cluster {store.cluster_name!r}")
        return
    goes_on = f", and goes on where it stopped ({resumed} records)" if resumed else ""
    confirm(session, f"this restores {what}, to cluster {store.cluster_name!r}{goes_on}", yes=yes)
    with progress(session, "restoring", records=check.summary.records, size=size) as shown:
        done = restore_backup(
            store.strategy,
            store.keyspace,
            file,
            actor=store.actor,
            now=time.time_ns(),
            loaded=shown.report,
        )
    item = RestoreItem(
        file=str(file), state="restored", cluster=store.cluster_name, cluster_id=header.cluster_id,
        backup_generation=header.generation, generation=done.generation, records=done.records,
        resumed_from=done.resumed_from,
    )  # fmt: skip
    _tell(session, item, f"restored {what} (generation {done.generation})")


def _verify(session: Session, store: MetaStore, file: Path) -> None:
    from etcdmeta.store.backups import compare, read_back

    size = file.stat().st_size
    with progress(session, "reading the backup", size=size) as shown:
        check, _ = read_back(file, shown.report)
        shown.step("comparing", records=check.summary.records, size=size)
        found = compare(store, file, shown.report)
    first = found.first.decode("ascii", "backslashreplace")
    item = RestoreItem(
        file=str(file), state="verified" if found.is_none else "different", cluster=store.cluster_name,
        cluster_id=check.header.cluster_id, backup_generation=check.header.generation, generation=None,
        records=check.summary.records, resumed_from=0, missing=found.missing, changed=found.changed, added=found.added,
        first_difference=first or None,
    )  # fmt: skip
    if found.is_none:
        _tell(session, item, f"the same: {counted(item.records, 'record')} of cluster {item.cluster_id}")
        return
    parts = f"{found.missing} missing, {found.changed} changed, {found.added} added since"
    _tell(session, item, f"different: {parts}; the first is {first}")
    raise typer.Exit(4)


def _abort(session: Session, store: MetaStore, *, yes: bool, dry_run: bool) -> None:
    from etcdmeta.store.exporting import refuse_agents
    from etcdmeta.store.restoring import abort_restore, look_for_restore

    refuse_agents(store.strategy)
    left = look_for_restore(store.strategy, store.keyspace, store.deadline(session.remaining()))
    what = (
        f"the restore of {left.source} by {left.author}, begun {format_time(left.started_at)}: "
        f"{left.done} of {counted(left.records, 'record')}"
    )
    item = RestoreItem(
        file=left.source, state="planned", cluster=store.cluster_name, cluster_id=None, backup_generation=None,
        generation=None, records=left.done, resumed_from=0,
    )  # fmt: skip
    if dry_run:
        _tell(session, item, f"would take back {what}")
        return
    confirm(session, f"this takes back {what}", yes=yes)
    abort_restore(store.strategy, store.keyspace)
    _tell(session, item.model_copy(update={"state": "aborted"}), f"took back {what}")


def _tell(session: Session, item: RestoreItem, sentence: str) -> None:
    if session.output.is_table:
        session.output.sentence(sentence)
        return
    session.output.listing(
        Listing(
            kind="RestoreList",
            items=[item],
            columns=(),
            fields=RestoreItem.fields(),
            plain=RestoreItem.plain,
            name=lambda one: one.cluster,
            things="restores",
        )
    )
