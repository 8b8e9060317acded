"""One fact of a shard as text: marks and words of owners, spans, sizes, rates, the sentence for an age.

Marks are for a terminal that can draw them; words are for everything else. Both say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from etcdmeta.model.durations import SECOND
from etcdmeta.model.health import OwnerState, Presence, ShardStatus, span_text
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.times import format_time

MARKS = {
    "active": "●",
    "copying": "◐",
    "leaving": "◑",
    "failed": "✖",
    "down": "○",
    "gone": "⊘",
    "unknown": "?",
}
LEGEND = ("● active", "◐ copying", "◑ leaving", "✖ failed", "○ node down", "? status unknown to this version")
LEGEND_GONE = "⊘ node gone"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400


def mark_name(owner: OwnerState) -> str:
    """Which mark: the one thing that most needs to be known of an owner. A key of `MARKS`."""
    if owner.presence is Presence.GONE:
        return "gone"
    if not owner.status_known:
        return "unknown"
    if owner.status != OwnerStatus.FAILED and owner.presence is Presence.DOWN:
        return "down"
    return str(owner.status)


def owner_mark(owner: OwnerState) -> str:
    """``● n1``, ``◐ n3 43 %``."""
    text = f"{MARKS[mark_name(owner)]} n{owner.node_id}"
    return text if owner.fraction is None else f"{text} {percent(owner.fraction)} %"


def owner_words(owner: OwnerState) -> str:
    """``n1:active``, ``n3:copying:43%``, ``n4:active:down``."""
    text = f"n{owner.node_id}:{owner.status}"
    if owner.fraction is not None:
        text += f":{percent(owner.fraction)}%"
    return f"{text}:{owner.presence}" if owner.presence in (Presence.DOWN, Presence.GONE) else text


def ready_text(status: ShardStatus) -> str:
    """Serving ÷ wanted; of a deleted group nothing is wanted."""
    return "-" if status.is_deleted else f"{status.ready}/{status.wanted}"


def heat_text(status: ShardStatus) -> str:
    """``hot``; in brackets where the group is deleted."""
    return f"({status.heat})" if status.is_deleted else str(status.heat)


@lru_cache(maxsize=4096)
def span(start: int, end: int) -> str:
    """``2026-11-09 – 2026-11-16``; with hours and minutes only where an end is not at midnight."""
    low, high = _moment(start), _moment(end)
    if start % (_DAY * SECOND) == 0 and end % (_DAY * SECOND) == 0:
        return f"{_date(low)} – {_date(high)}"
    if low.date() == high.date():
        return f"{_date(low)} {_clock(low)} – {_clock(high)}"
    return f"{_date(low)} {_clock(low)} – {_date(high)} {_clock(high)}"


@lru_cache(maxsize=4096)
def span_start(start: int) -> str:
    """Where there is no room for the end."""
    low = _moment(start)
    return _date(low) if start % (_DAY * SECOND) == 0 else f"{_date(low)} {_clock(low)}"


def time_text(nanoseconds: int | None) -> str:
    """RFC 3339; "" for None."""
    return "" if nanoseconds is None else format_time(nanoseconds)


def percent(fraction: float) -> int:
    """Rounded down, so that 100 % is said only of what is complete."""
    return int(fraction * 100)


def size_text(count: int | None) -> str:
    """``512 B``, ``12 MiB``, ``1.4 GiB``; "" for None."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            return f"{value:.1f} {unit}" if value < 10 and unit != "B" else f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} PiB"


def rate_text(bytes_per_second: int | None) -> str:
    """``12 MiB/s``; "" for None."""
    return "" if bytes_per_second is None else f"{size_text(bytes_per_second)}/s"


def left_text(seconds: float | None) -> str:
    """``4 min``; "" for None."""
    return "" if seconds is None else span_text(seconds)


def age_text(seconds: float) -> str:
    """How far behind: one decimal while it is a matter of seconds."""
    return f"{seconds:.1f} s" if seconds < 10 else span_text(seconds)


def of_copies(status: ShardStatus, column: str) -> str:
    """A wide column about owners in motion: their values in the order of OWNERS, joined by commas."""
    owners = [owner for owner in status.owners if owner.status != OwnerStatus.ACTIVE]
    return ",".join(text for owner in owners if (text := _OF_COPY[column](owner)))


_OF_COPY: Mapping[str, Callable[[OwnerState], str]] = {
    "SIZE": lambda owner: size_text(owner.progress.bytes_total) if owner.progress else "",
    "SOURCE": lambda owner: "" if owner.record.source is None else f"n{owner.record.source}",
    "ATTEMPT": lambda owner: str(owner.record.attempt) if owner.record.attempt else "",
    "SINCE": lambda owner: time_text(owner.record.since),
    "UPDATED": lambda owner: time_text(owner.progress.updated) if owner.progress else "",
    "RATE": lambda owner: rate_text(owner.progress.bytes_per_second) if owner.progress else "",
    "ETA": lambda owner: left_text(owner.seconds_left),
}


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=nanoseconds // SECOND)


def _date(moment: datetime) -> str:
    return f"{moment.year:04}-{moment.month:02}-{moment.day:02}"


def _clock(moment: datetime) -> str:
    return f"{moment.hour:02}:{moment.minute:02}"
