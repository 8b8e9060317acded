"""``etcdmeta plan verify``: is the cluster as a plan wants it?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli import exits
from etcdmeta.cli.frame import verb
from etcdmeta.cli.naming import parse_id
from etcdmeta.cli.paging import page
from etcdmeta.cli.plan import app
from etcdmeta.cli.plan_listing import moves_listing
from etcdmeta.cli.plan_move_table import move_lines
from etcdmeta.cli.plan_moves import IN_AGREEMENT, TROUBLE_FIRST, place_of
from etcdmeta.cli.plan_options import PlanId
from etcdmeta.cli.plan_view import PlanView, full_view
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard_table import HEALTH_COLOURS, Look
from etcdmeta.cli.text import counted, to_ascii, wrapped
from etcdmeta.cli.waiting import waiting
from etcdmeta.model.durations import Duration
from etcdmeta.model.health import Health, span_text

if TYPE_CHECKING:
    from etcdmeta.cli.output import Picture

EXIT_CODES = {
    Health.OK: 0,
    Health.DEGRADED: exits.DEGRADED,
    Health.UNAVAILABLE: exits.UNAVAILABLE,
    Health.UNKNOWN: exits.UNKNOWN,
}


@verb(
    app,
    "verify",
    epilog="Exit code: 0 the plan has ended, and all is as it left it; 10 moves are left, blocked, or have drifted;\n"
    "11 a shard of the plan has no owner that serves; 12 the picture is too old.",
)
def verify(
    ctx: typer.Context,
    plan: PlanId,
    moves: Annotated[bool, typer.Option("--moves", help="All moves, those that are done, too.")] = False,
    max_age: Annotated[
        str, typer.Option(metavar="DURATION", help="A picture older than this makes the verdict unknown.")
    ] = "30s",
) -> None:
    """Compare a plan with how its shards are.

    Each move is done, moving, waiting for its turn, or blocked; it has drifted where others have changed what it is
    about, so that it will not come true; it is gone where its shard is deleted, and left where the plan was aborted.
    """
    session = Session.of(ctx)
    number = parse_id(plan, "plan")
    allowed = int(Duration.parse(max_age)) / 1e9
    with session.store() as store:
        snapshot, picture = session.look(store)
        record = snapshot.plan(number)
        with waiting(session, "comparing"):
            view = full_view(snapshot, record)
            unserved = unserved_shards(view)
    verdict = verdict_of(view, unserved, picture, allowed)
    if session.output.is_table:
        from etcdmeta.cli.shard import look

        every = moves or session.output.format == "wide"
        page(session, verify_lines(view, verdict, unserved, picture, look(session), every=every))
    else:
        counts = Counter(str(row.agreement) for row in view.rows or ())
        summary = {
            "verdict": str(verdict),
            "planId": str(record.id),
            "planState": str(record.state),
            "moves": record.moves,
            "byAgreement": {str(agreement): counts[agreement] for agreement in TROUBLE_FIRST if counts[agreement]},
            "unserved": [str(shard_id) for shard_id in unserved],
        }
        session.output.listing(moves_listing(view, view.rows or (), summary), picture)
    raise typer.Exit(EXIT_CODES[verdict])


def unserved_shards(view: PlanView) -> list[int]:
    """The plan's shards that nobody serves now."""
    found = set()
    for row in view.rows or ():
        _, shard = place_of(view.snapshot, row.move)
        if shard is not None and not shard.serving_owners(view.snapshot):
            found.add(shard.id)
    return sorted(found)


def verdict_of(view: PlanView, unserved: list[int], picture: Picture, allowed: float) -> Health:
    """``allowed``: seconds that the picture may be old."""
    if picture.age > allowed:
        return Health.UNKNOWN
    if unserved:
        return Health.UNAVAILABLE
    plan = view.plan
    over = plan.has_ended and all(row.agreement in IN_AGREEMENT for row in view.rows or ())
    return Health.OK if over else Health.DEGRADED


def verify_lines(
    view: PlanView, verdict: Health, unserved: list[int], picture: Picture, look: Look, *, every: bool = False
) -> list[str]:
    """The verdict, why, and the moves that are not as the plan wants them."""
    plan, rows = view.plan, list(view.rows or ())
    counts = Counter(row.agreement for row in rows)
    parts = [f"{counts[agreement]:,} {agreement}" for agreement in reversed(TROUBLE_FIRST) if counts[agreement]]
    facts = f"plan {plan.id} ({plan.kind}) is {plan.state}: {', '.join([counted(plan.moves, 'move'), *parts])}"
    word = str(verdict).upper()
    first, *more = wrapped(f"{word}  {facts}", look.width)
    lines = [look.paint(word, HEALTH_COLOURS[verdict]) + first[len(word) :], *more]
    if verdict is Health.UNKNOWN:
        lines += wrapped(f"the picture is {span_text(picture.age)} old", look.width)
    if unserved:
        named = ", ".join(map(str, unserved[:10])) + (f" and {len(unserved) - 10} more" if len(unserved) > 10 else "")
        lines += wrapped(f"nobody serves {'shard' if len(unserved) == 1 else 'shards'} {named}", look.width)
    shown = rows if every else [row for row in rows if row.agreement not in IN_AGREEMENT]
    if shown:
        lines += ["", *move_lines(view, shown, look, every=every)]
    return [to_ascii(line) for line in lines] if look.ascii else lines
