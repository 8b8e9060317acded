"""`agent status`: agents asked one by one, those that are away shown with the reason."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import grpc
import pytest

from etcdmeta import MetaStore
from etcdmeta.cli.agent_clusters import cluster_warnings
from etcdmeta.cli.agent_status import item_of, named_by
from etcdmeta.embedded import Cluster
from etcdmeta.errors import Defect, TooManyRequests, Unavailable
from etcdmeta.model.entities import Liveness
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.store.agents import AgentStatus, agent_statuses
from etcdmeta.wire.failures import DETAILS_KEY, to_status
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.pb.agent_pb2_grpc import MetadataServicer, add_MetadataServicer_to_server
from tests.cli.conftest import Cli
from tests.cli.pictures import Scene

AWAY = "127.0.0.1:1"

WELL = pb.StatusResponse(
    version="0.1.0",
    cluster="prod",
    cluster_id=2**63 + 5,
    node_id=3,
    host="h3:8088",
    address="h3:8188",
    revision=2000,
    generation=1284,
    state="live",
    freshness=pb.Freshness(age=0.25, live=True, source=pb.Freshness.ETCD, source_address="e1:2379"),
    etcd_endpoints=["e1:2379", "e2:2379"],
    agents=["h1:8188"],
    streams=500,
    requests=2,
    quarantined=1,
    started=1795392000000000000,
    participates=True,
    counters={"relists": 2},
)


class Scripted(MetadataServicer):
    """Answers Status as it is told to."""

    def __init__(self, answer: Callable[[grpc.ServicerContext], pb.StatusResponse]) -> None:
        self._answer = answer

    def Status(self, request: pb.StatusRequest, context: grpc.ServicerContext) -> pb.StatusResponse:
        return self._answer(context)


@contextmanager
def agent(answer: Callable[[grpc.ServicerContext], pb.StatusResponse]) -> Iterator[str]:
    """An agent that knows nothing but Status; its address."""
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        add_MetadataServicer_to_server(Scripted(answer), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait(20)


def says(status: pb.StatusResponse) -> Callable[[grpc.ServicerContext], pb.StatusResponse]:
    return lambda context: status


@pytest.fixture
def serving() -> Iterator[Callable[[pb.StatusResponse], str]]:
    with ExitStack() as stack:
        yield lambda status: stack.enter_context(agent(says(status)))


Serve = Callable[[pb.StatusResponse], str]


def test_everything_that_an_agent_says(cli: Cli, serving: Serve) -> None:
    address = serving(WELL)
    ran = cli("agent", "status", address, "-o", "json")
    assert ran.code == 0
    assert ran.items == [
        {
            "address": address,
            "answers": True,
            "nodeId": "3",
            "host": "h3:8088",
            "cluster": "prod",
            "clusterId": "9223372036854775813",
            "state": "live",
            "generation": 1284,
            "revision": 2000,
            "ageSeconds": 0.25,
            "live": True,
            "source": "etcd",
            "sourceAddress": "e1:2379",
            "streams": 500,
            "requests": 2,
            "quarantined": 1,
            "version": "0.1.0",
            "started": "2026-11-23T00:00:00Z",
            "participates": True,
            "etcdEndpoints": ["e1:2379", "e2:2379"],
            "agents": ["h1:8188"],
            "counters": {"relists": 2},
            "problem": None,
            "services": [],
        }
    ]
    assert ran.json["summary"] == {"agents": 1, "answering": 1}


def test_the_table(cli: Cli, serving: Serve) -> None:
    cached = pb.StatusResponse(version="0.2.0", state="stale", problem="etcd was restored", generation=7)
    cached.freshness.source = pb.Freshness.CACHE
    well, stale = serving(WELL), serving(cached)
    ran = cli("agent", "status", well, f"{stale},{AWAY}")
    assert ran.code == 10
    rows = [line.split() for line in ran.lines]
    assert rows[0] == ["NODE", "ADDRESS", "STATE", "GENERATION", "AGE", "SOURCE", "STREAMS", "VERSION", "PROBLEM"]
    assert rows[1] == f"n3 {well} live 1284 0.2 s etcd e1:2379 500 0.1.0".split()
    assert rows[2] == f"- {stale} stale 7 - cache 0 0.2.0 etcd was restored".split()
    assert rows[3][:8] == f"- {AWAY} unreachable - - - - -".split()
    assert "refused the connection" in ran.lines[3]
    wide = cli("agent", "status", well, "-o", "wide").lines
    assert wide[0].split()[-5:] == ["HOST", "REVISION", "REQUESTS", "QUARANTINED", "STARTED"]
    assert wide[1].split()[-5:] == ["h3:8088", "2000", "2", "1", "2026-11-23T00:00:00Z"]


LEADS = pb.ServiceStatus(
    name="retention",
    leads=True,
    leader="agent h3:8188",
    since=1795392000000000000,
    every=1800,
    passes=7,
    failures=1,
    pass_began=1795395600000000000,
    pass_ended=1795395601000000000,
    did="marked 10 expired shard groups deleted",
    did_at=1795395601000000000,
    problem="etcd was away",
    problem_at=1795393800000000000,
    notes=[pb.ServiceStatus.Note(text="retention is held back by its cap", things=213)],
)


def with_services(*services: pb.ServiceStatus, node_id: int = 3) -> pb.StatusResponse:
    status = pb.StatusResponse()
    status.CopyFrom(WELL)
    status.node_id = node_id
    status.services.extend(services)
    return status


def standing_by(name: str, leader: str, since: int = 1795392000000000000) -> pb.ServiceStatus:
    return pb.ServiceStatus(name=name, leader=leader, since=since)


def test_who_runs_the_services_and_what_they_did(cli: Cli, serving: Serve) -> None:
    under_way = pb.ServiceStatus(
        name="plans", leads=True, leader="x", since=1795392000000000000, pass_began=1795392001000000000
    )
    failing = pb.ServiceStatus(
        name="ledger", leads=True, leader="x", since=1795392000000000000, pass_began=1795392001000000000, failures=2,
        failing=True, problem="etcd is away", problem_at=1795392002000000000,
    )  # fmt: skip
    leading = serving(with_services(LEADS, under_way, failing))
    other = serving(
        with_services(
            *(standing_by(name, "agent h3:8188") for name in ("retention", "plans", "ledger")),
            standing_by("precreation", f"agent {AWAY}"),  # it does not answer
            pb.ServiceStatus(name="repair"),
            node_id=4,
        )
    )
    ran = cli("agent", "status", leading, other, AWAY)
    rows = {line.split()[0]: line for line in ran.lines[ran.lines.index("") + 1 :]}
    assert rows["SERVICE"].split() == ["SERVICE", "LEADER", "SINCE", "LAST", "PASS", "DID", "PROBLEM"]
    since = "2026-11-23T00:00:00Z"
    done = f"retention n3 {since} 2026-11-23T01:00:01Z marked 10 expired shard groups deleted 213 waiting"
    assert rows["retention"].split() == done.split()
    assert rows["plans"].split() == f"plans n3 {since} 2026-11-23T00:00:01Z goes on -".split()
    assert rows["ledger"].split() == f"ledger n3 {since} 2026-11-23T00:00:02Z failed - etcd is away".split()
    assert rows["precreation"].split() == f"precreation agent {AWAY} {since} - -".split()
    assert rows["repair"].split() == ["repair", "nobody", "-", "-", "-"]
    assert "warning: service retention: retention is held back by its cap" in ran.err
    assert "warning: nobody runs the service repair" in ran.err
    wide = cli("agent", "status", leading, other, "-o", "wide")
    assert "2026-11-23T00:30:00Z etcd was away" in wide.out
    ran = cli("agent", "status", leading, other, "-o", "json")
    assert ran.json["warnings"][0] == "service retention: retention is held back by its cap"
    assert ran.items[0]["services"][0] == {
        "name": "retention",
        "leads": True,
        "leader": "agent h3:8188",
        "since": since,
        "everySeconds": 1800.0,
        "passes": 7,
        "failures": 1,
        "passBegan": "2026-11-23T01:00:00Z",
        "passEnded": "2026-11-23T01:00:01Z",
        "did": "marked 10 expired shard groups deleted",
        "didAt": "2026-11-23T01:00:01Z",
        "problem": "etcd was away",
        "problemAt": "2026-11-23T00:30:00Z",
        "failing": False,
        "notes": [{"text": "retention is held back by its cap", "things": 213}],
    }
    assert ran.items[1]["services"][-1]["leader"] is None
    assert "retention=leads,plans=leads" in cli("agent", "status", leading, "-o", "csv").out


def test_agents_of_several_clusters_are_told_apart(cli: Cli, serving: Serve) -> None:
    """Two are called the same; one has no picture yet."""
    mine = serving(with_services(standing_by("plans", "agent h9:8188"), pb.ServiceStatus(name="ledger"), node_id=4))
    leads = serving(with_services(LEADS))
    theirs = with_services(pb.ServiceStatus(name="retention"), standing_by("plans", f"agent {AWAY}"), node_id=3)
    theirs.cluster_id = 77
    other = serving(theirs)
    starting = pb.StatusResponse(cluster="lab", state="cold")
    lab, early = serving(pb.StatusResponse(cluster="lab", cluster_id=5)), serving(starting)
    ran = cli("agent", "status", mine, other, leads, AWAY)
    here, there = "prod (9223372036854775813)", "prod (77)"
    rows = [line.split("  ") for line in ran.lines]
    assert ran.lines[0].split()[:3] == ["NODE", "ADDRESS", "CLUSTER"]
    assert [there in line for line in ran.lines[1:5]] == [False, True, False, False]
    assert [here in line for line in ran.lines[1:5]] == [True, False, True, False]
    below = [[cell.strip() for cell in row if cell.strip()] for row in rows[rows.index([""]) + 1 :]]
    assert [row[:3] for row in below] == [
        ["CLUSTER", "SERVICE", "LEADER"],
        [here, "plans", "agent h9:8188"],
        [here, "ledger", "nobody"],
        [here, "retention", "n3"],
        [there, "retention", "nobody"],
        [there, "plans", f"agent {AWAY}"],
    ]
    warned = cli("agent", "status", mine, other, leads, "-o", "json").json["warnings"]
    assert warned == [
        f"these agents are of 2 clusters, each with services of its own: {here}: {mine}, {leads}; {there}: {other}",
        f"cluster {here}: nobody runs the service ledger",
        f"cluster {here}: service retention: retention is held back by its cap",
        f"cluster {there}: nobody runs the service retention",
    ]
    assert cli("agent", "status", lab, early, "-o", "json").json["warnings"] == []  # it is of the one of that name
    (warning,) = cli("agent", "status", early, mine, "-o", "json").json["warnings"][:1]
    assert warning.endswith(f"lab (id unknown): {early}; {here}: {mine}")
    assert "CLUSTER" not in cli("agent", "status", mine, leads).out


@pytest.mark.parametrize("format_", ["json", "jsonl", "yaml", "csv", "tsv", "name", "wide", "table"])
def test_formats(format_: str, cli: Cli, serving: Serve) -> None:
    address = serving(WELL)
    ran = cli("agent", "status", address, AWAY, "-o", format_)
    assert ran.code == 10
    assert address in ran.out
    assert AWAY in ran.out


def test_when_none_answers(cli: Cli) -> None:
    ran = cli("agent", "status", AWAY, "-o", "json")
    assert ran.code == 11
    (item,) = ran.items
    assert (item["answers"], item["state"], item["version"]) == (False, None, None)
    assert "refused the connection" in item["problem"]


def test_what_a_newer_agent_may_say(cli: Cli, serving: Serve) -> None:
    odd = pb.StatusResponse(state="dreaming\x1b[2J", node_id=2**64 - 1)
    odd.freshness.source = 77  # type: ignore[assignment]
    address = serving(odd)
    (item,) = cli("agent", "status", address, "-o", "json").items
    assert (item["source"], item["ageSeconds"], item["nodeId"]) == ("unknown", None, str(2**64 - 1))
    assert "\x1b" not in cli("agent", "status", address).out


def test_a_refusal_is_shown(cli: Cli) -> None:
    def refuse(context: grpc.ServicerContext) -> pb.StatusResponse:
        status = to_status(Defect("the agent met an error of its own", remedy="look for f00d"))
        context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
        context.abort(grpc.StatusCode.INTERNAL, status.message)

    with agent(refuse) as address:
        ran = cli("agent", "status", address, "-o", "json")
    assert ran.code == 11
    assert ran.items[0]["problem"] == "the agent met an error of its own"


def test_one_that_is_full_is_busy(cli: Cli) -> None:
    def refuse(context: grpc.ServicerContext) -> pb.StatusResponse:
        status = to_status(TooManyRequests("64 requests are in flight at this agent"))
        context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, status.message)

    with agent(refuse) as address:
        (item,) = cli("agent", "status", address, "-o", "json").items
        row = cli("agent", "status", address).lines[1].split()
    assert (item["state"], item["answers"]) == ("busy", False)
    assert row[:3] == ["-", address, "busy"]
    assert " ".join(row).endswith("64 requests are in flight at this agent")


def test_a_long_problem_ends_with_a_word(cli: Cli, serving: Serve) -> None:
    address = serving(pb.StatusResponse(state="stale", problem="reason " * 100))
    assert cli("agent", "status", address).lines[1].endswith("reason …")


def test_a_silent_one_does_not_hold_up_the_others(cli: Cli, serving: Serve) -> None:
    asked, released = threading.Event(), threading.Event()

    def sleep(context: grpc.ServicerContext) -> pb.StatusResponse:
        asked.set()
        released.wait(30)
        return WELL

    well = serving(WELL)
    with agent(sleep) as silent:
        try:
            ran = cli("agent", "status", silent, well, "--timeout", "2s", "-o", "json")
        finally:
            released.set()
    assert asked.is_set()
    assert ran.code == 10
    assert [item["answers"] for item in ran.items] == [False, True]
    assert "in time" in ran.items[0]["problem"]


@pytest.mark.parametrize("address", ["http://[::1", "a b", "h1:99999", "h1:"])
def test_a_wrong_address_is_the_callers(address: str, cli: Cli) -> None:
    ran = cli("agent", "status", address)
    assert (ran.code, ran.out) == (2, "")
    assert "names no agents" in ran.err


def test_a_certificate_that_cannot_be_read_is_the_callers(cli: Cli) -> None:
    assert cli("agent", "status", AWAY, "--cacert", "/nonexistent.pem").code == 2


# --- whom the picture knows


def test_the_agents_that_nodes_name() -> None:
    scene = Scene()
    for node_id, live in ((1, True), (2, False), (3, True), (4, True)):
        scene.node(node_id, live=live)
    for node_id, address in ((1, "h1:8188"), (3, ""), (4, "h4:8188")):
        scene.put(keys.live(node_id), Liveness(node_id=node_id, instance=1, since=1, agent_address=address))
    assert named_by(scene.snapshot()) == {"h1:8188": 1, "h4:8188": 4}


def test_one_that_is_away_keeps_its_node() -> None:
    item = item_of("h1:8188", Unavailable("gone"), 7)
    assert (item.node_id, item.answers, item.problem) == (7, False, "gone")
    item = item_of("h1:8188", _status(node_id=0), 7)
    assert item.node_id is None  # what it says itself counts


def test_without_addresses(prod: Cli, serving: Serve, etcd_cluster: Cluster, etcd_prefix: str) -> None:
    assert prod("cluster", "init").code == 0
    ran = prod("agent", "status")
    assert (ran.code, ran.err) == (0, "no agents\n")
    well = serving(WELL)
    _live(etcd_cluster, etcd_prefix, [well, AWAY, "not an address"])
    ran = prod("agent", "status", "-o", "json")
    assert ran.code == 10
    assert [(item["nodeId"], item["address"], item["answers"]) for item in ran.items] == [
        ("3", well, True),
        ("2", AWAY, False),
        ("3", "not an address", False),
    ]
    assert ran.json["generation"] == 4
    own = ran.json["clusterId"]
    assert ran.json["warnings"] == [
        f"agent {well} is of another cluster, prod (9223372036854775813): the one that was asked is {own}; the address "
        "in a node's record is old, or somebody else's"
    ]
    assert cluster_warnings([item_of("h1:1", _status(cluster_id=int(own)), 1)], int(own)) == []


def test_none_at_all() -> None:
    assert agent_statuses([], timeout=1) == {}


def _live(cluster: Cluster, name: str, addresses: list[str]) -> None:
    """Nodes that say they live, each with its agent's address."""
    with MetaStore.open(",".join(cluster.endpoints), cluster=name) as store:
        for place, address in enumerate(addresses, 1):
            store.add_node(f"h{place}:8088")
            record = Liveness(node_id=place, instance=place, since=1, agent_address=address)
            key = store.keyspace.absolute(keys.live(place))
            store.strategy.transact(Transaction((), (Put(key, encode(record)),)), deadline=_soon())


def _soon() -> float:

    return time.monotonic() + 20


def _status(**fields: object) -> AgentStatus:
    with agent(says(WELL)) as address:
        (said,) = agent_statuses([address], timeout=20).values()
    assert isinstance(said, AgentStatus)

    return replace(said, **fields)  # type: ignore[arg-type]
