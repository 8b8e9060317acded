"""Times: what people write, and nanoseconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdmeta.errors import InvalidTime
from etcdmeta.model.durations import DAY, HOUR
from etcdmeta.model.times import MAX_TIME, MIN_TIME, check_time, format_time, parse_time

NOW = 1_795_392_000 * 10**9  # 2026-11-23T00:00:00Z

TEXTS = [
    ("1970-01-01T00:00:00Z", 0),
    ("1970-01-01", 0),
    ("2026-11-23T00:00:00Z", NOW),
    ("2026-11-23t00:00:00z", NOW),
    ("2026-11-23 00:00:00Z", NOW),
    ("2026-11-23", NOW),
    ("2026-11-23T01:30:00+01:30", NOW),
    ("2026-11-22T19:00:00-05:00", NOW),
    ("2026-11-23T00:00:00.5Z", NOW + 500_000_000),
    ("2026-11-23T00:00:00.000000001Z", NOW + 1),
    ("1969-12-31T23:59:59.999999999Z", -1),
    ("1677-09-21T00:12:43.145224194Z", MIN_TIME),
    ("2262-04-11T23:47:16.854775806Z", MAX_TIME),
    ("now", NOW),
    ("NOW", NOW),
    ("now-2h", NOW - 2 * HOUR),
    ("now+1d", NOW + DAY),
    ("now-1h30m", NOW - 90 * HOUR // 60),
    ("now-1", NOW - 1),  # without a unit: nanoseconds
    ("0", 0),
    ("-1", -1),
    ("1795392000000000000", NOW),
    (str(MIN_TIME), MIN_TIME),
    (str(MAX_TIME), MAX_TIME),
]


@pytest.mark.parametrize(("text", "time"), TEXTS)
def test_reads(text: str, time: int) -> None:
    assert parse_time(text, now=NOW) == time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-23T00:00:00",  # whose midnight?
        "2026-11-23T00:00Z",
        "2026-13-01",
        "2026-02-29",
        "2026-11-23T24:00:00Z",
        "2026-11-23T00:00:60Z",
        "2026-11-23T00:00:00.0000000001Z",
        "2026-11-23T00:00:00+24:00",
        "2026-11-23T00:00:00+00:60",
        "1677-09-21T00:12:43.145224193Z",
        "2262-04-11T23:47:16.854775807Z",
        "0001-01-01",
        "9999-12-31",
        "0000-01-01",
        str(MIN_TIME - 1),
        str(MAX_TIME + 1),
        "9" * 5000,
        "now-",
        "now - 2h",
        "now-x",
        "now--2h",
        "now-300y",
        "now+15250w",
        "1.5",
        "２０２６-11-23",
        "2026-11-23\n",
        "\udcff",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(InvalidTime) as refused:
        parse_time(text, now=NOW)
    assert refused.value.rule
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (NOW, "2026-11-23T00:00:00Z"),
        (NOW + 500_000_000, "2026-11-23T00:00:00.5Z"),
        (NOW + 1, "2026-11-23T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (MIN_TIME, "1677-09-21T00:12:43.145224194Z"),
        (MAX_TIME, "2262-04-11T23:47:16.854775806Z"),
        (-62_135_596_800 * 10**9, "0001-01-01T00:00:00Z"),
    ],
)
def test_writes(time: int, text: str) -> None:
    assert format_time(time) == text


@given(st.integers(MIN_TIME, MAX_TIME))
def test_reads_what_it_writes(time: int) -> None:
    assert parse_time(format_time(time), now=0) == time
    assert check_time(time) == time


@pytest.mark.parametrize("time", [MIN_TIME - 1, MAX_TIME + 1, 2**70, -(2**70)])
def test_range(time: int) -> None:
    with pytest.raises(InvalidTime) as refused:
        check_time(time)
    assert refused.value.value == time


def test_cannot_write_what_no_calendar_has() -> None:
    with pytest.raises(InvalidTime):
        format_time(10**30)
