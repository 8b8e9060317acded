"""The face of the library: `MetaStore`, its commit loop, and the threads that keep its picture current."""

from etcdmeta.replica.changes import Change, Lagged
from etcdmeta.replica.states import FollowerState
from etcdmeta.store.clock import SystemClock
from etcdmeta.store.driver import Freshness
from etcdmeta.store.history import HistoryEntry
from etcdmeta.store.metastore import MetaStore
from etcdmeta.store.operations import Outcome, new_operation_id

__all__ = [
    "Change",
    "FollowerState",
    "Freshness",
    "HistoryEntry",
    "Lagged",
    "MetaStore",
    "Outcome",
    "SystemClock",
    "new_operation_id",
]
