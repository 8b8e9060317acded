"""Whom a node can turn to: the members of etcd by their own list, and the agents that are live."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import AccessRefused
from etcdmeta.model.snapshot import Snapshot

log = logging.getLogger("etcdmeta.agent")


def live_agents(snapshot: Snapshot) -> tuple[str, ...]:
    """Addresses of the agents of all live nodes, in order of the nodes' ids."""
    found = (snapshot.liveness(node.id) for node in snapshot.nodes() if snapshot.is_live(node.id))
    return tuple(liveness.agent_address for liveness in found if liveness is not None and liveness.agent_address)


def first(address: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """Each address once, ``address`` before all others where there is one."""
    return tuple(dict.fromkeys(each for each in (address, *addresses) if each))


def etcd_members(strategy: Strategy, *, deadline: float) -> tuple[str, ...]:
    """Client URLs; empty where nobody else can reach them, or this agent's user may not see them.

    ``deadline``: monotonic seconds. Raises `Unavailable`.
    """
    try:
        return strategy.peers(deadline=deadline)
    except AccessRefused as refusal:
        log.warning("a node that joins is not told of etcd's members: %s", refusal.message)
        return ()
