"""How long data is kept, and which span of time one shard group covers: InfluxDB's rules with numbers.

All times are nanoseconds since 1970, all durations nanoseconds; a policy's duration of 0 keeps data for ever.
"""

from __future__ import annotations

from typing import Final

from etcdmeta.errors import DurationTooLow, IncompatibleDurations, InvalidDuration, InvalidTime
from etcdmeta.model.durations import DAY, HOUR, SECOND, WEEK, Duration
from etcdmeta.model.times import MAX_TIME, MIN_TIME, check_time, format_time

FOREVER: Final = Duration(0)
SHORTEST: Final = HOUR
"""Of a policy's duration, and of a shard group's (InfluxDB 1.x)."""

_TWO_DAYS: Final = Duration(2 * DAY)
_HALF_A_YEAR: Final = Duration(180 * DAY)

# 0001-01-01T00:00:00Z, a Monday: where Go's Time.Truncate counts from, so that weeks start on Mondays.
_YEAR_ONE: Final = -62_135_596_800 * SECOND


def default_group_duration(duration: Duration) -> Duration:
    """How long a shard group is where the policy does not say."""
    if duration == FOREVER or duration >= _HALF_A_YEAR:
        return WEEK
    if duration >= _TWO_DAYS:
        return DAY
    return HOUR


def normalise_group_duration(given: Duration | None, duration: Duration) -> Duration:
    """What a policy of ``duration`` is stored with; 0 counts as not given, and less than an hour becomes one
    (InfluxDB 1.x).
    """
    if not given:
        return default_group_duration(duration)
    return max(given, SHORTEST)


def check_durations(duration: Duration, group_duration: Duration) -> None:
    """Raises `DurationTooLow` or `IncompatibleDurations` for what InfluxDB 1.x refuses."""
    if duration == FOREVER:
        return
    if duration < SHORTEST:
        raise DurationTooLow(
            f"a policy cannot keep data for {duration}",
            value=duration,
            rule=f"a duration is INF or at least {SHORTEST.influxql()}",
        )
    if duration < group_duration:
        raise IncompatibleDurations(
            f"a policy cannot keep data for {duration} in shard groups of {group_duration}",
            value=duration,
            rule="a policy keeps data for at least the length of one shard group",
            remedy="give a shorter shard group duration too",
        )


def window(time: int, group_duration: Duration) -> tuple[int, int]:
    """The span [start, end) of the shard group for ``time``: on the grid that begins with the year 1, clipped
    to what InfluxDB can store.

    Raises `InvalidTime` out of range, and for `MAX_TIME` itself: groups end there, exclusive. Raises
    `InvalidDuration` for groups of no length.
    """
    check_time(time)
    if not group_duration:
        raise InvalidDuration("shard groups need a length", value=group_duration, rule="longer than 0")
    if time == MAX_TIME:
        raise InvalidTime(
            "no shard group can hold the last representable time",
            value=time,
            rule=f"shard groups end at {format_time(MAX_TIME)}, exclusive",
        )
    start = time - (time - _YEAR_ONE) % group_duration
    return max(start, MIN_TIME), min(start + group_duration, MAX_TIME)


def is_expired(group_end: int, duration: Duration, now: int) -> bool:
    """Whether a group that ends at ``group_end`` is older than its policy keeps data."""
    return duration != FOREVER and group_end + duration < now
