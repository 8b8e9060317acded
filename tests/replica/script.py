"""Plays a case of ``cases/*.yaml``: a world, inputs in one line each, and the follower's actions in words.

What happens in the world (see `World`)::

    etcd: database logs           etcd: restore 2            etcd: compact 4

What the follower is told::

    start | close | distrust
    wait 3                        that many seconds pass, and a tick comes
    list                          the whole answer to its list, from the world; in one page
    list page 1 of 2              … or one page of it, and `list end`, `list compacted`, `list fails`
    read                          the answer to its oldest read that is open, from the world
    read fails                    … or an error
    watch created                 the watch was accepted
    watch 3                       the events of revision 3 (of 3 to 5: `watch 3-5`), in one answer
    watch 3 part 1 of 2           … cut in fragments, of which this one comes now
    watch 3 header 9              … in an answer whose header says 9
    watch progress                an answer without events
    watch cancelled compacted     … `watch cancelled permission denied`, and any other reason; `watch refused …`:
                                  the same in the created answer
    watch backwards 3-4           out of order
    relay created                 an agent accepted the watch; `relay created cut off`: it has no etcd itself
    relay 3-5                     an agent hands these revisions on; `relay 3-5 joined`: as one step
    relay beat 7                  its heartbeat: its picture, at the newest revision, is 7 s old; `relay beat 7 cut off`
    list relayed 7                the whole answer to the list, from an agent whose picture is 7 s old
    break                         the stream ends with an error
    old …                         any of `list`, `read`, `watch …`, `break`, for the one that was given up last
    follow                        start, and whatever it takes, until nothing is open any more

What it answers::

    list a | open a from 4 | cancel | wake 3.0 (only where the case says `wakes: true`)
    read a generation at 3 | read a generation | read a ledger | read a live at 3 | read a progress at 3
    publish 3 | publish 3 joined
    live | stale Unavailable | syncing | cold | closed (a report, with its problem)
    warn gaps
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etcdmeta.errors import PermissionDenied, Unavailable
from etcdmeta.records.transaction import Event, Header, ReadResult, Relayed, WatchResponse
from etcdmeta.replica import actions, inputs
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.replica.follower import Follower
from etcdmeta.replica.listing import listing
from etcdmeta.replica.loader import Loader
from tests.replica.world import END, PREFIX, START, RevisionAhead, RevisionCompacted, World

_SPANS = {b"state/generation": "generation", b"state/live/": "live", b"state/progress/": "progress"}


class Play:
    def __init__(self, given: dict[str, Any]) -> None:
        self.world = World()
        for line in given.get("history", []):
            self.world.apply(line)
        cached = given.get("cache")
        snapshot = None
        if cached:
            loader = Loader(len(PREFIX))
            loader.add(self.world.read(START, END, cached))
            snapshot = loader.finish(cached)
        self.jitter = float(given.get("jitter", 0.01))
        self.follower = Follower(
            given.get("endpoints", ["a"]),
            PREFIX,
            random=lambda: self.jitter,
            config=FollowerConfig(**given.get("config", {})),
            snapshot=snapshot,
            snapshot_age=given.get("age"),
        )
        self.loses = given.get("loses", False)
        """Events are withheld: until the next list the picture is wrong, and that is the point."""
        self.now = 0.0
        self.said: list[str] = []
        self.published: list[str] = []
        self.changes: list[str] = []
        self.lists: list[actions.List] = []
        self.reads: list[actions.Read] = []
        self.streams: list[actions.OpenWatch] = []
        self.old: dict[str, Any] = {}
        for line in given.get("after", []):
            self.step(line)
        self.said.clear()
        self.published.clear()
        self.changes.clear()

    # --- inputs

    def step(self, line: str) -> None:
        if line.startswith("etcd: "):
            self.world.apply(line.removeprefix("etcd: "))
            return
        word, *rest = line.split()
        old = word == "old"
        if old:
            word, *rest = rest
        getattr(self, f"_{word}")(rest, old)

    def tell(self, item: inputs.Input) -> None:
        for action in self.follower.receive(item, self.now):
            self._note(action)

    def _start(self, _: list[str], _old: bool) -> None:
        self.tell(inputs.Started())

    def _close(self, _: list[str], _old: bool) -> None:
        self.tell(inputs.Closed())

    def _distrust(self, _: list[str], _old: bool) -> None:
        self.tell(inputs.Distrusted("a compare failed for no visible reason"))

    def _wait(self, words: list[str], _old: bool) -> None:
        self.now += float(words[0])
        self.tell(inputs.Tick())

    def _follow(self, _: list[str], _old: bool) -> None:
        self._start([], False)
        for _round in range(20):
            if self.lists:
                self._list([], False)
            elif self.reads:
                self._read([], False)
            elif self.streams and self.follower.phase.name == "OPENING":
                self._watch(["created"], False)
            else:
                return
        raise AssertionError("the follower does not come to rest")

    def _list(self, words: list[str], old: bool) -> None:
        request = self.old["list"] if old else self.lists[-1]
        number = request.request_id
        kvs = self.world.read(request.start, request.end)
        page = ReadResult(self.world.header, kvs)
        match words:
            case []:
                self.tell(inputs.ListPage(number, page))
                self._drop(self.lists, request)
                self.tell(inputs.ListEnded(number))
            case ["relayed", age]:
                self.tell(inputs.ListPage(number, ReadResult(self.world.header, kvs, age=float(age))))
                self._drop(self.lists, request)
                self.tell(inputs.ListEnded(number))
            case ["page", n, "of", total]:
                part = _part(kvs, int(n), int(total))
                self.tell(inputs.ListPage(number, ReadResult(self.world.header, part)))
            case ["end"]:
                self._drop(self.lists, request)
                self.tell(inputs.ListEnded(number))
            case ["compacted"]:
                self._drop(self.lists, request)
                self.tell(inputs.ListCompacted(number))
            case ["fails"]:
                self._drop(self.lists, request)
                self.tell(inputs.ListFailed(number, Unavailable("no answer")))
            case ["denied"]:
                self._drop(self.lists, request)
                self.tell(inputs.ListFailed(number, PermissionDenied("not yours")))
            case _:
                raise AssertionError(words)

    def _read(self, words: list[str], old: bool) -> None:
        request = self.old["read"] if old else self.reads[0]
        self._drop(self.reads, request)
        number = request.request_id
        if words == ["fails"]:
            self.tell(inputs.ReadFailed(number, Unavailable("no answer")))
            return
        assert not words, words
        try:
            kvs = self.world.read(request.key, request.range_end, request.revision)
        except RevisionCompacted:
            self.tell(inputs.ReadCompacted(number))
        except RevisionAhead:
            self.tell(inputs.ReadAhead(number))
        else:
            self.tell(inputs.ReadAnswered(number, ReadResult(self.world.header, kvs)))

    def _break(self, words: list[str], old: bool) -> None:
        stream = self.old["open"] if old else self.streams[-1]
        error = None if words == ["silently"] else Unavailable("connection reset")
        self.tell(inputs.WatchBroke(stream.stream_id, error))

    def _watch(self, words: list[str], old: bool) -> None:
        stream = self.old["open"] if old else self.streams[-1]
        header = self.world.header
        if "header" in words:
            at = words.index("header")
            header = Header(int(words[at + 1]), header.cluster_id, 1, header.raft_term)
            words = words[:at]
        match words:
            case ["created"]:
                response = WatchResponse(header, created=True)
            case ["progress"]:
                response = WatchResponse(header)
            case ["cancelled" | "refused", *reason]:
                compacted = self.world.compacted if reason == ["compacted"] else 0
                response = WatchResponse(
                    header,
                    created=words[0] == "refused",
                    canceled=True,
                    compact_revision=compacted,
                    cancel_reason="" if compacted else " ".join(reason),
                )
            case [span]:
                response = WatchResponse(header, tuple(self._events(span)))
            case ["backwards", span]:
                response = WatchResponse(header, tuple(self._events(span))[::-1])
            case [span, "part", n, "of", total]:
                events = tuple(_part(list(self._events(span)), int(n), int(total)))
                response = WatchResponse(header, events, fragment=n != total)
            case _:
                raise AssertionError(words)
        self.tell(inputs.WatchAnswer(stream.stream_id, response))

    def _relay(self, words: list[str], old: bool) -> None:
        stream = self.old["open"] if old else self.streams[-1]
        live = words[-2:] != ["cut", "off"]
        words = words if live else words[:-2]
        header = self.world.header
        match words:
            case ["created"]:
                response = Relayed(header, 0.0, live, created=True)
            case ["beat", age]:
                response = Relayed(header, float(age), live)
            case [span]:
                response = Relayed(header, 0.0, live, tuple(self._events(span)))
            case [span, "joined"]:
                newest = {event.kv.key: event for event in self._events(span)}
                response = Relayed(header, 0.0, live, tuple(newest.values()), joined=True)
            case _:
                raise AssertionError(words)
        self.tell(inputs.WatchAnswer(stream.stream_id, response))

    def _events(self, span: str) -> Sequence[Event]:
        first, _, last = span.partition("-")
        return list(self.world.watched(int(first), int(last or first)))

    # --- actions

    def _note(self, action: actions.Action) -> None:
        match action:
            case actions.List():
                self._give_up(self.lists, "list")
                self.lists.append(action)
                assert (action.start, action.end) == (START, END)
                self.said.append(f"list {action.endpoint}")
            case actions.Read():
                self.reads.append(action)
                key = action.key.removeprefix(PREFIX)
                name = "ledger" if key.startswith(b"ledger/") else _SPANS[key]
                at = f" at {action.revision}" if action.revision else ""
                self.said.append(f"read {action.endpoint} {name}{at}")
            case actions.OpenWatch():
                self.streams.append(action)
                assert (action.start, action.end) == (START, END)
                self.said.append(f"open {action.endpoint} from {action.from_revision}")
            case actions.CancelWatch():
                self.old["open"] = self.streams[-1]
                assert action.stream_id == self.streams[-1].stream_id
                self.said.append("cancel")
            case actions.Publish():
                self._published(action)
            case actions.Report():
                problem = f" {type(action.problem).__name__}" if action.problem else ""
                self.said.append(f"{action.state}{problem}")
                assert (action.endpoint is None) == (action.state in ("cold", "closed")) or action.state == "stale"
            case actions.Warn():
                assert getattr(self.follower.counters, action.counter) == action.total
                self.said.append(f"warn {action.counter}")
            case actions.WakeAt():
                self.said.append(f"wake {action.time:g}")
        resting = self.follower.phase.name in ("IDLE", "HALTED", "CLOSED")
        doubting = isinstance(action, actions.Warn) and action.counter == "alarms"
        if resting or doubting or isinstance(action, actions.CancelWatch | actions.List):
            self._give_up(self.reads, "read")

    def _published(self, action: actions.Publish) -> None:
        snapshot = action.snapshot
        if action.joined or not self.loses:
            assert listing(snapshot) == self.world.rows(snapshot.revision), "the picture is no revision of etcd"
        assert all(change.joined is action.joined for change in action.changes)
        joined = " joined" if action.joined else ""
        self.published.append(f"{snapshot.revision}{joined}")
        self.said.append(f"publish {self.published[-1]}")
        changes = [f"{change.action} {change.where}" for change in action.changes if not change.is_index]
        self.changes.extend(sorted(changes) if action.joined else changes)

    def _give_up(self, open_ones: list[Any], name: str) -> None:
        if open_ones:
            self.old[name] = open_ones[-1]
            open_ones.clear()

    def _drop(self, open_ones: list[Any], request: Any) -> None:
        self.old[{actions.List: "list", actions.Read: "read"}[type(request)]] = request
        if request in open_ones:
            open_ones.remove(request)


def _part(items: Sequence[Any], n: int, total: int) -> Sequence[Any]:
    """The n-th of ``total`` parts, none of them empty where there is enough."""
    return items[len(items) * (n - 1) // total : len(items) * n // total]
