"""`health`: the judgement as a table of cases, and the command on real members, hurt ones too."""

from __future__ import annotations

import pytest

from etcdmeta.cli.health_verdict import CacheFacts, MemberFacts, judge, version_defects, warnings_of
from etcdmeta.errors import ClusterDestroyed, NotInitialised, Unavailable
from etcdmeta.replica.states import FollowerState
from tests.cli.conftest import Cli


def member(name: str, **fields: object) -> MemberFacts:
    facts: dict[str, object] = {
        "version": "3.6.14",
        "member_id": 1,
        "leader": 7,
        "revision": 100_000,
        "db_size": 1 << 20,
    }
    return MemberFacts(name, **{**facts, **fields})  # type: ignore[arg-type]


def away(name: str) -> MemberFacts:
    return MemberFacts(name, problem=Unavailable("connection refused"))


def cache(state: FollowerState = FollowerState.LIVE, age: float = 0.1, problem: Exception | None = None) -> CacheFacts:
    return CacheFacts(state, age, 10, 100, "a:1", 7, problem)  # type: ignore[arg-type]


WELL = cache()
CASES = [
    ([member("a"), member("b"), member("c")], WELL, "ok", ""),
    ([member("a"), member("b"), away("c")], WELL, "degraded", "c: connection refused"),
    ([away("a"), away("b")], WELL, "unavailable", "no endpoint answers: a: connection refused; b"),
    ([member("a", leader=0), away("b")], WELL, "unavailable", "no member knows a leader"),
    ([member("a", leader=0), member("b")], WELL, "degraded", "a knows no leader"),
    ([member("a", leader=1), member("b", leader=2)], WELL, "degraded", "disagree"),
    ([member("a", alarms=("NOSPACE",)), member("b")], WELL, "unavailable", "alarm NOSPACE at a"),
    ([member("a", alarms=("CORRUPT",)), member("b")], WELL, "unavailable", "alarm CORRUPT at a"),
    ([member("a"), member("b", revision=90_000)], WELL, "degraded", "b is 10000 revisions behind"),
    ([member("a"), member("b", revision=99_000)], WELL, "ok", ""),
    ([member("a")], cache(FollowerState.STALE, 3.0, Unavailable("gone")), "degraded", "the picture is stale: gone"),
    ([member("a")], cache(FollowerState.STALE, 31.0), "unknown", "too old"),
    ([member("a")], cache(FollowerState.STALE, 3.0, ClusterDestroyed("no guard")), "unavailable", "no guard"),
    ([member("a")], cache(FollowerState.LIVE, 0.1, NotInitialised("none")), "ok", ""),
]


@pytest.mark.parametrize(("members", "picture", "verdict", "reason"), CASES)
def test_verdict(members: list[MemberFacts], picture: CacheFacts, verdict: str, reason: str) -> None:
    found, reasons = judge(members, picture, max_age=30)
    assert str(found) == verdict
    assert reason in "; ".join(reasons)
    assert bool(reasons) == (verdict != "ok")


@pytest.mark.parametrize(
    ("version", "count"),
    [
        ("3.4.23", 1),
        ("3.5.1", 4),
        ("3.5.3", 3),
        ("3.5.12", 2),
        ("3.5.16", 1),
        ("3.5.33", 0),
        ("3.6.0", 1),
        ("3.6.14", 0),
        ("3.7.0", 1),
        ("3.7.1", 0),
        ("4.0.0", 0),
        ("3.6.0-rc.1", 1),
        ("unknown", 0),
    ],
)
def test_known_defects_of_releases(version: str, count: int) -> None:
    assert len(version_defects(version)) == count


def test_warnings() -> None:
    assert warnings_of([member("a"), member("b")]) == []
    assert "different versions: 3.5.33, 3.6.14" in warnings_of([member("a"), member("b", version="3.5.33")])[0]
    assert "1843 MiB" in warnings_of([member("a", db_size=1843 << 20)])[0]


def test_on_three_members(prod: Cli) -> None:
    assert prod("cluster", "init").code == 0
    ran = prod("health", "-o", "json")
    assert (ran.code, ran.json["summary"]["verdict"]) == (0, "ok")
    assert [item["leader"] for item in ran.items].count(True) == 1
    assert {item["problem"] for item in ran.items} == {None}
    assert ran.json["summary"]["cache"]["state"] == "live"
    table = prod("health")
    assert table.lines[0].startswith("OK         cluster ")
    assert "3 of 3 endpoints answer" in table.lines[0]


def test_before_there_is_a_cluster(prod: Cli) -> None:
    ran = prod("health")
    assert ran.code == 0
    assert "there is no cluster" in ran.err


def test_a_member_away(prod: Cli, etcd_cluster: object) -> None:
    assert prod("cluster", "init").code == 0
    endpoints = ",".join([*etcd_cluster.endpoints, "127.0.0.1:1"])  # type: ignore[attr-defined]
    ran = prod("health", "--endpoints", endpoints)
    assert ran.code == 10
    assert ran.lines[0].startswith("DEGRADED")
    assert "127.0.0.1:1" in ran.lines[1]


@pytest.mark.slow
def test_without_a_quorum(cli: Cli, etcd_cluster_factory: object) -> None:
    cluster = etcd_cluster_factory(3)  # type: ignore[operator]
    endpoints = ",".join(cluster.endpoints)
    assert cli("cluster", "init", "--endpoints", endpoints).code == 0
    cluster.kill(1)
    cluster.kill(2)
    ran = cli("health", "--endpoints", endpoints, "--timeout", "20s", "-o", "json")
    assert ran.code in (11, 12)  # the one that is left may still believe in its leader
    assert ran.json["summary"]["answering"] == 1
    cluster.kill(0)
    ran = cli("health", "--endpoints", endpoints, "--timeout", "3s", "-o", "json")
    assert (ran.code, ran.json["summary"]["verdict"]) == (11, "unavailable")
