"""How level a layout is: owners per node and per zone, with the least and the most. For people, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from etcdmeta.commands.planning.layout import ZONE_LABEL
from etcdmeta.model.snapshot import Snapshot


class Balance(NamedTuple):
    """``least`` and ``most``: of the nodes that take shards; 0 where none does. A node without the label is in no zone
    of ``zones``.
    """

    nodes: Mapping[int, int]
    zones: Mapping[str, int]
    least: int
    most: int


def balance(snapshot: Snapshot, counts: Mapping[int, int], *, zone_label: str = ZONE_LABEL) -> Balance:
    """Of counts as a draft or a plan has them, node id → owners."""
    zones: dict[str, int] = {}
    taking: list[int] = []
    for node in snapshot.nodes():
        owners = counts.get(node.id, 0)
        zone = node.labels.get(zone_label)
        if zone:
            zones[zone] = zones.get(zone, 0) + owners
        if node.takes_shards:
            taking.append(owners)
    return Balance(
        dict(sorted(counts.items())), dict(sorted(zones.items())), min(taking, default=0), max(taking, default=0)
    )
