"""`shard status --watch`: the screen again at each change that the watch brings, or one JSON object a change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from etcdmeta.cli.live import live_screen
from etcdmeta.cli.output import Output
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard_items import status_json
from etcdmeta.cli.shard_view import StatusView
from etcdmeta.cli.stream import emit
from etcdmeta.errors import WaitTimedOut
from etcdmeta.model.health import Health, Heat, OwnerState, ShardStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.replica.changes import Change

if TYPE_CHECKING:
    from etcdmeta.store import MetaStore

REFRESH_SECONDS = 1.0
"""How often age and remaining times are drawn anew while nothing changes: from memory, etcd is not asked."""
_SHARE = 10
"""Where drawing takes long, it takes no more than one part in so many of the time."""

_NO_NEWS = frozenset({"user", "query", "subscription", "grant"})

MakeView = Callable[[Snapshot], StatusView]
Draw = Callable[[StatusView], list[str]]


class Absences:
    """Since when nodes are down, as far as this process watched: the picture only knows that they are."""

    def __init__(self) -> None:
        self.since: dict[int, int] = {}
        self._before: Snapshot | None = None

    def note(self, snapshot: Snapshot, now: int) -> None:
        """Compare with the picture before."""
        before, self._before = self._before, snapshot
        for node in snapshot.nodes():
            if snapshot.is_live(node.id) is not False:
                self.since.pop(node.id, None)
            elif before is not None and before.is_live(node.id):
                self.since[node.id] = now


def redraw(session: Session, store: MetaStore, make: MakeView, draw: Draw) -> StatusView:
    """Until ``--timeout``, or Ctrl-C: a screen in place on a terminal, one screen after the other in a pipe."""
    output = session.output
    view: StatusView | None = None
    if output.is_terminal:
        with live_screen(output.stream) as screen:
            for view in _views(session, store, make, refresh=True):
                screen.draw(draw(view))
    else:
        last: list[str] = []
        for view in _views(session, store, make, refresh=False):
            lines = draw(view)
            if lines != last:
                output.lines(["", *lines] if last else lines)
                output.stream.flush()
            last = lines
    assert view is not None  # there is always a first one
    return view


def _views(session: Session, store: MetaStore, make: MakeView, *, refresh: bool) -> Iterator[StatusView]:
    """One view a picture; pictures that come while one is being drawn are one."""
    seen = store.snapshot()
    began = time.monotonic()
    yield make(seen)
    while (left := session.remaining()) is None or left > 0:
        before = seen
        pause = max(REFRESH_SECONDS, _SHARE * (time.monotonic() - began))
        try:
            store.wait_for(
                lambda snapshot: snapshot is not before,  # noqa: B023  called in this turn
                timeout=pause if left is None else min(left, pause),
            )
        except WaitTimedOut:
            if not refresh and store.freshness().problem is None:
                continue
        seen = store.snapshot()
        began = time.monotonic()
        yield make(seen)


def tell(session: Session, store: MetaStore, make: MakeView) -> StatusView:
    """One JSON object a change, each in one line; first the shards as they are."""
    snapshot = store.snapshot()
    view = make(snapshot)
    known = {status.shard_id: status for status in view.statuses}
    for status in view.statuses:
        _write(session.output, view, "present", status)
    while (left := session.remaining()) is None or left > 0:
        timeout = REFRESH_SECONDS if left is None else min(left, REFRESH_SECONDS)
        for item in store.changes(since=snapshot, timeout=timeout):
            if item.snapshot is snapshot or (isinstance(item, Change) and item.kind in _NO_NEWS):
                continue
            snapshot = item.snapshot
            view, known = _step(session.output, make(snapshot), known)
            if session.remaining() == 0:
                return view
        if store.freshness().problem is not None:
            view, known = _step(session.output, make(snapshot), known)
    return view


def _step(output: Output, view: StatusView, known: dict[int, ShardStatus]) -> tuple[StatusView, dict[int, ShardStatus]]:
    now = {status.shard_id: status for status in view.statuses}
    for status in view.statuses:
        before = known.get(status.shard_id)
        if before is None:
            _write(output, view, "appeared", status)
        elif _facts(before) != _facts(status):
            _write(output, view, "changed", status)
    for shard_id, status in known.items():
        if shard_id not in now:
            _write(output, view, "disappeared", status)
    return view, now


def _facts(status: ShardStatus) -> tuple[int, Health, Heat, int, tuple[OwnerState, ...]]:
    """What makes a change; reasons hold times that pass by themselves."""
    return status.revision, status.health, status.heat, status.wanted, status.owners


def _write(output: Output, view: StatusView, action: str, status: ShardStatus) -> None:
    item = {
        "action": action,
        "generation": view.picture.generation,
        "revision": view.picture.revision,
        "verdict": str(view.summary.verdict),
        "shard": status_json(status),
    }
    emit(output, "ShardStatusChangeList", item, view.picture)
