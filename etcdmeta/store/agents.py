"""Asking agents how they are, each by its own address, whoever serves the store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from etcdmeta.errors import EtcdMetaError

if TYPE_CHECKING:
    from etcdmeta.wire.pb import agent_pb2 as pb

AT_ONCE: Final = 16
"""Agents asked at the same time; the others wait their turn, each with the whole time."""
_SOURCES: Final = {1: "etcd", 2: "agent", 3: "cache"}  # by the number of pb.Freshness.Source


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """A service of the cluster, as an agent that stands for it sees it. ``leads``: it runs there, now; ``leader`` and
    ``since``: who ran it when that agent looked last, "" for nobody. ``every``: seconds between two passes, 0 where one
    lasts for as long as the lead. Times are nanoseconds since 1970, 0: never; ``did_at`` 0: the pass under way.

    Passes, what they did and why they failed is of that agent alone, since its start. ``failing``: the last one failed.
    ``notes``: what the last one left to people, and how many things each is about.
    """

    name: str
    leads: bool
    leader: str
    since: int
    every: float
    passes: int
    failures: int
    pass_began: int
    pass_ended: int
    did: str
    did_at: int
    problem: str
    problem_at: int
    failing: bool
    notes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What one agent says of itself. ``age``: seconds since its picture was last proven current, None where it never
    was; ``live``: it follows at this moment. ``source``: etcd, agent, cache or unknown. ``node_id`` 0: it is no node's.
    ``live_revision``: the create revision of its node's key of liveness, 0 where it does not hold it for certain.
    ``started``: nanoseconds since 1970. ``problem``: what is wrong with its picture, empty for nothing.
    """

    address: str
    version: str
    cluster: str
    cluster_id: int
    node_id: int
    host: str
    state: str
    generation: int
    revision: int
    age: float | None
    live: bool
    source: str
    source_address: str
    etcd_endpoints: tuple[str, ...]
    agents: tuple[str, ...]
    streams: int
    requests: int
    quarantined: int
    started: int
    participates: bool
    problem: str = ""
    counters: Mapping[str, int] = field(default_factory=dict)
    services: tuple[ServiceReport, ...] = ()
    live_revision: int = 0


def agent_statuses(
    addresses: Sequence[str],
    *,
    timeout: float,
    ca: str | None = None,
    cert: str | None = None,
    key: str | None = None,
) -> dict[str, AgentStatus | EtcdMetaError]:
    """Address → what the agent there says, or why it says nothing. ``timeout``: seconds for each.

    ``ca``, ``cert``, ``key``: PEM files; with any of them all agents are asked by TLS.
    """

    def ask(address: str) -> AgentStatus | EtcdMetaError:
        from etcdmeta.consensus.agent import AgentStrategy  # noqa: PLC0415 - imports gRPC: only where it is needed

        try:
            strategy = AgentStrategy(address, ca=ca, cert=cert, key=key)
        except EtcdMetaError as error:
            return error
        try:
            name = strategy.endpoints[0]
            return _read(name, strategy.agent_status(name, deadline=time.monotonic() + timeout))
        except EtcdMetaError as error:
            return error
        finally:
            strategy.close()

    if not addresses:
        return {}
    with ThreadPoolExecutor(min(AT_ONCE, len(addresses)), thread_name_prefix="etcdmeta-agents") as pool:
        return dict(zip(addresses, pool.map(ask, addresses), strict=True))


def _read(address: str, said: pb.StatusResponse) -> AgentStatus:
    freshness = said.freshness
    return AgentStatus(
        address=address,
        version=said.version,
        cluster=said.cluster,
        cluster_id=said.cluster_id,
        node_id=said.node_id,
        host=said.host,
        state=said.state,
        generation=said.generation,
        revision=said.revision,
        age=freshness.age if freshness.HasField("age") else None,
        live=freshness.live,
        source=_SOURCES.get(freshness.source, "unknown"),
        source_address=freshness.source_address,
        etcd_endpoints=tuple(said.etcd_endpoints),
        agents=tuple(said.agents),
        streams=said.streams,
        requests=said.requests,
        quarantined=said.quarantined,
        started=said.started,
        participates=said.participates,
        problem=said.problem,
        counters=dict(said.counters),
        services=tuple(map(_service, said.services)),
        live_revision=said.live_revision,
    )


def _service(said: pb.ServiceStatus) -> ServiceReport:
    return ServiceReport(
        name=said.name,
        leads=said.leads,
        leader=said.leader,
        since=said.since,
        every=said.every,
        passes=said.passes,
        failures=said.failures,
        pass_began=said.pass_began,
        pass_ended=said.pass_ended,
        did=said.did,
        did_at=said.did_at,
        problem=said.problem,
        problem_at=said.problem_at,
        failing=said.failing,
        notes=tuple((note.text, note.things) for note in said.notes),
    )
