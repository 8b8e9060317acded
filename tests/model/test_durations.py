"""Durations: InfluxQL's and Go's text, both ways."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from etcdmeta.errors import InvalidDuration
from etcdmeta.model.durations import DAY, HOUR, WEEK, Duration

LONGEST = 2**63 - 1
durations = st.integers(0, LONGEST).map(Duration)

TEXTS = [
    # text, nanoseconds, as Go writes it, as InfluxQL reads it
    ("INF", 0, "0s", "INF"),
    ("inf", 0, "0s", "INF"),
    ("0", 0, "0s", "INF"),
    ("0s", 0, "0s", "INF"),
    ("1ns", 1, "1ns", "1ns"),
    ("15", 15, "15ns", "15ns"),  # without a unit: nanoseconds
    ("1u", 1_000, "1µs", "1u"),
    ("1us", 1_000, "1µs", "1u"),
    ("1µs", 1_000, "1µs", "1u"),
    ("1μs", 1_000, "1µs", "1u"),
    ("1500u", 1_500_000, "1.5ms", "1500u"),
    ("1ms", 1_000_000, "1ms", "1ms"),
    ("1s", 10**9, "1s", "1s"),
    ("1.5s", 1_500_000_000, "1.5s", "1500ms"),
    ("90s", 90 * 10**9, "1m30s", "90s"),
    ("1h30m", 5_400 * 10**9, "1h30m0s", "90m"),
    ("1h0m0.5s", 3_600_500_000_000, "1h0m0.5s", "3600500ms"),
    ("24h", DAY, "24h0m0s", "1d"),
    ("7d", WEEK, "168h0m0s", "1w"),
    ("168h0m0s", WEEK, "168h0m0s", "1w"),
    ("30d", 30 * DAY, "720h0m0s", "30d"),
    ("1w2d", 9 * DAY, "216h0m0s", "9d"),
    ("2562047h47m16.854775807s", LONGEST, "2562047h47m16.854775807s", f"{LONGEST}ns"),
    (str(LONGEST), LONGEST, "2562047h47m16.854775807s", f"{LONGEST}ns"),
]


@pytest.mark.parametrize(("text", "nanoseconds", "go", "influxql"), TEXTS)
def test_reads_and_writes(text: str, nanoseconds: int, go: str, influxql: str) -> None:
    duration = Duration.parse(text)
    assert duration == nanoseconds
    assert str(duration) == f"{duration}" == go
    assert duration.influxql() == influxql


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1h",
        "-1",
        "+1h",
        "h",
        "1x",
        "1H",
        "1M",
        "1h ",
        " 1h",
        "1 h",
        "1h-30m",
        "1.h",
        ".5h",
        "1.5",
        "0.1ns",
        "1e3s",
        "١h",
        "INFINITE",
        "1h\n",
        "\x00",
        "\udcff",
        str(LONGEST + 1),
        "15250w2d",
        "9" * 5000 + "h",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(InvalidDuration) as refused:
        Duration.parse(text)
    assert refused.value.rule
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("value", [-1, LONGEST + 1])
def test_refuses_out_of_range(value: int) -> None:
    with pytest.raises(InvalidDuration) as refused:
        Duration(value)
    assert refused.value.value == value


@pytest.mark.parametrize("value", [None, 1.5, True, b"1h", timedelta(seconds=-1)])
def test_refuses_what_is_no_duration(value: object) -> None:
    with pytest.raises(InvalidDuration):
        Duration.of(value)


@pytest.mark.parametrize("value", ["1h", int(HOUR), HOUR, timedelta(hours=1)])
def test_of(value: object) -> None:
    assert Duration.of(value) == HOUR


def test_of_timedelta_is_exact() -> None:
    assert Duration.of(timedelta(days=100_000, microseconds=1)) == 100_000 * DAY + 1_000


@given(durations)
def test_both_texts_read_back(duration: Duration) -> None:
    assert Duration.parse(str(duration)) == duration
    assert Duration.parse(duration.influxql()) == duration
    assert eval(repr(duration)) == duration


def test_survives_copying_and_json() -> None:
    assert pickle.loads(pickle.dumps(WEEK)) == copy.deepcopy(WEEK) == WEEK
    assert json.dumps(WEEK) == str(int(WEEK))


class _Kept(BaseModel):
    duration: Duration


def test_is_a_field_of_models() -> None:
    assert _Kept(duration="1w").duration == WEEK  # type: ignore[arg-type]
    assert isinstance(_Kept.model_validate({"duration": 5}).duration, Duration)
    assert _Kept(duration=WEEK).model_dump(mode="json") == {"duration": int(WEEK)}
    assert _Kept.model_json_schema()["properties"]["duration"]["type"] == "integer"
