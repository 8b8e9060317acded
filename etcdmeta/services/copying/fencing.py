"""What a node commits as itself compares the key of its liveness, which its agent keeps: how the two come together.

In one process they do by `etcdmeta.agent.Agent.fence`. A database beside its agent asks it, each time: the agent alone
knows which incarnation of the key is its own, and for how long its lease lives for certain. The picture does not tell:
the key that it shows may be that of another instance, of a copied data directory or on a machine that took this one's
name; whoever took it for its own would commit as the other.
"""

from __future__ import annotations

import logging

from etcdmeta.errors import EtcdMetaError
from etcdmeta.records import keys
from etcdmeta.store import Fence, MetaStore
from etcdmeta.store.agents import agent_statuses

log = logging.getLogger(__name__)

_CALL = 3.0


class AgentFence:
    """For `Copying`'s ``fence``: the liveness of a node, as its own agent has it at the moment. None, so that commits
    wait, while that agent does not answer, is not live for certain, or is another node's or another cluster's.

    ``address``: ``host:port`` of the agent on this machine, by an address that leads to no other one (loopback, say):
    where a name can lead to who replaces this machine, that one's liveness would be taken for this node's. ``ca``,
    ``cert``, ``key``: PEM files; with any of them it is asked by TLS. From any thread; a call to the agent each time.
    """

    def __init__(
        self,
        store: MetaStore,
        node_id: int,
        address: str,
        *,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
    ) -> None:
        self._store = store
        self._node_id = node_id
        self._address = address
        self._tls = {"ca": ca, "cert": cert, "key": key}

    def __call__(self) -> Fence | None:
        said = agent_statuses([self._address], timeout=_CALL, **self._tls)[self._address]
        if isinstance(said, EtcdMetaError):
            log.info("the agent at %s does not say whether node %d is live: %s", self._address, self._node_id, said)
            return None
        cluster = self._store.latest().cluster
        if said.node_id != self._node_id or cluster is None or said.cluster_id != cluster.cluster_id:
            log.warning("the agent at %s is not that of node %d of this cluster", self._address, self._node_id)
            return None
        if not said.live_revision:
            return None
        return Fence(keys.live(self._node_id), said.live_revision, f"the liveness of node {self._node_id}")
