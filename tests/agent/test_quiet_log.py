"""What befalls every caller for as long as it lasts does not fill the log, and who is gone leaves no trace in it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from etcdmeta.agent import refusals
from etcdmeta.agent.answers import refuse
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.refusals import Refusals
from etcdmeta.errors import InvalidInput, NotEtcd, PermissionDenied, TooManyRequests, Unavailable
from etcdmeta.replica.states import FollowerState
from etcdmeta.store.reports import Reports
from etcdmeta.wire.pb import agent_pb2 as pb
from tests.agent.talking import SECONDS, refusal, wait_until

if TYPE_CHECKING:
    from tests.agent.conftest import Agents, Incidents


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Gone:
    """The context of a call that has just ended, as gRPC's fails then."""

    async def abort(self, *_: object) -> None:
        raise grpc.aio.InternalError("Failed \"execute_batch\"")


def test_one_line_in_a_while_of_each_kind() -> None:
    clock = Clock()
    told = Refusals(monotonic=clock)
    assert told.worth_telling("a") == 0
    assert [told.worth_telling("a") for _ in range(5)] == [None] * 5
    assert told.worth_telling("b") == 0
    clock.now += refusals.SECONDS
    assert told.worth_telling("a") == 5
    assert told.worth_telling("a") is None
    clock.now += refusals.SECONDS
    assert told.worth_telling("a") == 1


def test_kinds_are_forgotten_beyond_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MOST", 3)
    told = Refusals(monotonic=Clock())
    for kind in range(100):
        assert told.worth_telling(kind) == 0
        assert len(told) <= 3
    assert told.worth_telling(99) is None
    assert told.worth_telling(0) == 0


def test_refusals_in_crowds(agents: Agents, incidents: Incidents) -> None:
    class Full:
        error: Exception = Unavailable("etcd is away")

        def check(self, method: str, context: object) -> str:
            raise self.error

    full = Full()
    client = agents.add(authorise=full)
    for error in (full.error, TooManyRequests("full"), InvalidInput("wrong")):
        full.error = error
        for _ in range(10):
            refusal(client.status)
    lines = [r.getMessage() for r in incidents.records if r.levelno == logging.INFO and "incident" in r.getMessage()]
    assert [sum(text in line for line in lines) for text in ("etcd is away", "full", "wrong")] == [1, 1, 10]


def test_a_caller_who_is_gone_is_no_error() -> None:
    gone: Any = Gone()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(refuse(gone, PermissionDenied("no"), refusals=Refusals(), method="Read", client="c"))


def test_a_deadline_that_passes_while_it_is_refused(agents: Agents, incidents: Incidents) -> None:
    class Slow:
        slow = True

        def check(self, method: str, context: object) -> str:
            if self.slow:
                time.sleep(0.4)  # the loop itself stands still meanwhile
                raise PermissionDenied("no")
            return ""

    slow = Slow()
    client = agents.add(authorise=slow)
    with pytest.raises(grpc.RpcError):
        client.stub.Status(pb.StatusRequest(), timeout=0.2)
    wait_until(lambda: any("PERMISSION_DENIED" in r.getMessage() for r in incidents.records), "it was refused")
    slow.slow = False
    assert client.status().state == "live"
    assert incidents.errors() == []


def test_a_full_agent_says_how_it_is(agents: Agents) -> None:
    client = agents.add(limits=Limits(max_requests=1))
    occupancy = agents.served[0].server._gate.occupancy  # type: ignore[union-attr]
    slot = occupancy.enter()
    try:
        request = pb.ReadRequest(key=b"/etcdmeta/default/state/cluster")
        error, _ = refusal(lambda: client.stub.Read(request, timeout=SECONDS))
        assert isinstance(error, TooManyRequests)
        said = client.status()
        assert (said.state, said.requests) == ("live", 1)
    finally:
        slot.release()
    assert client.status().requests == 0


def test_what_is_wrong_is_one_sentence(agents: Agents) -> None:
    client = agents.add()
    agents.links[0].disconnect()
    wait_until(lambda: bool(client.status().problem), "it says what is wrong")
    problem = agents.stores[0].freshness().problem
    assert problem is not None
    assert client.status().problem == problem.message


def test_the_follower_tells_changes() -> None:
    reported = Reports()
    away, syncing, cold = Unavailable("away"), FollowerState.SYNCING, FollowerState.COLD
    reports = [(syncing, None), (cold, away), (syncing, away), (cold, Unavailable("still")), (cold, NotEtcd("web"))]
    levels = [reported.level(state, problem) for state, problem in (*reports, (FollowerState.LIVE, None))]
    info, debug = logging.INFO, logging.DEBUG
    assert levels == [info, info, debug, debug, info, info]
