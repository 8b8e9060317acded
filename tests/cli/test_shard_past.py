"""The past of one shard, among the others of its group."""

from __future__ import annotations

from etcdmeta.cli.shard_past import of_this_shard
from etcdmeta.commands.owner import FailOwner
from etcdmeta.embedded import Cluster
from tests.cli.conftest import Cli
from tests.cli.emptying import small_cluster
from tests.cli.pictures import owner
from tests.cli.test_shard_screens import Happened

ONE, FAILED = (owner(1),), (owner(1, "failed", reason="x"),)


def told(*events: tuple[str, object]) -> list[str]:
    happened = [Happened(number, command, command, owners) for number, (command, owners) in enumerate(events)]  # type: ignore[arg-type]
    return [event.command for event in of_this_shard(happened, 1)]


def test_what_was_done_to_another_shard_is_left_out() -> None:
    assert told(("create shard group", ONE), ("fail owner", ONE), ("begin copy", ONE)) == ["create shard group"]
    assert told(("create shard group", ONE), ("fail owner", FAILED), ("begin copy", FAILED)) == [
        "create shard group",
        "fail owner",
    ]


def test_what_touches_the_whole_group_stays() -> None:
    assert told(("create shard group", ONE), ("truncate shard groups", ONE)) == [
        "create shard group",
        "truncate shard groups",
    ]


def test_what_nobody_knows_stays() -> None:
    events = [("create shard group", None), ("fail owner", None), ("fail owner", ONE), ("fail owner", ONE)]
    assert told(*events) == [command for command, _ in events[:3]]
    events = [("create shard group", ONE), ("fail owner", None), ("set owner status", ONE)]
    assert told(*events) == [command for command, _ in events], "it may have failed, and come back"


def test_the_timeline_of_one_of_two(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> None:
    with small_cluster(prod, etcd_cluster, etcd_prefix) as place:
        one, other = place.shards[:2]
        place.store.fail_owner(other, min(place.owners(other)), "disk full")
        place.store.fail_owner(one, min(place.owners(one)), "power")
        assert place.store.snapshot().group_of_shard(one) == place.store.snapshot().group_of_shard(other)
        events = prod("shard", "timeline", str(one), "-o", "json").items
    assert [event["command"] for event in events] == ["create shard group", "fail owner"]
    assert "power" in events[1]["summary"]


def test_what_was_committed_together_is_told_one_by_one(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> None:
    """Each such operation leaves the shard as all of them did: no change is seen after the second."""
    with small_cluster(prod, etcd_cluster, etcd_prefix) as place:
        one, other = place.shards[:2]
        losing, losing_too = sorted(place.owners(one))[:2]
        with place.store.batch() as batch:
            batch.execute(FailOwner(shard_id=one, node_id=losing, reason="fire"))
            batch.execute(FailOwner(shard_id=one, node_id=losing_too, reason="water", force=True))
            batch.execute(FailOwner(shard_id=other, node_id=min(place.owners(other)), reason="power"))
        events = prod("shard", "timeline", str(one), "-o", "json").items
        (story,) = prod("shard", "explain", str(one), "-o", "json").items
    assert [event["command"] for event in events] == ["create shard group", "fail owner", "fail owner"]
    assert ["fire" in events[1]["summary"], "water" in events[2]["summary"]] == [True, True]
    assert events[1]["revision"] == events[2]["revision"], "or this shows nothing"
    told = {owner["nodeId"]: owner["history"][-1]["what"] for owner in story["owners"]}
    assert told[str(losing)] == "active → failed (fire)"
    assert told[str(losing_too)] == "active → failed (water)"
