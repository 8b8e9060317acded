"""Where an agent gets its picture, and through whom it commits: etcd's members, or other agents.

What was learned when the node joined is kept in the data directory, so that an agent that was told of other agents only
starts again while none of them answers.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etcdmeta.agent.config import AgentConfig, host_and_port
from etcdmeta.agent.fallback import PEERS, FallbackStrategy
from etcdmeta.agent.joining import Joined
from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import AccessRefused, ConfigurationInvalid, Unavailable
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace

if TYPE_CHECKING:
    from etcdmeta.consensus.agent import AgentStrategy

log = logging.getLogger("etcdmeta.agent")

_VERSION = 1
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Sources:
    """``participates``: at ``etcd`` itself, with ``agents`` as the way out; else through ``agents`` alone."""

    participates: bool
    etcd: tuple[str, ...]
    agents: tuple[str, ...]

    @classmethod
    def of(cls, joined: Joined, config: AgentConfig) -> Sources:
        """As the answer to joining says."""
        agents = tuple(dict.fromkeys((*joined.agents, *config.join)))
        return cls(joined.participates, real(joined.etcd_endpoints), agents)

    def __str__(self) -> str:
        if self.participates:
            return f"etcd at {', '.join(self.etcd)}"
        return f"the agents at {', '.join(self.agents)}"


def real(endpoints: Iterable[str]) -> tuple[str, ...]:
    """Without what stands for other agents."""
    return tuple(endpoint for endpoint in endpoints if endpoint != PEERS)


def keep(path: Path, sources: Sources) -> None:
    """Replaces the file, mode 0600. Not being able to is logged: the agent runs, and asks again when it starts."""
    beside = path.with_name(f".{path.name}.new")
    content = {
        "version": _VERSION,
        "participates": sources.participates,
        "etcd": sources.etcd,
        "agents": sources.agents,
    }
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump(content, file, indent=1)
        beside.replace(path)
    except OSError as error:
        log.warning("what was learned of etcd and agents could not be kept in %s: %s", path, error)


def recall(path: Path) -> Sources | None:
    """What `keep` kept; None where there is nothing, or nothing of use, which is logged."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("%s cannot be read: %s", path, error)
        return None
    try:
        content = json.loads(raw)
        sources = Sources(
            content["participates"] is True, tuple(map(str, content["etcd"])), tuple(map(str, content["agents"]))
        )
    except (ValueError, TypeError, KeyError):
        log.warning("%s is damaged: asking anew", path)
        return None
    return sources if (sources.etcd if sources.participates else sources.agents) else None


def connect_agents(
    config: AgentConfig, addresses: Sequence[str], address: Callable[[], str] | None = None
) -> AgentStrategy:
    """A connection to other agents. ``address`` gives this agent's, empty while it has none. Raises
    `InvalidAddress`, `ConfigurationInvalid`.

    Its TLS is that of the settings. Where they speak of etcd, being given with its endpoints, or say nothing, an agent
    shows other agents the certificate that it serves with, and trusts the authority that it trusts as a server.
    """
    from etcdmeta.consensus.agent import AgentStrategy  # noqa: PLC0415 - imports gRPC: not for the configuration's sake

    tls = config.tls
    own = tls is not None and tls.client_ca is not None and (config.endpoints or config.cacert is None)
    if tls is not None and own:
        return AgentStrategy(addresses, ca=str(tls.client_ca), cert=str(tls.cert), key=str(tls.key), own=address)
    return AgentStrategy(addresses, ca=config.cacert, cert=config.cert, key=config.key, own=address)


def connect_etcd(config: AgentConfig, endpoints: Sequence[str]) -> Strategy:
    """A connection to etcd's members. Raises `InvalidAddress`, `ConfigurationInvalid`."""
    from etcdmeta.consensus.etcd import EtcdStrategy  # noqa: PLC0415 - as above

    return EtcdStrategy(
        ",".join(endpoints),
        user=config.user,
        password=config.password,
        ca=config.cacert,
        cert=config.cert,
        key=config.key,
    )


def open_strategy(
    config: AgentConfig,
    sources: Sources,
    others: Callable[[], Sequence[str]],
    address: Callable[[], str] | None = None,
) -> Strategy:
    """etcd, with the other agents in between where it is not reached; or agents. ``others``: whom to turn to then.
    ``address``: see `connect_agents`."""
    if not sources.participates:
        own = config.address(host_and_port(config.listen)[1])  # it may stand in the answer, from before a restart
        addresses = tuple(address for address in sources.agents if address != own)
        if not addresses:
            raise ConfigurationInvalid("there is no other agent to delegate to", remedy="name some with --join")
        return connect_agents(config, addresses, address)
    return FallbackStrategy(
        connect_etcd(config, sources.etcd),
        others,
        lambda addresses: connect_agents(config, addresses, address),
        probe_key=Keyspace(config.cluster).absolute(keys.GENERATION),
    )


def reached(config: AgentConfig, sources: Sources, timeout: float) -> Sources:
    """The cluster lets the node take part; whether the node gets to etcd, only it can find out. Else it delegates.

    Blocks, ``timeout`` seconds at most.
    """
    if not sources.participates:
        return sources
    etcd = connect_etcd(config, sources.etcd)
    try:
        etcd.read(Keyspace(config.cluster).absolute(keys.GENERATION), deadline=time.monotonic() + timeout)
    except (Unavailable, AccessRefused) as error:
        log.warning("this node may take part in consensus, but etcd refuses it or is not reached: %s", error.message)
        return replace(sources, participates=False)
    finally:
        etcd.close()
    return sources
