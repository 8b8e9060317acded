"""What guard and generation say about following a picture any further: dangers 13 and 19, a newer schema."""

from __future__ import annotations

from etcdmeta.errors import ClusterDestroyed, EtcdMetaError, RecordUnreadable, SchemaTooNew
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys


def find_problem(snapshot: Snapshot, *, initialised: bool, reader_version: int) -> EtcdMetaError | None:
    """Why this picture must not be published; None where it may.

    ``initialised``: the picture before it had a guard. Neither guard nor generation, in a cluster that
    never had them, is a prefix that waits for its first node.
    """
    for key in (keys.CLUSTER, keys.GENERATION):
        if key in snapshot.unreadable:
            name = key.decode()
            return RecordUnreadable(
                f"the record {name} cannot be decoded ({snapshot.unreadable[key]}); the last picture is kept",
                value=name,
                rule="guard and generation say what all the other records mean",
                remedy="see who wrote it with `etcdctl get`, and put its last good value back",
            )
    guard, mark = snapshot.cluster, snapshot.generation_mark
    if guard is None or mark is None:
        there_was_one = initialised or guard is not None or mark is not None
        return destroyed() if there_was_one else None
    if guard.oldest_reader > reader_version:
        return SchemaTooNew(
            f"the cluster's schema asks for readers of version {guard.oldest_reader} or newer",
            value=guard.oldest_reader,
            rule=f"this program reads version {reader_version}",
            remedy="upgrade etcdmeta on this machine",
        )
    return None


def destroyed() -> ClusterDestroyed:
    """Danger 19: whatever deleted them, an empty picture is never published."""
    return ClusterDestroyed(
        "guard or generation were deleted from etcd; the last picture is kept and nothing is written",
        rule="etcdmeta never deletes them",
        remedy="find out who did, then restore etcd from a backup",
    )
