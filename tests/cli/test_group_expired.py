"""``group delete --expired``: the consent to what retention's cap holds back, and where one learns of it."""

from __future__ import annotations

import time

import pytest

from etcdmeta.commands.expiry import ExpireShardGroups
from etcdmeta.embedded import Cluster
from etcdmeta.errors import DatabaseNotFound
from etcdmeta.model.entities import Liveness
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.store import MetaStore
from tests.cli.conftest import Cli

HOUR = 3600 * 10**9


def fill(store: MetaStore, counts: dict[str, int]) -> None:
    """Groups of an hour each, in databases that keep a day: but for that of now, all have expired for long."""
    store.add_node("n1:1")
    now = time.time_ns()
    for database, count in counts.items():
        store.create_database(database, duration="INF", group_duration="1h")
        for hours in (0, *range(100, 99 + count)):
            store.create_shard_group(database, "autogen", now - hours * HOUR)
        store.alter_policy(database, "autogen", duration="1d")


def live_groups(store: MetaStore, database: str) -> int:
    return store.read_consistent().policy(database).group_count()


def test_it_is_seen_what_is_held_back_and_consented(prod: Cli, etcd_store: MetaStore) -> None:
    fill(etcd_store, {"a": 36, "b": 3})
    health = prod("health", "-o", "json")
    assert health.code == 0  # a warning: nothing serves less because of it
    (warning,) = [text for text in health.json["warnings"] if "retention" in text]
    assert warning.startswith(
        "retention is held back by its cap: 37 expired shard groups wait, since a pass marks at most"
    )
    assert "`etcdmeta group delete --expired`" in warning
    assert prod("group", "delete").code == 2
    assert prod("group", "delete", "--expired", "nope", "--yes").code == 3
    asked = prod("group", "delete", "--expired")
    assert asked.code == 2, "nobody can be asked"
    assert "this deletes 37 expired shard groups (35 of a.autogen, 2 of b.autogen)" in asked.err
    dry = prod("group", "delete", "--expired", "--dry-run")
    assert "dry run: nothing was written" in dry.err
    assert "37 expired shard groups" in dry.err
    assert [live_groups(etcd_store, name) for name in "ab"] == [36, 3]
    assert "marked 2 shard groups deleted" in prod("group", "delete", "--expired", "b", "--yes").out
    assert [live_groups(etcd_store, name) for name in "ab"] == [36, 1]
    ran = prod("group", "delete", "--expired", "a.autogen", "b", "--yes", "-o", "json")
    assert ran.code == 0
    assert len(ran.items) == 35
    assert all(item["deletedAt"] for item in ran.items)
    assert [live_groups(etcd_store, name) for name in "ab"] == [1, 1]
    assert "nothing changed" in prod("group", "delete", "--expired", "--yes").out
    assert not any("retention" in text for text in prod("health", "-o", "json").json["warnings"])


def test_it_does_not_go_by_one_clock(
    prod: Cli, etcd_cluster: Cluster, etcd_store: MetaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's machine is a year ahead: the nodes' clocks count, and without any it is refused."""
    fill(etcd_store, {"a": 1})
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 365 * 24 * HOUR)
    refused = prod("group", "delete", "--expired", "--yes")
    assert refused.code == 5
    assert "see to the clock" in refused.err
    sign = Liveness(node_id=1, instance=1, since=1, clock=now())
    put = Put(etcd_store.keyspace.absolute(keys.live(1)), encode(sign))
    etcd_store.strategy.transact(Transaction((), (put,)), deadline=time.monotonic() + 20)
    assert "nothing changed" in prod("group", "delete", "--expired", "--yes").out
    assert live_groups(etcd_store, "a") == 1


def test_each_step_says_how_many_are_left() -> None:
    with MetaStore.open("local://") as store:
        fill(store, {"a": 41})
        command = ExpireShardGroups(now=time.time_ns(), most=35, database="a")
        first = store.execute(command)
        assert (len(first.result["group_ids"]), first.result["left"], first.more) == (30, 10, True)
        second = store.execute(command.following(first.result))
        assert (len(second.result["group_ids"]), second.result["left"], second.more) == (5, 5, False)
        with pytest.raises(DatabaseNotFound):
            store.execute(command.model_copy(update={"database": "nope"}))
