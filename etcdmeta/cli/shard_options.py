"""The filters that several verbs of shards share, as options."""

from __future__ import annotations

from typing import Annotated

import typer

from etcdmeta.cli.naming import parse_id, parse_policy
from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.model.health import Health

_Many = list[str] | None

Db = Annotated[_Many, typer.Option("--db", metavar="NAME", help="Only of this database.")]
Rp = Annotated[_Many, typer.Option("--rp", metavar="[DB.]POLICY", help="Only of this policy.")]
Group = Annotated[_Many, typer.Option("--group", metavar="ID", help="Only of this shard group.")]
NodeOf = Annotated[_Many, typer.Option("--node", metavar="NODE", help="Only with this owner.")]
HealthOf = Annotated[list[Health] | None, typer.Option("--health", help="Only of this health.")]
Copying = Annotated[bool, typer.Option("--copying", help="Only where a copy is going on.")]


def shard_filter(
    ids: _Many, db: _Many, rp: _Many, group: _Many, node: _Many, health: list[Health] | None, *, copying: bool
) -> ShardFilter:
    """What was typed. Raises `InvalidInput`."""
    return ShardFilter(
        databases=tuple(db or ()),
        policies=tuple(map(policy_filter, rp or ())),
        groups=tuple(parse_id(text, "shard group") for text in group or ()),
        shards=tuple(parse_id(text, "shard") for text in ids or ()),
        nodes=tuple(node or ()),
        healths=tuple(health or ()),
        copying=copying,
    )


def policy_filter(text: str) -> tuple[str, str]:
    """``autogen`` of any database, or ``metrics.autogen``."""
    database, policy = parse_policy(text)
    return (database, policy) if policy else ("", database)
