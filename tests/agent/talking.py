"""A client of the agent's service that knows nothing of ours but the schema, and what it keeps of the answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from etcdmeta.commands.database import CreateDatabase
from etcdmeta.commands.plan import Command
from etcdmeta.errors import EtcdMetaError
from etcdmeta.store import new_operation_id
from etcdmeta.wire.commands import to_wire
from etcdmeta.wire.failures import DETAILS_KEY, from_status
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.pb import agent_pb2_grpc

SECONDS = 25.0


class Client:
    """One channel, closed with the block."""

    def __init__(self, address: str, options: tuple[tuple[str, Any], ...] = ()) -> None:
        # Its own connection, even to an address that another client talks to.
        self.channel = grpc.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1), *options))
        self.stub: Any = agent_pb2_grpc.MetadataStub(self.channel)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def fetch(self, position: bytes = b"", *, wait: bool = False, timeout: float = SECONDS) -> Fetched:
        request = pb.FetchRequest(position=position, wait=wait)
        return Fetched(list(self.stub.Fetch(request, timeout=timeout)))

    def watch(self, position: bytes = b"", *, revision: int = 0) -> Stream:
        """Its first message is read."""
        return Stream(self.stub.Watch(pb.WatchRequest(position=position, revision=revision), timeout=60))

    def execute(
        self,
        *commands: Command,
        ids: list[str] | None = None,
        position: bytes = b"",
        actor: str = "tester",
        timeout: float = SECONDS,
    ) -> pb.ExecuteResponse:
        ids = ids or [new_operation_id() for _ in commands]
        operations = [pb.Operation(id=i, command=to_wire(c)) for i, c in zip(ids, commands, strict=True)]
        request = pb.ExecuteRequest(operations=operations, position=position, actor=actor)
        return self.stub.Execute(request, timeout=timeout)

    def create(self, name: str) -> pb.ExecuteResponse:
        return self.execute(CreateDatabase(name=name))

    def status(self) -> pb.StatusResponse:
        return self.stub.Status(pb.StatusRequest(), timeout=SECONDS)


class Fetched:
    """A whole answer; the pieces are put together as any client would."""

    def __init__(self, pieces: list[pb.FetchResponse]) -> None:
        self.pieces = pieces
        self.head = pieces[0]
        self.revisions = [revision for piece in pieces for revision in piece.revisions]
        self.records = {record.key: record for piece in pieces for record in piece.records}

    @property
    def kind(self) -> int:
        return self.head.kind


class Stream:
    """A watch, and the picture that its reader keeps by the schema's rules alone."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.opened: pb.WatchResponse = next(call)
        assert self.opened.opened
        self.position = self.opened.position
        self.revisions: list[int] = []
        self.generations: list[int] = []
        self.lags = 0

    def next(self) -> pb.WatchResponse:
        message: pb.WatchResponse = next(self._call)
        assert not message.opened
        self.revisions += [revision.revision for revision in message.revisions]
        self.generations += [revision.generation for revision in message.revisions]
        self.lags += message.lagged
        self.position = message.position or self.position
        return message

    def until(self, done: Callable[[pb.WatchResponse], Any]) -> pb.WatchResponse:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            message = self.next()
            if done(message):
                return message
        raise AssertionError("it did not come in time")

    def cancel(self) -> None:
        self._call.cancel()

    def failure(self) -> grpc.RpcError:
        """How it ends; what still comes is read."""
        try:
            while True:
                self.next()
        except grpc.RpcError as error:
            return error


def status_of(error: Any) -> status_pb2.Status:
    found = [value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY]
    assert len(found) == 1, f"no general error, but {error.code()}: {error.details()}"
    return status_pb2.Status.FromString(found[0])


def info_of(error: Any) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert status_of(error).details[0].Unpack(info)
    return info


def refusal(call: Callable[[], Any]) -> tuple[EtcdMetaError, Any]:
    """The typed error that a call ends with, and gRPC's."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return from_status(status_of(caught.value)), caught.value


def wait_until(done: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.005)


def in_background(work: Callable[[], Any]) -> Iterator[Any]:
    """Begins at the first ``next``, which gives nothing; the second gives what came of it."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    yield None
    thread.join(SECONDS)
    assert found, "it did not end in time"
    yield found[0]
