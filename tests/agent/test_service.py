"""Execute and its kin, Read, Lease, Advise, Status; reflection and health by plain gRPC."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from etcdmeta.agent import answers, reading
from etcdmeta.agent.facts import Facts
from etcdmeta.agent.gate import SERVICE
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.errors import (
    AgentBehind,
    ClusterRestored,
    CommandTooLarge,
    DatabaseNotFound,
    InvalidInput,
    OperationIdReused,
    OutcomeUnknown,
    PermissionDenied,
    Unavailable,
    UnknownCommand,
    UnreadableRequest,
)
from etcdmeta.model.snapshot import Position
from etcdmeta.records import keys
from etcdmeta.store import new_operation_id
from etcdmeta.testing import local_store
from etcdmeta.testing.agents import serve_agent
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import decode_position, encode_position
from tests.agent.talking import SECONDS, Client, in_background, info_of, refusal, wait_until

if TYPE_CHECKING:
    from etcdmeta.store import MetaStore
    from tests.agent.conftest import Agents


def key(relative: bytes) -> bytes:
    return b"/etcdmeta/default/" + relative


# --- Execute


def test_executed_once_however_often_it_is_sent(agents: Agents, client: Client) -> None:
    operation = new_operation_id()
    first = client.execute(CreateDatabase(name="metrics"), ids=[operation])
    again = client.execute(CreateDatabase(name="metrics"), ids=[operation])
    other = agents.add().execute(CreateDatabase(name="metrics"), ids=[operation])
    assert first.outcomes[0].changed
    for answer in (again, other):
        mine, theirs = first.outcomes[0], answer.outcomes[0]
        assert (mine.operation_id, mine.generation, mine.revision) == (operation, theirs.generation, theirs.revision)
        assert (mine.changed, json.loads(mine.result)) == (theirs.changed, json.loads(theirs.result))
        assert mine.summary == theirs.summary
    assert agents.stores[0].snapshot().generation == 2


def test_sent_at_the_same_moment_to_two_agents_it_is_done_once(agents: Agents) -> None:
    clients = [agents.add(), agents.add()]
    operation = new_operation_id()

    def send(turn: int) -> pb.ExecuteResponse:
        return clients[turn % 2].execute(CreateDatabase(name="metrics"), ids=[operation])

    with ThreadPoolExecutor(6) as pool:
        answers_ = list(pool.map(send, range(6)))
    assert len({(a.outcomes[0].revision, a.outcomes[0].generation) for a in answers_}) == 1
    assert agents.stores[0].snapshot().generation == 2


def test_the_answer_is_in_the_picture_of_the_agent(agents: Agents, client: Client) -> None:
    made = client.create("metrics")
    at = decode_position(made.position)
    assert at is not None
    assert at.revision >= made.outcomes[0].revision
    assert made.generation == made.outcomes[0].generation == 2
    assert client.fetch(made.position).kind == pb.FetchResponse.CURRENT
    assert agents.stores[0].snapshot().find_database("metrics") is not None


def test_several_are_one_transaction(agents: Agents, client: Client) -> None:
    done = client.execute(CreateDatabase(name="a"), CreateDatabase(name="b"))
    assert {o.generation for o in done.outcomes} == {2}
    error, _ = refusal(lambda: client.execute(CreateDatabase(name="c"), DropDatabase(name="none")))
    assert isinstance(error, DatabaseNotFound)
    assert agents.stores[0].snapshot().find_database("c") is None


def test_a_refusal_is_the_callers_typed_error(client: Client) -> None:
    operation = new_operation_id()
    error, raw = refusal(lambda: client.execute(DropDatabase(name="none"), ids=[operation]))
    assert isinstance(error, DatabaseNotFound)
    assert error.value == "none"
    assert raw.code() is grpc.StatusCode.NOT_FOUND
    assert info_of(raw).metadata["operationId"] == operation


def test_the_same_id_for_another_command_is_refused(client: Client) -> None:
    operation = new_operation_id()
    client.execute(CreateDatabase(name="a"), ids=[operation])
    error, _ = refusal(lambda: client.execute(CreateDatabase(name="b"), ids=[operation]))
    assert isinstance(error, OperationIdReused)


@pytest.mark.parametrize(
    ("ids", "kind"),
    [([], UnreadableRequest), (["nonsense"], InvalidInput), (["twice", "twice"], InvalidInput), (101, CommandTooLarge)],
)
def test_operations_are_checked(client: Client, ids: Any, kind: type[Exception]) -> None:
    if ids == 101:
        ids = [new_operation_id() for _ in range(101)]
    elif ids == ["twice", "twice"]:
        ids = [new_operation_id()] * 2
    commands = [CreateDatabase(name=f"d{number}") for number in range(len(ids))]
    error, _ = refusal(lambda: client.execute(*commands, ids=ids or None))
    assert isinstance(error, kind)


def test_a_command_that_nobody_knows(client: Client) -> None:
    operation = pb.Operation(id=new_operation_id(), command=pb.Command(name="make coffee"))
    request = pb.ExecuteRequest(operations=[operation])
    error, _ = refusal(lambda: client.stub.Execute(request, timeout=SECONDS))
    assert isinstance(error, UnknownCommand)


def test_the_history_names_who_claims_to_ask_and_who_was_asked(agents: Agents) -> None:
    class Certificate:
        def check(self, method: str, context: object) -> str:
            return "etl.example"

    client = agents.add(facts=Facts(node_id=3), authorise=Certificate())
    client.execute(CreateDatabase(name="a"), actor="alice@db1 via root")
    client.execute(CreateDatabase(name="b"), actor="")
    actors = [entry.actor for entry in agents.stores[0].history(limit=2)]
    assert actors == ["alice@db1 via root via n3, etl.example", "somebody via n3, etl.example"]
    for actor in ("x" * 201, "two\nlines"):
        error, _ = refusal(lambda: client.execute(CreateDatabase(name="c"), actor=actor))  # noqa: B023
        assert isinstance(error, InvalidInput)


def test_an_agent_plans_on_nothing_older_than_its_caller_has(agents: Agents) -> None:
    from etcdmeta.agent.limits import Limits

    first, second = agents.add(), agents.add(limits=Limits(patience=0.3))
    agents.links[1].disconnect()
    made = first.create("metrics")
    error, _ = refusal(lambda: second.execute(DropDatabase(name="metrics"), position=made.position))
    assert isinstance(error, AgentBehind)
    agents.links[1].reconnect()
    wait_until(lambda: second.status().state == "live", "it follows again")
    assert second.execute(DropDatabase(name="metrics"), position=made.position).outcomes[0].changed


def test_a_caller_of_another_history_is_not_served(client: Client) -> None:
    start = client.fetch().head
    elsewhere = encode_position(Position(77, start.revision))
    error, _ = refusal(lambda: client.execute(CreateDatabase(name="a"), position=elsewhere))
    assert isinstance(error, ClusterRestored)
    before_the_first_commit = encode_position(Position(0, start.revision))
    assert client.execute(CreateDatabase(name="a"), position=before_the_first_commit).outcomes[0].changed


def test_with_etcd_away_it_says_so_in_time(agents: Agents, client: Client) -> None:
    agents.links[0].disconnect()
    error, _ = refusal(lambda: client.create("metrics"))
    assert isinstance(error, Unavailable)


def test_a_lost_answer_is_settled_by_the_agent(agents: Agents, client: Client) -> None:
    agents.links[0].lose_answer()
    assert client.create("metrics").outcomes[0].changed
    assert agents.stores[0].snapshot().generation == 2


# --- Conclude, VerifyPassword, PruneLedger


def test_how_an_operation_ended(client: Client) -> None:
    operation = new_operation_id()
    done = client.execute(CreateDatabase(name="metrics"), ids=[operation]).outcomes[0]
    told = client.stub.Conclude(pb.ConcludeRequest(operation_id=operation), timeout=SECONDS).outcome
    assert (told.generation, told.revision, told.summary) == (done.generation, done.revision, done.summary)
    never = new_operation_id()
    error, _ = refusal(lambda: client.stub.Conclude(pb.ConcludeRequest(operation_id=never), timeout=SECONDS))
    assert isinstance(error, OutcomeUnknown)
    assert error.operation_id == never


def test_passwords_are_verified_here(agents: Agents, client: Client) -> None:
    agents.stores[0].create_user("ada", "correct horse")

    def ask(user: str, password: str) -> bool:
        request = pb.VerifyPasswordRequest(user=user, password=password)
        return bool(client.stub.VerifyPassword(request, timeout=SECONDS).correct)

    assert ask("ada", "correct horse")
    assert not ask("ada", "battery staple")
    assert not ask("eve", "correct horse")


def test_the_ledger_is_pruned(client: Client) -> None:
    client.create("metrics")
    assert client.stub.PruneLedger(pb.PruneLedgerRequest(), timeout=SECONDS).forgotten == 0


# --- Read


def read(client: Client, start: bytes, **more: Any) -> pb.ReadResponse:
    answer: pb.ReadResponse = client.stub.Read(pb.ReadRequest(key=start, **more), timeout=SECONDS)
    return answer


def test_a_read_is_etcds(agents: Agents, client: Client) -> None:
    client.create("metrics")
    answer = read(client, key(b""), range_end=key(b"secret/"))
    wanted = agents.links[0].read(key(b""), range_end=key(b"secret/"), deadline=time.monotonic() + SECONDS)
    assert [(r.key, r.value, r.mod_revision, r.version) for r in answer.kvs] == [
        (kv.key, kv.value, kv.mod_revision, kv.version) for kv in wanted.kvs
    ]
    assert answer.header.revision == agents.cluster.revision
    assert read(client, key(keys.GENERATION)).kvs[0].version == 2
    few = read(client, key(b"state/"), range_end=key(b"state0"), limit=2, keys_only=True)
    assert len(few.kvs) == 2
    assert few.more
    assert not few.kvs[0].value


def test_a_large_read_comes_in_parts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 300)
    client.create("metrics")
    found, start, revision = [], key(b"state/"), 0
    while True:
        answer = read(client, start, range_end=key(b"state0"), revision=revision)
        found += [r.key for r in answer.kvs]
        if not answer.more:
            break
        start, revision = found[-1] + b"\0", answer.header.revision
    monkeypatch.undo()
    assert found == [r.key for r in read(client, key(b"state/"), range_end=key(b"state0")).kvs]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (key(b"secret/0000000000000001"), b""),
        (key(b""), key(b"zzz")),
        (key(b"secret"), key(b"secret/1")),
        (key(b"lead/"), key(b"secret/0")),
        (key(b"secret/5"), key(b"secret/6")),
        (b"/etcdmeta/other/state/cluster", b""),
        (b"/etcdmeta/", b"/etcdmeta0"),
        (key(b"state/"), b"\0"),
        (key(b"state/"), b"/etcdmeta/other"),
        (b"", b""),
    ],
)
def test_a_read_stays_in_the_cluster_and_away_from_secrets(client: Client, start: bytes, end: bytes) -> None:
    error, _ = refusal(lambda: read(client, start, range_end=end))
    assert isinstance(error, PermissionDenied)


def test_beside_the_secrets_a_read_is_allowed(client: Client) -> None:
    read(client, key(b""), range_end=key(b"secret/"))
    read(client, key(b"secret0"), range_end=key(b"zzz"))


def test_the_generation_of_a_recent_revision_is_remembered_while_etcd_is_away(agents: Agents, client: Client) -> None:
    start = client.fetch().head
    made = client.create("metrics").outcomes[0]
    before = [read(client, key(keys.GENERATION), revision=r).kvs[0] for r in (start.revision, made.revision)]
    agents.links[0].disconnect()
    after = [read(client, key(keys.GENERATION), revision=r).kvs[0] for r in (start.revision, made.revision)]
    assert after == before
    assert [r.version for r in after] == [1, 2]
    error, _ = refusal(lambda: read(client, key(keys.GENERATION)))  # now: only etcd can say
    assert isinstance(error, Unavailable)
    agents.links[0].reconnect()
    etcds = agents.links[0].read(key(keys.GENERATION), revision=start.revision, deadline=time.monotonic() + SECONDS)
    assert etcds.kvs[0].value == before[0].value
    assert etcds.kvs[0].mod_revision == before[0].mod_revision


def test_what_only_strategies_say_to_each_other(agents: Agents, client: Client) -> None:
    client.create("metrics")
    agents.cluster.compact(agents.cluster.revision)
    for revision, reason in ((1, answers.COMPACTED), (10_000, answers.FUTURE_REVISION)):
        with pytest.raises(grpc.RpcError) as caught:
            read(client, key(keys.CLUSTER), revision=revision)
        assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE  # type: ignore[attr-defined]
        info = info_of(caught.value)
        assert info.reason == reason
        assert info.domain == "etcdmeta"
        assert info.metadata["incident"]
        told = info.metadata.get(answers.COMPACT_REVISION_KEY)
        assert told == (str(agents.cluster.revision) if reason == answers.COMPACTED else None)


# --- Lease, Advise


def lease(client: Client, **what: int) -> pb.LeaseResponse:
    answer: pb.LeaseResponse = client.stub.Lease(pb.LeaseRequest(**what), timeout=SECONDS)
    return answer


def advise(client: Client, **what: Any) -> pb.AdviseResponse:
    answer: pb.AdviseResponse = client.stub.Advise(pb.AdviseRequest(**what), timeout=SECONDS)
    return answer


def put(at: bytes, value: bytes = b"", lease_id: int = 0) -> pb.Event:
    return pb.Event(type=pb.Event.PUT, kv=pb.Record(key=at, value=value, lease=lease_id))


def test_a_lease_lives_through_the_agent(agents: Agents, client: Client) -> None:
    granted = lease(client, grant=10)
    assert granted.ttl == 10
    live = key(keys.live(7))
    absent = pb.Compare(key=live, counter=pb.Compare.CREATE, number=0)
    assert advise(client, compares=[absent], writes=[put(live, b"", granted.id)], reads=[live]).succeeded
    assert lease(client, keep_alive=granted.id).ttl == 10
    taken = advise(client, compares=[absent], writes=[put(live, b"", granted.id)], reads=[live])
    assert not taken.succeeded
    assert taken.reads[0].kvs[0].lease == granted.id
    agents.stores[0].wait_for(lambda s: s.tables.liveness.get(7), timeout=SECONDS)
    lease(client, revoke=granted.id)
    assert lease(client, keep_alive=granted.id).ttl == 0
    agents.stores[0].wait_for(lambda s: 7 not in s.tables.liveness, timeout=SECONDS)
    for wrong in ({}, {"grant": 0}, {"grant": -5}, {"grant": 10**9}):
        error, _ = refusal(lambda: lease(client, **wrong))  # noqa: B023
        assert isinstance(error, InvalidInput)


@pytest.mark.parametrize(
    "foreign",
    [key(keys.GENERATION), key(keys.CLUSTER), key(b"secret/1"), b"/etcdmeta/other/state/live/1", b""],
)
@pytest.mark.parametrize("how", ["compares", "puts", "deletes", "reads"])
def test_advice_reaches_liveness_and_progress_alone(client: Client, foreign: bytes, how: str) -> None:
    what: dict[str, Any] = {
        "compares": {"compares": [pb.Compare(key=foreign)]},
        "puts": {"writes": [put(foreign)]},
        "deletes": {"writes": [pb.Event(type=pb.Event.DELETE, kv=pb.Record(key=foreign))]},
        "reads": {"reads": [foreign]},
    }[how]
    error, _ = refusal(lambda: advise(client, **what))
    assert isinstance(error, PermissionDenied)


def test_advice_is_short_and_says_whether_it_may_have_happened(agents: Agents, client: Client) -> None:
    for wrong in ({}, {"reads": [key(keys.live(n)) for n in range(17)]}):
        error, _ = refusal(lambda: advise(client, **wrong))  # noqa: B023
        assert isinstance(error, InvalidInput)
    agents.links[0].lose_answer()
    with pytest.raises(grpc.RpcError) as caught:
        advise(client, writes=[put(key(keys.live(7)))])
    assert info_of(caught.value).reason == answers.AMBIGUOUS


# --- Join, Leave, Status


def test_joining_is_handed_on_in_a_thread(agents: Agents) -> None:
    class Members:
        def join(self, request: pb.JoinRequest, who: str, *, timeout: float) -> pb.JoinResponse:
            assert 0 < timeout <= SECONDS
            return pb.JoinResponse(node_id=9, cluster=request.host + who)

        def leave(self, request: pb.LeaveRequest, who: str, *, timeout: float) -> pb.LeaveResponse:
            raise DatabaseNotFound("no", value=request.node_id)

    client = agents.add(joining=Members())
    assert client.stub.Join(pb.JoinRequest(host="h"), timeout=SECONDS) == pb.JoinResponse(node_id=9, cluster="h")
    error, _ = refusal(lambda: client.stub.Leave(pb.LeaveRequest(node_id=4), timeout=SECONDS))
    assert isinstance(error, DatabaseNotFound)
    assert error.value == 4
    error, _ = refusal(lambda: agents.add().stub.Join(pb.JoinRequest(), timeout=SECONDS))
    assert isinstance(error, Unavailable)


def test_status(agents: Agents) -> None:
    facts = Facts(version="1.2", host="db1:8088", node_id=4, participates=True, agents=lambda: ("a:1", "b:2"))
    facts.source = lambda endpoint: ("agent", f"{endpoint}:8188")
    client = agents.add(facts=facts)
    stream = client.watch()
    status = client.status()
    snapshot = agents.stores[0].snapshot()
    assert snapshot.cluster is not None
    assert (status.version, status.host, status.node_id, status.participates) == ("1.2", "db1:8088", 4, True)
    assert (status.cluster, status.cluster_id) == ("default", snapshot.cluster.cluster_id)
    assert (status.generation, status.revision) == (1, snapshot.revision)
    assert decode_position(status.position) == snapshot.position
    assert (status.state, status.problem, status.streams, status.requests) == ("live", "", 1, 0)
    assert (status.freshness.source, status.freshness.source_address) == (pb.Freshness.AGENT, "local:8188")
    assert list(status.agents) == ["a:1", "b:2"]
    assert list(status.etcd_endpoints) == ["local"]
    assert status.address == agents.served[0].address
    assert status.counters == agents.stores[0].counters()
    agents.links[0].disconnect()
    wait_until(lambda: client.status().problem, "it says what is wrong")
    stream.cancel()


# --- reflection, health


def test_reflection(client: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
    ]
    services, file = stub.ServerReflectionInfo(iter(requests), timeout=SECONDS)
    names = {service.name for service in services.list_services_response.service}
    assert names == {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert file.file_descriptor_response.file_descriptor_proto


def test_health_follows_the_picture() -> None:
    from etcdmeta.consensus.local import LocalCluster, LocalStrategy
    from etcdmeta.store import MetaStore

    check = health_pb2.HealthCheckRequest
    states = health_pb2.HealthCheckResponse
    link = LocalStrategy(LocalCluster())
    link.disconnect()
    with MetaStore(link) as store, serve_agent(store) as serving, Client(serving.address) as client:
        stub = health_pb2_grpc.HealthStub(client.channel)
        for service in ("", SERVICE):
            assert stub.Check(check(service=service), timeout=SECONDS).status == states.NOT_SERVING
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(check(service="unheard"), timeout=SECONDS)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        error, _ = refusal(client.fetch)  # no picture: said so
        assert isinstance(error, Unavailable)
        leaving, staying, unknown = (
            stub.Watch(check(service=name), timeout=60) for name in (SERVICE, SERVICE, "unheard")
        )
        assert next(leaving).status == next(staying).status == states.NOT_SERVING
        assert next(unknown).status == states.SERVICE_UNKNOWN
        leaving.cancel()
        link.reconnect()
        assert next(staying).status == states.SERVING
        assert stub.Check(check(service=SERVICE), timeout=SECONDS).status == states.SERVING


# --- stopping


def test_what_is_in_flight_ends_well(agents: Agents, client: Client) -> None:
    held = agents.links[0]
    original = held.transact
    entered, go = threading.Event(), threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Any:
        entered.set()
        go.wait(SECONDS)
        return original(*args, **kwargs)

    held.transact = slow  # type: ignore[method-assign]
    running = in_background(lambda: client.create("metrics"))
    next(running)
    assert entered.wait(SECONDS)
    assert agents.served[0].server.requests == 1
    stopping = in_background(lambda: agents.served[0].stop(grace=SECONDS) or "stopped")
    next(stopping)
    go.set()
    assert next(running).outcomes[0].changed
    assert next(stopping) == "stopped"


def test_on_etcd(etcd_store: MetaStore) -> None:
    with serve_agent(etcd_store) as agent, Client(agent.address) as client:
        operation = new_operation_id()
        answers_ = [client.execute(CreateDatabase(name="metrics"), ids=[operation]) for _ in range(2)]
        assert len({(a.outcomes[0].generation, a.outcomes[0].revision) for a in answers_}) == 1
        mark = etcd_store.keyspace.absolute(keys.GENERATION)
        assert read(client, mark).kvs[0].version == 2
        with pytest.raises(grpc.RpcError) as caught:
            read(client, mark, revision=2**40)
        assert info_of(caught.value).reason == answers.FUTURE_REVISION
        granted = lease(client, grant=30)
        live = etcd_store.keyspace.absolute(keys.live(7))
        assert advise(client, writes=[put(live, b"", granted.id)]).succeeded
        etcd_store.wait_for(lambda s: 7 in s.tables.liveness, timeout=SECONDS)
        lease(client, revoke=granted.id)
        etcd_store.wait_for(lambda s: 7 not in s.tables.liveness, timeout=SECONDS)


def test_a_port_that_is_taken_is_said_so(agents: Agents, client: Client) -> None:
    from etcdmeta.errors import ConfigurationInvalid

    with (
        local_store() as store,
        pytest.raises(ConfigurationInvalid, match="cannot listen"),
        serve_agent(store, listen=agents.served[0].address),
    ):
        pass
