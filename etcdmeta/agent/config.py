"""What an agent is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from etcdmeta.agent.certificates import ServerTls
from etcdmeta.agent.duties import check_services
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.trust import Rules, Trust, require_loopback
from etcdmeta.errors import ConfigurationInvalid, InvalidAddress
from etcdmeta.model.names import check_host

DEFAULT_PORT = 8188
DEFAULT_LISTEN = f"127.0.0.1:{DEFAULT_PORT}"
DEFAULT_TTL = 10.0
_EVERYWHERE = ("0.0.0.0", "[::]", "")


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """Checked where it is made: raises `ConfigurationInvalid` and `InvalidAddress`. Addresses are host:port.

    An agent that is given ``endpoints`` joins at etcd itself, one that is given ``join`` asks those agents, and follows
    etcd all the same where it reaches it. With both, etcd comes first. Without ``data_dir`` it belongs to no node: it
    serves what it follows, joins nothing, and keeps nothing on disk.
    """

    data_dir: Path | None = None
    """Identity, cache file and lock. One agent per directory; made with mode 0700 where it is not there."""
    host: str = ""
    """Where the other nodes reach the database node; wanted with ``data_dir``."""
    listen: str = DEFAULT_LISTEN
    """Port 0: any that is free."""
    advertise: str | None = None
    """Where others reach this agent; None: ``listen`` with the port that was taken, or, where that is every address of
    the machine (0.0.0.0), the name of ``host`` with that port."""
    join: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    """Of etcd's members."""
    cluster: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)
    """Empty: as they are."""
    ttl: float = DEFAULT_TTL
    """Seconds; see `etcdmeta.agent.liveness`."""
    max_age: float | None = None
    """Seconds beyond which the picture is refused instead of served; None: it is served as old as it is."""
    metrics_listen: str | None = None
    services: tuple[str, ...] = ()
    """Of the cluster, for which this agent stands; see `etcdmeta.agent.duties`. One that delegates runs none."""
    delegate: bool = False
    """Follow and commit through agents, though etcd may be reached."""
    tls: ServerTls | None = None
    """Of the service. What follows is for connections to etcd and to other agents."""
    insecure: bool = False
    """Listen beyond loopback without TLS."""
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    timeout: float = 5.0
    """Seconds, of one call to etcd or to an agent."""

    def __post_init__(self) -> None:
        require_loopback(self.listen, self.tls, self.insecure)
        Trust(self.rules, self.tls)  # refuses rules that would be void
        if self.metrics_listen is not None:
            host_and_port(self.metrics_listen)
        for address in (*self.join, *([self.advertise] if self.advertise is not None else [])):
            check_host(address)
        if self.data_dir is not None:
            self._check_node()
        if self.advertise is None and not self.host and self.listen.rpartition(":")[0] in _EVERYWHERE:
            raise ConfigurationInvalid(
                f"listening on {self.listen} without an address to give to others",
                value=self.listen,
                rule="others are told where they reach this agent, and every address is none",
                remedy="give --advertise HOST:PORT",
            )
        if not self.endpoints and not self.join:
            raise ConfigurationInvalid(
                "an agent that knows neither etcd nor another agent",
                rule="it follows one of them",
                remedy="name etcd's members with --endpoints, or agents with --join",
            )
        if self.delegate and not self.join:
            raise ConfigurationInvalid(
                "an agent that is to delegate, and knows no other agent",
                rule="it follows and commits through others",
                remedy="name some with --join HOST:PORT,…",
            )
        check_services(self.services)
        if self.timeout <= 0:
            raise ConfigurationInvalid("a timeout of no time", value=self.timeout, rule="more than 0 s")
        if self.max_age is not None and self.max_age <= 0:
            raise ConfigurationInvalid("a maximum age of no time", value=self.max_age, rule="more than 0 s")

    def _check_node(self) -> None:
        if not self.host:
            raise ConfigurationInvalid(
                "an agent with a data directory, and no host",
                rule="a node is known by the address at which the others reach it",
                remedy="give --host HOST:PORT",
            )
        check_host(self.host)

    @property
    def is_node(self) -> bool:
        """Whether it joins and lives as a database node."""
        return self.data_dir is not None

    def address(self, port: int) -> str:
        """Where others reach this agent, once it is known which port it has."""
        if self.advertise is not None:
            return self.advertise
        listened = self.listen.rpartition(":")[0]
        return f"{self.host.rpartition(':')[0] if listened in _EVERYWHERE else listened}:{port}"


def host_and_port(address: str) -> tuple[str, int]:
    """Parsed for a socket, ``[::1]:9100`` too. Raises `InvalidAddress`."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise InvalidAddress(f"{address!r} is no host:port", value=address, remedy="for example 127.0.0.1:9188")
    return host.removeprefix("[").removesuffix("]"), int(port)
