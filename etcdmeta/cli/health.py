"""``etcdmeta health``: are etcd and the picture of it well."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import typer

from etcdmeta.cli import exits
from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.health_verdict import CacheFacts, MemberFacts, judge, warnings_of
from etcdmeta.cli.output import Listing, Picture
from etcdmeta.cli.screens import EtcdMemberItem
from etcdmeta.cli.session import CONNECT_SECONDS, Session
from etcdmeta.cli.shard_cells import age_text, size_text
from etcdmeta.cli.shard_table import HEALTH_COLOURS
from etcdmeta.cli.tables import Column
from etcdmeta.cli.text import to_ascii
from etcdmeta.errors import AccessRefused, EtcdMetaError, SchemaTooNew, Unavailable
from etcdmeta.model.health import Health

if TYPE_CHECKING:
    from etcdmeta.store import MetaStore

app = lone_verb()

MAX_AGE = 30.0
MEMBER_SECONDS = 2.0
"""How long one member may take to answer: they are asked one after the other."""
_CODES = {Health.OK: 0, Health.UNAVAILABLE: exits.UNAVAILABLE, Health.UNKNOWN: exits.UNKNOWN}


@verb(app, "health", epilog="Exit code: 0 ok, 10 degraded, 11 unavailable, 12 unknown.")
def health(ctx: typer.Context) -> None:
    """Are etcd's members and the picture of them well? Works, as far as it can, without a quorum."""
    session = Session.of(ctx)
    with session.store(wait=False) as store:
        seconds = session.remaining(CONNECT_SECONDS) or CONNECT_SECONDS
        members = _members(store, min(MEMBER_SECONDS, seconds))
        _settle(store, session.remaining(CONNECT_SECONDS) or 0.0)
        fresh = store.freshness()
    _raise_refusals(members, fresh.problem)
    cache = CacheFacts(
        fresh.state, fresh.age, fresh.generation, fresh.revision, fresh.endpoint, fresh.cluster_id, fresh.problem
    )
    verdict, reasons = judge(members, cache, max_age=MAX_AGE)
    warnings = warnings_of(members)
    if cache.cluster_id is None and cache.problem is None:
        warnings.append(f"there is no cluster {session.settings.cluster!r} yet")
    _print(session, listing(members, verdict, reasons, warnings, cache), cache)
    raise typer.Exit(_CODES.get(verdict, exits.DEGRADED))


def listing(
    members: list[MemberFacts], verdict: Health, reasons: list[str], warnings: list[str], cache: CacheFacts
) -> Listing[EtcdMemberItem]:
    """The members in every format, the verdict in the summary."""
    return Listing(
        kind="HealthList",
        items=[_item(member) for member in members],
        columns=(
            Column("ENDPOINT", lambda item: item.endpoint),
            Column("VERSION", lambda item: item.version or "-"),
            Column("ROLE", _role),
            Column("REVISION", lambda item: "-" if item.revision is None else str(item.revision), right=True),
            Column("SIZE", lambda item: size_text(item.db_size) or "-", right=True),
            Column("ALARMS", lambda item: ",".join(item.alarms) or "-"),
            Column("PROBLEM", lambda item: item.problem or "", style=lambda item: "red" if item.problem else ""),
            Column("MEMBER", lambda item: "-" if item.member_id is None else f"{item.member_id:x}", wide=True),
        ),
        fields=EtcdMemberItem.fields(),
        plain=EtcdMemberItem.plain,
        name=lambda item: item.endpoint,
        things="endpoints",
        summary={
            "verdict": str(verdict),
            "reasons": reasons,
            "members": len(members),
            "answering": sum(member.problem is None for member in members),
            "cache": _cache(cache),
        },
        warnings=warnings,
    )


def _settle(store: MetaStore, seconds: float) -> None:
    """Give the picture its time. What keeps it from being live is told by its freshness, and judged."""
    try:
        store.wait_live(seconds)
    except Unavailable:
        return
    except EtcdMetaError:
        if store.freshness().problem is None:
            raise


def _members(store: MetaStore, seconds: float) -> list[MemberFacts]:
    facts = []
    for endpoint, said in store.members(timeout=seconds).items():
        if isinstance(said, EtcdMetaError):
            facts.append(MemberFacts(endpoint, problem=said))
        else:
            facts.append(
                MemberFacts(
                    endpoint=endpoint,
                    version=said.version,
                    member_id=said.member_id,
                    is_leader=said.is_leader,
                    leader=said.leader,
                    revision=said.revision,
                    db_size=said.db_size,
                    alarms=said.alarms,
                )
            )
    return facts


def _raise_refusals(members: list[MemberFacts], problem: EtcdMetaError | None) -> None:
    """Who may not ask, or cannot read what is stored, gets no verdict but the reason."""
    if isinstance(problem, (AccessRefused, SchemaTooNew)):
        raise problem
    refusals = [member.problem for member in members if isinstance(member.problem, AccessRefused)]
    if refusals and len(refusals) == len(members):
        raise refusals[0]


def _print(session: Session, shown: Listing[EtcdMemberItem], cache: CacheFacts) -> None:
    output = session.output
    if output.is_table:
        lines = _header(session, shown, cache)
        output.lines(lines if output.utf8 else map(to_ascii, lines))
    picture = None
    if cache.cluster_id is not None and cache.age < math.inf:
        as_of = time.time_ns() - int(cache.age * 1e9)
        picture = Picture(cache.cluster_id, cache.generation, cache.revision, as_of, cache.age)
    output.listing(shown, picture)


def _header(session: Session, shown: Listing[EtcdMemberItem], cache: CacheFacts) -> list[str]:
    if session.quiet:
        return []
    verdict = str(shown.summary["verdict"])
    word = verdict.upper()
    if session.output.colour:
        word = f"\x1b[{HEALTH_COLOURS[Health(verdict)]}m{word}\x1b[0m"
    facts = [
        f"cluster {cache.cluster_id}" if cache.cluster_id is not None else "no cluster known",
        f"{shown.summary['answering']} of {shown.summary['members']} endpoints answer",
        f"cache {cache.state}, generation {cache.generation}, {_age(cache.age)}",
    ]
    reasons = [f"  {reason}" for reason in shown.summary["reasons"]]
    return [f"{word}{' ' * max(1, 11 - len(verdict))}{' · '.join(facts)}", *reasons, ""]


def _age(seconds: float) -> str:
    return f"{age_text(seconds)} behind" if seconds < math.inf else "never proven current"


def _cache(cache: CacheFacts) -> dict[str, Any]:
    return {
        "state": str(cache.state),
        "ageSeconds": round(cache.age, 3) if cache.age < math.inf else None,
        "generation": cache.generation,
        "revision": cache.revision,
        "endpoint": cache.endpoint,
        "problem": cache.problem.message if cache.problem else None,
    }


def _item(member: MemberFacts) -> EtcdMemberItem:
    answered = member.problem is None
    return EtcdMemberItem(
        endpoint=member.endpoint,
        version=member.version if answered else None,
        member_id=member.member_id if answered else None,
        leader=member.is_leader if answered else None,
        revision=member.revision if answered else None,
        db_size=member.db_size if answered else None,
        alarms=list(member.alarms),
        problem=None if member.problem is None else member.problem.message,
    )


def _role(item: EtcdMemberItem) -> str:
    return {True: "leader", False: "follower", None: "-"}[item.leader]
