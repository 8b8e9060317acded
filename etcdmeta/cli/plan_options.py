"""Options that the verbs which make and apply plans share."""

from __future__ import annotations

from typing import Annotated

import typer

from etcdmeta.cli.options import Reason
from etcdmeta.model.moveplans import PlanLimits

_USUAL = PlanLimits()

PlanId = Annotated[str, typer.Argument(metavar="ID", help="The plan's id.")]
PlanReason = Reason
ZoneLabel = Annotated[str, typer.Option("--zone-label", metavar="LABEL", help="Which label says what fails together.")]
PerNode = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help=f"Copies to one node at a time; {_USUAL.per_target} if not given."),
]
PerSource = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help=f"Copies from one node at a time; {_USUAL.per_source} if not given."),
]
AtOnce = Annotated[
    int | None, typer.Option(metavar="N", min=1, help=f"Copies at a time in all; {_USUAL.at_once} if not given.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Begin at once, and carry it out or watch until it is done.")]
Detach = Annotated[bool, typer.Option("--detach", help="Begin at once, and do not wait: agents carry it out.")]
PauseOnInterrupt = Annotated[
    bool, typer.Option("--pause-on-interrupt", help="Ctrl-C pauses the plan, whoever carries it out.")
]


def limits_of(per_node: int | None, per_source: int | None, at_once: int | None) -> PlanLimits:
    """What was given, and the usual for the rest."""
    return PlanLimits(
        per_target=per_node or _USUAL.per_target,
        per_source=per_source or _USUAL.per_source,
        at_once=at_once or _USUAL.at_once,
    )
