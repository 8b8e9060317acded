"""The options that select from the history, as the store's filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etcdmeta.cli.naming import parse_id, parse_policy

if TYPE_CHECKING:
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import Touching


@dataclass(frozen=True, slots=True)
class Things:
    """What was named on the command line, by kind; any of them is enough."""

    databases: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()

    def touching(self, snapshot: Snapshot) -> tuple[Touching, ...]:
        """What to look for. Raises `InvalidInput`, `NotFound`."""
        from etcdmeta.store import touching

        def each(noun: str, names: Iterable[str], read: Callable[[str], str | int | tuple[str, str]]) -> list[Touching]:
            return [found for name in names for found in touching(snapshot, noun, read(name))]

        return (
            *each("database", self.databases, str),
            *each("policy", self.policies, parse_policy),
            *each("group", self.groups, lambda text: parse_id(text, "shard group")),
            *each("shard", self.shards, lambda text: parse_id(text, "shard")),
            *each("node", self.nodes, lambda text: snapshot.node(text).id),
            *each("user", self.users, str),
            *each("plan", self.plans, lambda text: parse_id(text, "plan")),
        )
