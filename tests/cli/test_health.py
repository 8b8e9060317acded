"""`health`: the judgement as a table of cases, and the command on real members, hurt ones too."""

from __future__ import annotations

import time

import pytest

from etcdmeta.cli.etcd_releases import version_defects
from etcdmeta.cli.health_facts import node_facts
from etcdmeta.cli.health_verdict import CacheFacts, MemberFacts, NodeFacts, judge, warnings_of
from etcdmeta.cli.sizes import parse_size
from etcdmeta.errors import ClusterDestroyed, InvalidInput, NotInitialised, Unavailable
from etcdmeta.model.entities import Liveness, Node
from etcdmeta.records import keys
from etcdmeta.replica.states import FollowerState
from tests.cli.conftest import Cli
from tests.cli.pictures import Scene


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


AGENTS = [member("a", leader=1, version="0.1.0", db_size=0, is_agent=True), member("b", leader=1, is_agent=True)]
ALONE = [member("a", leader=0, is_agent=True), member("b", leader=0, is_agent=True)]
TROUBLED = [member("a", leader=1, is_agent=True, alarms=("etcd was restored",)), member("b", leader=1, is_agent=True)]
LIVE, DOWN, SILENT = NodeFacts(1, True), NodeFacts(2, False), NodeFacts(3, None)
NODE_CASES = [
    ([LIVE, SILENT], "ok", ""),
    ([SILENT], "ok", ""),
    ([LIVE, DOWN, SILENT], "degraded", "down: n2"),
    ([DOWN, SILENT], "unavailable", "all nodes that report are down: n2"),
    ([LIVE, NodeFacts(4, True, flapping=True)], "degraded", "flapping: n4"),
    ([LIVE, *(NodeFacts(n, False) for n in range(10, 17))], "degraded", "down: n10, n11, n12, n13, n14 and 2 more"),
]
CASES += [
    (AGENTS, WELL, "ok", ""),
    ([*AGENTS, away("c")], WELL, "degraded", "c: connection refused"),
    (ALONE, WELL, "degraded", "no agent follows etcd"),
    (TROUBLED, WELL, "degraded", "a: etcd was restored"),
    ([member("a")], CacheFacts(FollowerState.LIVE, 0.1, 1, 1, "a", 7, None, 2), "degraded", "2 records cannot be read"),
]


@pytest.mark.parametrize(("nodes", "verdict", "reason"), NODE_CASES)
def test_verdict_of_nodes(nodes: list[NodeFacts], verdict: str, reason: str) -> None:
    found, reasons = judge([member("a")], WELL, nodes, max_age=30)
    assert str(found) == verdict
    assert reasons == ([reason] if reason else [])


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
    assert "1843 MiB; unless a quota was set, writes end at 2048" in warnings_of([member("a", db_size=1843 << 20)])[0]
    assert warnings_of([member("a", db_size=1843 << 20)], quota=8 << 30) == []
    assert "6554 MiB, writes end at 8192" in warnings_of([member("a", db_size=6554 << 20)], quota=8 << 30)[0]
    assert "back in time" in warnings_of([member("a", version="3.5.7")])[0]
    assert warnings_of([member("a", version="3.5.7")], any_version=True) == []


def test_the_versions_of_agents_are_not_those_of_etcd() -> None:
    (warning,) = warnings_of(AGENTS)
    assert warning == "agents of different versions: 0.1.0, 3.6.14"


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("8GiB", 8 << 30), ("2 gib", 2 << 30), ("512MiB", 512 << 20), ("1TiB", 1 << 40)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "8GB", "1.5GiB", "x", "9" * 30])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no size"):
        parse_size(text)


def test_facts_of_nodes() -> None:
    """Flapping ones by their record; one on its way out, or just coming, is not down."""
    now = time.time_ns()
    scene = Scene()
    scene.node(1)
    scene.node(2, live=False)
    scene.node(3, live=None)
    scene.node(4, live=False, state="removing")
    scene.put(keys.node(5), Node(id=5, host="h5:8088", labels={}, reports_liveness=True, joined_at=now))
    scene.node(6)
    coming = tuple(now - n * 10**9 for n in range(3))
    scene.put(keys.live(6), Liveness(node_id=6, instance=1, since=now, interruptions=coming))
    assert node_facts(scene.snapshot()) == [
        NodeFacts(1, True),
        NodeFacts(2, False),
        NodeFacts(3, None),
        NodeFacts(5, None),
        NodeFacts(6, True, flapping=True),
    ]


def test_on_three_members(prod: Cli) -> None:
    assert prod("cluster", "init").code == 0
    ran = prod("health", "-o", "json")
    assert (ran.code, ran.json["summary"]["verdict"]) == (0, "ok")
    assert [item["leader"] for item in ran.items].count(True) == 1
    assert {item["problem"] for item in ran.items} == {None}
    assert ran.json["summary"]["cache"]["state"] == "live"
    assert ran.json["summary"]["cache"]["quarantined"] == 0
    assert ran.json["summary"]["nodes"] == {"total": 0, "reporting": 0, "live": 0, "down": [], "flapping": []}
    table = prod("health")
    assert table.lines[0].startswith("OK         cluster ")
    assert "3 of 3 endpoints answer" in table.lines[0]


def test_before_there_is_a_cluster(prod: Cli) -> None:
    ran = prod("health")
    assert ran.code == 0
    assert "there is no cluster" in ran.err


def test_who_closed_the_cluster_is_told_wherever_somebody_looks(prod: Cli) -> None:
    """Else it looks well, and nothing heals."""
    assert prod("cluster", "init").code == 0
    assert "read-only" not in prod("health").err + prod("shard", "status").out
    assert prod("cluster", "read-only", "on", "--yes").code == 0
    assert "the cluster is read-only" in prod("health").err
    assert "read-only" in prod("check").out
    assert " · read-only" in prod("shard", "status").out
    refused = prod("db", "create", "metrics", "--dry-run")
    assert (refused.code, "cluster read-only off" in refused.err) == (4, True)
    assert prod("cluster", "read-only", "off", "--yes", "--dry-run").code == 0


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
    ran = cli("health", "--endpoints", endpoints, "--timeout", "8s", "-o", "json")
    assert ran.code in (11, 12)  # the one that is left may still believe in its leader
    assert ran.json["summary"]["answering"] == 1
    cluster.kill(0)
    ran = cli("health", "--endpoints", endpoints, "--timeout", "3s", "-o", "json")
    assert (ran.code, ran.json["summary"]["verdict"]) == (11, "unavailable")
