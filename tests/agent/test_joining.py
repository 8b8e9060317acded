"""Joining and leaving through an agent, and directly: ids, peers, proofs and lost answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from etcdmeta.agent.config import AgentConfig
from etcdmeta.agent.datadir import DataDirectory
from etcdmeta.agent.enrolment import Enrolment
from etcdmeta.agent.facts import Facts
from etcdmeta.agent.identity import Identity, new_identity
from etcdmeta.agent.joining import Joined, Joining, join_directly, join_through
from etcdmeta.agent.peers import live_agents
from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.consensus.protocol import Delegate
from etcdmeta.errors import (
    Defect,
    EtcdMetaError,
    InvalidInput,
    NodeAlreadyRunning,
    NodeExists,
    NodeIdentityRefused,
    NodeNotFound,
    NodeOwnsShards,
    NodeRemoved,
    OutcomeUnknown,
    PermissionDenied,
    TooManyRequests,
    Unavailable,
    WrongCluster,
)
from etcdmeta.model.entities import Liveness
from etcdmeta.model.owners import NodeState
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.store import MetaStore, new_operation_id
from etcdmeta.testing.agents import serve_agent
from etcdmeta.testing.stores import local_store
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import decode_position

SECONDS = 20.0
HERE = "10.0.0.1:8188"
MEMBERS = ("http://etcd-1:2379", "http://etcd-2:2379")


def soon() -> float:
    return time.monotonic() + SECONDS


class Reachable(LocalStrategy):
    """As if others could reach those who vote."""

    urls: tuple[str, ...] = MEMBERS
    trouble: EtcdMetaError | None = None

    def peers(self, *, deadline: float) -> tuple[str, ...]:
        if self.trouble is not None:
            raise self.trouble
        return self.urls


class Agent:
    """One agent's store and its side of joining."""

    def __init__(self, store: MetaStore, strategy: Reachable) -> None:
        self.store, self.strategy = store, strategy
        self.joining = Joining(store, Facts(address=HERE, node_id=1))

    def join(self, identity: Identity, host: str, who: str = "", **fields: Any) -> pb.JoinResponse:
        request = pb.JoinRequest(
            host=host,
            secret=identity.secret,
            node_id=identity.node_id,
            cluster_id=identity.cluster_id,
            operation_id=fields.pop("operation_id", new_operation_id()),
            **fields,
        )
        return self.joining.join(request, who, timeout=SECONDS)

    def leave(self, node_id: int, identity: Identity, **fields: Any) -> pb.LeaveResponse:
        request = pb.LeaveRequest(node_id=node_id, secret=identity.secret, **fields)
        return self.joining.leave(request, "db-1", timeout=SECONDS)

    def comes_alive(self, node_id: int, address: str, **fields: Any) -> int:
        """The lease's id."""
        record = Liveness(node_id=node_id, instance=1, since=1, agent_address=address, **fields)
        lease = self.strategy.grant_lease(60, deadline=soon())
        put = Put(self.store.keyspace.absolute(keys.live(node_id)), encode(record), lease)
        revision = self.strategy.transact(Transaction((), (put,)), deadline=soon()).header.revision
        self.store.wait_for(lambda snapshot: snapshot.revision >= revision, SECONDS)
        return lease

    def dies(self, node_id: int, lease: int) -> None:
        self.strategy.revoke_lease(lease, deadline=soon())
        self.store.wait_for(lambda snapshot: not snapshot.is_live(node_id), SECONDS)


@pytest.fixture
def agents() -> Iterator[Callable[[], Agent]]:
    """Makes agents of one cluster, which nobody has initialised yet."""
    shared = LocalCluster()
    with ExitStack() as open_stores:

        def make() -> Agent:
            strategy = Reachable(shared)
            return Agent(open_stores.enter_context(local_store(strategy, init=False)), strategy)

        yield make


@pytest.fixture
def agent(agents: Callable[[], Agent]) -> Agent:
    return agents()


# --- what a node is answered


def test_the_first_node_and_the_second(agent: Agent) -> None:
    first = agent.join(new_identity(), "h1:1", labels={"zone": "a"})
    second = agent.join(new_identity(), "h2:1")
    assert (first.node_id, first.known, second.node_id, second.known) == (1, False, 2, False)
    assert first.cluster_id == second.cluster_id == agent.store.snapshot().cluster.cluster_id != 0
    assert first.cluster == "default"
    assert dict(agent.store.snapshot().node(1).labels) == {"zone": "a"}
    snapshot = agent.store.snapshot()
    assert (decode_position(second.position), second.generation) == (snapshot.position, snapshot.generation)


def test_it_comes_back_under_another_host_with_its_old_id(agent: Agent) -> None:
    identity = new_identity()
    first = agent.join(identity, "h1:1", labels={"zone": "a"})
    kept = replace(identity, node_id=first.node_id, cluster_id=first.cluster_id)
    again = agent.join(kept, "h2:1")
    assert (again.node_id, again.cluster_id, again.known) == (first.node_id, first.cluster_id, True)
    node = agent.store.snapshot().node("h2:1")
    assert (node.id, dict(node.labels)) == (first.node_id, {"zone": "a"})


def test_a_lost_answer_is_given_again_at_any_agent(agents: Callable[[], Agent]) -> None:
    """Also where the same node came back differently in between: the first answer is that of the first question."""
    one, other = agents(), agents()
    identity, operation_id = new_identity(), new_operation_id()
    first = one.join(identity, "h1:1", operation_id=operation_id)
    one.join(identity, "h2:1")
    again = other.join(identity, "h1:1", operation_id=operation_id)
    assert (again.node_id, again.cluster_id, again.known) == (first.node_id, first.cluster_id, False)
    assert other.store.snapshot().node(first.node_id).host == "h2:1", "it was not done again"


def test_somebody_elses_operation_id_gives_nobody_their_id(agent: Agent) -> None:
    operation_id = new_operation_id()
    agent.join(new_identity(), "h1:1", operation_id=operation_id)
    with pytest.raises(NodeIdentityRefused):
        agent.join(new_identity(), "h1:1", operation_id=operation_id)


def test_it_takes_part_where_etcds_members_can_be_reached(agent: Agent) -> None:
    answer = agent.join(new_identity(), "h1:1")
    assert (answer.participates, tuple(answer.etcd_endpoints)) == (True, MEMBERS)
    agent.strategy.urls = MEMBERS[1:]
    assert tuple(agent.join(new_identity(), "h2:1").etcd_endpoints) == MEMBERS[1:], "it stays true when members change"


def test_it_delegates_where_it_wants_to_or_nobody_reaches_etcd(agent: Agent) -> None:
    answer = agent.join(new_identity(), "h1:1", delegate=True)
    assert (answer.participates, tuple(answer.etcd_endpoints), tuple(answer.agents)) == (False, (), (HERE,))
    agent.strategy.urls = ()
    assert not agent.join(new_identity(), "h2:1").participates
    agent.strategy.trouble = PermissionDenied("this user may not list members")
    assert not agent.join(new_identity(), "h3:1").participates


def test_etcd_that_does_not_say_its_members_is_asked_again(agent: Agent) -> None:
    identity, operation_id = new_identity(), new_operation_id()
    agent.strategy.trouble = Unavailable("no quorum")
    with pytest.raises(Unavailable):
        agent.join(identity, "h1:1", operation_id=operation_id)
    agent.strategy.trouble = None
    answer = agent.join(identity, "h1:1", operation_id=operation_id)
    assert (answer.node_id, answer.known, answer.participates) == (1, False, True)


def test_its_peers_are_the_live_agents_this_one_first(agent: Agent) -> None:
    for number in range(1, 6):
        agent.join(new_identity(), f"h{number}:1")
    agent.comes_alive(3, "10.0.0.3:8188")
    agent.comes_alive(1, HERE)
    agent.comes_alive(2, "10.0.0.2:8188")
    agent.comes_alive(4, "")
    answer = agent.join(new_identity(), "h9:1")
    assert tuple(answer.agents) == (HERE, "10.0.0.2:8188", "10.0.0.3:8188")
    assert live_agents(agent.store.snapshot()) == (HERE, "10.0.0.2:8188", "10.0.0.3:8188")


def test_who_asked_stands_in_the_history_and_no_secret(agent: Agent) -> None:
    identity = new_identity()
    agent.join(identity, "h1:1", who="db-1.example")
    (entry,) = agent.store.history(timeout=SECONDS)
    assert (entry.command, entry.actor) == ("join node", "h1:1 via n1, db-1.example")
    for hidden in (identity.secret, identity.hash):
        assert hidden.hex() not in repr(entry)
        assert repr(hidden)[2:-1] not in repr(entry)


# --- what is refused


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"secret": b""}, InvalidInput),
        ({"secret": b"\0" * 33}, InvalidInput),
        ({"cluster": "other"}, WrongCluster),
        ({"cluster_id": 5}, WrongCluster),
        ({"node_id": 7}, NodeIdentityRefused),
        ({"host": "h1:1"}, NodeExists),
        ({"operation_id": "mine"}, InvalidInput),
    ],
)
def test_refusals(agent: Agent, change: dict[str, Any], error: type[EtcdMetaError]) -> None:
    agent.join(new_identity(), "h1:1")
    identity = new_identity()
    fields = {"host": "h2:1", "secret": identity.secret, "operation_id": new_operation_id(), **change}
    with pytest.raises(error) as refusal:
        agent.joining.join(pb.JoinRequest(**fields), "", timeout=SECONDS)
    assert identity.secret.hex() not in repr(refusal.value) + repr(refusal.value.value)
    assert [node.host for node in agent.store.snapshot().nodes()] == ["h1:1"]


# --- leaving


def test_a_node_leaves_by_its_secret_and_is_told_so_again(agent: Agent) -> None:
    identity, operation_id = new_identity(), new_operation_id()
    agent.join(identity, "h1:1")
    answer = agent.leave(1, identity, operation_id=operation_id)
    snapshot = agent.store.snapshot()
    assert snapshot.node(1).state == NodeState.REMOVED
    assert (decode_position(answer.position), answer.generation) == (snapshot.position, snapshot.generation)
    agent.leave(1, identity, operation_id=operation_id)
    agent.leave(1, identity)
    assert agent.store.snapshot().generation == snapshot.generation
    with pytest.raises(NodeRemoved):
        agent.join(identity, "h1:1")
    actors = {entry.actor for entry in agent.store.history(timeout=SECONDS) if "removal" in entry.command}
    assert actors == {"h1:1 via n1, db-1"}


def test_nobody_leaves_for_another(agent: Agent) -> None:
    agent.join(new_identity(), "h1:1")
    agent.store.add_node("h2:1")
    for node_id in (1, 2):
        with pytest.raises(NodeIdentityRefused, match="the secret is not that of node"):
            agent.leave(node_id, new_identity())
    with pytest.raises(NodeNotFound):
        agent.leave(3, new_identity())
    with pytest.raises(WrongCluster):
        agent.leave(1, new_identity(), cluster="other")
    assert {node.state for node in agent.store.snapshot().nodes()} == {NodeState.JOINED}


def test_a_node_with_shards_stays_as_it_is(agent: Agent) -> None:
    identity = new_identity()
    agent.join(identity, "h1:1")
    agent.store.create_database("metrics")
    agent.store.create_shard_group("metrics", "autogen", at=0)
    with pytest.raises(NodeOwnsShards):
        agent.leave(1, identity)
    assert agent.store.snapshot().node(1).state == NodeState.JOINED


# --- the node's side


def test_directly(agent: Agent) -> None:
    identity = new_identity()
    joined = join_directly(agent.store, identity, host="h1:1", timeout=SECONDS)
    cluster_id = agent.store.snapshot().cluster.cluster_id
    kept = Identity(identity.secret, 1, cluster_id, "default")
    assert joined == Joined(kept, participates=True, etcd_endpoints=MEMBERS, agents=(), known=False)
    again = join_directly(agent.store, kept, host="h2:1", labels={"zone": "b"}, timeout=SECONDS)
    assert (again.identity, again.known) == (kept, True)
    assert dict(agent.store.snapshot().node("h2:1").labels) == {"zone": "b"}
    with pytest.raises(WrongCluster):
        join_directly(agent.store, replace(kept, cluster_id=cluster_id + 1), host="h2:1", timeout=SECONDS)


def test_directly_where_etcd_does_not_say_who_can_be_reached(agent: Agent) -> None:
    agent.strategy.urls = ()
    joined = join_directly(agent.store, new_identity(), host="h1:1", timeout=SECONDS)
    assert joined.participates
    assert joined.etcd_endpoints == agent.store.strategy.endpoints


class Line:
    """What `join_through` asks of a `Delegate`: one agent, with troubles on the way there and back."""

    def __init__(self, agent: Agent, *, before: list[EtcdMetaError] | None = None, after: list[EtcdMetaError]) -> None:
        self.agent, self.before, self.after = agent, before or [], after
        self.requests: list[pb.JoinRequest] = []

    def join(self, request: pb.JoinRequest, *, deadline: float) -> pb.JoinResponse:
        self.requests.append(request)
        if self.before:
            raise self.before.pop(0)
        answer = self.agent.joining.join(request, "", timeout=SECONDS)
        if self.after:
            raise self.after.pop(0)
        return answer


def through(line: object, identity: Identity, host: str, *, deadline: float | None = None, **options: Any) -> Joined:
    agents = cast("Delegate", line)
    return join_through(agents, identity, cluster="default", host=host, deadline=deadline or soon(), **options)


def test_through_an_agent_whose_answers_are_lost(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etcdmeta.agent.joining.LONGEST_PAUSE", 0.02)
    unknown = OutcomeUnknown("no answer", operation_id=new_operation_id())
    line = Line(agent, before=[Unavailable("away"), TooManyRequests("busy")], after=[unknown, Unavailable("away")])
    identity = new_identity()
    joined = through(line, identity, "h1:1", labels={"zone": "a"})
    assert joined.identity == replace(
        identity, node_id=1, cluster_id=agent.store.snapshot().cluster.cluster_id, cluster="default"
    )
    assert (joined.participates, joined.etcd_endpoints, joined.agents, joined.known) == (True, MEMBERS, (HERE,), False)
    assert len({request.operation_id for request in line.requests}) == 1
    assert len(agent.store.history(timeout=SECONDS)) == 1, "asked five times, done once"


def test_a_node_that_wants_to_delegate_does(agent: Agent) -> None:
    joined = through(Line(agent, after=[]), new_identity(), "h1:1", delegate=True)
    assert (joined.participates, joined.etcd_endpoints, joined.agents) == (False, (), (HERE,))


def test_a_refusal_is_not_asked_for_again(agent: Agent) -> None:
    agent.join(new_identity(), "h1:1")
    line = Line(agent, after=[])
    with pytest.raises(NodeExists):
        through(line, new_identity(), "h1:1")
    assert len(line.requests) == 1


def test_a_node_that_is_live_elsewhere_moves_when_its_lease_is_over(agent: Agent) -> None:
    """Over the wire too the error says how long that may take; each attempt is the same operation."""
    identity, operation_id = new_identity(), new_operation_id()
    kept = through(Line(agent, after=[]), identity, "h1:1").identity
    lease = agent.comes_alive(1, "", host="h1:1", lease_seconds=14)
    with serve_agent(agent.store, joining=agent.joining) as serving:
        line = AgentStrategy(f"agent://{serving.address}")
        try:
            for _ in range(2):
                with pytest.raises(NodeAlreadyRunning, match=r"at h1:1; this one is at h2:1") as error:
                    through(line, kept, "h2:1", operation_id=operation_id)
                assert error.value.value == 14
            assert agent.store.read_consistent().node(1).host == "h1:1"
            agent.dies(1, lease)
            assert through(line, kept, "h2:1", operation_id=operation_id).known
        finally:
            line.close()
    assert agent.store.read_consistent().node(1).host == "h2:1"


# --- how long a start waits for a holder that may be dead


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("etcdmeta.agent.enrolment.time", found)
    return found


@pytest.fixture
def enrolment(tmp_path: Path) -> Iterator[Enrolment]:
    config = AgentConfig(data_dir=tmp_path, host="h2:1", listen="127.0.0.1:0", endpoints=("h:1",), ttl=10.0)
    with DataDirectory(tmp_path) as directory:
        yield Enrolment(config, directory)


@pytest.mark.parametrize(("said", "seconds"), [(14, 17), (0, 23), (None, 23), ("14", 23), (10**9, 4803)])
def test_the_holders_lease_is_waited_for_and_then_it_is_refused(
    enrolment: Enrolment, clock: Clock, said: object, seconds: int
) -> None:
    running = NodeAlreadyRunning("elsewhere", value=said)
    assert not enrolment.waits_for_another
    assert enrolment.passes(running)
    assert enrolment.waits_for_another
    clock.now += seconds - 0.01
    assert enrolment.passes(running)
    clock.now += 0.02
    assert not enrolment.passes(running)


def test_a_lease_does_not_end_while_nobody_answers(enrolment: Enrolment, clock: Clock) -> None:
    running = NodeAlreadyRunning("elsewhere", value=14)
    assert enrolment.passes(running)
    clock.now += 16
    assert enrolment.passes(Unavailable("etcd is away"))
    assert not enrolment.waits_for_another
    clock.now += 16
    assert enrolment.passes(running), "it began anew"
    clock.now += 16
    assert enrolment.passes(running)
    clock.now += 2
    assert not enrolment.passes(running)
    assert not enrolment.passes(NodeRemoved("removed")), "what is for good is so at once"


def test_nobody_answers_until_the_deadline(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etcdmeta.agent.joining.LONGEST_PAUSE", 0.05)
    line = Line(agent, before=[Unavailable(f"away {n}") for n in range(100)], after=[])
    with pytest.raises(Unavailable):
        through(line, new_identity(), "h1:1", deadline=time.monotonic() + 0.5)
    assert 1 < len(line.requests) < 50, "asked again, and not in a hot loop"


@pytest.mark.parametrize("told", [{"node_id": 2}, {"cluster_id": 8}, {"node_id": 0}, {}])
def test_an_agent_does_not_change_who_the_node_is(told: Mapping[str, int]) -> None:
    class Liar:
        def join(self, request: pb.JoinRequest, *, deadline: float) -> pb.JoinResponse:
            return pb.JoinResponse(**({"node_id": 1, "cluster_id": 7, **told} if told else {}))

    with pytest.raises(Defect):
        through(Liar(), replace(new_identity(), node_id=1, cluster_id=7), "h1:1")


def test_over_the_wire_and_through_an_agent_that_delegates_itself(agent: Agent) -> None:
    """The answer is that of the agent which reaches etcd, but for who is first among the agents."""
    with ExitStack() as running:
        near = running.enter_context(serve_agent(agent.store, joining=agent.joining))
        delegating = running.enter_context(MetaStore.open(f"agent://{near.address}", timeout=SECONDS, wait=False))
        far_side = Joining(delegating, Facts(address="10.0.0.2:8188"))
        far = running.enter_context(serve_agent(delegating, joining=far_side))
        line = AgentStrategy(f"agent://{far.address}")
        running.callback(line.close)
        identity = new_identity()
        joined = through(line, identity, "h1:1", labels={"zone": "a"})
        assert (joined.identity.node_id, joined.known) == (1, False)
        assert (joined.participates, joined.etcd_endpoints) == (True, MEMBERS)
        assert joined.agents == ("10.0.0.2:8188", HERE)
        assert through(line, joined.identity, "h2:1").known
        with pytest.raises(NodeIdentityRefused, match="its secret is not that of node 1"):
            through(line, replace(new_identity(), node_id=1), "h3:1")
        with pytest.raises(WrongCluster):
            join_through(cast("Delegate", line), new_identity(), cluster="other", host="h3:1", deadline=soon())
        line.leave(pb.LeaveRequest(node_id=1, secret=identity.secret), deadline=soon())
        with pytest.raises(NodeRemoved, match="wipe the data directory"):
            through(line, joined.identity, "h2:1")
        assert [entry.command for entry in agent.store.history(timeout=SECONDS) if not entry.void] == [
            "join node",
            "join node",
            "begin node removal",
            "finish node removal",
        ]
