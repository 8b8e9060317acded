"""`AgentStrategy`: agents follow etcd and commit to it, for those who do not reach it themselves."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import grpc

from etcdmeta.consensus.agent import failures
from etcdmeta.consensus.agent.endpoints import parse_agents
from etcdmeta.consensus.agent.messages import (
    AgentMemberStatus,
    cluster_of,
    decode_advice,
    decode_piece,
    decode_read,
    encode_advice,
    is_picture,
)
from etcdmeta.consensus.agent.transport import Transport
from etcdmeta.consensus.agent.watch import AgentWatchStream
from etcdmeta.consensus.etcd.channel import Tls
from etcdmeta.consensus.etcd.failures import untie
from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.errors import Defect, Unavailable
from etcdmeta.wire.pb import agent_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from etcdmeta.records.transaction import ReadResult, Transaction, TxnResult


class AgentStrategy:
    """The `etcdmeta.consensus.protocol.Delegate` over agents of one cluster. Thread-safe; of one process.

    ``endpoints`` as `parse_agents` reads them. ``ca``, ``cert``, ``key``: PEM files for agents with TLS, read again
    when they change; where one is given, all agents have TLS. ``own``: where this process is an agent itself, its
    address, empty while it has none: by it, calls that go in a circle are known (`etcdmeta.wire.via`). Nothing is
    connected before the first call. Raises `InvalidAddress`, `ConfigurationInvalid`.
    """

    def __init__(
        self,
        endpoints: str | Iterable[str],
        *,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        own: Callable[[], str] | None = None,
    ) -> None:
        parsed = parse_agents(endpoints, secure=any((ca, cert, key)))
        self._transport = Transport(parsed, Tls(ca, cert, key), own)
        self._lock = threading.Lock()
        self._streams: set[AgentWatchStream] = set()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The agents, as host:port."""
        return self._transport.names

    # --- following

    def read(
        self,
        key: bytes,
        *,
        deadline: float,
        range_end: bytes | None = None,
        revision: int = 0,
        limit: int = 0,
        keys_only: bool = False,
        endpoint: str | None = None,
    ) -> ReadResult:
        """A read of etcd through any agent, or the one named. Raises `Compacted`, `FutureRevision`, typed errors."""
        request = pb.ReadRequest(
            cluster=cluster_of(key),
            key=key,
            range_end=range_end or b"",
            revision=revision,
            limit=limit,
            keys_only=keys_only,
        )
        return decode_read(self._ask("Read", request, deadline, endpoint, small=range_end is None))

    def list(
        self,
        start: bytes,
        end: bytes,
        *,
        deadline: float,
        revision: int = 0,
        page: int = 10_000,
        endpoint: str | None = None,
    ) -> Iterator[ReadResult]:
        """Pages of a range, at one revision. The picture of now comes from an agent's memory, and with its age."""
        if is_picture(start, end) and not revision:
            yield from self._fetch(cluster_of(start), deadline, endpoint)
            return
        while True:
            result = self.read(
                start, range_end=end, deadline=deadline, revision=revision, limit=page, endpoint=endpoint
            )
            yield result
            if not result.more:
                return
            revision = revision or result.header.revision
            start = result.kvs[-1].key + b"\0"

    def watch(self, start: bytes, end: bytes, *, from_revision: int, endpoint: str) -> AgentWatchStream:
        """A stream that begins when it is iterated; of the whole picture, which is what agents have.

        Raises `InvalidAddress` for an unknown endpoint.
        """
        if not is_picture(start, end):
            raise Defect("agents are watched for the whole picture alone")
        self._transport.check_usable()
        self._transport.check_endpoint(endpoint)
        request = pb.WatchRequest(cluster=cluster_of(start), revision=max(0, from_revision - 1))
        stream = AgentWatchStream(self._transport, endpoint, request, ended=self._streams.discard)
        with self._lock:
            self._streams.add(stream)
        return stream

    def _fetch(self, cluster: str, deadline: float, endpoint: str | None) -> Iterator[ReadResult]:
        request = pb.FetchRequest(cluster=cluster)

        def begin(name: str, _: float) -> tuple[str, Any, pb.FetchResponse]:
            try:
                call = self._transport.begin(name, "Fetch", request, deadline)
                return name, call, next(call)
            except StopIteration:
                raise Unavailable(f"{name} ended its picture before it began", value=name) from None
            except grpc.RpcError as error:
                untie(error)
                raise self._transport.judge(error, name) from error

        self._transport.check_usable()
        if endpoint is not None:
            name, call, first = begin(endpoint, deadline)
        else:
            name, call, first = self._transport.ask_each(begin, deadline, small=False)
        self._transport.answered(name)
        try:
            if first.kind != pb.FetchResponse.PICTURE:
                raise Unavailable(f"{name} answered with something else than its picture", value=name)
            yield decode_piece(first, first)
            for message in call:
                yield decode_piece(message, first)
        except grpc.RpcError as error:
            untie(error)
            self._transport.check_usable()
            raise self._transport.judge(error, name) from error
        finally:
            call.cancel()

    # --- committing

    def order(self) -> tuple[str, ...]:
        """The agents to ask, the likeliest to answer first; for another's call, without those that passed it on."""
        return self._transport.order()

    def execute(self, request: pb.ExecuteRequest, endpoint: str, *, deadline: float) -> pb.ExecuteResponse:
        """Once, to that agent. Raises the agent's typed answer, `Unavailable` where nothing was sent, and `Ambiguous`
        for all else: then the same ids may be sent again, to any agent."""
        self._transport.check_usable()
        try:
            response: pb.ExecuteResponse = self._transport.call(
                endpoint, "Execute", request, deadline, meaning=failures.from_execution
            )
        except (KeyboardInterrupt, SystemExit) as interrupt:
            # Letting go of the call cancels it, which the agent may see too late.
            raise Ambiguous(f"{endpoint}: interrupted while the command was under way") from interrupt
        return response

    def conclude(self, request: pb.ConcludeRequest, *, deadline: float) -> pb.ConcludeResponse:
        """How an operation ended. Raises `OutcomeUnknown`, `Unavailable`."""
        response: pb.ConcludeResponse = self._ask("Conclude", request, deadline)
        return response

    def verify_password(self, request: pb.VerifyPasswordRequest, *, deadline: float) -> pb.VerifyPasswordResponse:
        response: pb.VerifyPasswordResponse = self._ask("VerifyPassword", request, deadline)
        return response

    def prune_ledger(self, request: pb.PruneLedgerRequest, *, deadline: float) -> pb.PruneLedgerResponse:
        """May be repeated: what one agent has forgotten, the next does not find."""
        response: pb.PruneLedgerResponse = self._ask("PruneLedger", request, deadline, small=False)
        return response

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        """Once, to one agent; liveness and progress alone. Raises `Ambiguous`, `Defect` for any other transaction."""
        request = encode_advice(txn)
        self._transport.check_usable()
        name = self.order()[0]
        try:
            response = self._transport.call(name, "Advise", request, deadline, meaning=failures.from_execution)
        except (KeyboardInterrupt, SystemExit) as interrupt:
            raise Ambiguous(f"{name}: interrupted while the transaction was under way") from interrupt
        return decode_advice(response)

    # --- nodes

    def join(self, request: pb.JoinRequest, *, deadline: float) -> pb.JoinResponse:
        """At any agent that answers. A lost answer is asked for again, under the same operation id."""
        response: pb.JoinResponse = self._ask("Join", request, deadline, small=False)
        return response

    def leave(self, request: pb.LeaveRequest, *, deadline: float) -> pb.LeaveResponse:
        """As `join`."""
        response: pb.LeaveResponse = self._ask("Leave", request, deadline, small=False)
        return response

    def grant_lease(self, ttl: int, *, deadline: float) -> int:
        """A new lease of ``ttl`` seconds; its id. One whose answer was lost ends by itself."""
        return int(self._ask("Lease", pb.LeaseRequest(grant=ttl), deadline).id)

    def keep_alive(self, lease: int, *, deadline: float) -> int:
        """Renew once; the seconds granted, 0 where the lease is gone."""
        return int(self._ask("Lease", pb.LeaseRequest(keep_alive=lease), deadline).ttl)

    def revoke_lease(self, lease: int, *, deadline: float) -> None:
        """End a lease and its keys; one that is gone is no error."""
        self._ask("Lease", pb.LeaseRequest(revoke=lease), deadline)

    # --- the agents themselves

    def peers(self, *, deadline: float) -> tuple[str, ...]:
        """The client addresses of etcd's members, as an agent knows them."""
        return tuple(self._ask("Status", pb.StatusRequest(), deadline).etcd_endpoints)

    def agent_status(self, endpoint: str, *, deadline: float) -> pb.StatusResponse:
        """What an agent says of itself, its picture and its source."""
        response: pb.StatusResponse = self._ask("Status", pb.StatusRequest(), deadline, endpoint)
        return response

    def status(self, endpoint: str, *, deadline: float) -> AgentMemberStatus:
        """The same, as far as a member of etcd would say it."""
        return AgentMemberStatus.from_response(endpoint, self.agent_status(endpoint, deadline=deadline))

    def close(self) -> None:
        """Ends calls and streams; leaves no thread. Twice is no error."""
        with self._lock:
            streams = tuple(self._streams)
        for stream in streams:
            stream.cancel()
        self._transport.close()

    def _ask(
        self, method: str, request: Any, deadline: float, endpoint: str | None = None, *, small: bool = True
    ) -> Any:
        """A call that may be repeated, to the one agent or to any."""
        self._transport.check_usable()
        if endpoint is None:
            return self._transport.ask(method, request, deadline, small=small)
        try:
            return self._transport.call(endpoint, method, request, deadline)
        except Unavailable:
            self._transport.check_usable()  # closed meanwhile: that is the reason, whatever gRPC says
            raise
