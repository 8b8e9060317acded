"""The JSON of `shard status`, `show` and `wait`.

The models are the contract, and `schemas/json/` is made from them; the objects themselves are made by hand, since
10,000 of them through pydantic would take longer than everything else. A test holds the two together.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from etcdmeta.cli.schema import Id, Item, Time
from etcdmeta.cli.shard_cells import owner_words
from etcdmeta.model.entities import Progress
from etcdmeta.model.health import Health, OwnerState, ShardStatus
from etcdmeta.model.times import format_time
from etcdmeta.model.verdict import Summary


class ProgressItem(Item):
    """How far a copy is; null: nobody reported it. ``fraction`` is 0 … 1."""

    bytes_done: int | None
    bytes_total: int | None
    bytes_per_second: int | None
    fraction: float | None
    seconds_left: float | None
    updated: Time | None


class ShardOwnerItem(Item):
    """``node``: live, down, gone, or unreported. ``progress``: null unless it copies and says how far it is."""

    node_id: Id
    status: str
    node: str
    serves: bool
    source: Id | None
    attempt: int
    since: Time | None
    reason: str
    progress: ProgressItem | None


class ShardStatusItem(Item):
    """``ready`` owners serve, the policy wants ``wanted`` (0: the group is deleted). ``expires`` null: never."""

    shard_id: Id
    database: str
    policy: str
    group_id: Id
    start: Time
    end: Time
    expires: Time | None
    truncated_at: Time | None
    deleted_at: Time | None
    heat: str
    ready: int
    wanted: int
    health: str
    reason: str
    owners: list[ShardOwnerItem]
    last_attempt: int
    revision: int


class ShardStatusChangeItem(Item):
    """One shard after a change. ``verdict`` is that of all that are watched.

    ``action``: present (at the beginning), appeared, changed, or disappeared (the shard is then as it was last).
    """

    action: str
    generation: int
    revision: int
    verdict: str
    shard: ShardStatusItem


KINDS: dict[str, type[BaseModel]] = {
    "ShardStatusList": ShardStatusItem,
    "ShardStatusChangeList": ShardStatusChangeItem,
}


def status_json(status: ShardStatus) -> dict[str, Any]:
    """One shard, as `ShardStatusItem` describes it."""
    return {
        "shardId": str(status.shard_id),
        "database": status.database,
        "policy": status.policy,
        "groupId": str(status.group_id),
        "start": format_time(status.start),
        "end": format_time(status.end),
        "expires": _time(status.expires),
        "truncatedAt": _time(status.truncated_at),
        "deletedAt": _time(status.deleted_at),
        "heat": str(status.heat),
        "ready": status.ready,
        "wanted": status.wanted,
        "health": str(status.health),
        "reason": status.reason,
        "owners": [_owner(owner) for owner in status.owners],
        "lastAttempt": status.last_attempt,
        "revision": status.revision,
    }


def summary_json(summary: Summary) -> dict[str, Any]:
    """The two lines above the table."""
    return {
        "verdict": str(summary.verdict),
        "shards": summary.shards,
        "byHealth": {str(health): summary.by_health.get(health, 0) for health in reversed(Health)},
        "deleted": summary.deleted,
        "copying": summary.copying,
        "copyFraction": _rounded(summary.copy_fraction),
        "copyBytesPerSecond": summary.copy_bytes_per_second,
        "copySecondsLeft": _rounded(summary.copy_seconds_left),
        "nodes": summary.nodes,
        "nodesDown": [str(node) for node in summary.down],
        "livenessNotReported": [str(node) for node in summary.unreported],
    }


def owners_cell(status: ShardStatus) -> str:
    """The owners in words, for a csv cell."""
    return ",".join(map(owner_words, status.owners))


def _owner(owner: OwnerState) -> dict[str, Any]:
    record = owner.record
    return {
        "nodeId": str(record.node_id),
        "status": str(record.status),
        "node": str(owner.presence),
        "serves": owner.serves,
        "source": None if record.source is None else str(record.source),
        "attempt": record.attempt,
        "since": _time(record.since),
        "reason": record.reason,
        "progress": None if owner.progress is None else _progress(owner, owner.progress),
    }


def _progress(owner: OwnerState, progress: Progress) -> dict[str, Any]:
    return {
        "bytesDone": progress.bytes_done,
        "bytesTotal": progress.bytes_total,
        "bytesPerSecond": progress.bytes_per_second,
        "fraction": _rounded(owner.fraction),
        "secondsLeft": _rounded(owner.seconds_left),
        "updated": _time(progress.updated or None),
    }


def _time(nanoseconds: int | None) -> str | None:
    return None if nanoseconds is None else format_time(nanoseconds)


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
