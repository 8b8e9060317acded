"""What went wrong, and how often, since the follower began."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Each is a number of occurrences; `etcdmeta health` and ``doctor`` show them."""

    superseded: int = 0
    """Answers to requests and streams that had been given up."""
    duplicates: int = 0
    """Events at or below the published revision."""
    reconnects: int = 0
    """Members left because of an error, a freeze or silence; `older` and the next three say why, where it was no
    plain failure."""
    silences: int = 0
    """They did not answer in time."""
    stalls: int = 0
    """They did not deliver what was committed."""
    cut_offs: int = 0
    """Agents that had been without etcd for too long."""
    compactions: int = 0
    """Lists made because the history to resume from was compacted away."""
    gaps: int = 0
    """Commits that a watch did not deliver."""
    foreign: int = 0
    """Revisions that etcdmeta did not write."""
    older: int = 0
    """Answers refused for being older than what is published."""
    alarms: int = 0
    """Headers that hinted at another etcd, each answered by a proof."""
    distrust: int = 0
    """Lists made on somebody's doubt."""
    divergences: int = 0
    """Differences found between liveness or progress and a list at the same revision."""
    restores: int = 0
    """Pictures of another history of etcd that replaced the published one."""
    destroyed: int = 0
    """Times that the guard or the generation was found deleted."""
    unreadable: int = 0
    """Records quarantined."""
