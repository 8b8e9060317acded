"""The log of changes: whoever says since when gets what came after, of pages too, whose changes are made when asked."""

from __future__ import annotations

from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Event
from etcdmeta.replica.apply import _MANY
from etcdmeta.replica.changes import Changes
from etcdmeta.store.listeners import LOG_LIMIT, Listeners
from tests.model.pictures import Book, after, group
from tests.replica.test_pictures import written

A_PAGE = range(_MANY + 10)


def page_of(book: Book, first: int) -> list[Event]:
    """So many new groups in one revision, with its generation."""
    puts = [(keys.group(1, 1, n, n), encode(group(n, n, n + 1, 1))) for n in (first + i for i in A_PAGE)]
    return written(book, [*puts, (keys.GENERATION, b"")])


def step(listeners: Listeners, snapshot: Snapshot, events: list[Event]) -> Snapshot:
    snapshot, changes = after(snapshot, *events)
    listeners.publish(snapshot, changes)
    return snapshot


def test_since_a_page_only_what_follows_it_is_missed() -> None:
    book, listeners = Book(), Listeners()
    first = book.load()
    listeners.publish(first, ())
    between = step(listeners, first, page_of(book, 1_000))
    last = step(listeners, between, page_of(book, 2_000))
    last = step(listeners, last, written(book, [(keys.group(1, 1, 1_000, 1_000), None)]))

    _, missed = listeners.subscribe(between)
    _, all_of_it = listeners.subscribe(first)

    assert [change.place[1][3] for change in missed] == [*(2_000 + i for i in A_PAGE), 1_000]
    assert [change.revision for change in all_of_it] == [
        *[between.revision for _ in A_PAGE],
        *[last.revision - 1 for _ in A_PAGE],
        last.revision,
    ]
    assert {change.kind for change in all_of_it} == {"group"}  # the generation is no news
    assert all(change.snapshot is between for change in all_of_it[: len(A_PAGE)])


def test_changes_of_a_page_come_in_the_order_of_its_events() -> None:
    book = Book()
    before = book.load()
    events = page_of(book, 1_000)
    _, changes = after(before, *events)

    assert isinstance(changes, Changes)
    assert len(changes) == len(events)
    assert [keys.render(change.place) for change in changes] == [event.kv.key for event in events]
    assert [change.rows[1][0] for change in changes if change.kind == "group"] == [
        event.kv.value for event in events if event.kv.value
    ]
    assert changes[0].place == changes[:1][0].place


def test_a_log_that_is_full_begins_anew() -> None:
    book, listeners = Book(), Listeners()
    snapshot = book.load()
    listeners.publish(snapshot, ())
    pictures = [snapshot]
    for number in range(LOG_LIMIT // len(A_PAGE) + 2):
        pictures.append(step(listeners, pictures[-1], page_of(book, 1_000 * (number + 1))))

    _, by_difference = listeners.subscribe(pictures[0])
    _, by_log = listeners.subscribe(pictures[-2])

    assert len(by_difference) == len(A_PAGE) * (len(pictures) - 1)
    assert all(change.joined for change in by_difference)
    assert len(by_log) == len(A_PAGE)
    assert not any(change.joined for change in by_log)
