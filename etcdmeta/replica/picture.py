"""The published picture: which revisions and lists may follow it. No time, no connection.

After a restore of etcd (danger 9) readers keep the old picture until the new world is listed as a whole;
that one is published as joined changes, and its position has another epoch (`Snapshot.restores`), so that
nobody takes it for a step back. `Picture.restored` stays set, and writes refused, until the guard has a new
epoch: that is what `cluster accept-restore` gives it. The last picture of the old world is kept, for the
ids that were in use in it.

Records without guard and generation are a backup on its way back, or what is left of one: nothing of them is published,
the picture stays empty, and when the guard comes, all is listed at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from etcdmeta.errors import ClusterRestored, EtcdMetaError, PrefixNotEmpty
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.tables import GenerationMark
from etcdmeta.records.transaction import RawEvent
from etcdmeta.replica.apply import apply
from etcdmeta.replica.assembly import Revision
from etcdmeta.replica.changes import Change
from etcdmeta.replica.continuity import Verdict, compare_listing
from etcdmeta.replica.guard import destroyed, find_problem
from etcdmeta.replica.legality import Legality, examine
from etcdmeta.replica.listing import diff
from etcdmeta.replica.rootless import Comes, emptied, is_rootless, rootless_problem, what_comes


class Accepted(NamedTuple):
    """The picture moved on; publish this."""

    snapshot: Snapshot
    changes: Sequence[Change]
    events: Sequence[RawEvent] = ()


class Dropped(NamedTuple):
    """Known already, or older than what is published."""

    events: int


class Doubtful(NamedTuple):
    """Publish nothing of it, list anew. ``counter`` names one of the `Counters`; "": nothing is wrong."""

    counter: str
    why: str


class Impossible(NamedTuple):
    """There is nothing to follow; the last picture stays."""

    problem: EtcdMetaError


_DOUBTS = {Legality.FOREIGN: "foreign", Legality.GAP: "gaps"}


class Picture:
    """``snapshot`` None: nothing was published yet."""

    def __init__(self, prefix_length: int, reader_version: int, snapshot: Snapshot | None = None) -> None:
        self._prefix_length = prefix_length
        self._reader_version = reader_version
        self.snapshot = snapshot
        self.restored: ClusterRestored | None = None
        self.abandoned: Snapshot | None = None
        """The last picture before the latest restore."""
        self.rootless: PrefixNotEmpty | None = None
        """What is wrong where records stand in etcd, and no guard: the picture shows none of them."""

    @property
    def published(self) -> Snapshot:
        """``snapshot``, for those who come after the first list."""
        assert self.snapshot is not None
        return self.snapshot

    @property
    def revision(self) -> int:
        """0 before the first list."""
        return 0 if self.snapshot is None else self.snapshot.revision

    @property
    def mark(self) -> GenerationMark | None:
        """The last commit; None before the first."""
        return None if self.snapshot is None else self.snapshot.generation_mark

    @property
    def mark_revision(self) -> int:
        """The revision of the last commit; 0 before the first."""
        mark = self.mark
        return 0 if mark is None else mark.mod_revision

    def advance(self, revision: Revision) -> Accepted | Dropped | Doubtful | Impossible:
        """One complete revision from a proven watch."""
        old = self.snapshot
        if old is None or revision.number <= old.revision:
            return Dropped(len(revision.events))
        if old.cluster is None and old.generation_mark is None:
            comes = what_comes(revision.events, self._prefix_length)
            if comes is Comes.DELETES or (comes is Comes.ROOT and self.rootless):
                return Doubtful("", f"revision {revision.number}: what stood there without a guard changes")
            if comes is Comes.RECORDS:
                self.rootless = self.rootless or rootless_problem()
                return Dropped(0)
        legality, why = examine(revision.events, old.generation_mark, self._prefix_length, joined=revision.joined)
        if legality is Legality.DESTROYED:
            return Impossible(destroyed())
        if legality is not Legality.LEGAL:
            return Doubtful(_DOUBTS[legality], f"revision {revision.number}: {why}")
        new, changes = apply(old, revision.events, revision.number, self._prefix_length, joined=revision.joined)
        if new.tables.cluster is not old.tables.cluster or new.tables.generation is None:
            problem = self._problem(new)
            if problem is not None:
                return Impossible(problem)
            self._watch_for_acceptance(old, new)
        self.snapshot = new
        return Accepted(new, changes, () if revision.joined else revision.events)

    def visible(self, listing: Snapshot) -> Snapshot:
        """What of a list may be published: nothing of records that have neither guard nor generation."""
        if (self.snapshot is not None and self.snapshot.cluster is not None) or not is_rootless(listing):
            self.rootless = None
            return listing
        self.rootless = self.rootless or rootless_problem()
        return emptied(listing)

    def problem_with(self, listing: Snapshot) -> EtcdMetaError | None:
        """Why a list cannot be published, whatever it continues."""
        return self._problem(listing)

    def replace(self, listing: Snapshot, verdict: Verdict) -> Accepted | Dropped:
        """A list that `problem_with` has nothing against; ``verdict``: whether it continues the picture."""
        old = self.snapshot
        if old is None:
            self.snapshot = listing
            return Accepted(listing, ())
        verdict = compare_listing(verdict, old, listing)
        if verdict is Verdict.OTHER:
            self._enter_new_world(old, listing)
        elif listing.revision < old.revision:
            return Dropped(0)
        else:
            listing.restores = old.restores
            self._watch_for_acceptance(old, listing)
        self.snapshot = listing
        return Accepted(listing, diff(old, listing))

    def _problem(self, snapshot: Snapshot) -> EtcdMetaError | None:
        initialised = self.snapshot is not None and self.snapshot.cluster is not None
        return find_problem(snapshot, initialised=initialised, reader_version=self._reader_version)

    def _enter_new_world(self, old: Snapshot, new: Snapshot) -> None:
        self.abandoned = old
        new.restores = old.restores + 1
        guard, before = new.cluster, old.cluster
        if before is None:
            return  # nothing was initialised, so nothing was lost
        if guard is not None and guard.cluster_id == before.cluster_id and guard.epoch != before.epoch:
            new.restores = 0  # somebody accepted the restore before we saw it
            self.restored = None
            return
        self.restored = restored(old)

    def _watch_for_acceptance(self, old: Snapshot, new: Snapshot) -> None:
        guard, before = new.cluster, old.cluster
        if self.restored is not None and guard and before and guard.epoch != before.epoch:
            new.restores = 0
            self.restored = None


def restored(old: Snapshot) -> ClusterRestored:
    """The problem after a restore; ``old`` is the picture that is no longer in etcd's history."""
    return ClusterRestored(
        f"etcd went back in time: what was published at revision {old.revision} "
        f"(generation {old.generation}) is not in its history",
        value=old.revision,
        rule="a restored cluster takes no writes until somebody has looked",
        remedy="compare with what is lost, then run `etcdmeta cluster accept-restore`",
    )
