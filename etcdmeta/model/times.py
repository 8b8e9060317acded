"""Points in time: integer nanoseconds since 1970-01-01T00:00:00Z, in InfluxDB 1.x's range.

Python's datetime has microseconds only, so nothing here passes through it but whole seconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from etcdmeta.errors import InvalidDuration, InvalidTime
from etcdmeta.model.durations import SECOND, Duration

# InfluxDB 1.x keeps the outermost values of int64 for itself (its MinNanoTime and MaxNanoTime).
MIN_TIME: Final = -9223372036854775806
MAX_TIME: Final = 9223372036854775806

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_TEXT: Final = 100
_RANGE: Final = "from 1677-09-21T00:12:43.145224194Z to 2262-04-11T23:47:16.854775806Z"
_FORMS: Final = "write it as 2026-11-23T00:00:00Z, 2026-11-23, now, now-2h or integer nanoseconds"
_RFC3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2}))?"
)
_RELATIVE: Final = re.compile(r"now(?:([+-])(.+))?", re.IGNORECASE)
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")


def check_time(nanoseconds: int) -> int:
    """The time itself. Raises `InvalidTime` outside of what InfluxDB can store."""
    if MIN_TIME <= nanoseconds <= MAX_TIME:
        return nanoseconds
    raise InvalidTime(f"time {nanoseconds} is out of range", value=nanoseconds, rule=f"times go {_RANGE}")


def parse_time(text: str, *, now: int) -> int:
    """Nanoseconds since 1970 of RFC 3339 text (up to 9 decimals), a bare date (midnight UTC), ``now``,
    ``now-2h``, ``now+1d``, or integer nanoseconds. ``now`` is the caller's clock, in nanoseconds.

    Raises `InvalidTime`.
    """
    if len(text) > _LONGEST_TEXT:
        raise _unreadable(text[:_LONGEST_TEXT] + "…")
    if relative := _RELATIVE.fullmatch(text):
        return _checked(text, now + _offset(text, relative[1], relative[2]))
    if _INTEGER.fullmatch(text):
        return _checked(text, int(text))
    if absolute := _RFC3339.fullmatch(text):
        return _checked(text, _absolute(text, absolute))
    raise _unreadable(text)


def format_time(nanoseconds: int) -> str:
    """RFC 3339 in UTC with no more decimals than it takes: ``2026-11-23T00:00:00.5Z``.

    Raises `InvalidTime` outside of the years 1 … 9999.
    """
    seconds, rest = divmod(nanoseconds, SECOND)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError as overflow:
        raise InvalidTime(
            f"time {nanoseconds} is out of range", value=nanoseconds, rule="a calendar has the years 1 to 9999"
        ) from overflow
    decimals = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{moment.replace(tzinfo=None).isoformat()}{decimals}Z"


def _checked(text: str, nanoseconds: int) -> int:
    try:
        return check_time(nanoseconds)
    except InvalidTime as invalid:
        raise InvalidTime(f"time {text!r} is out of range", value=text, rule=invalid.rule) from None


def _offset(text: str, sign: str | None, length: str | None) -> int:
    if sign is None or length is None:
        return 0
    try:
        duration = Duration.parse(length)
    except InvalidDuration as invalid:
        raise _unreadable(text) from invalid
    return duration if sign == "+" else -duration


def _absolute(text: str, match: re.Match[str]) -> int:
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    hour, minute, second = (int(match[group] or 0) for group in (4, 5, 6))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as impossible:
        raise _impossible(text, str(impossible)) from impossible
    zone = match[8] or "Z"
    offset = 0
    if zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 23 or minutes > 59:
            raise _impossible(text, "offsets from UTC go to 23:59")
        offset = (hours * 60 + minutes) * 60
        if zone[0] == "-":
            offset = -offset
    elapsed = moment - _EPOCH
    seconds = elapsed.days * 86_400 + elapsed.seconds - offset
    return seconds * SECOND + int((match[7] or "").ljust(9, "0"))


def _impossible(text: str, rule: str) -> InvalidTime:
    return InvalidTime(f"there is no time {text!r}", value=text, rule=rule, remedy=_FORMS)


def _unreadable(text: str) -> InvalidTime:
    return InvalidTime(
        f"cannot read time {text!r}",
        value=text,
        rule="RFC 3339 with Z or an offset and at most 9 decimals, a date, now ± a duration, or nanoseconds",
        remedy=_FORMS,
    )
