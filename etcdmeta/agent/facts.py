"""What an agent knows of itself and says in its status. The run loop fills it in; handlers read it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from etcdmeta.services.runner import ServiceStatus
from etcdmeta.store import Fence
from etcdmeta.wire.pb import agent_pb2 as pb

SourceKind = Literal["etcd", "agent", "cache"]
_SOURCES = {"etcd": pb.Freshness.ETCD, "agent": pb.Freshness.AGENT, "cache": pb.Freshness.CACHE}


def _nobody() -> tuple[str, ...]:
    return ()


def _nothing() -> tuple[ServiceStatus, ...]:
    return ()


def _not_live() -> Fence | None:
    return None


def _etcd(endpoint: str) -> tuple[SourceKind, str]:
    return "etcd", endpoint


@dataclass(slots=True)
class Facts:
    """Assigning a field is enough: each is read anew for every answer."""

    version: str = ""
    host: str = ""
    address: str = ""
    """Where others reach this agent."""
    node_id: int = 0
    """0: not joined."""
    participates: bool = False
    """The node commits to etcd itself."""
    started: int = field(default_factory=time.time_ns)
    """Nanoseconds since 1970."""
    agents: Callable[[], tuple[str, ...]] = _nobody
    """Addresses of the agents that are live; this one may be among them."""
    services: Callable[[], tuple[ServiceStatus, ...]] = _nothing
    """How the services of the cluster are that this agent stands for."""
    fence: Callable[[], Fence | None] = _not_live
    """The node's liveness, for what is committed as the node; None: it is not live for certain."""
    source: Callable[[str], tuple[SourceKind, str]] = _etcd
    """What the endpoint is that the store follows the picture at, and where that is: ``host:port``."""

    @property
    def name(self) -> str:
        """How the history names it: the node, else the address."""
        return f"n{self.node_id}" if self.node_id else self.address or "an agent"

    def others(self) -> tuple[str, ...]:
        """The live agents but this one."""
        return tuple(address for address in self.agents() if address != self.address)

    def source_of(self, endpoint: str | None) -> pb.Freshness.Source:
        """``endpoint`` None: nothing is followed at the moment."""
        return pb.Freshness.CACHE if endpoint is None else _SOURCES[self.source(endpoint)[0]]

    def source_address(self, endpoint: str | None) -> str:
        """Empty: nothing is followed at the moment."""
        return "" if endpoint is None else self.source(endpoint)[1]
