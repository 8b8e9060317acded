"""Carrying out commands: what changed and the generation it became, or with ``--dry-run`` what would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from etcdmeta.cli.exits import PartlyDone
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.text import counted
from etcdmeta.cli.waiting import waiting
from etcdmeta.errors import EtcdMetaError

if TYPE_CHECKING:
    from etcdmeta.commands.plan import Command
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore, Outcome

Show = Callable[["Snapshot"], Listing[Any]]


def carry_out(
    session: Session, store: MetaStore, commands: Sequence[Command], *, dry_run: bool, show: Show | Listing[Any]
) -> None:
    """Execute them in order, each to the end of its workflow, and say what became of it.

    ``show`` gives the records for ``-o json``: from the picture afterwards, or, for what was dropped, made before.
    Raises what a command raises; `PartlyDone` where one before it had changed something.
    """
    if dry_run:
        from etcdmeta.cli.plans import show_plans

        show_plans(session, [(command, store.plan(command)) for command in commands])
        return
    outcomes: list[Outcome] = []
    try:
        for command in commands:
            with waiting(session, command.NAME):
                step = command
                outcomes.append(store.execute(step, timeout=session.remaining()))
                while outcomes[-1].more:
                    step = step.following(outcomes[-1].result)
                    outcomes.append(store.execute(step, timeout=session.remaining()))
    except (EtcdMetaError, KeyboardInterrupt) as error:
        changed = sum(outcome.changed for outcome in outcomes)
        if not changed:
            raise
        _tell(session, store, outcomes, show)
        raise PartlyDone(f"what was done before it stands: {counted(changed, 'operation')}", error) from error
    _tell(session, store, outcomes, show)


def _tell(session: Session, store: MetaStore, outcomes: Sequence[Outcome], show: Show | Listing[Any]) -> None:
    output = session.output
    for outcome in outcomes:
        for notice in outcome.notices:
            session.note(notice, level="warning")
    if output.is_table:
        for _, alike in groupby(outcomes, key=lambda outcome: (outcome.summary, outcome.changed)):
            output.sentence(_sentence(list(alike)))
        return
    snapshot, picture = session.look(store)
    listing = show if isinstance(show, Listing) else show(snapshot)
    operations = [
        {
            "operationId": str(outcome.operation_id),
            "generation": outcome.generation,
            "changed": outcome.changed,
            "message": outcome.summary,
        }
        for outcome in outcomes
    ]
    output.listing(replace(listing, summary={"operations": operations}), picture)


def _sentence(alike: Sequence[Outcome]) -> str:
    """What was done and the generation it became; steps that did the like come as one."""
    last = alike[-1]
    what = last.summary if last.changed else f"{last.summary}; nothing changed"
    if last.generation is None:
        return what
    if len(alike) == 1:
        return f"{what} (generation {last.generation})"
    return f"{what}, {len(alike)} times (generations {alike[0].generation} to {last.generation})"
