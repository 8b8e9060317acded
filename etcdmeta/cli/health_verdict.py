"""Are etcd and the picture of it well: what the members say, judged. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from etcdmeta.errors import EtcdMetaError, NotInitialised, Unavailable
from etcdmeta.model.health import Health
from etcdmeta.replica.states import FollowerState

LAG_LIMIT = 5_000
"""Revisions; a member further behind than this is not merely asked a moment earlier."""
DEFAULT_QUOTA = 2 << 30
"""Bytes: what etcd allows its database where nobody set a quota."""

# From the release notes of etcd: until which release of a series the defect was in it.
_DEFECTS: tuple[tuple[tuple[int, int, int], str], ...] = (
    ((3, 5, 3), "can lose consistency"),
    ((3, 5, 8), "a watch can go back in time"),
    ((3, 5, 13), "a watch can lose events after a compaction"),
    ((3, 5, 33), "permissions can leak"),
)
_WANTED = {(3, 5): (3, 5, 33), (3, 6): (3, 6, 14), (3, 7): (3, 7, 1)}
_ASK = "run 3.5.33, 3.6.14, 3.7.1 or newer"


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What one endpoint answered. ``problem``: why it did not; all else is empty then. ``db_size`` in bytes."""

    endpoint: str
    problem: EtcdMetaError | None = None
    version: str = ""
    member_id: int = 0
    is_leader: bool = False
    leader: int = 0
    revision: int = 0
    db_size: int = 0
    alarms: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CacheFacts:
    """How this process's own picture stands. ``age`` in seconds, infinite where it was never proven."""

    state: FollowerState
    age: float
    generation: int
    revision: int
    endpoint: str | None
    cluster_id: int | None
    problem: EtcdMetaError | None


def judge(members: Sequence[MemberFacts], cache: CacheFacts, *, max_age: float) -> tuple[Health, list[str]]:
    """The verdict, and the sentences that it rests on, worst first. ``max_age`` in seconds."""
    findings = [*_of_members(members), *_of_cache(cache, max_age)]
    findings.sort(key=lambda finding: finding[0].severity)
    return (findings[0][0] if findings else Health.OK), [text for _, text in findings]


def warnings_of(members: Iterable[MemberFacts]) -> list[str]:
    """What is worth knowing and no failure: old releases, mixed ones, a database near the default quota."""
    answering = [member for member in members if member.problem is None]
    warnings = []
    by_version: dict[str, list[str]] = {}
    for member in answering:
        by_version.setdefault(member.version, []).append(member.endpoint)
    for version, endpoints in sorted(by_version.items()):
        if known := version_defects(version):
            warnings.append(f"etcd {version} at {', '.join(endpoints)}: {'; '.join(known)}; {_ASK}")
    if len(by_version) > 1:
        warnings.append(f"members of different versions: {', '.join(sorted(by_version))}")
    warnings += [
        f"{member.endpoint}: its database has {member.db_size >> 20} MiB; unless a quota was set, writes end at 2048"
        for member in answering
        if member.db_size > DEFAULT_QUOTA * 4 // 5
    ]
    return warnings


def version_defects(version: str) -> list[str]:
    """What is known to be wrong with a release of etcd; nothing is known of versions that cannot be read."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        return []
    number = (int(match[1]), int(match[2]), int(match[3]))
    found = [what for fixed, what in _DEFECTS if number[:2] == fixed[:2] and number < fixed]
    wanted = _WANTED.get(number[:2])
    if number[:2] < (3, 5):
        found = ["is out of support"]
    elif wanted is not None and number < wanted and not found:
        found = ["has known defects"]
    return found


def _of_members(members: Sequence[MemberFacts]) -> list[tuple[Health, str]]:
    answering = [member for member in members if member.problem is None]
    if not answering:
        return [(Health.UNAVAILABLE, f"no endpoint answers: {_problems(members)}")]
    findings = []
    leaders = {member.leader for member in answering if member.leader}
    if not leaders:
        findings.append((Health.UNAVAILABLE, "no member knows a leader: there is no quorum, or an election goes on"))
    elif len(leaders) > 1:
        findings.append((Health.DEGRADED, "the members disagree on who leads"))
    for alarm, endpoints in sorted(_by_alarm(answering).items()):
        findings.append((Health.UNAVAILABLE, f"alarm {alarm} at {', '.join(endpoints)}: {_alarm(alarm)}"))
    if len(answering) < len(members):
        findings.append((Health.DEGRADED, _problems(members)))
    newest = max(member.revision for member in answering)
    for member in answering:
        if leaders and not member.leader:
            findings.append((Health.DEGRADED, f"{member.endpoint} knows no leader"))
        elif newest - member.revision > LAG_LIMIT:
            behind = newest - member.revision
            findings.append((Health.DEGRADED, f"{member.endpoint} is {behind} revisions behind"))
    return findings


def _of_cache(cache: CacheFacts, max_age: float) -> list[tuple[Health, str]]:
    problem = cache.problem
    if problem is not None and not isinstance(problem, (Unavailable, NotInitialised)):
        return [(Health.UNAVAILABLE, problem.message)]
    if cache.state is FollowerState.LIVE:
        return []
    why = f": {problem.message}" if problem else ""
    if cache.age > max_age:
        return [(Health.UNKNOWN, f"the picture is {cache.state}, and too old{why}")]
    return [(Health.DEGRADED, f"the picture is {cache.state}{why}")]


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
