"""How a starting agent makes its node a member: who it is, what to ask, whom, and what to keep of the answer."""

from __future__ import annotations

import hmac
import time

from etcdmeta.agent.config import AgentConfig
from etcdmeta.agent.datadir import DataDirectory
from etcdmeta.agent.joining import Joined, join_directly, join_through
from etcdmeta.agent.sources import Sources, connect_agents, keep, recall
from etcdmeta.agent.tenure import GRACE, LONGEST_TTL, lease_seconds
from etcdmeta.consensus.protocol import Delegate
from etcdmeta.errors import (
    ClusterDestroyed,
    ClusterRestored,
    ConflictPersists,
    EtcdMetaError,
    LimitReached,
    NodeAlreadyRunning,
    OutcomeUnknown,
    ReadOnly,
    Unavailable,
    WaitTimedOut,
    WrongCluster,
)
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.store import MetaStore, new_operation_id

_PASSING = (
    Unavailable,
    LimitReached,
    NodeAlreadyRunning,
    OutcomeUnknown,
    ConflictPersists,
    WaitTimedOut,
    # An operator's to end; meanwhile the picture is served.
    ReadOnly,
    ClusterRestored,
    ClusterDestroyed,
)


def passes(error: EtcdMetaError) -> bool:
    """Whether it may end by itself, or by an operator's hand, so that the same is worth trying again."""
    return isinstance(error, _PASSING)


class Enrolment:
    """Of one agent with a data directory. Its methods block; one of them at a time.

    All attempts are one operation, so that one whose answer was lost is not done twice.
    """

    def __init__(self, config: AgentConfig, directory: DataDirectory) -> None:
        """Raises `ConfigurationInvalid`, and `WrongCluster` where the directory is another cluster's."""
        self._config = config
        self._directory = directory
        self._sources_file = directory.path / "sources.json"
        self._operation_id = new_operation_id()
        self._held_since: float | None = None  # monotonic; None: the node is not known to be live elsewhere
        self.identity = directory.identity()
        if self.identity.cluster not in {"", config.cluster}:
            raise WrongCluster(
                f"the data directory {directory.path} is of cluster {self.identity.cluster!r}, not {config.cluster!r}",
                value=self.identity.cluster,
                rule="a node belongs to one cluster",
                remedy="name that cluster with --cluster, or give this agent another --data-dir",
            )

    @property
    def recalled(self) -> Sources | None:
        """Where a member found its picture the last time."""
        return recall(self._sources_file) if self.identity.node_id else None

    def passes(self, error: EtcdMetaError) -> bool:
        """As the function `passes`; and a node that is live at another host may be dead there: its lease is given the
        time to end, anew where it is not asked for without a break, since none ends while etcd is away."""
        if not isinstance(error, NodeAlreadyRunning):
            self._held_since = None
            return passes(error)
        now = time.monotonic()
        if self._held_since is None:
            self._held_since = now
        return now - self._held_since < self._longest_lease(error) + GRACE

    @property
    def waits_for_another(self) -> bool:
        """Whether the node is live at another host, by the latest answer."""
        return self._held_since is not None

    def _longest_lease(self, error: NodeAlreadyRunning) -> float:
        """Of the holder, in seconds: what it says, if it says so, else what one of our own could have."""
        said = error.value if isinstance(error.value, int) else 0
        return min(said, lease_seconds(LONGEST_TTL)) if said > 0 else 2 * self._config.ttl

    def is_member(self, snapshot: Snapshot) -> bool:
        """Whether a current picture shows this node as it is: then there is nothing to write."""
        identity, cluster = self.identity, snapshot.cluster
        node = snapshot.find_node(identity.node_id) if identity.node_id else None
        return (
            node is not None
            and cluster is not None
            and cluster.cluster_id == identity.cluster_id
            and node.state != NodeState.REMOVED
            and node.host == self._config.host
            and node.reports_liveness
            and (not self._config.labels or dict(node.labels) == dict(self._config.labels))
            and hmac.compare_digest(node.identity_hash, identity.hash)
        )

    def by_asking(self, timeout: float) -> Joined:
        """Through the agents that the settings name. Raises what `join_through` raises."""
        agents = connect_agents(self._config, self._config.join)
        try:
            return self._through(agents, timeout)
        finally:
            agents.close()

    def by_store(self, store: MetaStore, timeout: float) -> Joined:
        """By the store's own way: at etcd, or through the agents that it delegates to.

        Where etcd is away, the agents that the settings name are asked. Raises what both raise.
        """
        strategy = store.strategy
        if isinstance(strategy, Delegate):
            return self._through(strategy, timeout)
        try:
            joined = join_directly(
                store,
                self.identity,
                host=self._config.host,
                labels=self._config.labels,
                operation_id=self._operation_id,
                timeout=timeout,
            )
        except Unavailable:
            if not self._config.join:
                raise
            return self.by_asking(timeout)
        return self._kept(joined)

    def _through(self, agents: Delegate, timeout: float) -> Joined:
        joined = join_through(
            agents,
            self.identity,
            cluster=self._config.cluster,
            host=self._config.host,
            labels=self._config.labels,
            delegate=self._config.delegate,
            deadline=time.monotonic() + timeout,
            operation_id=self._operation_id,
        )
        return self._kept(joined)

    def _kept(self, joined: Joined) -> Joined:
        self._held_since = None
        if joined.identity != self.identity:
            self._directory.save(joined.identity)
            self.identity = joined.identity
        return joined

    def keep_sources(self, sources: Sources) -> None:
        """For a start at which nobody answers."""
        keep(self._sources_file, sources)
