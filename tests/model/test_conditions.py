"""A node in one word."""

from __future__ import annotations

import pytest

from etcdmeta.model.conditions import JOINING_FOR, condition_of
from etcdmeta.model.entities import Node

NOW = 1_700_000_000 * 10**9
LONG_AGO = NOW - JOINING_FOR

CASES = [
    ("joined", True, 0, "live"),
    ("joined", True, NOW, "live"),
    ("joined", False, 0, "down"),
    ("joined", False, LONG_AGO, "down"),
    ("joined", False, LONG_AGO + 1, "joining"),
    ("joined", False, NOW, "joining"),
    ("joined", False, NOW + 1, "down"),  # by a clock that is ahead of ours; nothing is excused by it
    ("joined", None, NOW, "unknown"),
    ("draining", True, 0, "draining"),
    ("draining", None, 0, "draining"),
    ("draining", False, 0, "down"),
    ("removing", True, 0, "removing"),
    ("removing", False, NOW, "removing"),
    ("removed", False, 0, "removed"),
    ("of a later version", True, 0, "live"),
]


@pytest.mark.parametrize(("state", "live", "joined_at", "condition"), CASES)
def test_condition(state: str, live: bool | None, joined_at: int, condition: str) -> None:
    node = Node(id=1, host="h1:8088", state=state, joined_at=joined_at)
    assert condition_of(node, live, NOW) == condition
