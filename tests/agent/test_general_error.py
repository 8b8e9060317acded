"""Whatever fails is answered with one error form, whose incident stands in the log; nothing of ours leaks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc import code_pb2

from etcdmeta.agent.gate import SERVICE, client_of
from etcdmeta.errors import (
    Defect,
    EtcdMetaError,
    MessageTooLarge,
    OutcomeUnknown,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    UnreadableRequest,
    UnsupportedVersion,
    WrongCluster,
)
from etcdmeta.wire.failures import code_of, error_tree, from_status
from etcdmeta.wire.pb import agent_pb2 as pb
from tests.agent.talking import SECONDS, Client, info_of, refusal, status_of, wait_until

if TYPE_CHECKING:
    from tests.agent.conftest import Agents, Incidents

METHODS = [method.name for method in pb.DESCRIPTOR.services_by_name["Metadata"].methods]
STREAMS = {method.name for method in pb.DESCRIPTOR.services_by_name["Metadata"].methods if method.server_streaming}


class Raising:
    """A membership that fails as it is told."""

    def __init__(self) -> None:
        self.error: BaseException = Defect("")

    def join(self, request: pb.JoinRequest, who: str, *, timeout: float) -> pb.JoinResponse:
        raise self.error

    def leave(self, request: pb.LeaveRequest, who: str, *, timeout: float) -> pb.LeaveResponse:
        raise self.error


@pytest.fixture
def raising() -> Raising:
    return Raising()


@pytest.fixture
def client(agents: Agents, raising: Raising) -> Client:
    return agents.add(joining=raising)


def raw(client: Client, path: str, message: bytes, *, stream: bool = False) -> Any:
    if stream:
        return list(client.channel.unary_stream(path)(message, timeout=SECONDS))
    return client.channel.unary_unary(path)(message, timeout=SECONDS)


def test_the_whole_tree_over_the_wire(client: Client, raising: Raising, incidents: Incidents) -> None:
    tree = list(dict.fromkeys(error_tree()))
    assert len(tree) > 50
    for kind in tree:
        more = {"operation_id": "0192-x"} if issubclass(kind, OutcomeUnknown) else {}
        sent = raising.error = kind("what was wrong", value=42, rule="the rule", remedy="the way out", **more)
        error, raised = refusal(lambda: client.stub.Join(pb.JoinRequest(), timeout=SECONDS))
        assert type(error) is kind
        assert (error.message, error.value) == ("what was wrong", 42)
        assert (error.rule, error.remedy) == ("the rule", "the way out")
        assert getattr(error, "operation_id", None) == getattr(sent, "operation_id", None)
        assert raised.code().value[0] == code_of(sent)
        assert raised.details() == "what was wrong"
        info = info_of(raised)
        assert (info.domain, info.reason) == ("etcdmeta", kind.reason)
        record = incidents.of(info.metadata["incident"])
        assert kind.reason in record.getMessage()
        assert (record.levelno == logging.ERROR) == (code_of(sent) == code_pb2.INTERNAL)
    incidents.expected = sum(code_of_class(kind) == code_pb2.INTERNAL for kind in tree)


def code_of_class(kind: type[EtcdMetaError]) -> int:
    return code_of(kind("", **({"operation_id": ""} if issubclass(kind, OutcomeUnknown) else {})))


@pytest.mark.parametrize("error", [ValueError("hunter2"), KeyError("hunter2"), AssertionError(), RecursionError()])
def test_a_defect_of_ours_tells_the_log_everything_and_the_caller_nothing(
    client: Client, raising: Raising, incidents: Incidents, error: Exception
) -> None:
    raising.error = error
    incidents.expected = 1
    typed, raised = refusal(lambda: client.stub.Join(pb.JoinRequest(), timeout=SECONDS))
    assert type(typed) is Defect
    assert raised.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in status_of(raised).SerializeToString().decode("latin-1")
    assert "Traceback" not in str(raised)
    record = incidents.of(info_of(raised).metadata["incident"])
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert client.status().state == "live"  # and goes on


@pytest.mark.parametrize("method", METHODS)
def test_bytes_that_are_no_request(client: Client, method: str) -> None:
    for garbage in (b"\xff\xff\xff", b"\x0a\x7fshort", b"\x08"):
        error, raised = refusal(
            lambda: raw(client, f"/{SERVICE}/{method}", garbage, stream=method in STREAMS)  # noqa: B023
        )
        assert isinstance(error, UnreadableRequest)
        assert raised.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert info_of(raised).metadata["incident"]


@pytest.mark.parametrize("method", METHODS)
def test_another_cluster_is_refused(client: Client, method: str) -> None:
    kind = getattr(pb, f"{method}Request")
    message = kind(cluster="elsewhere").SerializeToString()
    error, _ = refusal(lambda: raw(client, f"/{SERVICE}/{method}", message, stream=method in STREAMS))
    assert isinstance(error, WrongCluster)
    assert error.value == "elsewhere"


@pytest.mark.parametrize(
    "path",
    [f"/{SERVICE}/Teleport", "/etcdmeta.agent.v2.Metadata/Fetch", "/etcdserverpb.KV/Range", "/nonsense", "/"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_methods_services_and_versions_that_are_not_here(client: Client, path: str, stream: bool) -> None:
    error, raised = refusal(lambda: raw(client, path, b"whatever", stream=stream))
    assert isinstance(error, UnsupportedVersion)
    assert raised.code() is grpc.StatusCode.UNIMPLEMENTED
    assert info_of(raised).metadata["incident"]


def test_too_large(agents: Agents) -> None:
    from etcdmeta.agent.limits import Limits

    client = agents.add(limits=Limits(max_request_bytes=1000))
    error, _ = refusal(lambda: raw(client, f"/{SERVICE}/Status", b"\0" * 1001))
    assert isinstance(error, MessageTooLarge)
    assert error.value == 1001
    assert "1000" in (error.rule or "")
    with pytest.raises(grpc.RpcError) as caught:  # far too large: gRPC itself
        raw(client, f"/{SERVICE}/Status", b"\0" * 2001)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]


def test_refusals_of_the_authority_come_first(agents: Agents) -> None:
    class Nobody:
        def check(self, method: str, context: object) -> str:
            raise PermissionDenied("no", value=method) if method == "Status" else Unauthenticated("who?", value=method)

    client = agents.add(authorise=Nobody())
    for method in METHODS:
        kind = PermissionDenied if method == "Status" else Unauthenticated
        error, _ = refusal(
            lambda: raw(client, f"/{SERVICE}/{method}", b"\xff", stream=method in STREAMS)  # noqa: B023
        )
        assert type(error) is kind
        assert error.value == method


def test_an_authority_that_fails_lets_nobody_in(agents: Agents, incidents: Incidents) -> None:
    class Broken:
        def check(self, method: str, context: object) -> str:
            raise RuntimeError("the rules are gone")

    incidents.expected = 1
    error, _ = refusal(agents.add(authorise=Broken()).status)
    assert type(error) is Defect


def test_a_defect_in_a_stream_ends_it_with_the_same_form(agents: Agents, client: Client, incidents: Incidents) -> None:
    stream = client.watch()
    incidents.expected = 1
    feed = agents.served[0].server._feed

    def broken(place: int) -> Any:
        raise ZeroDivisionError("hunter2")

    feed.log.run_from = broken  # type: ignore[method-assign]
    failure = stream.failure()
    assert type(from_status(status_of(failure))) is Defect
    assert "hunter2" not in str(failure)
    wait_until(lambda: agents.served[0].server.streams == 0, "its place is free")


def test_a_picture_that_cannot_be_encoded_becomes_a_picture_anew(
    agents: Agents, client: Client, incidents: Incidents, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etcdmeta.agent import revisionlog

    encode = revisionlog.encode_step

    def broken(*args: Any) -> bytes:
        raise ZeroDivisionError

    incidents.expected = 1
    stream = client.watch()
    monkeypatch.setattr(revisionlog, "encode_step", broken)
    agents.stores[0].create_database("a")
    stream.until(lambda m: m.complete)
    monkeypatch.setattr(revisionlog, "encode_step", encode)
    agents.stores[0].create_database("b")
    stream.until(lambda m: m.revisions)
    assert (stream.lags, stream.generations) == (1, [3])


def test_giving_up_is_no_failure(agents: Agents, client: Client, incidents: Incidents) -> None:
    start = client.fetch().head
    calls = [client.stub.Fetch(pb.FetchRequest(position=start.position, wait=True), timeout=60) for _ in range(5)]
    wait_until(lambda: agents.served[0].server.streams == 5, "all wait")
    for call in calls:
        call.cancel()
    wait_until(lambda: agents.served[0].server.streams == 0, "all are gone")
    assert not [r for r in incidents.records if "incident" in r.getMessage()]


def test_a_deadline_that_passes_at_the_agent_is_no_defect(agents: Agents, client: Client) -> None:
    agents.links[0].disconnect()
    with pytest.raises(grpc.RpcError) as caught:
        client.stub.Read(pb.ReadRequest(key=b"/etcdmeta/default/state/cluster"), timeout=0.5)
    assert caught.value.code() in {  # type: ignore[attr-defined]
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }


def test_while_it_stops_it_says_so(agents: Agents, client: Client) -> None:
    client.status()
    feed = agents.served[0].server._feed
    feed.closing = True
    try:
        error, _ = refusal(client.status)
        assert isinstance(error, Unavailable)
        assert "shutting down" in error.message
    finally:
        feed.closing = False


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:4711", "127.0.0.1"),
        ("ipv6:%5B::1%5D:4711", "::1"),
        ("ipv6:[fe80::1%25eth0]:1", "fe80::1%25eth0"),
        ("unix:/run/agent.sock", "unix:/run/agent.sock"),
        ("", "unknown"),
    ],
)
def test_who_is_counted_as_one_client(peer: str, address: str) -> None:
    assert client_of(peer) == address
