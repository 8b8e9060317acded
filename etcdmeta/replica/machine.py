"""The phases of a follower, and what moves it from one to the next.

`Follower` is its face; the way through the phases is drawn there.
"""

from __future__ import annotations

from collections.abc import Callable

from etcdmeta.errors import ClusterDestroyed, EtcdMetaError, SchemaTooNew
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.transaction import RawHeader
from etcdmeta.replica import advisory, cancels, inputs
from etcdmeta.replica.assembly import Assembly, Disordered
from etcdmeta.replica.backoff import Pauses
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.replica.continuity import HeaderAlarms, Verdict, compare_probe, mark_of
from etcdmeta.replica.link import Link, Pending, Purpose
from etcdmeta.replica.loader import Loader
from etcdmeta.replica.picture import Accepted, Doubtful, Dropped, Picture, restored
from etcdmeta.replica.proof import conclude
from etcdmeta.replica.source import Source
from etcdmeta.replica.states import TRUSTING, UNCONNECTED, Phase, Standing
from etcdmeta.replica.vigil import Vigil

_GRACE = 1.0
"""Seconds past the driver's own deadlines, after which an answer is no longer waited for."""


class Machine:
    """``now`` is set before every step; what is to be done is left in ``link.out``."""

    def __init__(
        self,
        link: Link,
        picture: Picture,
        config: FollowerConfig,
        random: Callable[[], float],
        prefix_length: int,
    ) -> None:
        self.now = 0.0
        self.phase = Phase.NEW
        self.standing = Standing.EMPTY if picture.snapshot is None else Standing.KNOWN
        self.proven_at: float | None = None
        self.world_problem: EtcdMetaError | None = None
        self.link_problem: EtcdMetaError | None = None
        self.source = Source()
        self._link = link
        self._picture = picture
        self._config = config
        self._prefix_length = prefix_length
        self._due = 0.0
        self._must_list = picture.snapshot is None
        self._resumed = False
        """The picture was not listed since the connection, or the last doubt, began."""
        self._loader = Loader(prefix_length)
        self._list_revision = 0
        self._listing: Snapshot | None = None
        self._assembly = Assembly()
        self._vigil = Vigil(config, 0.0)
        self._alarms = HeaderAlarms()
        self._advisory_at = 0.0
        self._pauses = Pauses(config, link.members, random)

    def wake(self) -> float | None:
        """When `on_tick` is due at the latest; None: nothing is waited for."""
        if self.phase in TRUSTING:
            wake = self._vigil.wake(self._picture.mark_revision)
            return min(wake, self._advisory_at) if self.phase is Phase.FOLLOWING else wake
        resting = self.phase in UNCONNECTED and self.phase is not Phase.IDLE
        return None if resting else self._due

    # --- connecting and leaving

    def on_started(self, _: inputs.Started) -> None:
        if self.phase is Phase.NEW:
            self._connect()

    def on_closed(self, _: inputs.Closed) -> None:
        self._disconnect()
        self.phase = Phase.CLOSED

    def on_distrusted(self, item: inputs.Distrusted) -> None:
        """While nothing is trusted, there is nothing more to do about it."""
        if self.phase in TRUSTING:
            self._list_anew("distrust", item.reason)

    def _connect(self) -> None:
        self.source = Source(self._link.endpoint)
        self._resumed = not self._must_list
        if self._must_list:
            self._enter(Phase.LISTING, self._config.page_timeout)
            self._loader = Loader(self._prefix_length)
            self._list_revision = 0
            self._link.list(self.now)
        else:
            self._open()

    def _open(self) -> None:
        self._enter(Phase.OPENING, self._config.open_timeout)
        self._assembly = Assembly()
        self._link.open_watch(self._picture.revision + 1)

    def _prove(self, phase: Phase) -> None:
        self._enter(phase, self._config.request_timeout)
        self._link.ask_pinned(self.now, self._picture.published)

    def _enter(self, phase: Phase, timeout: float) -> None:
        self.phase = phase
        self._due = self.now + timeout + _GRACE

    def _leave(self, error: EtcdMetaError) -> None:
        """Something is wrong with this member: the next one, after a while."""
        self._link.counters.reconnects += 1
        self._disconnect()
        self.link_problem = error
        self._link.next_member()
        self._rest(self._pauses.before_next_member(self.now))

    def _list_anew(self, counter: str, why: str) -> None:
        """The picture, or what should follow it, is in doubt: the first time at once, then after a while."""
        self._link.count(counter, f"{why}: listing anew")
        self._disconnect()
        self._must_list = True
        self._rest(self._pauses.before_next_list(self.now))

    def _give_up(self, problem: EtcdMetaError) -> None:
        """There is nothing to follow; the last picture stays. Only a list can show that this has changed."""
        if isinstance(problem, ClusterDestroyed):
            self._link.count("destroyed", problem.message)
        self._disconnect()
        self._must_list = True
        self.world_problem = problem
        if isinstance(problem, SchemaTooNew):
            self.phase = Phase.HALTED
        else:
            self._rest(self._pauses.before_next_list(self.now))

    def _rest(self, delay: float) -> None:
        self.phase = Phase.IDLE
        self._due = self.now + delay
        if not delay:
            self._connect()

    def _disconnect(self) -> None:
        self._link.disconnect()
        self._listing = None
        self._assembly = Assembly()

    # --- lists

    def on_list_page(self, item: inputs.ListPage) -> None:
        """The first page's revision is the list's; later ones say where etcd is by then."""
        if not self._link.is_current(item.request_id, self._link.list_id):
            return
        revision = item.page.header.revision
        if revision < self._list_revision:
            self._refuse_older(revision, self._list_revision)
            return
        self._list_revision = self._list_revision or revision
        self._loader.add(item.page.kvs)
        self.source.listed(item.page, self.now)
        self._enter(Phase.LISTING, self._config.page_timeout)

    def on_list_ended(self, item: inputs.ListEnded) -> None:
        """A first list is published at once, a later one when it is proven to continue the picture."""
        if not self._link.is_current(item.request_id, self._link.list_id):
            return
        if not self._list_revision:
            self._leave(self._link.unavailable("ended a list before its first page"))
            return
        self._link.list_id = None
        listing = self._picture.visible(self._loader.finish(self._list_revision))
        problem = self._picture.problem_with(listing)
        if problem is not None:
            self._give_up(problem)
        elif self._picture.snapshot is None:
            self._replace(listing, Verdict.SAME)
        else:
            self._listing = listing
            self._prove(Phase.VERIFYING)

    def on_list_compacted(self, item: inputs.ListCompacted) -> None:
        if self._link.is_current(item.request_id, self._link.list_id):
            self._list_anew("compactions", "the list's revision was compacted away before its last page")

    def on_list_failed(self, item: inputs.ListFailed) -> None:
        if self._link.is_current(item.request_id, self._link.list_id):
            self._leave(item.error)

    def _replace(self, listing: Snapshot, verdict: Verdict) -> None:
        first = self._picture.snapshot is None
        abandoned = self._picture.abandoned
        outcome = self._picture.replace(listing, verdict)
        if isinstance(outcome, Dropped):
            self._refuse_older(listing.revision, self._picture.revision)
            return
        if self._picture.abandoned is not abandoned:
            self._link.count("restores", "etcd was restored: what it holds now goes on under a new epoch")
        self._listing = None
        self._must_list = False
        self.world_problem = None
        self.proven_at = self.source.listed_at(self.proven_at)
        self._publish(outcome, joined=not first)
        self._open()

    def _refuse_older(self, revision: int, known: int) -> None:
        self._link.count("older", f"{self._link.endpoint} answered at revision {revision} after {known}")
        self._leave(self._link.unavailable("answers older than what is known"))

    # --- proofs

    def on_read(self, item: inputs.ReadOutcome) -> None:
        """Ignored where it was given up, or says nothing."""
        pending = self._link.take_read(item.request_id)
        if pending is None:
            return
        match pending.purpose, item:
            case Purpose.PROBE, inputs.ReadAnswered():
                self._probe_answered(pending, item)
            case Purpose.PROBE, inputs.ReadFailed():
                self._probe_failed(item.error)
            case Purpose.ADVISORY, inputs.ReadAnswered():
                self._advisory_answered(pending, item)
            case ((Purpose.PINNED | Purpose.LEDGER), _):
                self._proof_answered(pending, item)
            case _:  # an advisory comparison that failed: there is another one in a minute
                pass

    def _proof_answered(self, pending: Pending, item: inputs.ReadOutcome) -> None:
        conclusion = conclude(pending, item)
        if isinstance(conclusion, bytes) and self._listing is None:
            # The ledger proves our last commit, not that none follows in what is compacted: no place to resume.
            conclusion = Verdict.UNPROVEN
        if isinstance(conclusion, bytes):
            self._link.ask_ledger(self.now, pending.snapshot, conclusion)
        elif isinstance(conclusion, Verdict):
            self._judge(conclusion, item.result.header if isinstance(item, inputs.ReadAnswered) else None)
        else:
            self._leave(conclusion)

    def _judge(self, verdict: Verdict, header: RawHeader | None) -> None:
        old = self._picture.snapshot
        if self._listing is not None:
            self._replace(self._listing, verdict)
        elif verdict is Verdict.SAME and header is not None:
            self._trust(header)
        elif verdict is Verdict.OTHER and old is not None:
            self.world_problem = None if old.cluster is None else restored(old)
            self._list_anew("alarms", verdict.value)
        else:
            self._list_anew("compactions", verdict.value)

    def _trust(self, header: RawHeader) -> None:
        self._alarms.accept(header)
        self.phase = Phase.CATCHING_UP
        self._vigil = self._vigil.next(self.now)
        self._assembly.ready_events = 0
        self._drain()
        if self.phase is Phase.CATCHING_UP and self.source.live:
            self._probe()

    def _suspect(self, why: str) -> None:
        """Hold events back until the picture is proven anew."""
        self._link.count("alarms", why)
        self._link.give_up_reads()
        self._resumed = True
        self._prove(Phase.PROVING)

    # --- the watch

    def on_watch_answer(self, item: inputs.WatchAnswer) -> None:
        """Publish at once where the stream is proven; hold what is complete until then."""
        if not self._link.is_current(item.stream_id, self._link.stream_id):
            return
        response = item.response
        if response.canceled:
            self._link.stream_id = None
            if cancels.is_compaction(response):
                self._list_anew("compactions", "the revision to resume from is compacted away")
            else:
                self._leave(cancels.explain(response, self._link.endpoint))
            return
        self.source.heard(response, self.now)
        if self.source.is_cut_off(self.now, self._config.stalled_after) and self._link.members > 1:
            self._leave(self._link.blame("cut_offs", "is cut off from etcd"))
            return
        if self.phase in TRUSTING:
            self._vigil.heard(self.now, part=response.fragment)
            why = self._alarms.alarm(response.header, self._picture.revision)
            if why is not None:
                self._suspect(why)
        try:
            self._assembly.add(response)
        except Disordered as error:
            self._list_anew("gaps", f"the watch is out of order: {error}")
            return
        if self.phase in TRUSTING:
            self._drain()
        elif self._assembly.ready_events > self._config.held_events:
            self._list_anew("compactions", "too many events came before the proof that they follow")
        elif response.created and self.phase is Phase.OPENING:
            self._prove(Phase.PROVING)

    def on_watch_broke(self, item: inputs.WatchBroke) -> None:
        """What was incomplete is dropped; the next stream begins behind what is published."""
        if self._link.is_current(item.stream_id, self._link.stream_id):
            self._link.stream_id = None
            self._leave(item.error or self._link.unavailable("ended the watch"))

    def _drain(self) -> None:
        """Publish what has come, revision by revision."""
        ready = self._assembly.ready
        while ready:
            revision = ready.popleft()
            outcome = self._picture.advance(revision)
            if isinstance(outcome, Accepted):
                self._publish(outcome, joined=revision.joined)
                self._vigil.progressed(self.now)
            elif isinstance(outcome, Dropped):
                self._link.counters.duplicates += outcome.events
            elif isinstance(outcome, Doubtful):
                self._list_anew(outcome.counter, outcome.why)
                return
            else:
                self._give_up(outcome.problem)
                return
        relayed, published = self.source.relayed, self._picture.revision
        if self.source.is_reached(published) if relayed else self._vigil.is_current(self._picture.mark_revision):
            self.proven_at = self.source.proven_at(self.now, self.proven_at)
            self._follow()

    def _follow(self) -> None:
        if self.phase is Phase.CATCHING_UP:
            self.phase = Phase.FOLLOWING
            self.standing = Standing.KNOWN
            self.link_problem = None
            self._advisory_at = self.now + self._config.advisory_every
            if self._resumed:
                # The generation proves the records; a restore may have taken back liveness and progress alone.
                self._link.ask_advisory(self.now, self._picture.published)
            self._pauses.healthy(self.now)

    def _publish(self, outcome: Accepted, *, joined: bool) -> None:
        if self.standing is Standing.EMPTY:
            self.standing = Standing.NEW
        self._link.publish(outcome.snapshot, outcome.changes, joined=joined, events=outcome.events)

    # --- probes and time

    def _probe(self) -> None:
        self._vigil.asked(self.now)
        self._link.ask_generation(self.now, self._picture.published)

    def _probe_answered(self, pending: Pending, item: inputs.ReadAnswered) -> None:
        then, mark = pending.snapshot.generation_mark, mark_of(item.result.kvs)
        if then is not None and mark is None:
            self._list_anew("alarms", "the generation is not there any more")
            return
        why = self._alarms.alarm(item.result.header, pending.snapshot.revision) or compare_probe(then, mark)
        if why is not None:
            self._suspect(why)
            return
        published = self._picture.mark_revision
        self._vigil.answered(self.now, 0 if mark is None else mark.mod_revision, published)
        if self._vigil.is_current(published):
            self.proven_at = max(self.proven_at or pending.sent_at, pending.sent_at)
            self._follow()

    def _probe_failed(self, error: EtcdMetaError) -> None:
        if self._vigil.failed(self.now):
            self._leave(error)

    def _advisory_answered(self, pending: Pending, item: inputs.ReadAnswered) -> None:
        assert pending.kind is not None  # by the shape of an advisory read
        key = advisory.divergence(pending.snapshot, pending.kind, item.result.kvs, self._prefix_length)
        if key is not None:
            self._list_anew("divergences", f"{key.decode('ascii', 'backslashreplace')} differs from a list")

    def on_tick(self, _: inputs.Tick) -> None:
        if self.phase in TRUSTING:
            self._keep_watch()
        elif self.phase is Phase.IDLE and self.now >= self._due:
            self._connect()
        elif self.phase not in UNCONNECTED and self.now >= self._due:
            self._leave(self._link.blame("silences", f"did not answer in time: no {self.phase.value}"))

    def _keep_watch(self) -> None:
        if self._vigil.is_stalled(self.now, self._picture.mark_revision):
            self._leave(self._link.blame("stalls", "does not deliver what was committed"))
            return
        if self._vigil.probe_overdue(self.now):
            self._link.give_up_reads(Purpose.PROBE)
            self._probe_failed(self._link.unavailable("does not answer"))
        if self.phase in TRUSTING and self._vigil.probe_due(self.now):
            self._probe()
        if self.phase is Phase.FOLLOWING and self.now >= self._advisory_at:
            self._advisory_at = self.now + self._config.advisory_every
            self._link.ask_advisory(self.now, self._picture.published)
