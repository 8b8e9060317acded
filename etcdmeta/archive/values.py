"""One value of a document at a time, checked; what is wrong is told with the path to it."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from etcdmeta.errors import InvalidTime
from etcdmeta.model.names import from_bytes
from etcdmeta.model.times import parse_time

T = TypeVar("T")

_MOST: Final = 2**63
"""Ids and counts are below: from there on it is damage, and counting on would soon leave 64 bits."""


class Bad(Exception):
    """Internal: ``path`` grows on the way out, so that nobody pays for paths where nothing is wrong."""

    def __init__(self, why: str, path: str = "", value: object = None) -> None:
        super().__init__(why)
        self.why = why
        self.path = path
        self.value = value

    def within(self, outer: str) -> Bad:
        """The same, seen from one level further out."""
        self.path = f"{outer}.{self.path}" if self.path and not self.path.startswith("[") else outer + self.path
        return self


def fields(value: Any, names: frozenset[str]) -> dict[str, Any]:
    """An object with exactly these keys."""
    if not isinstance(value, dict):
        raise Bad(f"it is {kind(value)}, and should be an object")
    if value.keys() != names:
        for name in sorted(names - value.keys()):
            raise Bad("it is missing", name)
        for name in sorted(value.keys() - names):
            raise Bad("nothing of that name belongs here; perhaps a later version wrote it", name[:60])
    return value


def each(value: Any, name: str, parse: Callable[[Any], T]) -> list[T]:
    """A list, each item of it parsed."""
    if not isinstance(value, list):
        raise Bad(f"it is {kind(value)}, and should be a list", name)
    found = []
    index = 0
    try:
        for index, item in enumerate(value):  # noqa: B007 - told below
            found.append(parse(item))
    except Bad as bad:
        raise bad.within(f"{name}[{index}]") from None
    return found


def one_id(value: Any, name: str) -> int:
    """An id as a decimal string, at least 1."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        number = int(value)
        if 0 < number < _MOST:
            return number
    raise Bad(f"{shown(value)} is no id: a decimal string from 1 on", name, value)


def count(value: Any, name: str, least: int = 0) -> int:
    """A whole number."""
    if type(value) is int and least <= value < _MOST:
        return value
    raise Bad(f"{shown(value)} is no whole number from {least} on", name, value)


def words(value: Any, name: str) -> str:
    """Text; lone surrogates are none."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Bad("it is no text that UTF-8 can hold", name) from None
        return value
    raise Bad(f"it is {kind(value)}, and should be a string", name)


def any_name(value: Any, name: str) -> str:
    """A name of any bytes: text, or ``{"base64": "…"}``."""
    if isinstance(value, dict) and value.keys() == {"base64"} and isinstance(value["base64"], str):
        try:
            return from_bytes(b64decode(value["base64"], validate=True))
        except (BadBase64, ValueError):
            raise Bad("it is no base64", f"{name}.base64") from None
    return words(value, name)


class Times:
    """RFC 3339 → nanoseconds since 1970. Most times are there twice, or several hundred times."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def one(self, value: Any, name: str) -> int:
        """Raises `Bad` for what is none, or out of range."""
        found = self._known.get(value) if isinstance(value, str) else None
        if found is None:
            found = self._parse(value, name)
            self._known[value] = found
        return found

    def maybe(self, value: Any, name: str) -> int | None:
        """None for null."""
        return None if value is None else self.one(value, name)

    def _parse(self, value: Any, name: str) -> int:
        # Not all that a command line takes: no `now`, no bare number.
        if isinstance(value, str) and value[:1].isdigit() and "-" in value:
            try:
                return parse_time(value, now=0)
            except InvalidTime as invalid:
                raise Bad(invalid.message, name, value) from None
        raise Bad(f"{shown(value)} is no time as 2026-11-23T00:00:00Z", name, value)


def unique(items: Iterable[T], name: str, key: str) -> None:
    """Raises `Bad` at the second of two."""
    seen: set[T] = set()
    for index, item in enumerate(items):
        if item in seen:
            raise Bad(f"{shown(item)} is there already", f"{name}[{index}].{key}", item)
        seen.add(item)


def kind(value: Any) -> str:
    """What JSON calls it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def shown(value: object) -> str:
    """Cut, and escaped."""
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
