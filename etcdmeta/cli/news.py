"""One change as a sentence: what happened to what, for somebody who watches."""

from __future__ import annotations

from typing import Any

from etcdmeta.cli.shard_cells import span
from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import Node, Progress, Record, Shard, ShardGroup, ShardOwner
from etcdmeta.model.times import format_time
from etcdmeta.replica.changes import Change

_NOUNS = {
    "database": "database",
    "policy": "policy",
    "group": "shard group",
    "node": "node",
    "user": "user",
    "query": "continuous query",
    "subscription": "subscription",
    "grant": "privilege",
    "cluster": "cluster",
    "liveness": "node",
    "progress": "copy of",
    "plan": "",  # its place says what it is
}
_UNSAID = frozenset(Record.model_fields) | {"identity_hash", "joined_at", "changed_at"}


def sentence(change: Change) -> str:
    """``shard 18: n3 copying → active (metrics.autogen group 10)``, ``database metrics created``."""
    before, after, noun = change.before, change.after, _NOUNS.get(change.kind, change.kind)
    named = noun if change.where == noun else f"{noun} {change.where}".strip()
    match change.kind, before, after:
        case "group", ShardGroup(), ShardGroup():
            return f"{'; '.join(_group(before, after)) or 'written again'} ({change.where})"
        case "group", None, ShardGroup():
            policy = change.where.removesuffix(f" group {after.id}")
            return f"shard group {after.id} created: {_shards(after)} ({policy}, {span(after.start, after.end)})"
        case "liveness", _, _:
            return f"node {change.where} {_LIVENESS[change.action]}"
        case "progress", _, Progress():
            return f"copy of {change.where}: {_progress(after)}"
        case "progress", _, _:
            return f"copy of {change.where}: ended"
        case _, Record(), Record():
            return f"{named}: {_fields(before, after)}"
        case _:
            return f"{named} {change.action}"


_LIVENESS = {"created": "is live", "changed": "reported", "removed": "is down"}


def _group(before: ShardGroup, after: ShardGroup) -> list[str]:
    parts = []
    if before.deleted_at != after.deleted_at:
        parts.append(f"deleted {_value('deleted_at', after.deleted_at)}")
    if before.truncated_at != after.truncated_at:
        parts.append(f"truncated at {_value('truncated_at', after.truncated_at)}")
    if (before.start, before.end) != (after.start, after.end):
        parts.append(f"now {span(after.start, after.end)}")
    for shard in after.shards:
        old = before.shard(shard.id)
        parts += [f"shard {shard.id}: {text}" for text in _owners(old or Shard(id=shard.id), shard)]
    parts += [f"shard {shard.id} removed" for shard in before.shards if after.shard(shard.id) is None]
    return parts


def _owners(before: Shard, after: Shard) -> list[str]:
    parts = []
    for owner in after.owners:
        old = before.owner(owner.node_id)
        if old is None:
            parts.append(f"n{owner.node_id} new, {owner.status}{_because(owner)}")
        elif old.status != owner.status:
            parts.append(f"n{owner.node_id} {old.status} → {owner.status}{_because(owner)}")
        elif old != owner:
            parts.append(f"n{owner.node_id} still {owner.status}{_because(owner)}")
    parts += [f"n{owner.node_id} no owner any more" for owner in before.owners if after.owner(owner.node_id) is None]
    return parts


def _because(owner: ShardOwner) -> str:
    text = "" if owner.source is None else f" from n{owner.source}"
    return f"{text} ({owner.reason})" if owner.reason else text


def _shards(group: ShardGroup) -> str:
    shown = [f"{shard.id} on {', '.join(f'n{o.node_id}' for o in shard.owners) or 'no node'}" for shard in group.shards]
    return f"shard{'s' * (len(shown) != 1)} {'; '.join(shown)}"


def _progress(progress: Progress) -> str:
    if progress.bytes_done is None or not progress.bytes_total:
        return "begun"
    return f"{100 * progress.bytes_done // progress.bytes_total} %"


def _fields(before: Record, after: Record) -> str:
    parts = []
    for name in type(after).model_fields:
        old, new = getattr(before, name, None), getattr(after, name)
        if name not in _UNSAID and old != new:
            parts.append(f"{name.replace('_', ' ')} {_value(name, old)} → {_value(name, new)}")
    if isinstance(after, Node) and isinstance(before, Node) and before.identity_hash != after.identity_hash:
        parts.append("identity changed")
    return ", ".join(parts) or "written again"


def _value(name: str, value: Any) -> str:
    if value is None:
        return "never" if name.endswith("_at") else "none"
    if isinstance(value, Duration):
        return value.influxql()
    if isinstance(value, int) and name.endswith("_at"):
        return format_time(value)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(dict(value)) if hasattr(value, "items") else str(value)
