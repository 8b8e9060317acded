"""What is known to be wrong with releases of etcd, from its own release notes. Pure."""

from __future__ import annotations

import re

# Until which release of a series the defect was in it.
_DEFECTS: tuple[tuple[tuple[int, int, int], str], ...] = (
    ((3, 5, 3), "can lose consistency"),
    ((3, 5, 8), "a watch can go back in time"),
    ((3, 5, 13), "a watch can lose events after a compaction"),
    ((3, 5, 33), "permissions can leak"),
)
_WANTED = {(3, 5): (3, 5, 33), (3, 6): (3, 6, 14), (3, 7): (3, 7, 1)}
ASK = "run 3.5.33, 3.6.14, 3.7.1 or newer"
"""What to do about it."""


def version_defects(version: str) -> list[str]:
    """What is known to be wrong with a release of etcd; nothing is known of versions that cannot be read."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        return []
    number = (int(match[1]), int(match[2]), int(match[3]))
    found = [what for fixed, what in _DEFECTS if number[:2] == fixed[:2] and number < fixed]
    wanted = _WANTED.get(number[:2])
    if number[:2] < (3, 5):
        found = ["is out of support"]
    elif wanted is not None and number < wanted and not found:
        found = ["has known defects"]
    return found
