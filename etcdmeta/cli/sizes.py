"""Sizes as people write them: bytes, or ``8GiB``."""

from __future__ import annotations

import re

from etcdmeta.errors import InvalidInput

_SIZE = re.compile(r"([0-9]{1,19}) ?(B|KiB|MiB|GiB|TiB)?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}


def parse_size(text: str) -> int:
    """Bytes, at least 1. Raises `InvalidInput`."""
    match = _SIZE.fullmatch(text.strip())
    size = int(match[1]) * _UNITS[(match[2] or "").lower()] if match else 0
    if size < 1:
        raise InvalidInput(
            f"{text[:60]!r} is no size",
            value=text[:60],
            rule="bytes, or a number with KiB, MiB, GiB or TiB",
            remedy="write it as 8589934592 or 8GiB",
        )
    return size
