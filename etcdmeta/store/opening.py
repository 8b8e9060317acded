"""Endpoints as given → the strategy that serves them, and what commits through it."""

from __future__ import annotations

from collections.abc import Iterable

from etcdmeta.consensus.protocol import Delegate, Strategy
from etcdmeta.errors import ConfigurationInvalid
from etcdmeta.records.keys import Keyspace
from etcdmeta.store.clock import Clock
from etcdmeta.store.commits import Commits
from etcdmeta.store.committer import Committer
from etcdmeta.store.driver import Driver

_AGENTS = ("agent://", "agents://")


def open_strategy(
    endpoints: str | Iterable[str],
    *,
    user: str | None = None,
    password: str | None = None,
    cacert: str | None = None,
    cert: str | None = None,
    key: str | None = None,
) -> Strategy:
    """``local://`` is a new cluster in this process, ``agent://`` and ``agents://`` (TLS) are agents; all else are
    members of etcd. Raises `InvalidAddress`, `ConfigurationInvalid`."""
    text = endpoints if isinstance(endpoints, str) else ",".join(endpoints)
    if text == "local://":
        from etcdmeta.consensus.local import LocalCluster, LocalStrategy  # noqa: PLC0415 - only where it is asked for

        return LocalStrategy(LocalCluster())
    if text.startswith(_AGENTS):
        if user is not None:
            raise ConfigurationInvalid(
                "a user of etcd was given for a connection to agents",
                value=user,
                rule="agents know who asks by the certificate; they sign in to etcd themselves",
                remedy="leave out user and password, and give --cert and --key where the agents ask for them",
            )
        from etcdmeta.consensus.agent import AgentStrategy  # noqa: PLC0415 - imports gRPC: only where it is needed

        return AgentStrategy(text, ca=cacert, cert=cert, key=key)
    from etcdmeta.consensus.etcd import EtcdStrategy  # noqa: PLC0415 - as above

    return EtcdStrategy(text, user=user, password=password, ca=cacert, cert=cert, key=key)


def open_commits(strategy: Strategy, keyspace: Keyspace, driver: Driver, clock: Clock) -> Commits:
    """What commits for a store: itself, or the agents to which the strategy delegates."""
    if isinstance(strategy, Delegate):
        from etcdmeta.store.delegation import Delegation  # noqa: PLC0415 - as above

        return Delegation(strategy, keyspace, driver, clock)
    return Committer(strategy, keyspace, driver, clock)
