"""One complete revision on top of a picture → the next picture, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Kind
from etcdmeta.records.transaction import PUT_EVENT, RawEvent
from etcdmeta.replica.changes import Change, Changes, Fact, Facts
from etcdmeta.replica.draft import Draft
from etcdmeta.replica.newgroups import NewGroups

_PLACED = frozenset({Kind.GROUP, Kind.PROGRESS})


_MANY = 64
"""Events in one revision, beyond which it is worth looking whether a policy loses all of its groups, or gets many."""


def apply(
    snapshot: Snapshot, events: Sequence[RawEvent], revision: int, prefix_length: int, *, joined: bool = False
) -> tuple[Snapshot, Sequence[Change]]:
    """The events of one revision. ``prefix_length``: bytes before ``state/`` in every key. ``joined``: of several."""
    draft = Draft(snapshot.tables, snapshot.known_owner_counts)
    new_groups: NewGroups | None = None
    if len(events) > _MANY:
        draft.empty_policies(_removed_groups(events, prefix_length))
        new_groups = NewGroups(draft, prefix_length)
    changed: list[Fact] = []
    runs: list[Facts] = []
    at = 0
    while at < len(events):
        if new_groups is not None and (run := new_groups.take(events, at)) is not None:
            at += len(run)
            runs += (changed, run)
            changed = []
            continue
        event = events[at]
        at += 1
        kv = event.kv
        key = kv.key[prefix_length:]
        place = keys.locate(key)
        held_before = draft.held(key)
        after: Any = None
        if event.type == PUT_EVENT:
            after = (kv.value, kv.mod_revision, kv.create_revision)
            before = draft.put(key, place, after, kv.version)
        else:
            before = draft.remove(key, place)
        held_after = draft.held(key)
        if held_before is not None or held_after is not None:
            changed.append(((Kind.OTHER, (key.decode("latin-1"),)), held_before, held_after))
            # What is held cannot be read: to the picture its record comes and goes.
            before = None if held_before is not None else before
            after = None if held_after is not None else after
        if after is not None and place[0] in _PLACED:
            after = (*after, place[1][0], place[1][1])
        if before is not None or after is not None:  # else a delete of what was never there
            changed.append((place, before, after))
    new = snapshot.succeed(draft.tables, revision, draft.owner_counts)
    if runs:
        return new, Changes((*runs, changed), snapshot, new, joined=joined)
    return new, tuple([Change(place, before, after, snapshot, new, joined) for place, before, after in changed])


def _removed_groups(events: Sequence[RawEvent], prefix_length: int) -> dict[tuple[Any, Any], set[Any]]:
    """(database id, policy id) → start and id of each group that goes."""
    removed: dict[tuple[Any, Any], set[Any]] = {}
    for event in events:
        if event.type != PUT_EVENT:
            kind, where = keys.locate(event.kv.key[prefix_length:])
            if kind is Kind.GROUP:
                removed.setdefault((where[0], where[1]), set()).add((where[2], where[3]))
    return removed
