"""What an agent takes on is bounded, and each limit has an error of its own; behind it others are still served."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from etcdmeta.agent import pictures, writing
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.revisionlog import RevisionLog
from etcdmeta.errors import DeadlineInvalid, TooManyRequests, TooManyStreams, Unavailable
from etcdmeta.records import keys
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.store.listeners import Publication
from etcdmeta.testing import local_store
from etcdmeta.wire.failures import from_status
from etcdmeta.wire.pb import agent_pb2 as pb
from tests.agent.talking import SECONDS, Client, in_background, refusal, status_of, wait_until

if TYPE_CHECKING:
    from tests.agent.conftest import Agents


class Certificates:
    """Tells clients apart by what they say; of a real certificate it is its name."""

    def check(self, method: str, context: Any) -> str:
        return dict(context.invocation_metadata()).get("name", "")


def test_streams_of_one_client(agents: Agents) -> None:
    client = agents.add(limits=Limits(max_streams_per_client=2), authorise=Certificates())

    def watch(name: str) -> Any:
        call = client.stub.Watch(pb.WatchRequest(), timeout=60, metadata=(("name", name),))
        next(call)
        return call

    first, second = watch("a"), watch("a")
    error, raised = refusal(lambda: watch("a"))
    assert isinstance(error, TooManyStreams)
    assert error.value == 2
    assert raised.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    # Without certificates the address counts, and every connection from here has the same. (A call that nobody refers
    # to any more is cancelled.)
    kept = [second, watch("b"), client.watch(), agents.client().watch()]
    error, _ = refusal(agents.client().watch)
    assert isinstance(error, TooManyStreams)
    first.cancel()
    server = agents.served[0].server
    wait_until(lambda: server.streams == 4, "its place is free")
    kept.append(watch("a"))


def test_streams_of_all(agents: Agents) -> None:
    client = agents.add(limits=Limits(max_streams=3))
    streams = [client.watch() for _ in range(3)]
    error, _ = refusal(client.watch)
    assert isinstance(error, TooManyStreams)
    assert client.create("metrics").outcomes[0].changed  # requests are something else
    streams[0].cancel()
    wait_until(lambda: agents.served[0].server.streams == 2, "its place is free")
    client.watch()


def test_requests_in_flight(agents: Agents) -> None:
    client = agents.add(limits=Limits(max_requests=3))
    link, server = agents.links[0], agents.served[0].server
    original, go = link.read, threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Any:
        if threading.current_thread().name.startswith("etcdmeta-request"):
            go.wait(SECONDS)
        return original(*args, **kwargs)

    link.read = slow  # type: ignore[method-assign]
    request = pb.ReadRequest(key=b"/etcdmeta/default/state/cluster")
    calls = [client.stub.Read.future(request, timeout=SECONDS) for _ in range(3)]
    wait_until(lambda: server.requests == 3, "three are in flight")
    error, _ = refusal(lambda: client.stub.Read(request, timeout=SECONDS))
    assert isinstance(error, TooManyRequests)
    assert error.value == 3
    # Whoever gives up leaves a thread at work: its place is not free.
    calls[0].cancel()
    stream = client.watch()
    error, _ = refusal(lambda: client.stub.Read(request, timeout=SECONDS))
    assert isinstance(error, TooManyRequests)
    go.set()
    for call in calls[1:]:
        assert call.result().kvs
    wait_until(lambda: server.requests == 0, "all places are free")
    assert client.stub.Read(request, timeout=SECONDS).kvs
    stream.cancel()


@pytest.mark.parametrize(
    "method",
    ["Read", "Execute", "Conclude", "VerifyPassword", "PruneLedger", "Join", "Leave", "Lease", "Advise"],
)
def test_deadlines(agents: Agents, method: str) -> None:
    client = agents.add(limits=Limits(max_deadline=100))
    call, request = getattr(client.stub, method), getattr(pb, f"{method}Request")()
    error, _ = refusal(lambda: call(request))
    assert isinstance(error, DeadlineInvalid)
    error, _ = refusal(lambda: call(request, timeout=1000))
    assert isinstance(error, DeadlineInvalid)
    assert isinstance(error.value, int)
    assert error.value > 100
    assert "100 s" in (error.rule or "")


def test_who_only_looks_needs_no_deadline(client: Client) -> None:
    assert client.stub.Status(pb.StatusRequest()).state == "live"
    assert list(client.stub.Fetch(pb.FetchRequest()))
    assert next(client.stub.Watch(pb.WatchRequest())).opened


def test_pictures_in_memory_are_few(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST", 1)
    monkeypatch.setattr(pictures, "WAIT", 0.3)
    client = agents.add()
    go = threading.Event()
    original = pictures.Picture._piece

    def slow(self: pictures.Picture, number: int) -> bytes | None:
        go.wait(SECONDS)
        return original(self, number)

    monkeypatch.setattr(pictures.Picture, "_piece", slow)
    sharing = [in_background(client.fetch) for _ in range(3)]
    for each in sharing:
        next(each)
    server = agents.served[0].server
    wait_until(lambda: server.streams == 3, "three read one picture")
    client.create("metrics")
    error, _ = refusal(client.fetch)  # a newer one: no place
    assert isinstance(error, TooManyRequests)
    go.set()
    assert {next(each).head.generation for each in sharing} == {1}
    assert client.fetch().head.generation == 2


def test_who_never_reads_is_given_up(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "STALLED", 0.5)
    agents.add(limits=Limits(piece_bytes=50_000))
    store = agents.stores[0]
    mark = agents.links[0].read(store.keyspace.absolute(keys.GENERATION), deadline=time.monotonic() + SECONDS).kvs[0]
    puts = [Put(store.keyspace.absolute(b"state/zz%03d" % n), b"x" * 20_000) for n in range(50)]
    agents.links[0].transact(
        Transaction((), (*puts, Put(mark.key, mark.value))), deadline=time.monotonic() + SECONDS
    )
    store.wait_for(lambda s: s.generation == 2, timeout=SECONDS)
    lazy = agents.client(options=(("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)))
    call = lazy.stub.Fetch(pb.FetchRequest(), timeout=60)
    open_ = agents.served[0].server._service._pictures._open
    wait_until(lambda: open_, "it is being sent")
    wait_until(lambda: not open_, "it was given up")
    assert agents.served[0].server.streams == 1  # of which something is still in gRPC
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    assert isinstance(from_status(status_of(caught.value)), Unavailable)


def test_the_log_is_bounded_by_bytes_and_by_count() -> None:
    for bounds in ({"max_bytes": 2000, "max_entries": 1000}, {"max_bytes": 10**9, "max_entries": 5}):
        log = RevisionLog(run_bytes=1000, **bounds)
        with local_store() as store:
            published: list[Publication] = []
            end = store.tap(published.append)
            for number in range(30):
                store.create_database(f"db{number}")
            end()
        for publication in published:
            log.take(publication)
            steps, size = log.size
            assert steps <= bounds["max_entries"]
            assert size <= bounds["max_bytes"]
        tip = log.tip
        assert tip is not None
        assert log.place_after(published[0].snapshot.revision) is None
        assert log.place_after(tip.snapshot.revision) == tip.place
        for publication in published:
            place = log.place_after(publication.snapshot.revision)
            if place is None:
                continue
            told = []
            while (run := log.run_from(place)) is not None and run.steps:
                told += [r.revision for r in pb.WatchResponse.FromString(run.payload).revisions]
                place = run.place
            later = [p.snapshot.revision for p in published if p.snapshot.revision > publication.snapshot.revision]
            assert told == later
