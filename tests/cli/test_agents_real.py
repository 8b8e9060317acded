"""The command line on real agents: asked for their status, and judged where they stand in for etcd."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from etcdmeta import MetaStore
from etcdmeta.model.entities import Liveness
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.store import SystemClock
from etcdmeta.testing import LocalCluster, LocalStrategy, local_store
from etcdmeta.testing.agents import Serving, serve_agent
from tests.cli.conftest import Cli
from tests.cli.test_check import parsed

NAME = "prod"


@pytest.fixture
def agents() -> Iterator[tuple[Serving, Serving]]:
    """Two of one cluster that has a node."""
    cluster = LocalCluster()
    with (
        local_store(LocalStrategy(cluster), cluster=NAME) as one,
        local_store(LocalStrategy(cluster), cluster=NAME) as other,
    ):
        one.add_node("h1:8088")
        other.wait_for(lambda snapshot: snapshot.nodes(), 20)
        with serve_agent(one) as first, serve_agent(other) as second:
            yield first, second


def test_status(cli: Cli, agents: tuple[Serving, Serving]) -> None:
    first, second = (serving.address for serving in agents)
    ran = cli("agent", "status", first, second, "-o", "json")
    assert ran.code == 0
    assert [item["address"] for item in ran.items] == [first, second]
    for item in ran.items:
        assert (item["state"], item["source"], item["cluster"], item["generation"]) == ("live", "etcd", NAME, 2)
        assert item["live"] is True
        assert item["version"]
        assert item["ageSeconds"] < 20
    agents[1].stop()
    assert cli("agent", "status", first, second).code == 10
    agents[0].stop()
    assert cli("agent", "status", first, second).code == 11


def test_status_of_those_that_serve_the_store(cli: Cli, agents: tuple[Serving, Serving]) -> None:
    first, second = (serving.address for serving in agents)
    ran = cli("agent", "status", "--endpoints", f"agent://{first},{second}", "--cluster", NAME, "-o", "json")
    assert ran.code == 0
    assert [item["address"] for item in ran.items] == [first, second]
    assert ran.json["generation"] == 2


def test_health_and_check_through_agents(cli: Cli, agents: tuple[Serving, Serving]) -> None:
    first, second = (serving.address for serving in agents)
    whom = ("--endpoints", f"agent://{first},{second}", "--cluster", NAME)
    ran = cli("health", *whom, "-o", "json")
    assert (ran.code, ran.json["warnings"], ran.json["summary"]["verdict"]) == (0, [], "ok")
    assert {(item["leader"], item["dbSize"], item["problem"]) for item in ran.items} == {(None, None, None)}
    assert [line.split()[2] for line in cli("health", *whom).lines[2:]] == ["ROLE", "agent", "agent"]
    word, values = parsed(cli("check", *whom))
    assert (word, values["members"], values["nodes"]) == ("OK", "2", "1")
    assert "db_size" not in values
    agents[1].stop()
    ran = cli("check", *whom)
    assert parsed(ran)[0] == "WARNING"
    assert second in ran.out
    agents[0].stop()
    assert parsed(cli("check", *whom, "--timeout", "2s"))[0] == "CRITICAL"


class AnHourAgo(SystemClock):
    """So that a node that joins has had its time to come up."""

    def now(self) -> int:
        return time.time_ns() - 3_600 * 10**9


def test_nodes_that_are_down(cli: Cli) -> None:
    with local_store(clock=AnHourAgo(), cluster=NAME) as store, serve_agent(store) as agent:
        whom = ("--endpoints", f"agent://{agent.address}", "--cluster", NAME)
        for number in (1, 2):
            store.join_node(f"h{number}:8088", bytes([number]) * 32)
        assert "all nodes that report are down: n1, n2" in _check(cli, whom, "CRITICAL")
        assert cli("health", *whom).code == 11

        _come_up(store, 1)
        assert "- down: n2" in _check(cli, whom, "WARNING")
        ran = cli("health", *whom)
        assert ran.code == 10
        assert "1 of 2 nodes live" in ran.lines[0]

        _come_up(store, 2)
        assert "2 of 2 nodes live" in _check(cli, whom, "OK")


def _check(cli: Cli, whom: tuple[str, ...], word: str) -> str:
    ran = cli("check", *whom)
    assert parsed(ran)[0] == word, ran.out
    return ran.out


def _come_up(store: MetaStore, node_id: int) -> None:
    record = Liveness(node_id=node_id, instance=1, since=1)
    key = store.keyspace.absolute(keys.live(node_id))
    store.strategy.transact(Transaction((), (Put(key, encode(record)),)), deadline=time.monotonic() + 20)
    store.wait_for(lambda snapshot: snapshot.is_live(node_id), 20)


def test_what_an_agent_shows_that_is_cut_off_is_said_to_be_old(cli: Cli) -> None:
    link = LocalStrategy(LocalCluster())
    with local_store(link, cluster=NAME) as store:
        store.create_database("metrics")
        with serve_agent(store) as serving:
            where = ("--endpoints", f"agent://{serving.address}", "--cluster", NAME)
            assert cli("db", "list", "-q", *where).err == ""
            link.disconnect()
            deadline = time.monotonic() + 20
            while store.freshness().state == "live":
                assert time.monotonic() < deadline
                threading.Event().wait(0.01)  # the follower has no event for a test to wait for
            ran = cli("db", "list", "-q", "--timeout", "2s", *where)
    assert ran.code == 0
    assert "metrics" in ran.out
    assert "warning: the picture is" in ran.err
    assert "cut off from etcd" in ran.err
