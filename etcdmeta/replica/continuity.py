"""Whether what a member answers continues the published picture (dangers 9 and 10).

A restore keeps cluster id, member id and term, and its revision can have passed ours (measured), so none of
them proves anything. What does: the generation's key, read at the published revision, is the very one that
was published: its value holds a random nonce. Where that revision is compacted away, the ledger entry of
our last generation must stand with the same mod revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.tables import GenerationMark
from etcdmeta.records import keys
from etcdmeta.records.decoding import parse
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import RawHeader, RawKeyValue


class Verdict(Enum):
    """What a proof has shown."""

    SAME = "the published picture lies in this history"
    OTHER = "the published picture never was in this history: etcd was restored"
    UNPROVEN = "this history is compacted, and the ledger entry that would prove it is not there"
    """For `compare_listing` to decide."""


def compare_mark(mark: GenerationMark | None, kvs: Sequence[RawKeyValue]) -> Verdict:
    """The generation as read at the published revision, against the published one."""
    return Verdict.SAME if mark_of(kvs) == mark else Verdict.OTHER


def compare_ledger(mark: GenerationMark | None, kvs: Sequence[RawKeyValue]) -> Verdict:
    """The ledger entry of the published generation's first operation, as it is now."""
    stands = mark is not None and len(kvs) > 0 and kvs[0].mod_revision == mark.mod_revision
    return Verdict.SAME if stands else Verdict.UNPROVEN


def compare_probe(then: GenerationMark | None, now: GenerationMark | None) -> str | None:
    """What is odd about the generation, read after ``then`` had been published; None: nothing."""
    if then is None or now is None or now.mod_revision > then.mod_revision or now == then:
        return None
    return f"the generation is now {now!r}, and was {then!r}"


def compare_listing(verdict: Verdict, published: Snapshot, listing: Snapshot) -> Verdict:
    """What the whole of a later list adds to a verdict: never UNPROVEN.

    A list older than the picture, in the same history, is a late answer, and SAME: its revision says the rest.
    A generation that was deleted and created anew is another life, whatever history says. A missing ledger
    entry is no proof to the contrary where nothing went back, and there was no commit to prove, or the very
    same one still is the last, or the guard says that entries of that age were pruned.
    """
    if listing.revision < published.revision:
        return Verdict.SAME if verdict is Verdict.SAME else Verdict.OTHER
    old, new = published.generation_mark, listing.generation_mark
    if old and new and (new.create_revision != old.create_revision or new.version < old.version):
        return Verdict.OTHER
    if verdict is not Verdict.UNPROVEN:
        return verdict
    guard = listing.cluster
    pruned = guard is not None and old is not None and guard.ledger_floor > old.mod_revision
    return Verdict.SAME if old is None or new == old or pruned else Verdict.OTHER


def mark_of(kvs: Sequence[RawKeyValue]) -> GenerationMark | None:
    """The generation in the answer to a read of its key."""
    if not kvs:
        return None
    kv = kvs[0]
    return GenerationMark(kv.create_revision, kv.mod_revision, kv.version, kv.value)


def ledger_key(mark: GenerationMark | None) -> bytes | None:
    """Where the first operation of a commit has its ledger entry; None where none is known."""
    if mark is None:
        return None
    try:
        operations = parse(pb.Generation, mark.value).operation_ids
    except ValueError:
        return None
    return keys.ledger(operations[0]) if operations else None


class HeaderAlarms:
    """etcd's cluster id, raft term and revision as cheap early alarms: each asks for a proof, and is none."""

    def __init__(self) -> None:
        self._cluster_id: int | None = None
        self._term = 0

    def accept(self, header: RawHeader) -> None:
        """A proof has shown this header's world to be ours."""
        self._cluster_id = header.cluster_id
        self._term = header.raft_term

    def alarm(self, header: RawHeader, published: int) -> str | None:
        """What is odd about a header; None: nothing."""
        if self._cluster_id is None:
            return None
        if header.cluster_id != self._cluster_id:
            return f"etcd's cluster id changed from {self._cluster_id:x} to {header.cluster_id:x}"
        if header.raft_term < self._term:
            return f"etcd's raft term went back from {self._term} to {header.raft_term}"
        if header.revision < published:
            return f"etcd answered at revision {header.revision}, after {published} was published"
        self._term = header.raft_term
        return None
