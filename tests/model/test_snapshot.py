"""What a snapshot answers: names, ids, times, hashes, owners, rights; and what it does not show."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etcdmeta.errors import (
    DatabaseNotFound,
    GroupNotFound,
    NodeNotFound,
    PolicyNotFound,
    QueryNotFound,
    RecordUnreadable,
    ShardNotFound,
    SubscriptionNotFound,
    UserNotFound,
)
from etcdmeta.model.entities import (
    Cluster,
    ContinuousQuery,
    Liveness,
    Node,
    Progress,
    ShardOwner,
    Subscription,
)
from etcdmeta.model.owners import NodeState, OwnerStatus, Privilege, SubscriptionMode
from etcdmeta.model.snapshot import Position, Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode_name_ref
from tests.model.pictures import GARBAGE, Book, after, group


@pytest.fixture
def book() -> Book:
    """``metrics`` with ``autogen`` (the default), in which five groups lie, and ``week``; and ``logs``, empty."""
    book = Book()
    book.database(1, "metrics", default=1)
    book.policy(1, 1, "autogen", replicas=2)
    book.policy(1, 2, "week")
    book.database(2, "logs")
    book.group(group(1, -20, -10, 1, 2))
    book.group(group(2, -10, 0, 1, 2, deleted_at=77))
    book.group(group(3, 0, 10, 1, 3, truncated_at=4))
    book.group(group(4, 4, 10, 2, 3, shards=3))
    book.group(group(5, 20, 30, 3))
    return book


def ids(found: object) -> list[int]:
    return [each.id for each in found]  # type: ignore[attr-defined]


# --- position


def test_a_picture_of_nothing() -> None:
    snapshot = Book().load()
    assert snapshot.cluster is None
    assert (snapshot.generation, snapshot.revision) == (0, 1)
    assert snapshot.position == Position(0, 1)
    assert snapshot.databases() == snapshot.nodes() == snapshot.users() == ()
    assert list(snapshot.groups()) == []
    assert snapshot.owner_counts() == {}


def test_generation_is_the_guards_base_and_the_count_of_commits() -> None:
    book = Book()
    book.put(keys.CLUSTER, Cluster(cluster_id=7, epoch=9, generation_base=100))
    assert book.load().generation == 100
    for nonce in (b"\x09aaaaaaaa", b"\x09bbbbbbbb"):
        book.put(keys.GENERATION, nonce)
    snapshot = book.load()
    assert snapshot.generation == 102
    assert snapshot.position == Position(9, book.revision)
    mark = snapshot.generation_mark
    assert mark is not None
    assert (mark.version, mark.create_revision, mark.mod_revision) == (2, 3, 4)
    assert "generation 102" in repr(snapshot)


def test_positions_from_before_an_accepted_restore_do_not_compare() -> None:
    book = Book()
    book.put(keys.CLUSTER, Cluster(cluster_id=7, epoch=2**64 - 1))
    snapshot = book.load()
    restored = Snapshot(snapshot.tables, snapshot.revision, snapshot.decoder, restores=1)
    assert restored.position == Position(0, snapshot.revision)  # of 64 bits
    assert restored.succeed(snapshot.tables, 99).position == Position(0, 99)


# --- by name, by id


def test_databases_and_policies_by_name_and_by_id(book: Book) -> None:
    snapshot = book.load()
    metrics = snapshot.database("metrics")
    assert (metrics.id, metrics.name) == (1, "metrics")
    assert snapshot.database_by_id(1).name == "metrics"
    assert metrics.policy("week").id == 2
    assert metrics.policy_by_id(2).name == "week"
    assert snapshot.policy("metrics", "week").database.name == "metrics"
    default = snapshot.policy("metrics")
    assert (default.name, default.is_default, default.replicas) == ("autogen", True, 2)
    assert default.duration.influxql() == "30d"
    assert default.group_duration.influxql() == "1h"
    assert not metrics.policy("week").is_default
    assert (metrics.create_revision, metrics.mod_revision, metrics.name_revision) == (2, 2, 3)
    assert (default.create_revision, default.mod_revision, default.name_revision) == (4, 4, 5)
    assert snapshot.find_database("none") is None
    assert metrics.find_policy("none") is None


MISSING: dict[str, tuple[type[Exception], Callable[[Snapshot], object]]] = {
    "database": (DatabaseNotFound, lambda s: s.database("none")),
    "database of another case": (DatabaseNotFound, lambda s: s.database("METRICS")),
    "database by id": (DatabaseNotFound, lambda s: s.database_by_id(99)),
    "policy": (PolicyNotFound, lambda s: s.policy("metrics", "none")),
    "policy of a database that is not there": (DatabaseNotFound, lambda s: s.policy("none", "autogen")),
    "default policy where there is none": (PolicyNotFound, lambda s: s.policy("logs")),
    "policy by id": (PolicyNotFound, lambda s: s.database("metrics").policy_by_id(99)),
    "group": (GroupNotFound, lambda s: s.group(99)),
    "shard": (ShardNotFound, lambda s: s.shard(99)),
    "node": (NodeNotFound, lambda s: s.node(99)),
    "node by text": (NodeNotFound, lambda s: s.node("n99")),
    "node by a number beyond 64 bits": (NodeNotFound, lambda s: s.node(str(2**70))),
    "node by other digits": (NodeNotFound, lambda s: s.node("²")),
    "user": (UserNotFound, lambda s: s.user("none")),
    "query": (QueryNotFound, lambda s: s.database("metrics").query("none")),
    "subscription": (SubscriptionNotFound, lambda s: s.policy("metrics").subscription("none")),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_not_there_is_a_typed_error(book: Book, what: str) -> None:
    error, ask = MISSING[what]
    with pytest.raises(error):
        ask(book.load())


def test_lists_come_in_order_of_creation() -> None:
    """By create revision, then by id: not by name, and not by id alone."""
    book = Book()
    book.database(9, "first")
    book.database(3, "second")
    book.policy(9, 8, "b")
    book.policy(9, 5, "a")
    book.database(9, "first", default=8)  # a change does not make it new
    for number, name in ((7, "z"), (6, "y")):
        book.user(number, name)
    for name in ("q2", "q1"):
        book.put(keys.query(9, name), ContinuousQuery(database_id=9, name=name, query="select 1"))
        destination = Subscription(
            database_id=9, policy_id=8, name=name, mode=SubscriptionMode.ANY, destinations=("udp://h:1",)
        )
        book.put(keys.subscription(9, 8, name), destination)
    snapshot = book.load()
    assert [d.name for d in snapshot.databases()] == ["first", "second"]
    assert [p.name for p in snapshot.database("first").policies()] == ["b", "a"]
    assert [u.name for u in snapshot.users()] == ["z", "y"]
    assert [q.name for q in snapshot.database("first").queries()] == ["q2", "q1"]
    assert [s.name for s in snapshot.policy("first", "b").subscriptions()] == ["q2", "q1"]
    assert snapshot.database("first").query("q1").query == "select 1"
    assert snapshot.policy("first", "b").subscription("q2").destinations == ("udp://h:1",)


# --- groups


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (-21, None),  # before all
        (-20, 1),  # the start is in
        (-11, 1),
        (-10, None),  # the end is not; what follows is deleted
        (-1, None),
        (0, 3),
        (3, 3),
        (4, 4),  # truncated there: the next one has it
        (9, 4),
        (10, None),  # a gap
        (19, None),
        (20, 5),
        (30, None),
    ],
)
def test_group_at_a_time(book: Book, time: int, expected: int | None) -> None:
    policy = book.load().policy("metrics")
    found = policy.group_at(time)
    assert (None if found is None else found.id) == expected
    assert policy.group_id_at(time) == expected
    holding = [g.id for g in policy.groups(include_deleted=True) if g.contains(time)]
    assert holding == ([] if expected is None else [expected])


def test_groups_of_a_policy(book: Book) -> None:
    policy = book.load().policy("metrics")
    assert ids(policy.groups()) == [1, 3, 4, 5]
    assert ids(policy.groups(include_deleted=True)) == [1, 2, 3, 4, 5]
    assert ids(policy.deleted_groups()) == [2]
    assert ids(book.load().groups()) == [1, 3, 4, 5]
    assert ids(book.load().policy("metrics", "week").groups(include_deleted=True)) == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-100, 100, [1, 3, 4, 5]),
        (-100, -21, []),
        (-100, -20, [1]),  # the high end is inclusive
        (-10, -10, []),  # an end is exclusive; the group there is deleted
        (3, 3, [3]),
        (6, 6, [3, 4]),  # a truncated one counts by its whole span: old points may lie there
        (10, 19, []),
        (25, 1000, [5]),
    ],
)
def test_groups_between(book: Book, low: int, high: int, expected: list[int]) -> None:
    policy = book.load().policy("metrics")
    assert ids(policy.groups_between(low, high)) == expected
    assert [g.id for g in policy.groups() if g.overlaps(low, high)] == expected


@pytest.mark.parametrize(("time", "expected"), [(-21, None), (-5, 1), (0, 3), (15, 4), (99, 5)])
def test_the_serving_group_at_or_before_a_time(book: Book, time: int, expected: int | None) -> None:
    found = book.load().policy("metrics").group_at_or_before(time)
    assert (None if found is None else found.id) == expected


def test_a_group_truncated_before_it_began_holds_nothing_and_is_listed(book: Book) -> None:
    book.group(group(6, 40, 50, 1, truncated_at=40))
    policy = book.load().policy("metrics")
    assert policy.group_at(40) is None
    assert ids(policy.groups()) == [1, 3, 4, 5, 6]
    assert ids(policy.groups_between(45, 45)) == [6]


def test_groups_at_the_ends_of_time() -> None:
    low, high = -9223372036854775806, 9223372036854775806
    book = Book()
    book.database(1, "metrics", default=1)
    book.policy(1, 1, "autogen")
    book.group(group(1, low, low + 10, 1))
    book.group(group(2, high - 10, high, 1))
    policy = book.load().policy("metrics")
    assert policy.group_id_at(low) == 1
    assert policy.group_id_at(high - 1) == 2
    assert policy.group_id_at(high) is None
    assert ids(policy.groups_between(low, high)) == [1, 2]


def test_a_points_shard_is_its_hash_modulo_their_number(book: Book) -> None:
    found = book.load().policy("metrics").group_at(5)
    assert found is not None
    assert [found.shard_for(h).id for h in (0, 1, 2, 3, 2**64 - 1)] == [40, 41, 42, 40, 40]


def test_groups_and_shards_by_id(book: Book) -> None:
    snapshot = book.load()
    assert snapshot.group(4).start == 4
    assert snapshot.group(2).is_deleted, "deleted ones, too, until they are pruned"
    assert snapshot.shard(42).id == 42
    assert snapshot.group_of_shard(42).id == 4
    assert snapshot.find_group(99) is None


# --- nodes and owners


def with_nodes(book: Book) -> Book:
    """1 lives, 2 has reported before and does not now, 3 never reported, 4 is removed."""
    book.node(Node(id=1, host="a:1", reports_liveness=True))
    book.node(Node(id=2, host="b:1", reports_liveness=True))
    book.node(Node(id=3, host="n1:1", labels={"zone": "c"}))
    book.put(keys.node(4), Node(id=4, host="a:1", state=NodeState.REMOVED))
    book.put(keys.live(1), Liveness(node_id=1, instance=5, since=9, host="a:1"))
    return book


def test_nodes_by_id_and_host(book: Book) -> None:
    snapshot = with_nodes(book).load()
    assert ids(snapshot.nodes()) == [1, 2, 3]
    assert ids(snapshot.nodes(include_removed=True)) == [1, 2, 3, 4]
    assert [snapshot.node(which).id for which in (3, "3", "n3", "n1:1")] == [3] * 4
    assert snapshot.node("a:1").id == 1, "the host is its present owner's, not the tombstone's"
    assert snapshot.node(4).state is NodeState.REMOVED
    assert not snapshot.node(4).takes_shards
    assert snapshot.host_name_revision("a:1") == snapshot.tables.host_names["a:1"][1]
    assert snapshot.host_name_revision("none:1") == 0


def test_liveness(book: Book) -> None:
    snapshot = with_nodes(book).load()
    assert [snapshot.is_live(n) for n in (1, 2, 3)] == [True, False, None]
    assert snapshot.is_live(99) is False, "nobody by that id"
    book.put(keys.live(4), Liveness(node_id=4, instance=6, since=9, host="a:1"))
    assert book.load().is_live(4) is False, "it was removed, whatever it reports"
    found = snapshot.liveness(1)
    assert found is not None
    assert (found.instance, found.since) == (5, 9)
    assert snapshot.liveness(2) is None


STATUSES = [*OwnerStatus, "resting"]


@pytest.mark.parametrize("status", STATUSES)
def test_who_can_serve(book: Book, status: OwnerStatus | str) -> None:
    with_nodes(book)
    book.group(group(7, 50, 60, *(ShardOwner(node_id=n, status=status) for n in (1, 2, 3))))
    snapshot = book.load()
    shard = snapshot.shard(70)
    serves = status in {OwnerStatus.ACTIVE, OwnerStatus.LEAVING}
    assert [o.node_id for o in shard.serving_owners()] == ([1, 2, 3] if serves else [])
    # 2 is known to be down; of 3 nothing is known, so its status alone counts.
    assert [o.node_id for o in shard.serving_owners(snapshot)] == ([1, 3] if serves else [])


def test_what_a_node_owns(book: Book) -> None:
    snapshot = book.load()
    assert [(g.id, s.id, o.node_id) for g, s, o in snapshot.shards_of(3)] == [
        (3, 30, 3),
        (4, 40, 3),
        (4, 41, 3),
        (4, 42, 3),
        (5, 50, 3),
    ]
    assert {s.id for _, s, _ in snapshot.shards_of(1)} == {10, 30}, "not what is deleted"
    assert list(snapshot.shards_of(99)) == []


def test_owner_counts_are_counted_once_and_carried_on(book: Book) -> None:
    snapshot = book.load()
    assert snapshot.known_owner_counts is None
    assert snapshot.owner_counts() == {1: 2, 2: 4, 3: 5}
    marked, _ = after(snapshot, book.put(keys.group(1, 1, 4, 4), group(4, 4, 10, 2, 3, shards=3, deleted_at=1)))
    assert marked.known_owner_counts is not None
    assert dict(marked.owner_counts()) == {1: 2, 2: 1, 3: 2} == dict(book.load().owner_counts())
    assert snapshot.owner_counts() == {1: 2, 2: 4, 3: 5}, "the older picture keeps its own"


def test_progress(book: Book) -> None:
    record = Progress(database_id=1, policy_id=1, shard_id=40, node_id=3, attempt=2, bytes_done=7)
    book.put(keys.progress(1, 1, 40, 3), record)
    found = book.load().progress(40, 3)
    assert found is not None
    assert (found.attempt, found.bytes_done, found.bytes_total) == (2, 7, None)
    assert book.load().progress(40, 2) is None


# --- users


RIGHTS = [
    ("root", True, None, {Privilege.READ: True, Privilege.WRITE: True, Privilege.ALL: True}),
    ("reader", False, Privilege.READ, {Privilege.READ: True, Privilege.WRITE: False, Privilege.ALL: False}),
    ("writer", False, Privilege.WRITE, {Privilege.READ: False, Privilege.WRITE: True, Privilege.ALL: False}),
    ("all", False, Privilege.ALL, {Privilege.READ: True, Privilege.WRITE: True, Privilege.ALL: True}),
    ("none", False, Privilege.NONE, {Privilege.READ: False, Privilege.WRITE: False, Privilege.ALL: False}),
    ("no grant", False, None, {Privilege.READ: False, Privilege.WRITE: False, Privilege.ALL: False}),
    ("unknown word", False, "owner", {Privilege.READ: False, Privilege.WRITE: False, Privilege.ALL: False}),
]


@pytest.mark.parametrize(
    ("name", "admin", "granted", "expected"), RIGHTS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_may_user_u_do_p_on_d(
    book: Book, name: str, admin: bool, granted: Privilege | str | None, expected: dict[Privilege, bool]
) -> None:
    book.user(5, name, admin=admin)
    if granted is not None:
        book.grant(1, 5, granted)
    snapshot = book.load()
    assert {p: snapshot.allows(name, p, "metrics") for p in expected} == expected
    user = snapshot.user(name)
    assert {p: snapshot.allows(user, p, "metrics") for p in expected} == expected
    assert [snapshot.allows(name, p, "logs") for p in expected] == [admin] * 3
    assert [snapshot.allows(name, p, "not there") for p in expected] == [admin] * 3
    assert snapshot.privileges(user) == ({} if granted is None else {"metrics": granted})
    assert not snapshot.allows("nobody", Privilege.READ, "metrics")


def test_the_grants_of_a_dropped_user_are_void_at_once(book: Book) -> None:
    book.user(5, "alice")
    book.grant(1, 5, Privilege.ALL)
    before = book.load()
    alice = before.user("alice")
    book.delete(keys.user(5))
    book.delete(keys.user_name("alice"))
    book.user(6, "alice")  # another one
    snapshot = book.load()
    assert not snapshot.allows(alice, Privilege.READ, "metrics")
    assert not snapshot.allows("alice", Privilege.READ, "metrics")
    assert snapshot.database("metrics").grants() == ()
    assert snapshot.database("metrics").grant(5) is None
    assert snapshot.privileges(alice) == {}
    assert before.allows(alice, Privilege.READ, "metrics"), "the older picture is what it was"


# --- what is not shown


def test_records_without_their_root_are_invisible(book: Book) -> None:
    """Law 2: somebody wrote below a parent that had gone."""
    book.delete(keys.policy_info(1, 1))
    snapshot = book.load()
    metrics = snapshot.database("metrics")
    assert [p.name for p in metrics.policies()] == ["week"]
    assert metrics.default_policy is None
    assert metrics.find_policy("autogen") is None
    assert snapshot.find_group(4) is None
    assert list(snapshot.groups(include_deleted=True)) == list(snapshot.shards_of(3)) == []
    with pytest.raises(GroupNotFound):
        snapshot.group(4)
    with pytest.raises(ShardNotFound):
        snapshot.shard(40)

    book.policy(1, 1, "autogen")
    book.delete(keys.database_info(1))
    snapshot = book.load()
    assert [d.name for d in snapshot.databases()] == ["logs"]
    with pytest.raises(DatabaseNotFound):
        snapshot.database("metrics")
    assert snapshot.find_group(4) is None
    assert list(snapshot.groups()) == []


UNREADABLE: dict[str, tuple[bytes, Callable[[Snapshot], object]]] = {
    "database name": (keys.database_name("metrics"), lambda s: s.database("metrics")),
    "database": (keys.database_info(1), lambda s: s.database("metrics")),
    "database by id": (keys.database_info(1), lambda s: s.database_by_id(1)),
    "database of a policy": (keys.database_info(1), lambda s: s.policy("metrics")),
    "policy name": (keys.policy_name(1, "week"), lambda s: s.policy("metrics", "week")),
    "policy": (keys.policy_info(1, 2), lambda s: s.policy("metrics", "week")),
    "default policy": (keys.policy_info(1, 1), lambda s: s.policy("metrics")),
    "user name": (keys.user_name("alice"), lambda s: s.user("alice")),
    "user": (keys.user(5), lambda s: s.user("alice")),
    "rights of a user": (keys.user(5), lambda s: s.allows("alice", Privilege.READ, "metrics")),
    "rights on a database": (keys.database_info(1), lambda s: s.allows("alice", Privilege.READ, "metrics")),
    "host name": (keys.host_name("a:1"), lambda s: s.node("a:1")),
    "node by host": (keys.node(1), lambda s: s.node("a:1")),
    "node by id": (keys.node(1), lambda s: s.node(1)),
    "node by text": (keys.node(1), lambda s: s.node("n1")),
    "query": (keys.query(1, "q"), lambda s: s.database("metrics").query("q")),
    "subscription": (keys.subscription(1, 1, "s"), lambda s: s.policy("metrics").subscription("s")),
}


@pytest.mark.parametrize("what", UNREADABLE)
@pytest.mark.parametrize("arrival", ["listed", "watched"])
def test_what_cannot_be_read_is_not_taken_for_missing(book: Book, what: str, arrival: str) -> None:
    key, ask = UNREADABLE[what]
    book.user(5, "alice")
    with_nodes(book)
    book.put(keys.query(1, "q"), ContinuousQuery(database_id=1, name="q", query="select 1"))
    book.put(
        keys.subscription(1, 1, "s"),
        Subscription(database_id=1, policy_id=1, name="s", mode="ANY", destinations=()),
    )
    good = book.kvs[key].value
    healthy = book.load()
    ask(healthy)
    event = book.put(key, GARBAGE)
    snapshot = book.load() if arrival == "listed" else after(healthy, event)[0]
    with pytest.raises(RecordUnreadable) as caught:
        ask(snapshot)
    assert caught.value.value == key.decode()
    assert caught.value.rule
    assert caught.value.remedy
    assert list(snapshot.unreadable) == [key]
    mended, _ = after(snapshot, book.put(key, good))
    ask(mended)
    assert mended.unreadable == {}


def test_only_the_unreadable_one_is_refused(book: Book) -> None:
    book.put(keys.database_name("other"), GARBAGE)
    snapshot = book.load()
    assert snapshot.database("metrics").id == 1
    assert snapshot.find_database("none") is None
    with pytest.raises(DatabaseNotFound):
        snapshot.database("none")


def test_a_name_without_its_record_is_missing(book: Book) -> None:
    book.put(keys.database_name("ghost"), encode_name_ref(99))
    with pytest.raises(DatabaseNotFound):
        book.load().database("ghost")
