"""The one way in: who may, how much at a time, and the general error.

Every call passes: authorisation, the limits, reading of the request (bytes, so that what cannot be read is answered by
us), the cluster's name, the deadline; then the handler. Whatever fails on the way, a defect of ours included, leaves as
the general error (`etcdmeta.agent.answers`). A call that its caller gave up is no failure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError, Message

from etcdmeta.agent.answers import refuse
from etcdmeta.agent.call import Call
from etcdmeta.agent.feed import Feed
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.metered import Metered
from etcdmeta.agent.occupancy import Occupancy
from etcdmeta.agent.refusals import Refusals
from etcdmeta.agent.writing import Stalled
from etcdmeta.errors import (
    DeadlineInvalid,
    MessageTooLarge,
    Unavailable,
    UnreadableRequest,
    UnsupportedVersion,
    WrongCluster,
)
from etcdmeta.wire.via import MOST_HOPS, read_way, spelled

SERVICE = "etcdmeta.agent.v1.Metadata"


class Authorise(Protocol):
    """Who may call what; `etcdmeta.agent.trust.Trust` is one."""

    def check(self, method: str, context: grpc.aio.ServicerContext) -> str:
        """The name in the caller's certificate; empty where none was shown. ``method`` is as in the schema: ``Fetch``.
        Raises `Unauthenticated`, `PermissionDenied`."""


class Anybody:
    """An `Authorise` for a machine that is trusted."""

    def check(self, method: str, context: grpc.aio.ServicerContext) -> str:  # noqa: ARG002 - a protocol's
        return ""


class Deadline(Enum):
    """Whether a call needs one."""

    NEEDED = 0
    WHERE_IT_WAITS = 1
    """A Fetch with ``wait``."""
    FREE = 2


@dataclass(frozen=True, slots=True)
class Method:
    """``run``: of a unary method, from call and request to the answer; of a stream, it writes to the context.
    ``counted``: whether it takes one of the places for requests; False: who only asks how the agent is gets an answer
    from a full one, too. Such a one does no blocking work. ``also``: the methods that who sends such a request must be
    allowed to call, too."""

    name: str
    request: type[Message]
    run: Callable[[Call, Any], Awaitable[Message | None]]
    stream: bool = False
    deadline: Deadline = Deadline.NEEDED
    counted: bool = True
    operation_id: Callable[[Any], str] = lambda _: ""
    also: Callable[[Any], tuple[str, ...]] = lambda _: ()


class Gate(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Serves the methods given, and answers calls of any other in our own form."""

    def __init__(
        self,
        methods: tuple[Method, ...],
        *,
        cluster: str,
        authorise: Authorise,
        limits: Limits,
        feed: Feed,
        pool: Executor,
        address: Callable[[], str] = lambda: "",
        relays: bool = False,
    ) -> None:
        """``address``: where others reach this agent. ``relays``: it passes on to other agents what it cannot do."""
        self.occupancy = Occupancy(limits)
        self._cluster = cluster
        self._authorise = authorise
        self._limits = limits
        self._feed = feed
        self._pool = pool
        self._refusals = Refusals()
        self._address = address
        self._relays = relays
        self._handlers = {f"/{SERVICE}/{method.name}": self._handler(method) for method in methods}
        # Whatever the caller thinks that the method is: to the wire it is all the same.
        self._unknown = grpc.stream_stream_rpc_method_handler(self._refuse_unknown)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """gRPC's question who handles a method. Behind the standard services, which are asked first."""
        return self._handlers.get(details.method) or self._unknown

    def _handler(self, method: Method) -> grpc.RpcMethodHandler:
        # Requests are read as streams of one message, which on the wire is the same: of a unary request gRPC itself
        # would wait for the body, for ever, before anything of ours runs.
        if method.stream:

            async def stream(_: Any, context: grpc.aio.ServicerContext) -> None:
                await self._serve(method, context)

            return grpc.stream_stream_rpc_method_handler(stream)

        async def unary(_: Any, context: grpc.aio.ServicerContext) -> bytes:
            answer = await self._serve(method, context)
            raw = b"" if answer is None else answer.SerializeToString()
            self.occupancy.bytes_sent += len(raw)
            return raw

        return grpc.stream_unary_rpc_method_handler(unary)

    async def _serve(self, method: Method, context: grpc.aio.ServicerContext) -> Message | None:
        client = client_of(context.peer())
        request: Message | None = None
        try:
            who = self._authorise.check(method.name, context)
            self._feed.check_open()
            via = self._way(context)
            request = self._read(method, await self._receive(method, context))
            for other in method.also(request):
                self._authorise.check(other, context)
            deadline = self._deadline(method, request, context)
            if method.stream:
                with self.occupancy.stream(who or client):
                    metered = Metered(context, self.occupancy)
                    try:
                        return await method.run(
                            Call(method.name, who, client, metered, deadline, self._pool, None, via), request
                        )
                    except Stalled as stalled:
                        raise await stalled.settle() from None  # its place stays taken until then
            slot = self.occupancy.enter() if method.counted else None
            try:
                return await method.run(
                    Call(method.name, who, client, context, deadline, self._pool, slot, via), request
                )
            finally:
                if slot is not None:
                    slot.release()
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception as error:  # the general error: logged there, with its trace
            if context.cancelled() or isinstance(error, grpc.aio.InternalError):
                raise asyncio.CancelledError from error  # a read from, or a write to, who is gone
            operation_id = method.operation_id(request) if request is not None else ""
            await refuse(
                context,
                error,
                refusals=self._refusals,
                method=method.name,
                client=client,
                operation_id=operation_id,
            )

    def _way(self, context: grpc.aio.ServicerContext) -> tuple[str, ...]:
        """The agents that passed the call on. Raises `Unavailable` where it goes in a circle, or too far."""
        via = read_way(context.invocation_metadata())
        if not via:
            return ()
        shown = " -> ".join(via)[:200]
        own = self._address()
        if own and spelled(own) in via:
            raise Unavailable(
                f"agents pass a call on in a circle: {shown} -> {own}",
                value=own,
                rule="an agent that delegates needs one, directly or through another, that reaches etcd",
                remedy="see which agent reaches etcd: `etcdmeta agent status`",
            )
        if len(via) > MOST_HOPS or (self._relays and len(via) == MOST_HOPS):
            raise Unavailable(
                f"the call was passed on by {len(via)} agents ({shown}), and this one would pass it on again",
                value=len(via),
                rule=f"at most {MOST_HOPS} agents pass a call on",
                remedy="let agents delegate to one that reaches etcd: `etcdmeta agent status` shows which",
            )
        return via

    async def _receive(self, method: Method, context: grpc.aio.ServicerContext) -> bytes:
        """The bytes of the one request."""
        seconds = self._limits.receive
        try:
            raw = await asyncio.wait_for(context.read(), seconds)
        except TimeoutError:
            raise UnreadableRequest(
                f"a request that had not arrived after {seconds:g} s",
                value=seconds,
                rule=f"this agent waits {seconds:g} s for a request to arrive whole",
                remedy="send it at once",
            ) from None
        if raw is grpc.aio.EOF:
            raise UnreadableRequest(
                "a call without a request", rule=f"{method.name} takes one {method.request.DESCRIPTOR.full_name}"
            )
        return bytes(raw)

    def _read(self, method: Method, raw: bytes) -> Message:
        most = self._limits.max_request_bytes
        if len(raw) > most:
            raise MessageTooLarge(
                f"a request of {len(raw)} bytes",
                value=len(raw),
                rule=f"this agent takes requests of at most {most} bytes",
                remedy="send fewer commands at once",
            )
        request = method.request()
        try:
            request.ParseFromString(raw)
        except DecodeError:
            raise UnreadableRequest(
                f"{len(raw)} bytes that are no {method.request.DESCRIPTOR.full_name}",
                value=len(raw),
                rule=f"{method.name} takes that message of schemas/etcdmeta/agent/v1/agent.proto",
            ) from None
        cluster = getattr(request, "cluster", "")
        if cluster and cluster != self._cluster:
            raise WrongCluster(
                f"this agent serves the cluster {self._cluster!r}, not {cluster!r}",
                value=cluster,
                rule="a request names the cluster that it means, or none",
                remedy="ask an agent of that cluster, or check --cluster",
            )
        return request

    def _deadline(self, method: Method, request: Message, context: grpc.aio.ServicerContext) -> float | None:
        left: float | None = context.time_remaining()
        waits = method.deadline is Deadline.WHERE_IT_WAITS and getattr(request, "wait", False)
        rule = f"every call that waits has a deadline, at most {self._limits.max_deadline:g} s away"
        if left is None:
            if waits or method.deadline is Deadline.NEEDED:
                raise DeadlineInvalid(
                    f"{method.name} was called without a deadline",
                    rule=rule,
                    remedy="give the call a deadline (grpcurl: -max-time SECONDS)",
                )
            return None
        if left > self._limits.max_deadline and method.deadline is not Deadline.FREE:
            raise DeadlineInvalid(
                f"the deadline of {method.name} is {left:.0f} s away",
                value=round(left),
                rule=rule,
                remedy="give a nearer one, and call again where it passes",
            )
        return time.monotonic() + left

    async def _refuse_unknown(self, _: Any, context: grpc.aio.ServicerContext) -> None:
        error = UnsupportedVersion(
            "this agent has no such method",
            rule=f"it serves {SERVICE}, gRPC's health service and reflection",
            remedy="use a client of the agent's version, or upgrade the agent: `etcdmeta agent status` shows it",
        )
        client = client_of(context.peer())
        await refuse(context, error, refusals=self._refusals, method="an unknown method", client=client)


def client_of(peer: str) -> str:
    """The address in gRPC's word for a peer, without the port: ``ipv4:127.0.0.1:4711``, ``ipv6:%5B::1%5D:4711``."""
    kind, _, address = peer.partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return peer or "unknown"
    host = address.rpartition(":")[0]
    return host.replace("%5B", "").replace("%5D", "").strip("[]")
