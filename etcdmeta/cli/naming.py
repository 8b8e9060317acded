"""Names on the command line: ``DB.POLICY`` with quotes where a part holds a dot, ``key=value`` labels."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from etcdmeta.errors import InvalidInput, InvalidName
from etcdmeta.model.times import parse_time

_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([^."]+)')
_PLAIN = re.compile(r'[^."\\\s]+')


def parse_policy(text: str) -> tuple[str, str]:
    """(database, policy) of ``DB.POLICY``; the policy is "" where only ``DB`` stands: the default one.

    A part that holds a dot or a quote stands in double quotes, with a backslash before quotes and backslashes in it.
    Raises InvalidName.
    """
    parts: list[str] = []
    position = 0
    while (match := _PART.match(text, position)) is not None:
        quoted, bare = match.groups()
        parts.append(bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
        if position == len(text):
            break
        if text[position] != "." or position + 1 == len(text):
            parts.clear()
            break
        position += 1
    if not 1 <= len(parts) <= 2 or position != len(text):
        raise InvalidName(
            f"{text!r} is no DB.POLICY",
            value=text,
            rule="a database and a policy with one dot between them; double quotes around a part that holds a dot",
            remedy="""write 'metrics.autogen', or '"my.db".autogen'""",
        )
    return parts[0], parts[1] if len(parts) == 2 else ""


def parse_full_policy(text: str) -> tuple[str, str]:
    """`parse_policy`, but the policy has to be named."""
    database, policy = parse_policy(text)
    if not policy:
        raise InvalidName(f"{text!r} names no policy", value=text, remedy=f"write {quote(database)}.POLICY")
    return database, policy


def quote(name: str) -> str:
    """A part of ``DB.POLICY`` as it has to be typed."""
    if _PLAIN.fullmatch(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def policy_name(database: str, policy: str) -> str:
    """``DB.POLICY``, as `parse_policy` reads it."""
    return f"{quote(database)}.{quote(policy)}"


def parse_labels(labels: Sequence[str]) -> dict[str, str]:
    """``zone=a`` and so on. Raises InvalidInput."""
    parsed: dict[str, str] = {}
    for label in labels:
        key, equals, value = label.partition("=")
        if not equals or not key:
            raise InvalidInput(f"{label!r} is no label", value=label, remedy="write --label zone=a")
        parsed[key] = value
    return parsed


def parse_id(text: str, what: str) -> int:
    """An id as it is shown: a decimal number of at most 64 bits. Raises InvalidInput."""
    if text.isascii() and text.isdigit() and int(text) < 2**64:
        return int(text)
    raise InvalidInput(f"{text!r} is no {what} id", value=text, rule="ids are decimal numbers")


def parse_span(since: str | None, until: str | None, *, now: int) -> tuple[int | None, int | None]:
    """``--since`` and ``--until`` as ns since 1970. Raises `InvalidTime`; `InvalidInput` where nothing lies between."""
    begin = None if since is None else parse_time(since, now=now)
    end = None if until is None else parse_time(until, now=now)
    if begin is not None and end is not None and begin > end:
        raise InvalidInput(
            f"--since {since} is later than --until {until}",
            value=since,
            rule="nothing lies between them, which is not to say that there is nothing",
            remedy=f"--since {until} --until {since}",
        )
    return begin, end


def new_identity() -> int:
    """A random candidate for a cluster's id or epoch; 63 bits, as Go's programs read it signed."""
    return secrets.randbelow(2**63 - 1) + 1
