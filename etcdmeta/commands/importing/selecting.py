"""Single databases of what came, under the names that they are to have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from etcdmeta.commands.importing.incoming import Incoming
from etcdmeta.errors import DatabaseNotFound, InvalidInput
from etcdmeta.model.names import check_name


def select(incoming: Incoming, names: Mapping[str, str]) -> Incoming:
    """``names``: the source's name → ours. With the nodes that own something of them; users and their privileges stay
    behind, as do counters of ids. Raises `DatabaseNotFound`, `InvalidInput`, `InvalidName`."""
    there = {database.name: database for database in incoming.databases}
    for name, new in names.items():
        if name not in there:
            raise DatabaseNotFound(
                f"the source has no database {name!r}",
                value=name,
                rule=f"it has {', '.join(map(repr, there)) or 'none'}",
                remedy="`--dry-run` without --db shows all of it",
            )
        if new != name:
            check_name(new)
    if len(set(names.values())) < len(names):
        raise InvalidInput("two databases would have one name", value=tuple(names.values()), rule="names are unique")
    databases = tuple(replace(there[name], name=new) for name, new in names.items())
    owners = {
        owner.node_id
        for database in databases
        for policy in database.policies
        for group in policy.groups
        for shard in group.shards
        for owner in shard.owners
    }
    nodes = tuple(node for node in incoming.nodes if node.id in owners)
    return replace(incoming, nodes=nodes, databases=databases, users=(), highest=MappingProxyType({}))
