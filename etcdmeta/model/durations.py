"""Lengths of time: integer nanoseconds that read InfluxQL's and Go's text and write both.

InfluxQL: ``30d``, ``1h30m``, ``INF`` (which is 0, "for ever", where a policy's duration is meant).
Go: ``168h0m0s``, ``1.5s``. Numbers without a unit are nanoseconds.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from etcdmeta.errors import InvalidDuration

NANOSECOND: Final = 1
MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND

_LONGEST: Final = 2**63 - 1
_LONGEST_TEXT: Final = 100
_EXAMPLES: Final = "write it as 30d, 1h30m, 168h0m0s or INF"

_UNITS: Final = {
    "ns": NANOSECOND,
    "u": MICROSECOND,
    "us": MICROSECOND,
    "µ": MICROSECOND,  # the micro sign …
    "µs": MICROSECOND,
    "μ": MICROSECOND,  # … and the Greek letter: Go reads both
    "μs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": 60 * MINUTE,
    "d": 24 * 60 * MINUTE,
    "w": 7 * 24 * 60 * MINUTE,
}
_PART: Final = re.compile(
    r"([0-9]+)(?:\.([0-9]+))?(" + "|".join(sorted(_UNITS, key=len, reverse=True)) + ")",
)


class Duration(int):
    """Nanoseconds, 0 … 2^63-1. Arithmetic gives plain ints, since a difference may be negative.

    Raises `InvalidDuration` for anything outside of that range.
    """

    __slots__ = ()

    def __new__(cls, nanoseconds: int = 0) -> Self:
        if not 0 <= nanoseconds <= _LONGEST:
            rule = (
                "a duration is not negative"
                if nanoseconds < 0
                else "the longest duration is 2562047h47m16.854775807s (about 292 years)"
            )
            raise InvalidDuration(
                f"a duration of {nanoseconds} ns is out of range", value=nanoseconds, rule=rule, remedy=_EXAMPLES
            )
        return super().__new__(cls, nanoseconds)

    @classmethod
    def of(cls, value: object) -> Duration:
        """What people pass where a duration is wanted: text, integer nanoseconds, a timedelta.

        Raises `InvalidDuration` for anything else.
        """
        if isinstance(value, Duration):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        if isinstance(value, timedelta):
            microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
            return cls(microseconds * MICROSECOND)
        if isinstance(value, int) and not isinstance(value, bool):
            return cls(value)
        raise InvalidDuration(
            f"a {type(value).__name__} is no duration",
            value=value,
            rule="text, integer nanoseconds or a timedelta",
        )

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read InfluxQL or Go text. Raises `InvalidDuration`."""
        if len(text) > _LONGEST_TEXT:
            raise _unreadable(text[:_LONGEST_TEXT] + "…")
        if text.upper() == "INF":
            return cls(0)
        if text.isascii() and text.isdigit():
            return cls._read(text, int(text))
        if text.startswith("-"):
            raise InvalidDuration(
                f"duration {text!r} is negative", value=text, rule="a duration is not negative", remedy=_EXAMPLES
            )
        total = 0
        position = 0
        while (part := _PART.match(text, position)) is not None:
            whole, decimals, unit = part[1], part[2] or "", part[3]
            nanoseconds, rest = divmod(int(whole + decimals) * _UNITS[unit], 10 ** len(decimals))
            if rest:
                raise InvalidDuration(
                    f"duration {text!r} is not whole nanoseconds",
                    value=text,
                    rule="the unit is the nanosecond",
                )
            total += nanoseconds
            position = part.end()
        if position != len(text) or not text:
            raise _unreadable(text)
        return cls._read(text, total)

    @classmethod
    def _read(cls, text: str, nanoseconds: int) -> Duration:
        try:
            return cls(nanoseconds)
        except InvalidDuration as invalid:
            raise InvalidDuration(
                f"duration {text!r} is out of range", value=text, rule=invalid.rule, remedy=invalid.remedy
            ) from None

    def __str__(self) -> str:
        """As Go writes it: ``168h0m0s``, ``1.5s``, ``0s``."""
        nanoseconds = int(self)
        if nanoseconds == 0:
            return "0s"
        for unit, name in ((SECOND, ""), (MILLISECOND, "ms"), (MICROSECOND, "µs")):
            if nanoseconds >= unit:
                if name:
                    return _decimal(nanoseconds, unit) + name
                break
        else:
            return f"{nanoseconds}ns"
        minutes, below = divmod(nanoseconds, MINUTE)
        hours, minutes = divmod(minutes, 60)
        seconds = _decimal(below, SECOND) + "s"
        if hours:
            return f"{hours}h{minutes}m{seconds}"
        return f"{minutes}m{seconds}" if minutes else seconds

    def __repr__(self) -> str:
        return f"Duration.parse({self.influxql()!r})"

    def influxql(self) -> str:
        """As InfluxQL reads it: the largest unit that divides it (``1w``, ``90m``), ``INF`` for 0."""
        nanoseconds = int(self)
        if nanoseconds == 0:
            return "INF"
        for name in ("w", "d", "h", "m", "s", "ms", "u"):
            count, rest = divmod(nanoseconds, _UNITS[name])
            if not rest:
                return f"{count}{name}"
        return f"{nanoseconds}ns"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.of, serialization=core_schema.plain_serializer_function_ser_schema(int)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0, "maximum": _LONGEST, "description": "nanoseconds"}


HOUR: Final = Duration(60 * MINUTE)
DAY: Final = Duration(24 * HOUR)
WEEK: Final = Duration(7 * DAY)


def _decimal(nanoseconds: int, unit: int) -> str:
    """``nanoseconds`` in ``unit``s, with as many decimals as it takes."""
    whole, rest = divmod(nanoseconds, unit)
    if not rest:
        return str(whole)
    decimals = str(unit + rest)[1:].rstrip("0")
    return f"{whole}.{decimals}"


def _unreadable(text: str) -> InvalidDuration:
    return InvalidDuration(
        f"cannot read duration {text!r}",
        value=text,
        rule="numbers with units ns, u, ms, s, m, h, d, w, or INF",
        remedy=_EXAMPLES,
    )
