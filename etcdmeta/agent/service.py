"""The methods of the service: which handler, which request, which deadline."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol

from etcdmeta.agent.call import Call
from etcdmeta.agent.dutyreport import service_to_wire
from etcdmeta.agent.executing import Executing, also_called
from etcdmeta.agent.facts import Facts
from etcdmeta.agent.fallback import PEERS
from etcdmeta.agent.feed import Feed
from etcdmeta.agent.fetching import Fetching
from etcdmeta.agent.gate import Deadline, Method
from etcdmeta.agent.leasing import Leasing
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.occupancy import Occupancy
from etcdmeta.agent.pictures import Pictures
from etcdmeta.agent.reading import Reading
from etcdmeta.agent.standing import Standing
from etcdmeta.agent.watching import Watching
from etcdmeta.errors import Unavailable
from etcdmeta.store import MetaStore
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import encode_position


class Membership(Protocol):
    """Who answers Join and Leave; `etcdmeta.agent.joining.Joining` is one. Both block, for
    ``timeout`` seconds at most; ``who``: see `Call`."""

    def join(self, request: pb.JoinRequest, who: str, *, timeout: float) -> pb.JoinResponse: ...
    def leave(self, request: pb.LeaveRequest, who: str, *, timeout: float) -> pb.LeaveResponse: ...


class Service:
    """All handlers of one agent."""

    def __init__(
        self, store: MetaStore, feed: Feed, facts: Facts, limits: Limits, joining: Membership | None, pool: Executor
    ) -> None:
        """``pool``: for pieces of pictures and proofs; requests bring their own."""
        self._store = store
        self._feed = feed
        self._facts = facts
        self._joining = joining
        standing = self._standing = Standing(store, feed, facts, limits, pool)
        pictures = self._pictures = Pictures(store.keyspace, limits.piece_bytes, pool)
        self._fetching = Fetching(feed, standing, pictures, limits)
        self._watching = Watching(feed, standing, pictures, limits)
        self._reading = Reading(store.strategy, store.keyspace, feed)
        self._executing = Executing(store, feed, standing, facts, limits)
        self._leasing = Leasing(store.strategy, store.keyspace)

    def close(self) -> None:
        """To be called when no call is running any more."""
        self._standing.close()

    def methods(self, occupancy: Callable[[], Occupancy]) -> tuple[Method, ...]:
        async def status(_: Call, __: pb.StatusRequest) -> pb.StatusResponse:
            return self._status(occupancy())

        return (
            Method("Fetch", pb.FetchRequest, self._fetching.fetch, stream=True, deadline=Deadline.WHERE_IT_WAITS),
            Method("Watch", pb.WatchRequest, self._watching.watch, stream=True, deadline=Deadline.FREE),
            Method("Read", pb.ReadRequest, self._reading.read),
            Method("Execute", pb.ExecuteRequest, self._executing.execute, operation_id=_first_id, also=also_called),
            Method("Conclude", pb.ConcludeRequest, self._executing.conclude, operation_id=lambda r: r.operation_id),
            Method("VerifyPassword", pb.VerifyPasswordRequest, self._executing.verify_password),
            Method("PruneLedger", pb.PruneLedgerRequest, self._executing.prune_ledger),
            Method("Join", pb.JoinRequest, self._join, operation_id=lambda r: r.operation_id),
            Method("Leave", pb.LeaveRequest, self._leave, operation_id=lambda r: r.operation_id),
            Method("Lease", pb.LeaseRequest, self._leasing.lease),
            Method("Advise", pb.AdviseRequest, self._leasing.advise),
            Method("Status", pb.StatusRequest, status, deadline=Deadline.FREE, counted=False),
        )

    async def _join(self, call: Call, request: pb.JoinRequest) -> pb.JoinResponse:
        return await call.in_thread(self._members().join, request, call.who, timeout=call.timeout())

    async def _leave(self, call: Call, request: pb.LeaveRequest) -> pb.LeaveResponse:
        return await call.in_thread(self._members().leave, request, call.who, timeout=call.timeout())

    def _members(self) -> Membership:
        if self._joining is None:
            raise Unavailable("this agent takes no members in", remedy="ask another agent")
        return self._joining

    def _status(self, occupancy: Occupancy) -> pb.StatusResponse:
        """Also without a picture: then it says what is wrong."""
        facts, freshness = self._facts, self._store.freshness()
        members = [endpoint for endpoint in self._store.strategy.endpoints if endpoint != PEERS]
        tip = self._feed.log.tip
        snapshot = None if tip is None else tip.snapshot
        fence = facts.fence()
        return pb.StatusResponse(
            version=facts.version,
            cluster=self._store.cluster_name,
            cluster_id=freshness.cluster_id or 0,
            node_id=facts.node_id,
            host=facts.host,
            address=facts.address,
            position=b"" if snapshot is None else encode_position(snapshot.position),
            revision=0 if snapshot is None else snapshot.revision,
            generation=0 if snapshot is None else snapshot.generation,
            state=str(freshness.state),
            freshness=self._feed.freshness(),
            etcd_endpoints=members if facts.participates else (),
            agents=facts.agents(),
            streams=occupancy.streams,
            requests=occupancy.requests,
            quarantined=0 if snapshot is None else len(snapshot.unreadable),
            started=facts.started,
            problem="" if freshness.problem is None else freshness.problem.message,
            participates=facts.participates,
            counters=self._store.counters(),
            services=map(service_to_wire, facts.services()),
            live_revision=0 if fence is None else fence.create_revision,
        )


def _first_id(request: pb.ExecuteRequest) -> str:
    return request.operations[0].id if request.operations else ""
