"""Shards in every stable format, and one shard in full for a person."""

from __future__ import annotations

from collections.abc import Sequence

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.naming import policy_name
from etcdmeta.cli.output import Listing
from etcdmeta.cli.shard_facts import facts_json
from etcdmeta.cli.shard_items import ShardStatusItem, owners_cell, status_json, summary_json
from etcdmeta.cli.shard_view import StatusView
from etcdmeta.cli.tables import block
from etcdmeta.cli.text import counted
from etcdmeta.model.entities import Node
from etcdmeta.model.health import OwnerState, Presence, ShardStatus


def listing(view: StatusView, statuses: Sequence[ShardStatus] | None = None) -> Listing[ShardStatus]:
    """What json, yaml, csv … print: all that the view selected, what is wrong and who moves what in the summary; or
    only those ``statuses``. Tables are drawn elsewhere.
    """
    return Listing(
        kind="ShardStatusList",
        items=view.statuses if statuses is None else statuses,
        columns=(),
        fields=ShardStatusItem.fields(),
        plain=status_json,
        name=lambda status: str(status.shard_id),
        things="shards",
        flat={"owners": owners_cell},
        summary=summary_json(view.summary) | (facts_json(view) if statuses is None else {}),
        warnings=view.warnings,
    )


def detail(status: ShardStatus, nodes: dict[int, Node]) -> str:
    """One shard for a person to read."""
    health = f"{status.health} ({status.reason})" if status.reason else str(status.health)
    pairs = [
        ("Shard", str(status.shard_id)),
        ("Policy", policy_name(status.database, status.policy)),
        ("Group", str(status.group_id)),
        ("Span", f"{cells.time_text(status.start)} to {cells.time_text(status.end)}"),
        ("Heat", str(status.heat)),
        ("Expires", cells.time_text(status.expires) or "never"),
    ]
    if status.is_deleted:
        pairs.append(("Deleted", cells.time_text(status.deleted_at)))
    if status.truncated_at is not None:
        pairs.append(("Truncated", cells.time_text(status.truncated_at)))
    pairs += [("Health", health), ("Ready", f"{status.ready} of {counted(status.wanted, 'owner')}")]
    pairs += [("Owner", _owner(owner, nodes)) for owner in status.owners] or [("Owner", "none")]
    pairs += [("Last attempt", str(status.last_attempt)), ("Revision", str(status.revision))]
    return block(pairs)


def _owner(owner: OwnerState, nodes: dict[int, Node]) -> str:
    host = nodes[owner.node_id].host if owner.node_id in nodes else "no such node"
    record, progress = owner.record, owner.progress
    facts = [f"n{owner.node_id} {host}  {owner.status}"]
    if owner.fraction is not None and progress is not None:
        facts.append(f"{cells.percent(owner.fraction)} % of {cells.size_text(progress.bytes_total)}")
    if progress is not None and progress.bytes_per_second:
        facts.append(cells.rate_text(progress.bytes_per_second))
    if owner.seconds_left is not None:
        facts.append(f"{cells.left_text(owner.seconds_left)} left")
    if record.source is not None:
        facts.append(f"from n{record.source}")
    if record.attempt:
        facts.append(f"attempt {record.attempt}")
    if record.since is not None:
        facts.append(f"since {cells.time_text(record.since)}")
    if owner.presence is not Presence.UNREPORTED:
        facts.append(f"node {owner.presence}")
    if record.reason:
        facts.append(f"reason: {record.reason}")
    return ", ".join(facts)
