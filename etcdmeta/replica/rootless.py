"""Records without guard and generation: a backup that is being restored, or what was left of one.

A restore puts record after record, and at last, in one transaction, the guard. Until then a picture of them would be
half of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from etcdmeta.errors import PrefixNotEmpty
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.tables import Tables
from etcdmeta.records import keys
from etcdmeta.records.transaction import DELETE_EVENT, RawEvent
from etcdmeta.replica.legality import is_advisory
from etcdmeta.replica.listing import places


class Comes(Enum):
    """What a revision brings where there is no cluster."""

    ROOT = "guard or generation"
    RECORDS = "records alone"
    DELETES = "deletes of such"
    NOTHING = "nothing that counts"


def what_comes(events: Sequence[RawEvent], prefix_length: int) -> Comes:
    """``events`` are all of one revision."""
    comes = Comes.NOTHING
    for event in events:
        key = event.kv.key[prefix_length:]
        if is_advisory(key):
            continue
        if key in (keys.CLUSTER, keys.GENERATION):
            return Comes.ROOT
        comes = Comes.DELETES if event.type == DELETE_EVENT or comes is Comes.DELETES else Comes.RECORDS
    return comes


def is_rootless(listing: Snapshot) -> bool:
    """Whether a list holds records, and neither guard nor generation, readable or not."""
    if listing.cluster is not None or listing.generation_mark is not None:
        return False
    if not listing.unreadable.keys().isdisjoint((keys.CLUSTER, keys.GENERATION)):
        return False
    return any(place[0] not in keys.ADVISORY for place, _ in places(listing))


def emptied(listing: Snapshot) -> Snapshot:
    """What may be published of it."""
    return Snapshot(Tables(), listing.revision, listing.decoder, restores=listing.restores)


def rootless_problem() -> PrefixNotEmpty:
    """What is wrong meanwhile."""
    return PrefixNotEmpty(
        "there are records under this prefix, but no cluster: a backup is being restored, or the guard was deleted",
        rule="a cluster shows as a whole, or not at all",
        remedy="let `etcdmeta restore` come to its end, or take it back with --abort; or choose another --cluster",
    )
