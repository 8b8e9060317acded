"""``etcdmeta health``: are etcd, the picture of it and the nodes well."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from etcdmeta.cli import exits
from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.health_facts import Findings, ask
from etcdmeta.cli.health_verdict import CacheFacts, MemberFacts, NodeFacts
from etcdmeta.cli.output import Listing, Picture
from etcdmeta.cli.screens import EtcdMemberItem
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard_cells import age_text, size_text
from etcdmeta.cli.shard_table import HEALTH_COLOURS
from etcdmeta.cli.sizes import parse_size
from etcdmeta.cli.tables import Column
from etcdmeta.cli.text import to_ascii
from etcdmeta.model.health import Health

app = lone_verb()

Quota = Annotated[
    str, typer.Option("--quota", metavar="BYTES", help="etcd's --quota-backend-bytes, as 8GiB; warned of at 80 %.")
]
_CODES = {Health.OK: 0, Health.UNAVAILABLE: exits.UNAVAILABLE, Health.UNKNOWN: exits.UNKNOWN}


@verb(app, "health", epilog="Exit code: 0 ok, 10 degraded, 11 unavailable, 12 unknown.")
def health(ctx: typer.Context, quota: Quota = "2GiB") -> None:
    """Are etcd's members, the picture of them and the nodes well? Works, as far as it can, without a quorum."""
    session = Session.of(ctx)
    found = ask(session, quota=parse_size(quota))
    _print(session, listing(found), found.cache)
    raise typer.Exit(_CODES.get(found.verdict, exits.DEGRADED))


def listing(found: Findings) -> Listing[EtcdMemberItem]:
    """The members in every format, the verdict in the summary."""
    return Listing(
        kind="HealthList",
        items=[_item(member) for member in found.members],
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
            "verdict": str(found.verdict),
            "reasons": found.reasons,
            "members": len(found.members),
            "answering": len(found.answering),
            "cache": _cache(found.cache),
            "nodes": _nodes(found.nodes),
        },
        warnings=found.warnings,
    )


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
    if nodes := nodes_text(shown.summary["nodes"]):
        facts.append(nodes)
    reasons = [f"  {reason}" for reason in shown.summary["reasons"]]
    return [f"{word}{' ' * max(1, 11 - len(verdict))}{' · '.join(facts)}", *reasons, ""]


def nodes_text(nodes: Mapping[str, Any]) -> str:
    """``2 of 3 nodes live``; empty where none reports."""
    return f"{nodes['live']} of {nodes['reporting']} nodes live" if nodes["reporting"] else ""


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
        "quarantined": cache.quarantined,
    }


def _nodes(nodes: Sequence[NodeFacts]) -> dict[str, Any]:
    return {
        "total": len(nodes),
        "reporting": sum(node.live is not None for node in nodes),
        "live": sum(node.live is True for node in nodes),
        "down": [str(node.node_id) for node in nodes if node.live is False],
        "flapping": [str(node.node_id) for node in nodes if node.flapping],
    }


def _item(member: MemberFacts) -> EtcdMemberItem:
    answered = member.problem is None
    voter = answered and not member.is_agent
    # What an agent calls an alarm is a sentence about its picture.
    trouble = "; ".join(member.alarms) if member.is_agent else ""
    return EtcdMemberItem(
        endpoint=member.endpoint,
        version=member.version if answered else None,
        member_id=member.member_id if answered else None,
        leader=member.is_leader if voter else None,
        revision=member.revision if answered else None,
        db_size=member.db_size if voter else None,
        alarms=[] if member.is_agent else list(member.alarms),
        problem=member.problem.message if member.problem else trouble or None,
    )


def _role(item: EtcdMemberItem) -> str:
    if item.leader is None:
        return "-" if item.version is None else "agent"
    return "leader" if item.leader else "follower"
