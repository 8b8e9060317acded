"""Are etcd, the picture of it and the nodes well: what members, cache and liveness say, judged. Pure.

Where agents are followed, they stand where etcd's members do: what only etcd knows is not asked of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from etcdmeta.cli.etcd_releases import ASK, version_defects
from etcdmeta.cli.text import counted
from etcdmeta.errors import EtcdMetaError, NotInitialised, Unavailable
from etcdmeta.model.health import Health
from etcdmeta.replica.states import FollowerState

LAG_LIMIT = 5_000
"""Revisions; a member further behind than this is not merely asked a moment earlier."""
DEFAULT_QUOTA = 2 << 30
"""Bytes: what etcd allows its database where nobody set a quota."""
QUOTA_SHARE = 0.8
"""Of the quota; a database that large is warned of."""
_NAMED = 5  # nodes that one sentence names


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What one endpoint answered. ``problem``: why it did not; all else is empty then. ``db_size`` in bytes.

    An agent's ``leader`` is 1 while it follows etcd, its ``alarms`` are what is wrong with its picture, and its version
    is etcdmeta's.
    """

    endpoint: str
    problem: EtcdMetaError | None = None
    version: str = ""
    member_id: int = 0
    is_leader: bool = False
    leader: int = 0
    revision: int = 0
    db_size: int = 0
    alarms: Sequence[str] = ()
    is_agent: bool = False


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """How this process's own picture stands. ``age`` in seconds, infinite where it was never proven.

    ``quarantined``: records that cannot be decoded.
    """

    state: FollowerState
    age: float
    generation: int
    revision: int
    endpoint: str | None
    cluster_id: int | None
    problem: EtcdMetaError | None
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node that is not on its way out. ``live`` None: it never reported liveness, so nothing is known."""

    node_id: int
    live: bool | None
    flapping: bool = False


def judge(
    members: Sequence[MemberFacts], cache: CacheFacts, nodes: Sequence[NodeFacts] = (), *, max_age: float
) -> tuple[Health, list[str]]:
    """The verdict, and the sentences that it rests on, worst first. ``max_age`` in seconds."""
    findings = [*_of_members(members), *_of_cache(cache, max_age), *_of_nodes(nodes)]
    findings.sort(key=lambda finding: finding[0].severity)
    return (findings[0][0] if findings else Health.OK), [text for _, text in findings]


def warnings_of(members: Iterable[MemberFacts], *, quota: int = DEFAULT_QUOTA, any_version: bool = False) -> list[str]:
    """What is worth knowing and no failure: old releases, mixed ones, a database near its quota in bytes.

    ``any_version``: releases with known defects are accepted.
    """
    answering = [member for member in members if member.problem is None]
    warnings = []
    by_version: dict[str, list[str]] = {}
    for member in answering:
        by_version.setdefault(member.version, []).append(member.endpoint)
    agents = any(member.is_agent for member in answering)
    for version, endpoints in sorted(by_version.items()):
        if not agents and not any_version and (known := version_defects(version)):
            warnings.append(f"etcd {version} at {', '.join(endpoints)}: {'; '.join(known)}; {ASK}")
    if len(by_version) > 1:
        warnings.append(f"{'agents' if agents else 'members'} of different versions: {', '.join(sorted(by_version))}")
    unless = "; unless a quota was set" if quota == DEFAULT_QUOTA else ""
    warnings += [
        f"{member.endpoint}: its database has {member.db_size >> 20} MiB{unless}, writes end at {quota >> 20}"
        for member in answering
        if member.db_size >= quota * QUOTA_SHARE
    ]
    return warnings


def _of_members(members: Sequence[MemberFacts]) -> list[tuple[Health, str]]:
    answering = [member for member in members if member.problem is None]
    if not answering:
        return [(Health.UNAVAILABLE, f"no endpoint answers: {_problems(members)}")]
    agents = answering[0].is_agent
    findings = list(_of_agents(answering) if agents else _of_voters(answering))
    if len(answering) < len(members):
        findings.append((Health.DEGRADED, _problems(members)))
    newest = max(member.revision for member in answering)
    for member in answering:
        behind = newest - member.revision
        if behind > LAG_LIMIT:
            findings.append((Health.DEGRADED, f"{member.endpoint} is {behind} revisions behind"))
    return findings


def _of_voters(answering: Sequence[MemberFacts]) -> Iterator[tuple[Health, str]]:
    """Quorum, leader and alarms, of etcd's own members."""
    leaders = {member.leader for member in answering if member.leader}
    if not leaders:
        yield Health.UNAVAILABLE, "no member knows a leader: there is no quorum, or an election goes on"
    elif len(leaders) > 1:
        yield Health.DEGRADED, "the members disagree on who leads"
    for alarm, endpoints in sorted(_by_alarm(answering).items()):
        yield Health.UNAVAILABLE, f"alarm {alarm} at {', '.join(endpoints)}: {_alarm(alarm)}"
    for member in answering:
        if leaders and not member.leader:
            yield Health.DEGRADED, f"{member.endpoint} knows no leader"


def _of_agents(answering: Sequence[MemberFacts]) -> Iterator[tuple[Health, str]]:
    """Whether they follow etcd, and what is wrong with their pictures."""
    if not any(member.leader for member in answering):
        yield Health.DEGRADED, "no agent follows etcd at this moment"
    for member in answering:
        if member.alarms:
            yield Health.DEGRADED, f"{member.endpoint}: {'; '.join(member.alarms)}"


def _of_nodes(nodes: Sequence[NodeFacts]) -> Iterator[tuple[Health, str]]:
    """Down and flapping ones; of nodes that never reported, nothing is known."""
    reporting = [node for node in nodes if node.live is not None]
    down = [node for node in reporting if not node.live]
    if down and len(down) == len(reporting):
        yield Health.UNAVAILABLE, f"all nodes that report are down: {_named(down)}"
    elif down:
        yield Health.DEGRADED, f"down: {_named(down)}"
    if flapping := [node for node in nodes if node.flapping]:
        yield Health.DEGRADED, f"flapping: {_named(flapping)}"


def _of_cache(cache: CacheFacts, max_age: float) -> list[tuple[Health, str]]:
    problem = cache.problem
    if problem is not None and not isinstance(problem, (Unavailable, NotInitialised)):
        return [(Health.UNAVAILABLE, problem.message)]
    findings = []
    if cache.quarantined:
        findings.append((Health.DEGRADED, f"{counted(cache.quarantined, 'record')} cannot be read"))
    if cache.state is FollowerState.LIVE:
        return findings
    why = f": {problem.message}" if problem else ""
    if cache.age > max_age:
        return [*findings, (Health.UNKNOWN, f"the picture is {cache.state}, and too old{why}")]
    return [*findings, (Health.DEGRADED, f"the picture is {cache.state}{why}")]


def _named(nodes: Sequence[NodeFacts]) -> str:
    named = ", ".join(f"n{node.node_id}" for node in nodes[:_NAMED])
    return named if len(nodes) <= _NAMED else f"{named} and {len(nodes) - _NAMED} more"


def _problems(members: Iterable[MemberFacts]) -> str:
    told = []
    for member in members:
        if member.problem is not None:
            message = member.problem.message
            told.append(message if message.startswith(f"{member.endpoint} ") else f"{member.endpoint}: {message}")
    return "; ".join(told)


def _by_alarm(members: Iterable[MemberFacts]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for member in members:
        for alarm in member.alarms:
            found.setdefault(alarm, []).append(member.endpoint)
    return found


def _alarm(name: str) -> str:
    return {
        "NOSPACE": "etcd takes no writes; compact, defragment, then `etcdctl alarm disarm`",
        "CORRUPT": "its data differs from the other members'; replace the member",
    }.get(name, "see `etcdctl alarm list`")
