"""Revisions applied one by one give the picture that a listing gives, and their changes are its difference."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdmeta.model.entities import Cluster, Database, Node, Record, ShardOwner, User
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.timeindex import TimeIndex
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_name_ref
from etcdmeta.records.keys import Kind
from etcdmeta.records.transaction import Event
from etcdmeta.replica import apply as apply_module
from etcdmeta.replica.apply import apply
from etcdmeta.replica.changes import Change
from etcdmeta.replica.listing import diff, listing
from etcdmeta.replica.loader import Loader
from tests.model.pictures import GARBAGE, Book, group

_MANY = apply_module._MANY

# --- what may be written: a few keys of every kind, so that the same ones are met again

DATABASES, POLICIES, GROUPS, NODES = (1, 2), (1, 2), range(1, 5), (1, 2)


def place_of(group_id: int) -> tuple[int, int]:
    """A group's id belongs to one policy for ever."""
    return 1 + group_id % 2, 1 + group_id // 2 % 2


def start_of(group_id: int) -> int:
    return 10 * (group_id - 2)


@st.composite
def group_values(draw: st.DrawFn, group_id: int) -> bytes:
    start = start_of(group_id)
    times = st.none() | st.integers(start - 3, start + 12)
    record = group(
        group_id,
        start,
        start + 10,
        *draw(st.lists(st.sampled_from(NODES).map(lambda n: ShardOwner(node_id=n)), max_size=2, unique_by=repr)),
        place=place_of(group_id),
        deleted_at=draw(times),
        truncated_at=draw(times),
        shards=draw(st.integers(0, 3)),
    )
    return encode(record)


def group_key(group_id: int) -> bytes:
    return keys.group(*place_of(group_id), start_of(group_id), group_id)


def records() -> Iterator[tuple[bytes, st.SearchStrategy[bytes]]]:
    """Keys, and what may stand there."""
    reference = st.sampled_from([1, 2]).map(encode_name_ref)
    text = st.sampled_from([b"", b"\x0a\x01a", b"\x0a\x01b"])
    yield keys.CLUSTER, st.integers(0, 2).map(lambda n: encode(Cluster(cluster_id=7, epoch=n, generation_base=n)))
    yield keys.GENERATION, st.integers(0, 3).map(lambda n: b"\x09" + bytes([n] * 8))
    for node in NODES:
        host = encode(Node(id=node, host=f"h{node}:1"))
        yield keys.node(node), st.sampled_from([host, host + b"\x30\x01"])
        yield keys.host_name(f"h{node}:1"), reference
        yield keys.identity_name(f"{node:064x}"), reference
        yield keys.live(node), text
        yield keys.progress(1, 1, 10, node), st.sampled_from([b"", b"\x08\x01"])
    for user in (1, 2):
        yield keys.user(user), st.booleans().map(lambda admin, u=user: encode(User(id=u, name=f"u{u}", admin=admin)))
        yield keys.user_name(f"u{user}"), reference
    for d in DATABASES:
        name = f"d{d}"
        yield (
            keys.database_info(d),
            st.integers(0, 2).map(
                lambda p, d=d, name=name: encode(Database(id=d, name=name, default_policy_id=p))  # type: ignore[misc]
            ),
        )
        yield keys.database_name(name), reference
        yield keys.query(d, "q"), text
        yield keys.grant(d, 1), st.sampled_from([b"", b"\x0a\x04read"])
        for p in POLICIES:
            yield keys.policy_info(d, p), st.integers(1, 3).map(lambda n: b"\x08\x01\x18" + bytes([n]))
            yield keys.policy_name(d, f"p{p}"), reference
            yield keys.subscription(d, p, "s"), text
    for group_id in GROUPS:
        yield group_key(group_id), group_values(group_id)
    yield b"state/plan/0000000000000001", st.binary(max_size=3)  # a kind of a later version
    yield b"state/node/3", st.binary(max_size=3)  # somebody else's


VALUES = dict(records())
UNREADABLE = {key for key in VALUES if keys.locate(key)[0] not in {Kind.OTHER, Kind.GENERATION}}


@st.composite
def writes(draw: st.DrawFn) -> tuple[bytes, bytes | None]:
    """One key, and its new value; None: it is deleted."""
    key = draw(st.sampled_from(sorted(VALUES)))
    kind = draw(st.sampled_from(["put", "put", "put", "delete", "garbage"]))
    if kind == "delete":
        return key, None
    if kind == "garbage" and key in UNREADABLE:
        return key, GARBAGE
    return key, draw(VALUES[key])


revisions = st.lists(st.lists(writes(), min_size=1, max_size=4, unique_by=lambda write: write[0]), max_size=25)


# --- how it is applied, and what two pictures are compared by


def written(book: Book, revision: Iterable[tuple[bytes, bytes | None]]) -> list[Event]:
    """All at one revision."""
    now = book.revision
    events = []
    for key, value in revision:
        book.revision = now
        if value is not None:
            events.append(book.put(key, value))
        elif key in book.kvs:
            events.append(book.delete(key))
    book.revision = now + 1
    return events


def everything(snapshot: Snapshot) -> dict[str, Any]:
    """All that tables and indexes say, without regard to how they were made."""
    tables = snapshot.tables
    names = ("database_names", "user_names", "host_names", "identity_names")
    flat = (*names, "nodes", "users", "liveness", "progress", "others")
    return {
        "listing": listing(snapshot),
        "position": (snapshot.position, snapshot.generation, snapshot.generation_mark),
        **{name: dict(getattr(tables, name).items()) for name in flat},
        "groups": dict(tables.groups.items()),
        "shards": dict(tables.shards.items()),
        "unreadable": dict(tables.unreadable),
        "databases": {
            d: (database.info, database.names, database.queries, database.grants, policies(database.policies))
            for d, database in tables.databases.items()
        },
        "owners": {node: count for node, count in snapshot.owner_counts().items() if count},
        "visible": [(g.id, g.start) for g in snapshot.groups(include_deleted=True)],
    }


def policies(tables: dict[int, Any]) -> dict[int, Any]:
    def index(of: TimeIndex) -> list[tuple[int, int, int]]:
        return list(of)

    return {
        p: (t.info, t.subscriptions, index(t.serving), index(t.truncated), index(t.deleted)) for p, t in tables.items()
    }


def joined(changes: Iterable[Change]) -> dict[Any, tuple[Any, Any]]:
    """The first before and the last after of each place; what came back to what it was is no change."""
    found: dict[Any, tuple[Any, Any]] = {}
    for change in changes:
        before, after = change.rows
        found[change.place] = (found[change.place][0] if change.place in found else before, after)
    return {place: rows for place, rows in found.items() if rows[0] != rows[1]}


@pytest.mark.parametrize("many", [_MANY, 0], ids=["few events", "many events"])
def test_revision_by_revision_equals_a_listing(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The short cuts for a revision of many events, too, which take these for many."""
    monkeypatch.setattr(apply_module, "_MANY", many)
    one_by_one()


@given(revisions, st.booleans())
@settings(max_examples=300, deadline=None)
def one_by_one(done: list[list[tuple[bytes, bytes | None]]], counted: bool) -> None:
    book = Book()
    first = snapshot = book.load()
    if counted:
        snapshot.owner_counts()
    changes: list[Change] = []
    for revision in done:
        before = everything(snapshot) if not counted else None
        older = snapshot
        snapshot, news = apply(snapshot, written(book, revision), book.revision, 0)
        changes += news
        assert listing(snapshot) == book.rows()
        assert joined(news) == joined(diff(older, snapshot))
        if before is not None:
            assert everything(older) == before, "a published picture changed"
        for change in news:
            assert change.action in {"created", "changed", "removed"}
            assert (change.before is None) or isinstance(change.before, Record)
            assert (change.after is None) or isinstance(change.after, Record)
            assert change.where
    assert everything(snapshot) == everything(book.load())
    assert joined(changes) == joined(diff(first, snapshot))
    assert joined(diff(snapshot, first)) == {p: (b, a) for p, (a, b) in joined(diff(first, snapshot)).items()}


def test_pages_may_come_in_any_order(rng: random.Random) -> None:
    """The small records first, then each policy's groups, is how a listing is read."""
    book = Book()
    for d in DATABASES:
        book.database(d, f"d{d}", default=1)
        for p in POLICIES:
            book.policy(d, p, f"p{p}")
    for group_id in range(1, 60):
        book.group(group(group_id, start_of(group_id), start_of(group_id) + 10, 1, place=place_of(group_id)))
    book.put(group_key(2), GARBAGE)
    pages: list[Sequence[Any]] = []
    rows = [book.kvs[key] for key in sorted(book.kvs)]
    while rows:
        size = rng.randint(1, 9)
        pages.append(rows[:size])
        rows = rows[size:]
    rng.shuffle(pages)
    loader = Loader(0)
    for page in pages:
        loader.add(page)
    assert everything(loader.finish(book.revision)) == everything(book.load())


def test_the_prefix_is_not_part_of_what_is_kept() -> None:
    book, prefixed = Book(), Book()
    for target, prefix in ((book, b""), (prefixed, b"/etcdmeta/x/")):
        target.put(prefix + keys.node(1), encode(Node(id=1, host="h:1")))
        target.put(prefix + group_key(1), encode(group(1, start_of(1), 9, place=place_of(1))))
    loader = Loader(len(b"/etcdmeta/x/"))
    loader.add(prefixed.kvs.values())
    assert listing(loader.finish(3)) == listing(book.load())


# --- the quarantine (danger 13)

BAD_GROUPS = {
    "garbage": (group_key(1), GARBAGE),
    "another id than its key's": (group_key(1), encode(group(2, start_of(1), 10))),
    "another start than its key's": (group_key(1), encode(group(1, start_of(1) + 1, 10))),
    "the id of another group": (keys.group(2, 2, 77, 2), encode(group(2, 77, 80))),
}


@pytest.mark.parametrize("what", BAD_GROUPS)
@pytest.mark.parametrize("arrival", ["listed", "watched"])
def test_a_group_that_is_not_what_its_key_says_is_quarantined(what: str, arrival: str) -> None:
    key, value = BAD_GROUPS[what]
    book = Book()
    for group_id in (1, 2):
        place = place_of(group_id)
        book.database(place[0], f"d{group_id}", default=place[1])
        book.policy(*place, "autogen")
        book.group(group(group_id, start_of(group_id), start_of(group_id) + 10, 5, place=place))
    healthy = book.load()
    event = book.put(key, value)
    snapshot = book.load() if arrival == "listed" else apply(healthy, [event], book.revision, 0)[0]
    assert list(snapshot.unreadable) == [key]
    assert snapshot.unreadable[key]
    assert listing(snapshot) == book.rows(), "kept, raw"
    assert snapshot.group(2).start == start_of(2), "the rest goes on"
    if key == group_key(1):
        assert snapshot.find_group(1) is None
        assert snapshot.owner_counts() == {5: 1}
    gone, changes = apply(snapshot, [book.delete(key)], book.revision, 0)
    assert gone.unreadable == {}
    assert listing(gone) == book.rows()
    assert [change.place[0] for change in changes] == [Kind.OTHER]


def test_to_a_listener_a_record_goes_when_it_can_no_longer_be_read() -> None:
    book = Book()
    book.put(keys.node(1), encode(Node(id=1, host="h:1")))
    healthy = book.load()
    spoiled, lost = apply(healthy, [book.put(keys.node(1), GARBAGE)], book.revision, 0)
    news = [change for change in lost if not change.is_index]
    assert [(c.kind, c.action) for c in news] == [("node", "removed")]
    assert isinstance(news[0].before, Node)
    assert news[0].after is None
    _, back = apply(spoiled, [book.put(keys.node(1), encode(Node(id=1, host="i:1")))], book.revision, 0)
    news = [change for change in back if not change.is_index]
    assert [(c.kind, c.action) for c in news] == [("node", "created")]
    assert isinstance(news[0].after, Node)
    assert news[0].after.host == "i:1"


def test_a_delete_of_what_was_never_there_is_no_news() -> None:
    book = Book()
    snapshot, changes = apply(book.load(), [book.delete(keys.node(1))], book.revision, 0)
    assert changes == ()
    assert snapshot.revision == 2


@pytest.mark.parametrize("left", [0, 1], ids=["all groups go", "one stays"])
def test_many_groups_go_at_once(left: int) -> None:
    """A drop: every index of the policy is emptied at once, unless something is left in it."""
    book = Book()
    book.database(1, "d", default=1)
    book.policy(1, 1, "autogen")
    book.policy(1, 2, "other")
    gone = []
    for number in range(1, 200):
        cut = number * 10 if number % 7 == 0 else number * 10 + 5 if number % 5 == 0 else None
        deleted = 1 if number % 3 == 0 else None
        record = group(number, number * 10, number * 10 + 10, 1, 2, deleted_at=deleted, truncated_at=cut)
        gone.append(book.group(record))
    book.group(group(500, 0, 10, 3, place=(1, 2)))
    snapshot = book.load()
    snapshot.owner_counts()
    events = [book.delete(key) for key in gone[left:]]
    dropped, changes = apply(snapshot, events, book.revision, 0)
    assert everything(dropped) == everything(book.load())
    assert len(changes) == len(events)
    again, _ = apply(dropped, [book.put(gone[-1], group(199, 1990, 2000, 1))], book.revision, 0)
    assert everything(again) == everything(book.load())


def test_many_groups_at_once_are_as_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Usual groups between odd ones: empty, cut short, deleted, unreadable, mended, of a key that is not theirs, of an
    id that another one has."""
    chance = random.Random(seed)
    values = {
        "usual": lambda n, start: group(n, start, start + 10, ShardOwner(node_id=chance.randint(1, 3)), place=(1, 1)),
        "empty": lambda n, start: group(n, start, start - chance.randrange(2), place=(1, 1)),
        "cut": lambda n, start: group(n, start, start + 10, place=(1, 1), truncated_at=start + 3),
        "deleted": lambda n, start: group(n, start, start + 10, place=(1, 1), deleted_at=1),
        "stranger": lambda n, start: group(n, start + 1, start + 10, place=(1, 1)),
    }
    for _ in range(60):
        book = Book()
        ways = {_MANY: book.load(), 0: book.load()}
        for snapshot in ways.values():
            if chance.random() < 0.5:
                snapshot.owner_counts()
        for _ in range(12):
            revision: dict[bytes, bytes | None] = {}
            for _ in range(chance.randrange(12)):
                n = chance.randint(1, 9)
                start = chance.choice([10 * n, 10 * n, 10 * n, 500 + n])
                key = keys.group(chance.choice([1, 1, 1, 2]), chance.choice([1, 1, 1, 2]), start, n)
                what = chance.choice(["usual"] * 6 + ["garbage", "none", *values])
                value = {"garbage": GARBAGE, "none": None}.get(what, GARBAGE)
                revision[key] = encode(values[what](n, start)) if what in values else value
            events = written(book, revision.items())
            news = {}
            for many, snapshot in ways.items():
                monkeypatch.setattr(apply_module, "_MANY", many)
                ways[many], changes = apply(snapshot, events, book.revision, 0)
                news[many] = [(change.place, change.rows) for change in changes]
            assert news[0] == news[_MANY]
            assert everything(ways[0]) == everything(ways[_MANY])
