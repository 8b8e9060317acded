"""`shard repair` on a real etcd; copies are finished by a stand-in for the nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etcdmeta.embedded import Cluster
from tests.cli.conftest import Cli
from tests.cli.emptying import Place, copies_finish, small_cluster


@pytest.fixture
def place(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[Place]:
    with small_cluster(prod, etcd_cluster, etcd_prefix) as place:
        yield place


def fail(place: Place, shard_id: int, *, all_of_them: bool = False) -> int:
    """The first owner fails; its node."""
    owners = list(place.owners(shard_id))
    for node_id in owners if all_of_them else owners[:1]:
        place.store.fail_owner(shard_id, node_id, "disk full", force=True)
    return owners[0]


def test_nothing_to_repair(place: Place) -> None:
    before = place.revision()
    ran = place.cli("shard", "repair")
    assert (ran.code, ran.lines[0]) == (0, "nothing is to be repaired")
    items = place.cli("shard", "repair", "1", "-o", "json").items
    assert (len(items), items[0]["moves"], items[0]["id"]) == (1, 0, None)
    assert (place.revision(), place.plans()) == (before, [])


def test_what_failed_is_copied_again_where_it_is(place: Place) -> None:
    one, other = place.shards[:2]
    node_id = fail(place, one)
    fail(place, other)
    with copies_finish(place):
        ran = place.cli("shard", "repair", str(one), "--reason", "new disk")
    assert ran.code == 0, ran.err
    (plan,) = place.plans()
    assert (plan.kind, plan.state, plan.reason, plan.moves) == ("repair", "done", "new disk", 1)
    assert place.owners(one)[node_id] == "active"
    assert "failed" in place.owners(other).values(), "nobody asked for that one"
    with copies_finish(place):
        ran = place.cli("shard", "repair", "-o", "json")
    assert (ran.code, ran.json["kind"], ran.items[0]["state"]) == (0, "MovePlanList", "done")
    place.check_whole()


def test_owners_that_are_missing_come_back(place: Place) -> None:
    shard = place.shards[0]
    gone = min(place.owners(shard))
    place.store.remove_owner(shard, gone, force=True, reason="sold")
    explained = place.cli("shard", "explain", str(shard), "-o", "json").items[0]["next"]
    assert explained[0] == f"etcdmeta shard repair {shard}"
    with copies_finish(place):
        ran = place.cli(*explained[0].split()[1:])
    assert ran.code == 0, "the command that it names can be typed"
    place.check_whole()


def test_a_dry_run_changes_nothing(place: Place) -> None:
    shard = place.shards[0]
    node_id = fail(place, shard)
    before = place.revision()
    ran = place.cli("shard", "repair", "--dry-run", "-o", "json")
    assert (ran.code, ran.json["kind"], ran.items[0]["id"]) == (0, "MovePlanList", None)
    (move,) = ran.items[0]["moveList"]
    assert (move["shardId"], move["fromNode"], move["toNode"]) == (str(shard), None, str(node_id))
    assert "dry run: nothing was written" in place.cli("shard", "repair", "--dry-run").err
    assert (place.revision(), place.plans()) == (before, [])


def test_detached_it_only_begins(place: Place) -> None:
    shard = place.shards[0]
    fail(place, shard)
    ran = place.cli("shard", "repair", str(shard), "--detach")
    assert (ran.code, place.plans()[0].state) == (0, "running")
    with copies_finish(place):
        again = place.cli("shard", "repair", str(shard))
    assert again.code == 0, again.err
    assert "plan 1, which is running, does that already" in again.err
    assert [plan.state for plan in place.plans()] == ["done"]
    place.check_whole()


def test_what_nobody_serves_is_refused_and_said(place: Place) -> None:
    shard = place.shards[0]
    fail(place, shard, all_of_them=True)
    ran = place.cli("shard", "repair", str(shard))
    assert ran.code == 4
    assert f"shard {shard}: nobody serves it on a node that is up" in ran.err
    assert f"etcdmeta shard explain {shard}" in ran.err
    assert place.plans() == []
    planned = place.cli("shard", "repair", "--dry-run")
    assert (planned.code, planned.out) == (0, "nothing can be repaired\n")
    assert f"shard {shard}: nobody" in planned.err


def test_the_rest_is_repaired(place: Place) -> None:
    lost, hurt = place.shards[:2]
    fail(place, lost, all_of_them=True)
    fail(place, hurt)
    with copies_finish(place):
        ran = place.cli("shard", "repair")
    assert (ran.code, f"shard {lost}: nobody serves it" in ran.err) == (8, True)
    assert set(place.owners(hurt).values()) == {"active"}
    assert place.plans()[0].state == "done"


def test_what_another_plan_moves_is_left_to_it(place: Place) -> None:
    shard = place.shards[0]
    node_id = min(place.owners(shard))
    assert place.cli("node", "drain", str(node_id), "--detach").code == 0
    place.store.fail_owner(shard, node_id, "disk full")
    ran = place.cli("shard", "repair", str(shard))
    assert (ran.code, "plan 1, which is active, moves it" in ran.err) == (4, True)
    assert len(place.plans()) == 1


def test_what_is_wrong(place: Place) -> None:
    assert place.cli("shard", "repair", "99").code == 3
    assert place.cli("shard", "repair", "x").code == 2
    assert place.cli("shard", "repair", "--apply", "--detach").code == 2
