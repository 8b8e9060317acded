"""Health, heat and reasons by the contract's definitions; the verdict; the order of the rows."""

from __future__ import annotations

import pytest

from etcdmeta.model.durations import HOUR, Duration
from etcdmeta.model.entities import Node, Progress, RetentionPolicy, Shard, ShardGroup, ShardOwner
from etcdmeta.model.health import Health, Heat, Judge, Presence, ShardStatus, heat_of, span_text
from etcdmeta.model.owners import NodeState, OwnerStatus
from etcdmeta.model.verdict import summarise, worst_first

NOW = 1_000 * HOUR
SECOND = 10**9


class Picture:
    """Who lives, and how far copies are; a node not named never reported."""

    def __init__(self, live: dict[int, bool], progress: Progress | None = None) -> None:
        self._live = live
        self._progress = progress

    def is_live(self, node_id: int) -> bool | None:
        return self._live.get(node_id)

    def progress(self, shard_id: int, node_id: int) -> Progress | None:
        found = self._progress
        return found if found is not None and (found.shard_id, found.node_id) == (shard_id, node_id) else None


def policy(replicas: int = 2, duration: int = 0) -> RetentionPolicy:
    return RetentionPolicy(
        id=1, database_id=1, name="p", replicas=replicas, duration=Duration(duration), group_duration=Duration(HOUR)
    )


def group(*owners: ShardOwner, start: int = NOW, group_id: int = 1, **fields: int) -> ShardGroup:
    shard = Shard(id=group_id * 10, owners=owners)
    return ShardGroup(id=group_id, database_id=1, policy_id=1, start=start, end=start + HOUR, shards=(shard,), **fields)


def own(text: str) -> tuple[ShardOwner, ...]:
    """``1 2:copying<1 3:failed!disk full``: node, status, source, reason."""
    owners = []
    for word in text.split("  ") if text else ():
        head, _, reason = word.partition("!")
        head, _, source = head.partition("<")
        node, _, status = head.partition(":")
        known = OwnerStatus(status or "active") if (status or "active") in set(OwnerStatus) else status
        owners.append(
            ShardOwner(node_id=int(node), status=known, source=int(source) if source else None, reason=reason)
        )
    return tuple(owners)


def judge(owners: str, *, replicas: int = 2, live: dict[int, bool] | None = None, **more: object) -> ShardStatus:
    nodes = {n: Node(id=n, host=f"h{n}:1", labels={}) for n in range(1, 6)}
    nodes[5] = Node(id=5, host="h5:1", labels={}, state=NodeState.REMOVED)
    judge = Judge(Picture(live or {}, more.pop("progress", None)), nodes, NOW, **more)  # type: ignore[arg-type]
    (status,) = judge.group("db", policy(replicas), group(*own(owners)))
    return status


CASES = [
    # owners (two spaces between), liveness, ready, health, reason
    ("1  2", {}, 2, "ok", ""),
    ("1  2", {1: True, 2: True}, 2, "ok", ""),
    ("1  2", {1: True, 2: False}, 1, "degraded", "n2: down"),
    ("1  2", {1: False, 2: False}, 0, "unavailable", "n1: down · n2: down"),
    ("1  2", {1: False}, 1, "degraded", "n1: down"),
    ("1  2:leaving", {}, 2, "ok", "n2 is leaving"),
    ("1", {}, 1, "degraded", "the policy wants 2 owners"),
    ("", {}, 0, "unavailable", "no owners"),
    ("1  2:copying<1", {}, 1, "degraded", "n2 copies from n1"),
    ("1  2:copying<5", {}, 1, "degraded", "n2 copies from n5, which is gone"),
    (
        "1:failed!disk full  2:copying<1",
        {1: False},
        0,
        "unavailable",
        "n1: failed (disk full) · n2 copies from n1, which is down",
    ),
    ("1  2  3:copying<1", {}, 2, "ok", "n3 copies from n1"),
    ("1  2:failed", {}, 1, "degraded", "n2: failed"),
    ("1  2  3", {}, 3, "surplus", "the policy wants 2 owners"),
    ("1  2  3:leaving", {}, 3, "ok", "n3 is leaving"),
    ("1  2  5", {}, 2, "orphan", "n5: node gone"),
    ("1  2  9", {}, 2, "orphan", "n9: node gone"),
    ("1  5", {}, 1, "degraded", "n5: node gone"),
    ("1  2  3  5", {}, 3, "orphan", "n5: node gone"),
    ("1  2:parked", {}, 1, "degraded", "n2: status 'parked' is unknown to this version"),
    ("1:parked", {}, 0, "unavailable", "n1: status 'parked' is unknown to this version · the policy wants 2 owners"),
]


@pytest.mark.parametrize(("owners", "live", "ready", "health", "reason"), CASES)
def test_health(owners: str, live: dict[int, bool], ready: int, health: str, reason: str) -> None:
    status = judge(owners, live=live)
    assert (status.ready, str(status.health), status.reason) == (ready, health, reason)


def test_serving_is_what_the_model_says_of_living_nodes() -> None:
    for owners, live, ready, _, _ in CASES:
        if "5" not in owners and "9" not in owners:  # gone nodes serve nothing, whatever their liveness once was
            assert len(Shard(id=1, owners=own(owners)).serving_owners(Picture(live))) == ready


def test_stale_is_unknown_and_tells_what_was() -> None:
    assert judge("1  2", stale=True).health is Health.UNKNOWN
    assert judge("1  2", stale=True).reason == "last known ok"
    assert judge("1", stale=True).reason == "last known degraded: the policy wants 2 owners"


def test_down_since_is_said_where_it_was_seen() -> None:
    assert judge("1  2", live={2: False}, down_since={2: NOW - 360 * SECOND}).reason == "n2: down for 6 min"


def copying(attempt: int, updated: int) -> Progress:
    return Progress(
        database_id=1, policy_id=1, shard_id=10, node_id=2, attempt=attempt, updated=updated,
        bytes_done=43, bytes_total=100, bytes_per_second=19,
    )  # fmt: skip


def test_progress_is_told_of_the_present_attempt_only() -> None:
    fresh = judge("1  2:copying<1", progress=copying(0, NOW)).owners[1]
    assert (fresh.fraction, fresh.seconds_left) == (0.43, 3)
    assert judge("1  2:copying<1", progress=copying(7, NOW)).owners[1].progress is None


def test_a_copy_that_stands_still_is_said_to() -> None:
    assert judge("1  2:copying<1", progress=copying(0, NOW - 59 * SECOND)).reason == "n2 copies from n1"
    late = judge("1  2:copying<1", progress=copying(0, NOW - 600 * SECOND))
    assert late.reason == "n2 copies from n1, no progress for 10 min"


def test_a_copy_without_any_report_stands_still_since_it_began() -> None:
    nodes = {n: Node(id=n, host=f"h{n}:1", labels={}) for n in (1, 2)}
    for seconds, said in ((59, "n2 copies from n1"), (600, "n2 copies from n1, no progress for 10 min")):
        copies = ShardOwner(node_id=2, status=OwnerStatus.COPYING, source=1, since=NOW - seconds * SECOND)
        (status,) = Judge(Picture({}), nodes, NOW).group("db", policy(), group(ShardOwner(node_id=1), copies))
        assert status.reason == said


def test_a_deleted_group_wants_nothing() -> None:
    (status,) = Judge(Picture({}), {}, NOW).group("db", policy(), group(deleted_at=NOW))
    assert (status.health, status.heat, status.wanted) == (Health.OK, Heat.DELETED, 0)


@pytest.mark.parametrize(
    ("start", "fields", "duration", "heat"),
    [
        (NOW, {}, 0, "hot"),
        (NOW - HOUR + 1, {}, 0, "hot"),
        (NOW - HOUR, {}, 0, "cold"),
        (NOW + 1, {}, 0, "warm"),
        (NOW, {"truncated_at": NOW}, 0, "cold"),
        (NOW, {"truncated_at": NOW + 1}, 0, "hot"),
        (NOW + 1, {"truncated_at": NOW + 1}, 0, "cold"),
        (NOW - 9 * HOUR, {}, 10 * HOUR, "cold"),
        (NOW - 10 * HOUR, {}, 10 * HOUR, "expiring"),
        (NOW - 99 * HOUR, {}, 10 * HOUR, "expiring"),
        (NOW - 99 * HOUR, {}, 0, "cold"),
        (NOW, {"deleted_at": NOW}, 0, "deleted"),
    ],
)
def test_heat(start: int, fields: dict[str, int], duration: int, heat: str) -> None:
    assert heat_of(group(start=start, **fields), policy(duration=duration), NOW) == heat


def test_expiry_is_the_end_and_the_duration_and_no_later_than_time_itself() -> None:
    from etcdmeta.model.times import MAX_TIME

    (kept,) = Judge(Picture({}), {}, NOW).group("db", policy(duration=0), group())
    (gone,) = Judge(Picture({}), {}, NOW).group("db", policy(duration=5 * HOUR), group())
    (late,) = Judge(Picture({}), {}, NOW).group("db", policy(duration=2**63 - 1), group())
    assert (kept.expires, gone.expires, late.expires) == (None, NOW + 6 * HOUR, MAX_TIME)


def several(*owners: str, stale: bool = False) -> list[ShardStatus]:
    judge = Judge(Picture({}), {n: Node(id=n, host=f"h{n}:1", labels={}) for n in range(1, 5)}, NOW, stale=stale)
    groups = [group(*own(text), start=NOW - n * HOUR, group_id=n + 1) for n, text in enumerate(owners)]
    return [status for each in groups for status in judge.group("db", policy(), each)]


@pytest.mark.parametrize(
    ("owners", "verdict"),
    [
        ((), "ok"),
        (("1  2",), "ok"),
        (("1  2", "1  2  3"), "surplus"),
        (("1  2  3", "1  2  9"), "orphan"),
        (("1  2  9", "1"), "degraded"),
        (("1", "", "1  2"), "unavailable"),
    ],
)
def test_the_verdict_is_the_worst(owners: tuple[str, ...], verdict: str) -> None:
    summary = summarise(several(*owners), {})
    assert str(summary.verdict) == verdict
    assert sum(summary.by_health.values()) == summary.shards == len(owners)


def test_the_verdict_of_a_stale_picture_is_unknown_even_of_nothing() -> None:
    assert summarise([], {}, stale=True).verdict is Health.UNKNOWN
    assert summarise(several("1  2", stale=True), {}, stale=True).verdict is Health.UNKNOWN


def test_summary_counts_nodes_and_copies() -> None:
    status = judge("1  2:copying<1", progress=copying(0, NOW))
    presence = {1: Presence.LIVE, 2: Presence.DOWN, 3: Presence.UNREPORTED, 5: Presence.GONE}
    summary = summarise([status], presence)
    assert (summary.nodes, summary.down, summary.unreported) == (3, (2,), (3,))
    assert (summary.copying, summary.copy_fraction, summary.copy_bytes_per_second) == (1, 0.43, 19)
    assert summary.copy_seconds_left == 3


def test_worst_first_then_newest() -> None:
    rows = worst_first(several("1  2", "1", "1  2", ""))
    assert [str(row.health) for row in rows] == ["unavailable", "degraded", "ok", "ok"]
    assert rows[2].start > rows[3].start


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (0.4, "0 s"), (89, "89 s"), (360, "6 min"), (2 * 3600, "2 h"), (72 * 3600, "3 days")],
)
def test_span_text(seconds: float, text: str) -> None:
    assert span_text(seconds) == text
