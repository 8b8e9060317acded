"""What happens to etcd and to the way there; after each, cache, changes and etcd's own listing agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etcdmeta import errors
from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Delete, Put
from etcdmeta.replica.assembly import Assembly
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.replica.states import FollowerState
from etcdmeta.store import MetaStore, new_operation_id
from etcdmeta.store.ledger import encode_generation
from etcdmeta.store.listeners import Listener
from tests.faults.conftest import away
from tests.faults.replay import Replay
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import HOUR, NOW, SECONDS, World, caught_up, wait_live, wait_until, with_nodes

if TYPE_CHECKING:
    from pathlib import Path

    from etcdmeta.records.transaction import RawWatchResponse
    from tests.faults.conftest import Site


def busy(store: MetaStore, tag: str, count: int = 12) -> None:
    """Some of everything: created, changed, removed."""
    for number in range(count):
        name = f"{tag}-{number}"
        store.create_database(name, duration="30d", group_duration="1h")
        store.create_continuous_query(name, "q", "select 1")
        if number % 3 == 1:
            store.alter_policy(name, "autogen", new_name="renamed")
        if number % 3 == 2:
            store.drop_database(name)


def test_the_watched_member_is_killed(site: Site) -> None:
    writer, follower = site.writer(), site.follower()
    replay = Replay(follower)
    busy(writer, "before")
    victim = site.index_of(follower)
    site.cluster.kill(victim)
    busy(writer, "without")
    site.cluster.restart(victim)
    busy(writer, "after")
    replay.check(site.world, writer)
    assert replay.joined == 0, "the watch is resumed where it ended"
    check_ledger(site.world)


def test_the_watched_member_freezes(site: Site) -> None:
    writer, follower = site.writer(), site.follower()
    replay = Replay(follower)
    busy(writer, "before")
    victim = site.index_of(follower)
    site.cluster.freeze(victim)
    busy(writer, "without")
    wait_until(lambda: follower.freshness().endpoint != site.cluster.endpoints[victim], "it goes to another member")
    replay.check(site.world, writer)
    site.cluster.thaw(victim)
    site.cluster.wait_until_serving(victim)
    busy(writer, "after")
    replay.check(site.world, writer)
    check_ledger(site.world)


def test_all_members_are_killed_and_come_back(site: Site) -> None:
    writer, follower = site.writer(), site.follower()
    replay = Replay(follower)
    busy(writer, "before")
    site.cluster.restart_all()
    wait_live(writer)
    wait_live(follower)
    busy(writer, "after")
    replay.check(site.world, writer)
    assert follower.freshness().problem is None
    check_ledger(site.world)


def test_members_without_a_leader_are_left_and_taken_again(site: Site) -> None:
    """`hasleader`: without it the watch on a member that is alone would be silent, and look like peace."""
    writer, follower = site.writer(), site.follower()
    replay = Replay(follower)
    busy(writer, "before")
    alone = site.index_of(follower)
    others = [index for index in range(3) if index != alone]
    for index in others:
        site.cluster.freeze(index)
    wait_until(lambda: follower.freshness().state is FollowerState.STALE, "it says that it is stale")
    assert follower.snapshot().database("before-0").name == "before-0", "reads go on from memory"
    with pytest.raises((errors.Unavailable, errors.OutcomeUnknown)):
        writer.execute(CreateContinuousQuery(database="before-0", name="late", query="x"), timeout=1.0)
    for index in others:
        site.cluster.thaw(index)
    site.cluster.wait_until_serving()
    wait_live(writer)
    busy(writer, "after")
    replay.check(site.world, writer)
    check_ledger(site.world)


def test_history_is_compacted_while_a_store_is_away(site: Site) -> None:
    writer, follower = site.writer(), site.proxied()
    replay = Replay(follower)
    busy(writer, "before")
    away(follower, site.proxies[0])
    busy(writer, "while-away")
    site.world.compact(site.world.revision())
    site.proxies[0].heal()
    busy(writer, "after", 3)
    replay.check(site.world, writer)
    assert replay.joined > 0, "a listing bridges what is compacted, and says so"
    assert follower._driver.counters()["compactions"] > 0
    check_ledger(site.world)


def test_a_store_that_was_away_resumes_where_it_was(site: Site) -> None:
    writer, follower = site.writer(), site.proxied()
    replay = Replay(follower)
    busy(writer, "before", 3)
    away(follower, site.proxies[0])
    busy(writer, "while-away")
    assert follower.freshness().state is FollowerState.STALE
    site.proxies[0].heal()
    replay.check(site.world, writer)
    assert replay.joined == 0


MANY = 15_000
"""Groups whose removal is some 2.6 MB of events; etcd splits an answer at 2 MiB."""
CUT = 2_350_000
"""Bytes: the first fragment has come whole, and half of the second."""


def test_the_connection_is_cut_in_the_middle_of_a_fragment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Listener.__init__, "__defaults__", (4 * MANY,))
    fragments = count_fragments(monkeypatch)
    site.world.rename(f"{site.world.cluster}-{'x' * 40}")  # longer keys: larger events
    # In no hurry: a busy machine takes seconds for so much, and a stream in which it did not come in time begins anew.
    store = site.proxied(follower=FollowerConfig(), timeout=3 * SECONDS)
    with_nodes(store, 1)
    store.create_database("large", duration="INF", group_duration="1h")
    many_groups(site.world, store)
    replay = Replay(store, 3 * SECONDS)
    site.proxies[0].cut_after(CUT)
    store.drop_database("large")
    assert site.proxies[0].seen.cuts > 0
    replay.check(site.world, site.writer())
    assert replay.group_counts == {0}, "half a transaction was seen"
    assert len(fragments) == 2, "the store has had one part, and then both"
    assert store._driver.counters()["reconnects"] > 0


def count_fragments(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each part has that any follower is given."""
    parts: list[int] = []
    add = Assembly.add

    def counted(self: Assembly, response: RawWatchResponse) -> None:
        if response.fragment:  # all parts but the last
            parts.append(len(response.events))
        add(self, response)

    monkeypatch.setattr(Assembly, "add", counted)
    return parts


def many_groups(world: World, writer: MetaStore) -> None:
    """As etcdmeta would have made them, faster: by a hundred."""
    policy = writer.snapshot().policy("large")
    first = writer.create_shard_group("large", "", at=NOW)
    for begin in range(1, MANY, 100):
        puts = []
        for number in range(begin, min(begin + 100, MANY)):
            start = first.start + number * HOUR
            shard = first.shards[0].model_copy(update={"id": 1 + number})
            fields = {"id": 1 + number, "start": start, "end": start + HOUR, "shards": (shard,), "stored": b""}
            value = encode(first.model_copy(update=fields))
            puts.append(Put(keys.group(first.database_id, policy.id, start, 1 + number), value))
        generation = Put(keys.GENERATION, encode_generation(begin, [new_operation_id()]))
        revision = world.commit(*puts, generation).header.revision
    caught_up(writer, revision)


# --- what nobody but etcdmeta may write


def test_a_foreign_put_is_taken_in_and_counted(site: Site) -> None:
    writer, follower = site.writer(), site.follower()
    writer.create_database("metrics")
    caught_up(follower, writer.snapshot().revision)
    site.cluster.etcdctl("put", f"/etcdmeta/{site.world.cluster}/state/oddity", "by hand")
    wait_until(lambda: b"state/oddity" in follower.snapshot().tables.others, "the record is there")
    assert follower._driver.counters()["foreign"] > 0
    # An old value put back by hand, too: the picture is what etcd holds, whoever wrote it.
    query = keys.query(writer.snapshot().database("metrics").id, "q")
    writer.create_continuous_query("metrics", "q", "select 1")
    old = site.world.value(query)
    writer.drop_continuous_query("metrics", "q")
    assert old is not None
    revision = site.world.commit(Put(query, old)).header.revision
    caught_up(follower, revision)
    assert follower.snapshot().database("metrics").query("q").query == "select 1"
    caught_up(writer, revision)
    writer.drop_continuous_query("metrics", "q")
    check_cache(site.world, writer)
    check_cache(site.world, follower)


@pytest.mark.parametrize("key", [keys.CLUSTER, keys.GENERATION], ids=["guard", "generation"])
def test_guard_or_generation_are_deleted(site: Site, key: bytes) -> None:
    writer, follower = site.writer(), site.follower()
    writer.create_database("metrics")
    caught_up(follower, writer.snapshot().revision)
    pictures = {store: store.snapshot() for store in (writer, follower)}
    site.world.commit(Delete(site.world.keyspace.absolute(key)))
    after = site.world.records()
    for store, picture in pictures.items():
        wait_until(lambda s=store: isinstance(s.freshness().problem, errors.ClusterDestroyed), "the store has noticed")
        assert store.freshness().state is FollowerState.STALE
        assert store.snapshot() is picture, "the last picture stays"
        for _ in range(2):
            with pytest.raises(errors.ClusterDestroyed):
                store.create_database("more")
            with pytest.raises(errors.ClusterDestroyed):
                store.add_node("a:1")
    late = MetaStore(site.world.connect(), cluster=site.world.cluster, timeout=5)
    site.world.stores.append(late)
    with pytest.raises(errors.ClusterDestroyed):
        late.wait_live()
    with pytest.raises(errors.ClusterDestroyed):
        late.init_cluster()
    assert site.world.records() == after, "nothing is written"


# --- a backup is restored


@pytest.mark.parametrize("watching", [False, True], ids=["away", "watching"])
def test_an_older_backup_is_restored_under_the_same_names(site: Site, tmp_path: Path, watching: bool) -> None:
    writer, follower = site.writer(), site.proxied()
    busy(writer, "kept", 3)
    site.cluster.snapshot(tmp_path / "backup")
    busy(writer, "lost", 3)
    old = caught_up(follower, writer.snapshot().revision)
    if not watching:
        away(follower, site.proxies[0])
    writer.close()
    site.cluster.restore(tmp_path / "backup")
    if watching:
        wait_until(lambda: isinstance(follower.freshness().problem, errors.ClusterRestored), "it has noticed")
    # Somebody who never knew the old world goes on, until its revision has passed ours.
    other = site.follower()
    number = 0
    while other.snapshot().revision <= old.revision + 10:
        other.create_database(f"new-{number}")
        number += 1
    site.proxies[0].heal()
    wait_until(lambda: isinstance(follower.freshness().problem, errors.ClusterRestored), "it has noticed")
    snapshot = follower.wait_for(lambda now: now if now.find_database("new-0") else None, SECONDS)
    assert snapshot.find_database("lost-0") is None
    assert snapshot.position.epoch != old.position.epoch, "no step back: another epoch"
    caught_up(follower, other.snapshot().revision)
    check_cache(site.world, follower)
    records = site.world.records()
    with pytest.raises(errors.ClusterRestored) as caught:
        follower.create_database("more")
    assert caught.value.remedy is not None
    assert site.world.records() == records
    assert follower._driver.abandoned() is not None
    other.create_database("goes-on")
    check_ledger(site.world)

    # Somebody has looked, and takes it as the world from now on.
    highest = max(database.id for picture in (old, other.snapshot()) for database in picture.databases())
    follower.accept_restore()
    wait_until(lambda: follower.freshness().problem is None, "writing is allowed again")
    assert follower.snapshot().generation > old.generation
    assert follower.create_database("accepted").id > highest, "no id of the lost part comes back"
    caught_up(other, follower.snapshot().revision)
    assert other.create_database("by-the-other").id > highest
    check_cache(site.world, other)
    check_cache(site.world, follower)
