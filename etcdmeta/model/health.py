"""Is a shard serving, what is wrong with it, who is moving what: pure, from one picture and the time.

The words are the command line's contract ("shard status"):

- An owner **serves** when it is active or leaving and its node is live; where a node never reported liveness,
  the status alone counts.
- **Health**: `unavailable` none serves, `unknown` the picture is staler than the caller accepts, `degraded`
  fewer serve than the policy wants, `orphan` an owner's node is gone, `surplus` more serve than wanted and
  none leaves, else `ok`. Where several hold, the worst is said: `Health` lists them from worst to best.
- **Heat**: `hot` the group takes writes for now, `warm` it will (precreated), `expiring` it is within one
  group duration of its end of life, else `cold`.

A shard without owners is legal (a single InfluxDB server's file has only such); none serves it, and its
reason says so. Rows are plain dataclasses: there can be many thousands on one screen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from etcdmeta.model.durations import SECOND
from etcdmeta.model.entities import (
    LivenessView,
    Node,
    Progress,
    RetentionPolicy,
    Shard,
    ShardGroup,
    ShardOwner,
)
from etcdmeta.model.owners import SERVING, NodeState, OwnerStatus
from etcdmeta.model.times import MAX_TIME

STALLED_AFTER = 60 * SECOND
"""A copier reports at most once in 5 s; silent for this long, its copy is said to stand still."""


class Health(StrEnum):
    """See the module. Listed from worst to best."""

    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    ORPHAN = "orphan"
    SURPLUS = "surplus"
    OK = "ok"

    @property
    def severity(self) -> int:
        """0 is the worst."""
        return _SEVERITY[self]


_SEVERITY = {health: place for place, health in enumerate(Health)}


class Heat(StrEnum):
    """How alive a group is; see the module. Deleted ones wait to be pruned."""

    HOT = "hot"
    WARM = "warm"
    COLD = "cold"
    EXPIRING = "expiring"
    DELETED = "deleted"


class Presence(StrEnum):
    """What is known of an owner's node."""

    LIVE = "live"
    DOWN = "down"
    GONE = "gone"
    UNREPORTED = "unreported"


_MAY_SERVE = frozenset({Presence.LIVE, Presence.UNREPORTED})


class Picture(LivenessView, Protocol):
    """What of a snapshot the judgement needs besides the group."""

    def progress(self, shard_id: int, node_id: int) -> Progress | None:
        """How far a copy is; None: nobody says."""


class OwnerState(NamedTuple):
    """One owner as a person sees it: its record, how its node is, and how far its copy is, where it says.

    ``progress`` is of the present attempt. ``down_since``: nanoseconds, None where nobody saw the node go.
    """

    record: ShardOwner
    presence: Presence
    serves: bool
    progress: Progress | None = None
    down_since: int | None = None

    @property
    def node_id(self) -> int:
        """The node that owns."""
        return self.record.node_id

    @property
    def status(self) -> OwnerStatus | str:
        """As stored."""
        return self.record.status

    @property
    def status_known(self) -> bool:
        """False for a stored word that this version does not know."""
        return isinstance(self.status, OwnerStatus)

    @property
    def fraction(self) -> float | None:
        """Of the copy, 0 … 1; None where it is not copying, or nobody knows."""
        copy = self.progress
        if copy is None or copy.bytes_done is None or not copy.bytes_total:
            return None
        return min(1.0, copy.bytes_done / copy.bytes_total)

    @property
    def seconds_left(self) -> float | None:
        """Until the copy is done, at the reported rate."""
        copy = self.progress
        if copy is None or copy.bytes_done is None or copy.bytes_total is None or not copy.bytes_per_second:
            return None
        return max(0, copy.bytes_total - copy.bytes_done) / copy.bytes_per_second


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """One line of `shard status`. ``revision`` is the group record's last change; times are nanoseconds."""

    shard_id: int
    database: str
    policy: str
    group_id: int
    start: int
    end: int
    expires: int | None
    truncated_at: int | None
    deleted_at: int | None
    heat: Heat
    ready: int
    wanted: int
    owners: tuple[OwnerState, ...]
    health: Health
    reason: str
    last_attempt: int
    revision: int

    @property
    def is_deleted(self) -> bool:
        """Its group is marked deleted, and waits to be pruned."""
        return self.deleted_at is not None


class Judge:
    """Judges shard after shard against one picture: what they share is looked up once.

    ``stale``: the picture is older than the caller accepts, so nothing can be called ok. ``down_since``: when
    a node was last seen to go, as far as the caller watched (the picture itself does not hold it).
    """

    def __init__(
        self,
        picture: Picture,
        nodes: Mapping[int, Node],
        now: int,
        *,
        stale: bool = False,
        down_since: Mapping[int, int] | None = None,
    ) -> None:
        self._picture = picture
        self._now = now
        self._stale = stale
        self._down_since = down_since or {}
        self.presence = {node_id: self._presence_of(node) for node_id, node in nodes.items()}

    def group(self, database: str, policy: RetentionPolicy, group: ShardGroup) -> Iterator[ShardStatus]:
        """One status a shard; what the shards of a group share is worked out once."""
        expires = min(group.end + int(policy.duration), MAX_TIME) if policy.duration else None
        heat = heat_of(group, policy, self._now)
        wanted = 0 if group.is_deleted else policy.replicas
        for shard in group.shards:
            owners = tuple([self._owner(shard, owner) for owner in shard.owners])
            ready = sum([owner.serves for owner in owners])
            health, reason = self._judge(group, owners, ready, wanted)
            yield ShardStatus(
                shard_id=shard.id,
                database=database,
                policy=policy.name,
                group_id=group.id,
                start=group.start,
                end=group.end,
                expires=expires,
                truncated_at=group.truncated_at,
                deleted_at=group.deleted_at,
                heat=heat,
                ready=ready,
                wanted=wanted,
                owners=owners,
                health=health,
                reason=reason,
                last_attempt=shard.last_attempt,
                revision=group.mod_revision,
            )

    def _presence_of(self, node: Node) -> Presence:
        if node.state == NodeState.REMOVED:
            return Presence.GONE
        live = self._picture.is_live(node.id)
        if live is None:
            return Presence.UNREPORTED
        return Presence.LIVE if live else Presence.DOWN

    def _owner(self, shard: Shard, owner: ShardOwner) -> OwnerState:
        presence = self.presence.get(owner.node_id, Presence.GONE)
        serves = owner.status in SERVING and presence in _MAY_SERVE
        progress = None
        if owner.status == OwnerStatus.COPYING:
            progress = self._picture.progress(shard.id, owner.node_id)
            if progress is not None and progress.attempt != owner.attempt:
                progress = None  # of an earlier copy: says nothing of this one
        return OwnerState(owner, presence, serves, progress, self._down_since.get(owner.node_id))

    def _judge(self, group: ShardGroup, owners: tuple[OwnerState, ...], ready: int, wanted: int) -> tuple[Health, str]:
        if group.is_deleted:
            return Health.OK, "group deleted"
        health = health_of(owners, ready, wanted)
        reason = self._reason(owners, ready, wanted)
        if not self._stale:
            return health, reason
        return Health.UNKNOWN, f"last known {health}" + (f": {reason}" if reason else "")

    def _reason(self, owners: tuple[OwnerState, ...], ready: int, wanted: int) -> str:
        """What is out of the ordinary, in the order of the owners; "" where nothing is."""
        if not owners:
            return "no owners"
        parts = [part for owner in owners if (part := self._unusual(owner))]
        if len(owners) < wanted:
            parts.append(f"the policy wants {wanted} owners")
        elif ready > wanted and not parts:
            parts.append(f"the policy wants {wanted} owner{'s' * (wanted != 1)}")
        return " · ".join(parts)

    def _unusual(self, owner: OwnerState) -> str:
        record, presence = owner.record, owner.presence
        if record.status == OwnerStatus.ACTIVE and presence in _MAY_SERVE:
            return ""
        name = f"n{record.node_id}"
        if presence is Presence.GONE:
            return f"{name}: node gone"
        if not owner.status_known:
            return f"{name}: status {record.status!r} is unknown to this version"
        if record.status == OwnerStatus.FAILED:
            return f"{name}: failed ({record.reason})" if record.reason else f"{name}: failed"
        if presence is Presence.DOWN:
            return f"{name}: down" + self._for(owner.down_since)
        if record.status == OwnerStatus.COPYING:
            return self._copy(record, owner.progress)
        return f"{name} is leaving"

    def _copy(self, owner: ShardOwner, progress: Progress | None) -> str:
        text = f"n{owner.node_id} copies"
        if owner.source is not None:
            text += f" from n{owner.source}"
            source = self.presence.get(owner.source, Presence.GONE)
            if source not in _MAY_SERVE:
                text += f", which is {source}"
        sign = owner.since if progress is None else progress.updated  # without a report, since it began
        if sign is not None and self._now - sign > STALLED_AFTER and not self._stale:
            text += f", no progress{self._for(sign)}"
        return text

    def _for(self, since: int | None) -> str:
        return "" if since is None else f" for {span_text((self._now - since) / SECOND)}"


def health_of(owners: tuple[OwnerState, ...], ready: int, wanted: int) -> Health:
    """The contract's definitions, on a picture that is fresh enough."""
    if ready == 0:
        return Health.UNAVAILABLE
    if ready < wanted:
        return Health.DEGRADED
    if any(owner.presence is Presence.GONE for owner in owners):
        return Health.ORPHAN
    if ready > wanted and not any(owner.status == OwnerStatus.LEAVING for owner in owners):
        return Health.SURPLUS
    return Health.OK


def heat_of(group: ShardGroup, policy: RetentionPolicy, now: int) -> Heat:
    """Whether the group takes writes now, will, does no more, or is about to go."""
    if group.is_deleted:
        return Heat.DELETED
    if group.contains(now):
        return Heat.HOT
    if now < group.start < group.effective_end:
        return Heat.WARM
    if policy.duration and group.end + policy.duration - now <= policy.group_duration:
        return Heat.EXPIRING
    return Heat.COLD


def span_text(seconds: float) -> str:
    """A length of time for a sentence: ``40 s``, ``6 min``, ``5 h``, ``3 days``."""
    seconds = max(0.0, seconds)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"
