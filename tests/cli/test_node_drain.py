"""`node drain` on a real etcd; copies are finished by a stand-in for the nodes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etcdmeta.embedded import Cluster
from etcdmeta.store import MetaStore
from tests.cli.conftest import Cli
from tests.cli.emptying import HOUR, Place, copies_finish, small_cluster
from tests.cli.processes import Process


@pytest.fixture
def place(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[Place]:
    with small_cluster(prod, etcd_cluster, etcd_prefix) as place:
        yield place


def test_everything_goes_elsewhere(place: Place) -> None:
    moved = place.owned(1)
    with copies_finish(place):
        ran = place.cli("node", "drain", "db-1:1", "--reason", "new disks")
    assert ran.code == 0, ran.err
    (plan,) = place.plans()
    assert (plan.kind, plan.state, plan.reason, plan.subjects) == ("decommission", "done", "new disks", (1,))
    assert plan.moves == len(moved)
    assert f"plan {plan.id} (decommission) is done" in ran.lines[-2]
    assert ran.lines[-1] == "node 1 (db-1:1) owns nothing any more"
    assert (place.state(1), place.owned(1)) == ("draining", set())
    place.check_whole()


def test_several_in_one_plan(place: Place) -> None:
    with copies_finish(place):
        ran = place.cli("node", "drain", "1", "n2", "1", "-o", "json")
    assert ran.code == 0, ran.err
    assert (ran.json["kind"], ran.items[0]["state"], ran.items[0]["subjects"]) == ("MovePlanList", "done", ["1", "2"])
    assert place.owned(1) == place.owned(2) == set()
    place.check_whole()


def test_a_node_without_shards_needs_no_plan(place: Place) -> None:
    ran = place.cli("node", "drain", "5", "--reason", "sold")
    assert (ran.code, place.plans(), place.state(5)) == (0, [], "draining")
    assert "node 5 (db-5:1) is draining and takes no new shards: sold (generation " in ran.out
    again = place.cli("node", "drain", "5", "-o", "json")
    assert (again.code, again.json["kind"]) == (0, "NodeList")
    assert [operation["changed"] for operation in again.json["summary"]["operations"]] == [False]


def test_detached_it_only_begins(place: Place) -> None:
    ran = place.cli("node", "drain", "1", "--detach")
    assert ran.code == 0
    (plan,) = place.plans()
    assert (plan.state, place.state(1)) == ("running", "draining")
    assert f"etcdmeta plan apply {plan.id}" in ran.err
    assert f"Plan:    {plan.id} (decommission, running) takes everything off it" in place.cli("node", "show", "1").out
    with copies_finish(place):
        again = place.cli("node", "drain", "1")
    assert again.code == 0, again.err
    assert f"plan {plan.id}, which is running, does that already" in again.err
    assert [each.id for each in place.plans()] == [plan.id]
    assert place.owned(1) == set()
    done = place.cli("node", "drain", "1")
    assert (done.code, "draining already; nothing changed" in done.out) == (0, True)


def test_what_comes_while_it_begins_is_moved_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group is created after the plan was made, and before it starts."""
    start = MetaStore.start_plan
    late: list[int] = []

    def create_first(store: MetaStore, plan_id: int, **more: float | None) -> object:
        if not late:
            group = place.store.create_shard_group("metrics", "autogen", 100 * HOUR)
            late.extend(shard.id for shard in group.shards if shard.owner(1) is not None)
        return start(store, plan_id, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(MetaStore, "start_plan", create_first)
    with copies_finish(place):
        ran = place.cli("node", "drain", "1", "2", "3")  # of six nodes, so that some of it comes to them
    assert ran.code == 0, ran.err
    assert late or place.owned(1) == set()
    assert "that came meanwhile" in ran.err
    assert place.owned(1) == place.owned(2) == place.owned(3) == set()
    assert [plan.state for plan in place.plans()] == ["done", "done"]


def test_a_dry_run_changes_nothing(place: Place) -> None:
    before = place.revision()
    ran = place.cli("node", "drain", "1", "--dry-run", "-o", "json")
    assert (ran.code, ran.json["kind"], ran.items[0]["id"]) == (0, "MovePlanList", None)
    assert {move["fromNode"] for move in ran.items[0]["moveList"]} == {"1"}
    assert place.cli("node", "drain", "5", "--dry-run", "-o", "json").items[0]["command"] == "drain node"
    assert (place.revision(), place.plans()) == (before, [])


def test_the_last_node_that_takes_shards_is_asked_about(place: Place) -> None:
    for node_id in (2, 3, 4, 5, 6):
        place.store.drain_node(node_id)
    asked = place.cli("node", "drain", "1")
    assert (asked.code, "no shard group can be created" in asked.err) == (2, True)
    assert place.state(1) == "joined"
    ran = place.cli("node", "drain", "1", "--yes")
    assert ran.code == 8, "what nobody can take over stays"
    assert "no node is left that could take over from node 1" in ran.err
    assert (place.state(1), place.plans()) == ("draining", [])
    place.check_whole()


def test_what_stays_is_said(place: Place) -> None:
    lost = min(place.owned(1))
    for node_id in place.owners(lost):
        place.store.fail_owner(lost, node_id, "power", force=True)
    with copies_finish(place):
        ran = place.cli("node", "drain", "1")
    assert ran.code == 8
    assert f"shard {lost}: nobody serves it on a node that is up" in ran.out
    assert f"node 1 still owns 1 shard: {lost}; etcdmeta shard explain {lost} says why" in ran.err
    assert (place.owned(1), place.plans()[0].state) == ({lost}, "done")


def test_interrupted_where_this_process_carries_it_out_it_is_paused(place: Place) -> None:
    with Process("node", "drain", "1", env=place.environ, terminal=(100, 40)) as drains:
        place.store.wait_for(lambda snapshot: len(snapshot.tables.progress) > 0, timeout=30)
        assert drains.end() == 130
    (plan,) = place.plans()
    assert (plan.state, plan.note) == ("paused", "interrupted")
    assert place.state(1) == "draining"
    with copies_finish(place):
        ran = place.cli("node", "drain", "1")
    assert ran.code == 0, ran.err
    assert place.owned(1) == set()
    place.check_whole()


def test_what_is_wrong(place: Place) -> None:
    from etcdmeta.commands.node import BeginNodeRemoval

    assert place.cli("node", "drain").code == 2
    assert place.cli("node", "drain", "9").code == 3
    assert place.cli("node", "drain", "1", "--apply", "--detach").code == 2
    place.store.remove_node(6)
    assert place.cli("node", "drain", "1", "6").code == 3
    place.store.execute(BeginNodeRemoval(node_id=5))
    refused = place.cli("node", "drain", "1", "5")
    assert (refused.code, "node 5 is removing" in refused.err) == (4, True)
    assert (place.plans(), place.state(1)) == ([], "joined")


def test_a_plan_that_cannot_start_is_not_left_behind(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's plan starts just before, and brings an owner to where this one would."""
    from etcdmeta.commands.planning import PlanDraft
    from etcdmeta.model.moveplans import Move, PlanKind

    start = MetaStore.start_plan

    def start_second(store: MetaStore, plan_id: int, **more: float | None) -> object:
        move = store.snapshot().plan_moves(plan_id)[0]
        draft = PlanDraft(PlanKind.REPLICATION, (Move(move.shard_id, 0, move.to_node),))
        start(place.store, place.store.propose(draft).id)
        return start(store, plan_id, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(MetaStore, "start_plan", start_second)
    ran = place.cli("node", "drain", "1")
    assert (ran.code, "plan 2 (replication) is running and moves shard" in ran.err) == (4, True)
    assert [(plan.state, plan.note) for plan in place.plans()] == [
        ("aborted", "it could not start"),
        ("running", ""),
    ]
    assert place.state(1) == "joined"
