"""What a leader checks before it commits: that the guard allows it, and that the group is not too large."""

from __future__ import annotations

from etcdmeta.errors import NotInitialised, ReadOnly, SchemaTooNew
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.transaction import Put
from etcdmeta.store.requests import Proposal

WRITER_VERSION = 1
"""The newest schema that this program writes."""
MAX_GROUP_COMPARES = 100
MAX_GROUP_WRITES = 90
MAX_GROUP_BYTES = 1 << 20


class GroupSize:
    """What a group of proposals adds up to (law 5)."""

    def __init__(self) -> None:
        self._compares = self._writes = self._bytes = 0

    def fits(self, proposal: Proposal) -> bool:
        compares, writes = self._of(proposal)
        return (
            self._compares + compares <= MAX_GROUP_COMPARES
            and self._writes + writes <= MAX_GROUP_WRITES
            and self._bytes + proposal.footprint.size <= MAX_GROUP_BYTES
        )

    def add(self, proposal: Proposal) -> None:
        compares, writes = self._of(proposal)
        self._compares += compares
        self._writes += writes
        self._bytes += proposal.footprint.size

    def _of(self, proposal: Proposal) -> tuple[int, int]:
        operations = len(proposal.request.operations)
        return len(proposal.compares) + operations, len(proposal.writes) + operations


def check_guard(snapshot: Snapshot, proposal: Proposal) -> None:
    """Raises `NotInitialised`, `ReadOnly`, `SchemaTooNew`."""
    cluster = snapshot.cluster
    if cluster is None:
        creates = any(isinstance(write, Put) and write.key == keys.CLUSTER for write in proposal.writes)
        if not creates and proposal.changes:
            raise NotInitialised(
                "no cluster is initialised here",
                rule="a cluster is made by its first node or by `cluster init`, never by accident",
                remedy="run `etcdmeta cluster init`, or check --cluster and --endpoints",
            )
        return
    if cluster.read_only and not proposal.request.repairs:
        raise ReadOnly("the cluster is read-only", remedy="`etcdmeta cluster read-only off` takes the flag away")
    if cluster.oldest_writer > WRITER_VERSION:
        raise SchemaTooNew(
            f"the stored schema wants writers of version {cluster.oldest_writer}",
            value=cluster.oldest_writer,
            rule=f"this program writes version {WRITER_VERSION}",
            remedy="update etcdmeta",
        )
