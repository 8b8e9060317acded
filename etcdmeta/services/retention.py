"""The service ``retention``: takes away what policies keep no longer, in two steps.

First an expired group is marked deleted; its record, and the nodes' files by their own rule, go after a grace of 24
hours, which an etcd lease measures. Which time it is, more than one clock says (`etcdmeta.services.clocks`). One pass
marks at most max(10, 5 %) of the live groups: a rule that somebody has just got wrong costs some groups in the first
half hour, not all of them. What is held back is told in the log, `agent status`, `health` and the metrics, and an
operator's consent is to mark it: `etcdmeta group delete --expired`. Source: InfluxDB looks every 30 minutes; the cap
and the grace are the protocol's.
"""

from __future__ import annotations

import logging

from etcdmeta.commands.expiry import ExpireShardGroups
from etcdmeta.commands.group_upkeep import PruneShardGroups
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import MAX_TIME
from etcdmeta.services import grace
from etcdmeta.services.service import Note, Turn

log = logging.getLogger(__name__)

LEAST_CAP = 10
CAP_PER_CENT = 5
GRACE_SECONDS = 24 * 3600


class Retention:
    """``every`` and ``grace_seconds``: seconds. ``consent``: so many groups may be marked in one pass, whatever the
    cap says; 0: the cap."""

    name = "retention"

    def __init__(self, *, every: float = 1800.0, grace_seconds: int = GRACE_SECONDS, consent: int = 0) -> None:
        self.every = every
        self._grace_seconds = grace_seconds
        self._consent = consent

    def run(self, turn: Turn) -> str:
        marked = self._mark(turn)
        pruned = self._prune(turn)
        done = [f"marked {marked} expired shard groups deleted"] if marked else []
        done += [f"pruned {pruned} whose grace was over"] if pruned else []
        return "; ".join(done)

    def doing(self) -> str:
        """Its passes are told when they are over."""
        return ""

    def interrupt(self) -> None:
        """It looks between two commits."""

    def _mark(self, turn: Turn) -> int:
        now, marked, left = turn.now(), 0, 0
        most = max(self._consent, cap(turn.store.latest()))
        while marked < most and not turn.stopping.is_set():
            outcome = turn.store.execute(ExpireShardGroups(now=now, most=most - marked), fence=turn.fence())
            marked += len(outcome.result["group_ids"])
            left = outcome.result["left"]
            if not left:
                break
        if left and not turn.stopping.is_set():
            note = Note(held_back(left, most), left)
            turn.notes.append(note)
            log.warning("%s", note.text)
        return marked

    def _prune(self, turn: Turn) -> int:
        found = grace.look(turn, self.name)
        if not found.over:
            return 0
        pruned = 0
        while found.covered and not turn.stopping.is_set():
            command = PruneShardGroups(deleted_before=MAX_TIME, as_of=found.covered)
            outcome = turn.store.execute(command, fence=turn.fence())
            pruned += len(outcome.result["group_ids"])
            if not outcome.more:
                break
        if not turn.stopping.is_set() and any(policy_has_deleted(turn.store.latest())):
            grace.begin(turn, self.name, self._grace_seconds, found.covered)
        return pruned


def held_back(left: int, most: int) -> str:
    """The sentence for what the cap leaves: what a person reads, and types."""
    waiting = "1 expired shard group waits" if left == 1 else f"{left} expired shard groups wait"
    return (
        f"retention is held back by its cap: {waiting}, since a pass marks at most {most} deleted; if that is as it "
        f"should be, `etcdmeta group delete --expired` marks them at once"
    )


def cap(snapshot: Snapshot) -> int:
    """How many groups one pass may mark: 10, or 5 % of the live ones."""
    live = sum(policy.group_count() for database in snapshot.databases() for policy in database.policies())
    return max(LEAST_CAP, live * CAP_PER_CENT // 100)


def policy_has_deleted(snapshot: Snapshot) -> list[bool]:
    """Whether there is something to wait for: a group marked deleted, in each policy."""
    found = (policy for database in snapshot.databases() for policy in database.policies())
    return [next(policy.deleted_groups(), None) is not None for policy in found]
