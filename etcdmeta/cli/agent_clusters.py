"""Which agents of `etcdmeta agent status` are of one cluster: its services are its own, whatever they are called.

A cluster is told by its id: two etcds may hold clusters of one name. An agent that does not answer says nothing of
that, and one that has no picture yet knows its cluster's name at most: it counts to the one that it can be, if that is
one only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from etcdmeta.cli.screens import AgentItem

_NAMED = 3


class AgentCluster(NamedTuple):
    """``cluster_id`` None: nobody there knows it yet. ``agents``: those that answered, in the order they were asked."""

    cluster_id: int | None
    name: str
    agents: list[AgentItem]

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} ({self.cluster_id or 'id unknown'})"


def by_cluster(agents: Sequence[AgentItem]) -> list[AgentCluster]:
    """In the order in which they come first. Empty where none answers."""
    found: dict[tuple[int | None, str], AgentCluster] = {}
    answering = [agent for agent in agents if agent.answers]
    names = {agent.cluster_id: agent.cluster or "" for agent in answering if agent.cluster_id is not None}
    for agent in answering:
        name, cluster_id = agent.cluster or "", agent.cluster_id
        if cluster_id is None:
            same = [known for known, called in names.items() if name in {"", called}]
            cluster_id = same[0] if len(same) == 1 else None
        key = cluster_id, "" if cluster_id is not None else name
        found.setdefault(key, AgentCluster(cluster_id, name, [])).agents.append(agent)
    return list(found.values())


def cluster_labels(agents: Sequence[AgentItem]) -> dict[str, str]:
    """The cluster of each agent that answered, by address; empty where all are of one."""
    clusters = by_cluster(agents)
    return {} if len(clusters) < 2 else {agent.address: each.label for each in clusters for agent in each.agents}


def cluster_warnings(agents: Sequence[AgentItem], own: int | None = None) -> list[str]:
    """Where agents of several clusters were asked; ``own``: the cluster whose picture named them, where one did."""
    clusters = by_cluster(agents)
    if own is not None:
        return [
            f"{_agents(each.agents)} of another cluster, {each.label}: the one that was asked is {own}; the address in "
            "a node's record is old, or somebody else's"
            for each in clusters
            if each.cluster_id not in {None, own}
        ]
    if len(clusters) < 2:
        return []
    told = "; ".join(f"{each.label}: {_addresses(each.agents)}" for each in clusters)
    return [f"these agents are of {len(clusters)} clusters, each with services of its own: {told}"]


def _agents(agents: Sequence[AgentItem]) -> str:
    return f"agent {agents[0].address} is" if len(agents) == 1 else f"agents {_addresses(agents)} are"


def _addresses(agents: Sequence[AgentItem]) -> str:
    more = f" and {len(agents) - _NAMED} more" if len(agents) > _NAMED else ""
    return ", ".join(agent.address for agent in agents[:_NAMED]) + more
