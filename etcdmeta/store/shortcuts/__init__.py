"""The commands as methods, for people: durations as ``"30d"``, `Duration` or ``timedelta``, times as nanoseconds.

Each commits through `MetaStore.execute`, with its guarantees and errors, and returns what the own picture then shows.
What is too large for one transaction (precreating, truncating, pruning, removing a node) runs as guarded, idempotent
steps: interrupted, the same call goes on.
"""

from __future__ import annotations

from etcdmeta.store.shortcuts.data import DataShortcuts
from etcdmeta.store.shortcuts.nodes import NodeShortcuts
from etcdmeta.store.shortcuts.owners import OwnerShortcuts
from etcdmeta.store.shortcuts.plans import PlanShortcuts
from etcdmeta.store.shortcuts.users import UserShortcuts


class Shortcuts(NodeShortcuts, DataShortcuts, OwnerShortcuts, PlanShortcuts, UserShortcuts):
    """What `MetaStore` inherits."""
