"""Whatever the network does to etcd's answers, only committed revisions are published, in order, and no change is lost.

A machine of random steps plays etcd (`World`), the network between (answers split, doubled, cut off, late, from streams
that were given up, compacted, from a restored cluster) and time. Hypothesis prints how to run a failure again; all its
choices come from one seed: ``pytest --hypothesis-seed=N``.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from etcdmeta.errors import Unavailable
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Kind, Place
from etcdmeta.records.transaction import Event, Header, ReadResult, WatchResponse
from etcdmeta.replica import actions, inputs
from etcdmeta.replica.follower import Follower
from etcdmeta.replica.legality import is_advisory
from etcdmeta.replica.listing import listing
from etcdmeta.replica.states import FollowerState, Phase
from tests.replica.world import END, PREFIX, START, RevisionAhead, RevisionCompacted, World

Row = tuple[bytes, int, int]


class Stream:
    """What one watch has still to say, as etcd would: it knows nothing of what the follower made of it."""

    def __init__(self, opened: actions.OpenWatch) -> None:
        self.id = opened.stream_id
        self.next = opened.from_revision
        self.created = False
        self.parts: list[tuple[Event, ...]] = []
        """The fragments of an answer that was begun."""


class Deliveries(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.now = 0.0
        self.follower = Follower(["a", "b"], PREFIX, random=lambda: 0.1)
        self.lists: list[actions.List] = []
        self.reads: list[actions.Read] = []
        self.stream: Stream | None = None
        self.given_up: list[Stream] = []
        self.names = 0
        self.published: Snapshot | None = None
        self.restored = False
        """Since the last list. Until the next one only the records are promised, not liveness and progress."""
        self.foreign_writes = False
        self.rows: dict[bytes, Row] = {}
        """What somebody has who saw the first picture and every change since."""

    @initialize(lines=st.integers(0, 3))
    def begin(self, lines: int) -> None:
        self.world.apply("init")
        for _ in range(lines):
            self.commit()
        self.tell(inputs.Started())

    # --- etcd

    @rule()
    def commit(self) -> None:
        self.names += 1
        self.world.apply(f"database d{self.names}")

    @rule(choice=st.randoms(use_true_random=False))
    def drop(self, choice: Any) -> None:
        if self.world.databases:
            self.world.apply(f"drop {choice.choice(sorted(self.world.databases))}")

    @rule(word=st.sampled_from(["touch", "live 1", "live 2", "dead 1", "progress 5 10", "elsewhere"]))
    def write(self, word: str) -> None:
        self.world.apply(word)

    @rule()
    def foreign(self) -> None:
        self.foreign_writes = True
        self.commit_if(self.restored)
        self.world.apply("put state/somebody-else")

    @rule(behind=st.integers(0, 4))
    def compact(self, behind: int) -> None:
        self.world.compacted = max(self.world.compacted, self.world.revision - behind)

    @precondition(lambda self: self.world.revision > max(self.world.compacted, 3))
    @rule(back=st.integers(1, 3), ahead=st.integers(0, 5))
    def restore(self, back: int, ahead: int) -> None:
        """All members end, and with them all that was asked."""
        self.world.apply(f"restore {max(self.world.compacted, 2, self.world.revision - back)}")
        self.world.databases = {}
        self.restored = True
        self.commit_if(self.foreign_writes)
        for _ in range(ahead):
            self.commit()
        self.fail_everything()

    def commit_if(self, needed: bool) -> None:
        """Continuity proves commits. Foreign writes, on either side of a restore, can only be told by one."""
        if needed:
            self.commit()

    def fail_everything(self) -> None:
        error = Unavailable("connection refused")
        stream, reads, lists = self.stream, self.reads, self.lists
        self.reads, self.lists, self.stream, self.given_up = [], [], None, []
        if stream:
            self.tell(inputs.WatchBroke(stream.id, error))
        for asked in lists:
            self.tell(inputs.ListFailed(asked.request_id, error))
        for read in reads:
            self.tell(inputs.ReadFailed(read.request_id, error))

    # --- the network

    @precondition(lambda self: self.lists)
    @rule(pages=st.integers(1, 3), end=st.sampled_from(["ended", "ended", "compacted", "failed"]))
    def answer_list(self, pages: int, end: str) -> None:
        asked = self.lists.pop(0)
        number = asked.request_id
        kvs = self.world.read(START, END)
        for n in range(pages):
            part = kvs[len(kvs) * n // pages : len(kvs) * (n + 1) // pages]
            header = self.world.header
            if n:
                header = Header(header.revision + n, header.cluster_id, 2, header.raft_term)
            self.tell(inputs.ListPage(number, ReadResult(header, part)))
        answers: dict[str, inputs.Input] = {
            "ended": inputs.ListEnded(number),
            "compacted": inputs.ListCompacted(number),
            "failed": inputs.ListFailed(number, Unavailable("gone")),
        }
        self.tell(answers[end])

    @precondition(lambda self: self.reads)
    @rule(last=st.booleans())
    def answer_read(self, last: bool) -> None:
        asked = self.reads.pop(-1 if last else 0)
        try:
            kvs = self.world.read(asked.key, asked.range_end, asked.revision)
        except RevisionCompacted:
            self.tell(inputs.ReadCompacted(asked.request_id))
        except RevisionAhead:
            self.tell(inputs.ReadAhead(asked.request_id))
        else:
            self.tell(inputs.ReadAnswered(asked.request_id, ReadResult(self.world.header, kvs)))

    @precondition(lambda self: self.reads)
    @rule()
    def fail_read(self) -> None:
        self.tell(inputs.ReadFailed(self.reads.pop(0).request_id, Unavailable("gone")))

    @precondition(lambda self: self.stream)
    @rule(revisions=st.integers(1, 4), parts=st.integers(1, 4))
    def deliver(self, revisions: int, parts: int) -> None:
        assert self.stream is not None
        self.speak(self.stream, revisions, parts)

    @precondition(lambda self: self.given_up)
    @rule(revisions=st.integers(1, 4), parts=st.integers(1, 3))
    def deliver_late(self, revisions: int, parts: int) -> None:
        """A stream that was given up has still something to say."""
        self.speak(self.given_up[-1], revisions, parts)

    @precondition(lambda self: self.stream and self.stream.created and not self.stream.parts)
    @rule(back=st.integers(1, 4))
    def deliver_again(self, back: int) -> None:
        """Revisions that this stream has delivered before."""
        stream = self.stream
        assert stream is not None
        events = tuple(self.world.watched(max(2, stream.next - back), stream.next - 1))
        self.tell(inputs.WatchAnswer(stream.id, WatchResponse(self.world.header, events)))

    @precondition(lambda self: self.stream)
    @rule()
    def cut(self) -> None:
        assert self.stream is not None
        number, self.stream = self.stream.id, None
        self.tell(inputs.WatchBroke(number, Unavailable("reset")))

    @rule(steps=st.integers(1, 8))
    def behave(self, steps: int) -> None:
        """For once the next answers come, whole and in time."""
        for _ in range(steps):
            self._help()

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 5.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.tell(inputs.Tick())

    def speak(self, stream: Stream, revisions: int, parts: int) -> None:
        header = self.world.header
        if not stream.created:
            stream.created = True
            self.tell(inputs.WatchAnswer(stream.id, WatchResponse(header, created=True)))
        elif stream.next < self.world.compacted and not stream.parts:
            response = WatchResponse(header, canceled=True, compact_revision=self.world.compacted)
            if stream is self.stream:
                self.stream = None
            self.tell(inputs.WatchAnswer(stream.id, response))
        else:
            if not stream.parts:
                last = min(self.world.revision, stream.next + revisions - 1)
                events = tuple(self.world.watched(stream.next, last))
                stream.next = max(stream.next, last + 1)
                stream.parts = [events[len(events) * n // parts : len(events) * (n + 1) // parts] for n in range(parts)]
            part = stream.parts.pop(0)
            response = WatchResponse(header, part, fragment=bool(stream.parts))
            self.tell(inputs.WatchAnswer(stream.id, response))

    # --- what must hold

    def tell(self, item: inputs.Input) -> None:
        for action in self.follower.receive(item, self.now):
            match action:
                case actions.List():
                    self.lists.append(action)
                case actions.Read():
                    self.reads.append(action)
                case actions.OpenWatch():
                    assert self.stream is None, "two watches at once"
                    self.stream = Stream(action)
                case actions.CancelWatch():
                    assert self.stream is not None
                    assert self.stream.id == action.stream_id
                    self.given_up.append(self.stream)
                    self.stream = None
                case actions.Publish():
                    self.check(action)

    def check(self, action: actions.Publish) -> None:
        old, new = self.published, action.snapshot
        self.restored = self.restored and not action.joined
        stored = self.world.rows(new.revision)
        assert self.promised(listing(new)) == self.promised(stored), "no committed revision"
        if old is None:
            self.rows = {key: (value, mod, create) for key, value, mod, create in listing(new)}
        elif old.position.epoch == new.position.epoch:
            least = old.revision if action.joined else old.revision + 1
            assert new.revision >= least, "the picture went back"
        else:
            assert action.joined, "another world without a list"
        for change in action.changes:
            before, after = change.rows
            key = _key(change.place)
            assert self.rows.get(key) == (before and before[:3]), f"{change!r} does not begin where the last one ended"
            if after is None:
                del self.rows[key]
            else:
                self.rows[key] = after[:3]
        assert [(k, *row) for k, row in sorted(self.rows.items())] == listing(new), "changes were lost"
        self.published = new

    def promised(self, rows: list[tuple[bytes, bytes, int, int]]) -> list[tuple[bytes, bytes, int, int]]:
        return [row for row in rows if not (self.restored and is_advisory(row[0]))]

    def teardown(self) -> None:
        """When the trouble ends the follower catches up, whatever it was."""
        if self.follower.phase is Phase.NEW:
            return  # Hypothesis gave this run up before it began
        for _ in range(400):
            self._help()
            if self._is_done():
                break
        assert self._is_done(), (self.follower.phase, self.follower.problem)

    def _is_done(self) -> bool:
        snapshot = self.follower.snapshot
        if self.follower.state is not FollowerState.LIVE or snapshot is None or self.reads:
            return False
        return listing(snapshot) == self.world.rows(self.world.revision)

    def _help(self) -> None:
        if self.lists:
            self.answer_list(1, "ended")
        elif self.reads:
            self.answer_read(False)
        elif self.stream and (not self.stream.created or self.stream.next <= self.world.revision or self.stream.parts):
            self.deliver(100, 1)
        else:
            self.wait(3.0)


def _key(place: Place) -> bytes:
    if place[0] is Kind.OTHER:
        return str(place[1][0]).encode("latin-1")
    return keys.render(place)


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
