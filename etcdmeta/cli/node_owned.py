"""What a node owns, for a person to read: every shard, or, where they do not fit a terminal, what matters of them.

Then they are counted by policy and status, and those that this node does not simply serve are named; the rest is one
line. Who pipes, or asks for ``-o wide``, gets every shard, as of `shard status`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from etcdmeta.cli.naming import policy_name
from etcdmeta.cli.text import counted
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot

LEAST = 8
"""Lines about shards, however small the terminal is."""
_ORDER = (OwnerStatus.FAILED, OwnerStatus.COPYING, OwnerStatus.LEAVING)


class _Owned(NamedTuple):
    shard_id: int
    policy: str
    status: str
    text: str


def owned_pairs(snapshot: Snapshot, node_id: int, room: int | None = None) -> list[tuple[str, str]]:
    """Label and text of each line. ``room``: how many there may be, `LEAST` at the least; None: any number."""
    owned = list(_owned(snapshot, node_id))
    pairs = [("Owns", counted(len(owned), "shard"))]
    if room is None or len(owned) + 1 <= max(room, LEAST):
        return pairs + [("Shard", each.text) for each in owned]
    room = max(room, LEAST) - 2  # the first line, and the last one
    policies = _by_policy(owned)
    troubled = sorted((each for each in owned if each.status != OwnerStatus.ACTIVE), key=_rank)
    shown = policies[: max(1, room - min(len(troubled), room // 2))]
    if more := len(policies) - len(shown):
        shown = [*shown[:-1], f"and {counted(more + 1, 'more policy', 'more policies')}"]
    pairs += [("Of", text) for text in shown]
    named = troubled[: room - len(shown)]
    pairs += [("Shard", each.text) for each in named]
    hint = f"-o wide lists them, and etcdmeta shard status --node {node_id}"
    return [*pairs, ("", f"and {len(owned) - len(named):,} more; {hint}")]


def _owned(snapshot: Snapshot, node_id: int) -> list[_Owned]:
    names: dict[tuple[int, int], str] = {}
    found = []
    for group, shard, owner in snapshot.shards_of(node_id):
        where = group.database_id, group.policy_id
        if where not in names:
            database = snapshot.database_by_id(group.database_id)
            names[where] = policy_name(database.name, database.policy_by_id(group.policy_id).name)
        reason = f" ({owner.reason})" if owner.reason else ""
        text = f"{shard.id}  {names[where]}  group {group.id}  {owner.status}{reason}"
        found.append(_Owned(shard.id, names[where], str(owner.status), text))
    return found


def _by_policy(owned: Sequence[_Owned]) -> list[str]:
    """``metrics.autogen: 398 active, 2 copying``; those with most shards first."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in owned:
        counts[each.policy][each.status] += 1
    return [
        f"{policy}: {', '.join(f'{number:,} {status}' for status, number in states.most_common())}"
        for policy, states in sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
    ]


def _rank(owned: _Owned) -> tuple[int, int]:
    """Failed first, and what this version does not know; then what moves."""
    known = [str(status) for status in _ORDER]
    return known.index(owned.status) if owned.status in known else 0, owned.shard_id
