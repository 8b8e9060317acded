"""The agents of docker-compose.yml: cut off from etcd, from one another, from both, with a member, and restarted."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import pytest

from etcdmeta.errors import OutcomeUnknown, Unavailable
from etcdmeta.store import FollowerState, MetaStore
from etcdmeta.store.agents import AgentStatus
from tests.docker.agents import (
    DATABASE,
    SECONDS,
    Traffic,
    ask,
    create,
    follows_etcd,
    never_older,
    open_store,
    queries,
    wait_for,
)
from tests.docker.compose import AGENTS, NAMES, Compose, run

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker"), pytest.mark.timeout(600)]
"""The images may have to be made first."""


@pytest.fixture(scope="module")
def agents(own_compose: Compose) -> Iterator[Compose]:
    """All three serve, and follow etcd. A test that hurts one mends it, too."""
    compose = own_compose
    compose.add_network("side")
    try:
        compose.up_agents()
        for name in AGENTS:
            wait_for(compose, name, follows_etcd)
        with open_store(compose) as store:
            store.create_database(DATABASE)
        yield compose
    finally:
        compose.remove_agents()
        # Not earlier: what is sent to an address of a network that is gone leaves the machine by the default route.
        compose.remove_network("side")


@pytest.fixture
def store(agents: Compose) -> Iterator[MetaStore]:
    with open_store(agents) as opened:
        yield opened


@contextlib.contextmanager
def hurt(compose: Compose) -> Iterator[contextlib.ExitStack]:
    """What is to be mended goes on the stack. Afterwards all follow etcd, and none has shown anything older."""
    with never_older(compose):
        with contextlib.ExitStack() as mending:
            yield mending
        for each in AGENTS:
            wait_for(compose, each, follows_etcd)


def cut(compose: Compose, mending: contextlib.ExitStack, name: str, *networks: str) -> None:
    for network in networks:
        compose.cut_off(name, network)
        mending.callback(compose.connect, name, network)


def aside(compose: Compose, mending: contextlib.ExitStack, *names: str) -> None:
    """Together on a network of their own, beside those where they are."""
    for name in names:
        compose.connect(name, "side")
        mending.callback(compose.cut_off, name, "side")


def reached(compose: Compose, name: str) -> list[str]:
    """Whom this agent reaches, by what its container says."""
    code = (
        "import socket, sys\n"
        "for address in sys.argv[1:]:\n"
        "    host, port = address.split(':')\n"
        "    try:\n"
        "        socket.create_connection((host, int(port)), 2).close()\n"
        "        print(host)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    addresses = [*(f"{each}:2379" for each in NAMES), *(f"{each}:8188" for each in AGENTS if each != name)]
    return run("docker", "exec", compose.container(name), "python", "-c", code, *addresses).split()


def others(name: str) -> list[str]:
    return [each for each in AGENTS if each != name]


def test_three_nodes_of_one_cluster_that_are_alive(agents: Compose, store: MetaStore) -> None:
    statuses = [wait_for(agents, name, follows_etcd) for name in AGENTS]
    assert len({status.node_id for status in statuses}) == len(AGENTS)
    assert len({status.cluster_id for status in statuses}) == 1
    assert [status.host for status in statuses] == [f"{name}:8088" for name in AGENTS]
    assert all(status.participates for status in statuses)
    snapshot = store.wait_for(lambda now: now if all(now.is_live(node.id) for node in now.nodes()) else None)
    assert sorted(node.id for node in snapshot.nodes()) == sorted(status.node_id for status in statuses)
    for name in AGENTS:
        agents.wait_for_health(name)


def test_one_that_is_cut_off_from_etcd_follows_a_peer_and_says_so(agents: Compose, store: MetaStore) -> None:
    with open_store(agents, "agent-1") as mine:
        with hurt(agents) as mending:
            cut(agents, mending, "agent-1", "etcd")
            assert reached(agents, "agent-1") == others("agent-1")
            status = wait_for(agents, "agent-1", lambda now: now.live and now.source == "agent")
            assert status.source_address in [f"{name}:8188" for name in others("agent-1")]
            generation = create(store, "meanwhile")
            mine.wait_for(lambda now: now.generation >= generation, SECONDS)
            assert "meanwhile" in queries(mine)
        create(mine, "through it")
    assert store.read_consistent().database(DATABASE).find_query("through it")


def test_one_that_is_cut_off_from_its_peers_goes_on_with_etcd(agents: Compose, store: MetaStore) -> None:
    with open_store(agents, "agent-1") as mine, hurt(agents) as mending:
        aside(agents, mending, "agent-1", *NAMES)
        cut(agents, mending, "agent-1", "agents", "etcd")
        assert reached(agents, "agent-1") == list(NAMES)
        create(mine, "written alone")
        assert store.read_consistent().database(DATABASE).find_query("written alone")
        generation = create(store, "written by others")
        mine.wait_for(lambda now: now.generation >= generation, SECONDS)
        wait_for(agents, "agent-1", follows_etcd)


def test_one_that_is_cut_off_from_both_serves_what_it_has_and_says_how_old(agents: Compose) -> None:
    with open_store(agents, "agent-1") as mine, open_store(agents, *others("agent-1")) as away:
        create(away, "before")
        mine.wait_for(lambda now: now.database(DATABASE).find_query("before"), SECONDS)
        with hurt(agents) as mending:
            cut(agents, mending, "agent-1", "agents", "etcd")
            assert reached(agents, "agent-1") == []
            create(away, "not seen")
            first = wait_for(agents, "agent-1", lambda now: not now.live)
            assert first.age is not None
            later = wait_for(agents, "agent-1", lambda now: now.age is not None and now.age > (first.age or 0) + 1)
            assert (later.live, later.generation, later.node_id) == (False, first.generation, first.node_id)
            assert queries(mine)[-1] == "before"
            freshness = mine.freshness()
            assert freshness.state is FollowerState.STALE
            assert freshness.age > first.age
            with pytest.raises((Unavailable, OutcomeUnknown)):
                create(mine, "refused", timeout=3.0)
        mine.wait_for(lambda now: now.database(DATABASE).find_query("not seen"), SECONDS)
        mine.wait_live()


def leader(compose: Compose) -> str:
    """By etcd's own word; waited for, where one is being elected."""
    deadline = time.monotonic() + SECONDS
    while True:
        statuses = json.loads(compose.etcdctl("endpoint", "status", "--write-out=json"))
        for each in statuses:
            if each["Status"]["leader"] == each["Status"]["header"]["member_id"]:
                return next(name for name in NAMES if compose.endpoints[name] == each["Endpoint"])
        assert time.monotonic() < deadline, f"no leader: {statuses}"


def test_a_leader_that_is_cut_off_with_an_agent_on_its_side(agents: Compose) -> None:
    member = leader(agents)
    with open_store(agents, "agent-1") as mine, open_store(agents, *others("agent-1")) as away:
        create(away, "together")
        mine.wait_for(lambda now: now.database(DATABASE).find_query("together"), SECONDS)
        with hurt(agents) as mending:
            aside(agents, mending, "agent-1", member)
            cut(agents, mending, member, "etcd")
            cut(agents, mending, "agent-1", "agents", "etcd")
            assert reached(agents, "agent-1") == [member]
            generation = create(away, "by the majority")
            status = wait_for(agents, "agent-1", lambda now: not now.live)
            assert status.generation < generation
            with pytest.raises((Unavailable, OutcomeUnknown)) as caught:
                create(mine, "by the minority", timeout=3.0)
            assert queries(mine)[-1] == "together"
        agents.wait_for_health(member)
        mine.wait_for(lambda now: now.generation >= generation, SECONDS)
        assert "by the majority" in queries(mine)
        there = away.read_consistent().database(DATABASE).find_query("by the minority")
        if isinstance(caught.value, Unavailable):  # then it was certainly not committed
            assert there is None


def test_rolling_restarts_under_traffic(agents: Compose) -> None:
    with never_older(agents), Traffic(agents) as traffic:
        traffic.wait_for_more()
        for name in NAMES:
            agents.docker("stop", name)
            traffic.wait_for_more()
            agents.docker("start", name)
            agents.wait_for_health(name)
        for name in AGENTS:
            node = ask(agents, name)
            agents.docker("stop", name)
            assert agents.exit_code(name) == 0
            traffic.wait_for_more()
            agents.docker("start", name)
            again = wait_for(agents, name, follows_etcd)
            assert isinstance(node, AgentStatus)
            assert again.node_id == node.node_id
        traffic.wait_for_more()
    written = [name for name in traffic.written if name.startswith("traffic-")]
    for name in AGENTS:
        with open_store(agents, name) as mine:
            mine.read_consistent()
            there = [each for each in queries(mine) if each.startswith("traffic-")]
            assert sorted(there) == sorted(written)
