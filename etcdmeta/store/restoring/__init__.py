"""A backup becomes a cluster again: into an empty prefix, exactly, all or nothing."""

from __future__ import annotations

from etcdmeta.store.restoring.aborting import Leftover, abort_restore, look_for_restore
from etcdmeta.store.restoring.hold import Hold
from etcdmeta.store.restoring.running import Restored, check_place, restore_backup

__all__ = [
    "Hold",
    "Leftover",
    "Restored",
    "abort_restore",
    "check_place",
    "look_for_restore",
    "restore_backup",
]
