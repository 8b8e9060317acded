"""InfluxDB's rules with numbers: durations of groups, their spans, their end of life."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdmeta.errors import DurationTooLow, IncompatibleDurations, InvalidDuration, InvalidTime
from etcdmeta.model.durations import DAY, HOUR, WEEK, Duration
from etcdmeta.model.retention import (
    check_durations,
    default_group_duration,
    is_expired,
    normalise_group_duration,
    window,
)
from etcdmeta.model.times import MAX_TIME, MIN_TIME, format_time, parse_time

D = Duration.parse
lengths = st.integers(1, 10 * 366 * DAY).map(Duration)


@pytest.mark.parametrize(
    ("duration", "group_duration"),
    [
        ("INF", WEEK),
        ("1h", HOUR),
        ("47h", HOUR),
        ("2d", DAY),
        ("179d", DAY),
        ("180d", WEEK),
        ("10000d", WEEK),
    ],
)
def test_group_duration_from_the_duration(duration: str, group_duration: Duration) -> None:
    assert default_group_duration(D(duration)) == group_duration
    assert normalise_group_duration(None, D(duration)) == group_duration
    assert normalise_group_duration(Duration(0), D(duration)) == group_duration


@pytest.mark.parametrize(("given_", "kept"), [("1ns", "1h"), ("59m", "1h"), ("1h", "1h"), ("90m", "90m"), ("2w", "2w")])
def test_a_given_group_duration_is_at_least_an_hour(given_: str, kept: str) -> None:
    assert normalise_group_duration(D(given_), D("INF")) == D(kept)


@pytest.mark.parametrize(("duration", "group_duration"), [("INF", "1w"), ("1h", "1h"), ("1w", "1w"), ("2d", "1h")])
def test_durations_that_go_together(duration: str, group_duration: str) -> None:
    check_durations(D(duration), D(group_duration))


@pytest.mark.parametrize(
    ("duration", "group_duration", "error"),
    [
        ("1ns", "1h", DurationTooLow),
        ("59m", "1h", DurationTooLow),
        ("1h", "2h", IncompatibleDurations),
        ("6d", "1w", IncompatibleDurations),
    ],
)
def test_durations_that_do_not(duration: str, group_duration: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_durations(D(duration), D(group_duration))


@pytest.mark.parametrize(
    ("time", "length", "start", "end"),
    [
        ("2026-11-25T12:00:00Z", "1w", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),  # Mondays
        ("2026-11-23T00:00:00Z", "1w", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("2026-11-22T23:59:59.999999999Z", "1w", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1w", "1969-12-29T00:00:00Z", "1970-01-05T00:00:00Z"),
        ("1969-12-28T00:00:00Z", "1w", "1969-12-22T00:00:00Z", "1969-12-29T00:00:00Z"),
        ("1969-12-31T23:30:00Z", "1h", "1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z"),
        ("2026-11-23T05:00:00Z", "1d", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
    ],
)
def test_window(time: str, length: str, start: str, end: str) -> None:
    found = window(parse_time(time, now=0), D(length))
    assert tuple(map(format_time, found)) == (start, end)


def test_windows_are_clipped_to_what_can_be_stored() -> None:
    start, end = window(MAX_TIME - 1, WEEK)
    assert start < MAX_TIME - 1
    assert end == MAX_TIME
    start, end = window(MIN_TIME, WEEK)
    assert start == MIN_TIME
    assert end <= MIN_TIME + WEEK


@pytest.mark.parametrize("time", [MAX_TIME, MAX_TIME + 1, MIN_TIME - 1])
def test_no_window_holds_what_cannot_be_stored(time: int) -> None:
    with pytest.raises(InvalidTime):
        window(time, WEEK)


def test_no_window_without_length() -> None:
    with pytest.raises(InvalidDuration):
        window(0, Duration(0))


@given(st.integers(MIN_TIME, MAX_TIME - 1), lengths)
def test_every_time_has_one_window(time: int, length: Duration) -> None:
    start, end = window(time, length)
    assert start <= time < end
    assert end - start <= length
    assert window(start, length) == window(end - 1, length) == (start, end)
    year_one = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    assert start == MIN_TIME or (start - year_one) % length == 0


@pytest.mark.parametrize(
    ("end", "duration", "now", "expired"),
    [
        (0, "INF", MAX_TIME, False),
        (0, "1h", int(HOUR), False),
        (0, "1h", int(HOUR) + 1, True),
        (MAX_TIME, "1h", MAX_TIME, False),
    ],
)
def test_expiry(end: int, duration: str, now: int, expired: bool) -> None:
    assert is_expired(end, D(duration), now) is expired
