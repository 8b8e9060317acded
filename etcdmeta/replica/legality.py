"""Whether a complete revision is one of etcdmeta's own commits, and the next one (dangers 4, 18, 19).

Every commit puts the generation's key exactly once and writes no record under a lease. Liveness and
progress are advisory: they come under leases, and alone. Everything else below ``state/`` is a record,
unknown kinds included.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from etcdmeta.model.tables import GenerationMark
from etcdmeta.records import keys
from etcdmeta.records.transaction import DELETE_EVENT, RawEvent, RawKeyValue

_ADVISORY = (b"state/live/", b"state/progress/")
_BELOW_DATABASES = b"state/db/"
_NEVER_DELETED = frozenset({keys.CLUSTER, keys.GENERATION})


class Legality(Enum):
    """What a revision is."""

    LEGAL = "legal"
    DESTROYED = "the guard or the generation was deleted"
    FOREIGN = "not written by etcdmeta"
    GAP = "commits are missing before it"


class Ruling(NamedTuple):
    """``why`` names the key or the numbers; empty where all is well."""

    legality: Legality
    why: str = ""


_LEGAL = Ruling(Legality.LEGAL)


def is_advisory(key: bytes) -> bool:
    """Whether a relative key moves the revision without a commit."""
    return key.startswith(_ADVISORY) and keys.locate(key)[0] in keys.ADVISORY


def examine(
    events: Sequence[RawEvent], mark: GenerationMark | None, prefix_length: int, *, joined: bool = False
) -> Ruling:
    """``events`` are all of one revision, ``mark`` the published generation, None before the first commit.

    ``joined``: of several revisions, bridged by an agent, which has seen that each of them is legal.
    """
    commits: list[RawKeyValue] = []
    records = 0
    for event in events:
        kv = event.kv
        key = kv.key
        if key.startswith(_BELOW_DATABASES, prefix_length):  # nearly all: neither advisory nor one of those below
            records += 1
            if event.type != DELETE_EVENT and kv.lease:
                return Ruling(Legality.FOREIGN, f"the record {_text(key[prefix_length:])} was put under a lease")
            continue
        key = key[prefix_length:]
        if is_advisory(key):
            continue
        records += 1
        if event.type == DELETE_EVENT:
            if key in _NEVER_DELETED:
                return Ruling(Legality.DESTROYED, f"{_text(key)} was deleted")
        elif kv.lease:
            return Ruling(Legality.FOREIGN, f"the record {_text(key)} was put under a lease")
        elif key == keys.GENERATION:
            commits.append(kv)
    if not records:
        return _LEGAL
    if len(commits) != 1:
        first = next(k for k in (e.kv.key[prefix_length:] for e in events) if not is_advisory(k))
        return Ruling(Legality.FOREIGN, f"{_text(first)} changed with {len(commits)} puts of the generation")
    return _succession(commits[0], mark, joined=joined)


def _succession(commit: RawKeyValue, mark: GenerationMark | None, *, joined: bool) -> Ruling:
    """The generation's version counts commits without gaps."""
    last = mark.version if mark else 0
    if commit.version <= last if joined else commit.version != last + 1:
        return Ruling(Legality.GAP, f"generation {commit.version} of this life follows {last}")
    if mark is not None and commit.create_revision != mark.create_revision:
        return Ruling(Legality.GAP, f"the generation was created anew at revision {commit.create_revision}")
    return _LEGAL


def _text(key: bytes) -> str:
    return key.decode("ascii", "backslashreplace")
