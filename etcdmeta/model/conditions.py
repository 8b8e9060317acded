"""How a node is, in one word: its record and its sign of life together. Pure, from one picture and the time.

A node that is on its way out is `removing` or `removed`, whatever it reports. One that lives is `draining` or `live`.
One that is known not to live is `down`; just after it joined it is `joining` instead, since its first sign of life
follows the join. One that never said that it would report is `unknown` (or `draining`, which its record says).
"""

from __future__ import annotations

from enum import StrEnum

from etcdmeta.model.durations import SECOND
from etcdmeta.model.entities import Node
from etcdmeta.model.owners import NodeState

JOINING_FOR = 10 * SECOND
"""Nanoseconds. No longer than the usual time to live: what died in it is still live by its lease, and then down."""


class NodeCondition(StrEnum):
    """See the module."""

    LIVE = "live"
    DOWN = "down"
    DRAINING = "draining"
    JOINING = "joining"
    UNKNOWN = "unknown"
    REMOVING = "removing"
    REMOVED = "removed"


def condition_of(node: Node, live: bool | None, now: int) -> NodeCondition:
    """``live``: as `Snapshot.is_live` says. ``now``: nanoseconds, by the caller's clock."""
    if node.state == NodeState.REMOVED:
        return NodeCondition.REMOVED
    if node.state == NodeState.REMOVING:
        return NodeCondition.REMOVING
    if live is False:
        return NodeCondition.JOINING if 0 <= now - node.joined_at < JOINING_FOR else NodeCondition.DOWN
    if node.state == NodeState.DRAINING:
        return NodeCondition.DRAINING
    return NodeCondition.LIVE if live else NodeCondition.UNKNOWN
