"""etcdmeta: the metadata of a clustered time-series database, kept in etcd, held in every node's memory.

`MetaStore` is the way in; `errors` has the tree of everything that can go wrong. Names are loaded when they are
first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from etcdmeta import errors
    from etcdmeta.model.durations import Duration
    from etcdmeta.model.snapshot import Position, Snapshot
    from etcdmeta.replica.changes import Change, Lagged
    from etcdmeta.store import Freshness, HistoryEntry, MetaStore, Outcome, new_operation_id

__all__ = [
    "Change",
    "Duration",
    "Freshness",
    "HistoryEntry",
    "Lagged",
    "MetaStore",
    "Outcome",
    "Position",
    "Snapshot",
    "errors",
    "new_operation_id",
]

_HOMES = {
    "Change": "etcdmeta.replica.changes",
    "Duration": "etcdmeta.model.durations",
    "Freshness": "etcdmeta.store",
    "HistoryEntry": "etcdmeta.store",
    "Lagged": "etcdmeta.replica.changes",
    "MetaStore": "etcdmeta.store",
    "Outcome": "etcdmeta.store",
    "Position": "etcdmeta.model.snapshot",
    "Snapshot": "etcdmeta.model.snapshot",
    "new_operation_id": "etcdmeta.store",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("etcdmeta.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
