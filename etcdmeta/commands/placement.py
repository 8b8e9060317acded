"""Which nodes own the shards of a new group: pure arithmetic.

InfluxDB's rule: as many shards as nodes ÷ min(replicaN, nodes), at least one; owners are dealt round robin
over the nodes in order of id, from a position that everybody computes the same way (the index modulo the
number of nodes; here the generation). InfluxDB knows no load, so a node that joined late stays behind for
ever. Here the nodes that own least come first, and the rotation decides between equals: on equal load that is
InfluxDB's deal.

A group has at most one owner on each node, over all of its shards, since shards × replicas ≤ nodes. That is
kept on unequal load, too: all shards of a group take writes at the same time, and giving an empty node one
owner in each of them would level the counts by making it the bottleneck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def shard_count(nodes: int, replicas: int) -> int:
    """How many shards a new group has on that many nodes (at least one)."""
    return max(1, nodes // min(replicas, nodes))


def place(nodes: Sequence[int], replicas: int, position: int, load: Mapping[int, int]) -> tuple[tuple[int, ...], ...]:
    """The owners of each shard of a new group, as node ids.

    ``nodes``: the ids of those that take shards, ascending, at least one; ``position``: any number that moves
    on between groups; ``load``: node id → how many owners it has already, absent meaning none.
    """
    count = len(nodes)
    copies = min(replicas, count)
    first = position % count
    rotation = (*nodes[first:], *nodes[:first])
    chosen = sorted(rotation, key=lambda node: load.get(node, 0))  # stable: equals stay in the rotation's order
    return tuple(tuple(chosen[i * copies : (i + 1) * copies]) for i in range(shard_count(count, replicas)))
