"""The face of the library: `MetaStore`, its commit loop, and the threads that keep its picture current."""

from etcdmeta.replica.changes import Change, Lagged
from etcdmeta.replica.states import FollowerState
from etcdmeta.store.clock import SystemClock
from etcdmeta.store.driver import Freshness
from etcdmeta.store.history import HistoryEntry
from etcdmeta.store.metastore import MetaStore
from etcdmeta.store.operations import Fence, Outcome, new_operation_id
from etcdmeta.store.past import OwnerEvent
from etcdmeta.store.touching import Touching, touching

__all__ = [
    "Change",
    "Fence",
    "FollowerState",
    "Freshness",
    "HistoryEntry",
    "Lagged",
    "MetaStore",
    "Outcome",
    "OwnerEvent",
    "SystemClock",
    "Touching",
    "new_operation_id",
    "touching",
]
