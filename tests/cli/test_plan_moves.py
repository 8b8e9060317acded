"""How moves stand by their plan, how far a plan is as the picture changes, and that the JSON is what its models say."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from etcdmeta.cli.output import envelope
from etcdmeta.cli.plan_items import MoveItem, MovePlanItem, plan_json
from etcdmeta.cli.plan_moves import IN_AGREEMENT, TROUBLE_FIRST, Agreement, rows_of
from etcdmeta.cli.plan_tally import Tally
from etcdmeta.cli.plan_verify import unserved_shards, verdict_of
from etcdmeta.cli.plan_view import brief_view, full_view
from etcdmeta.model.health import Health
from etcdmeta.model.moveplans import Move, PlanState
from etcdmeta.model.moves import MoveState, move_state
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.testing.stores import local_store
from tests.cli.conftest import validate
from tests.cli.pictures import PICTURE, owner
from tests.cli.plan_scenes import MOVES, large, plan_record, put_plan, scene_of_all
from tests.services.applying.plans import add_nodes, draft, with_shards

RUNNING = {
    "done": "done", "copying": "moving", "failed": "blocked", "copied": "moving", "leaving": "moving",
    "waiting": "waiting", "blocked": "blocked", "drifted": "drifted", "gone": "gone", "added": "done",
    "taken": "blocked",
}  # fmt: skip
DONE = {name: "done" if name in ("done", "added") else "gone" if name == "gone" else "drifted" for name in RUNNING}
LEFT = {name: "done" if name in ("done", "added") else "gone" if name == "gone" else "left" for name in RUNNING}
ABORTING = RUNNING | {"blocked": "left", "waiting": "left", "taken": "left", "failed": "blocked"}


def agreements(snapshot: Snapshot) -> dict[str, str]:
    view = full_view(snapshot, snapshot.plan(3))
    assert view.rows is not None
    return {MOVES[row.move.shard_id][0]: str(row.agreement) for row in view.rows}


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        (PlanState.RUNNING, RUNNING),
        (PlanState.PROPOSED, RUNNING),
        (PlanState.PAUSED, RUNNING),
        (PlanState.ABORTING, ABORTING),
        (PlanState.DONE, DONE),
        (PlanState.ABORTED, LEFT),
        (PlanState.UNDONE, LEFT),
    ],
)
def test_what_a_move_is_by_its_plan(state: PlanState, wanted: dict[str, str]) -> None:
    assert agreements(scene_of_all(state).snapshot()) == wanted


def test_why() -> None:
    snapshot = scene_of_all(limits={"per_target": 1}).snapshot()
    rows = {MOVES[row.move.shard_id][0]: row for row in full_view(snapshot, snapshot.plan(3)).rows or ()}
    assert {name: row.why for name, row in rows.items() if row.why} == {
        "failed": "its copy failed: disk full",
        "waiting": "1 copies to node 4 run, and the plan allows 1",
        "blocked": "node 3 is down",
        "drifted": "node 4 does not own it; node 1 owns it no more",
        "gone": "shard 9 is deleted",
        "taken": "shard 11 would have 1 active owner, and its policy wants 2",
    }
    assert rows["failed"].attempt == 2
    assert rows["copying"].progress is not None
    assert rows["gone"].group is None


def test_a_copy_whose_target_went_down_says_so() -> None:
    snapshot = scene_of_all(down=(3, 4)).snapshot()
    rows = {MOVES[row.move.shard_id][0]: row for row in full_view(snapshot, snapshot.plan(3)).rows or ()}
    assert rows["copying"].why == "node 4 is down: its copy goes on when it is back"


def test_every_agreement_has_its_place_on_the_screen() -> None:
    assert set(TROUBLE_FIRST) == set(Agreement)


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (PlanState.RUNNING, "degraded"),
        (PlanState.DONE, "degraded"),
        (PlanState.ABORTED, "ok"),
        (PlanState.UNDONE, "ok"),
    ],
)
def test_verdicts(state: PlanState, verdict: str) -> None:
    snapshot = scene_of_all(state).snapshot()
    view = full_view(snapshot, snapshot.plan(3))
    assert verdict_of(view, unserved_shards(view), PICTURE, 30.0) == verdict
    assert verdict_of(view, [], PICTURE, 0.05) is Health.UNKNOWN, "the picture is 0.1 s old"
    assert verdict_of(view, [7], PICTURE, 30.0) is Health.UNAVAILABLE


def test_a_plan_that_is_done_and_stands_is_ok() -> None:
    scene = scene_of_all()
    put_plan(scene, plan_record(state=PlanState.DONE), [MOVES[1][1], MOVES[9][1], MOVES[10][1]])
    snapshot = scene.snapshot()
    view = full_view(snapshot, snapshot.plan(3))
    assert {row.agreement for row in view.rows or ()} <= IN_AGREEMENT
    assert verdict_of(view, unserved_shards(view), PICTURE, 30.0) is Health.OK


def test_a_shard_that_nobody_serves_is_found_once() -> None:
    scene = scene_of_all()
    scene.group(6, ("metrics", "autogen"), "2026-11-19", {6: [owner(3), owner(4, "failed")]})
    put_plan(scene, plan_record(), [Move(6, 3, 1), Move(6, 4, 2), Move(1, 1, 4)])
    snapshot = scene.snapshot()
    assert unserved_shards(full_view(snapshot, snapshot.plan(3))) == [6]


def test_the_json_is_what_its_models_say() -> None:
    snapshot = scene_of_all(subjects=(3,), prior_states={3: "joined"}, undone_by=9, note="x").snapshot()
    for view in (full_view(snapshot, snapshot.plan(3)), brief_view(snapshot, snapshot.plan(3))):
        item = plan_json(view)
        assert tuple(item) == MovePlanItem.fields()
        validate(envelope("MovePlanList", [item], PICTURE, {}, ()))
        for move in item["moveList"] or ():
            assert tuple(move) == MoveItem.fields()
            validate(envelope("MoveList", [move], PICTURE, {}, ()))
    assert item["moveList"] is None
    assert nested(item["balance"], MovePlanItem, "balance")
    once = dict.fromkeys(("copying", "failed", "copied", "leaving"), 1)
    assert item["moveStates"] == once | {"done": 2, "waiting": 3, "void": 2}


def nested(value: Any, model: type[BaseModel], name: str) -> bool:
    return TypeAdapter(model.model_fields[name].annotation).validate_python(value) is not None


def test_of_an_ended_plan_a_list_counts_no_moves() -> None:
    snapshot = scene_of_all(PlanState.DONE).snapshot()
    assert plan_json(brief_view(snapshot, snapshot.plan(3)))["moveStates"] is None


def test_limits_are_asked_for_or_not() -> None:
    snapshot = scene_of_all(limits={"per_target": 1}).snapshot()
    plan = snapshot.plan(3)
    (row,) = rows_of(snapshot, plan, [(5, snapshot.plan_moves(3)[5])], limits=False)
    assert (row.agreement, row.why) == (Agreement.WAITING, "")


def test_the_words_of_a_tally() -> None:
    snapshot = scene_of_all().snapshot()
    tally = Tally(snapshot, snapshot.plan(3))
    assert tally.words(snapshot) == (
        "2 of 11 moves done, 2 void, 1 leaving, 1 copied, 1 copying (25 %, 1.0 MiB/s), 1 failed, 3 waiting"
    )
    assert tally.settled == 4
    big = large()
    assert Tally(big, big.plan(3)).words(big).startswith("1,200 of 3,000 moves done, 10 copying (25 %, 10 MiB/s), ")


def test_a_tally_that_follows_is_one_that_counts_anew(seed: int) -> None:
    """Random steps on a store of its own; told only which groups changed."""
    chance = random.Random(seed)
    with local_store() as store:
        shards = with_shards(store, 6)
        new = add_nodes(store, 2)
        plan = store.propose(draft(*(Move(s, 1, new[n % 2]) for n, s in enumerate(shards))))
        snapshot = store.snapshot()
        tally = Tally(snapshot, plan)
        for step in range(60):
            shard = chance.choice(shards)
            target = new[shards.index(shard) % 2]
            before = store.snapshot().shard(shard).owner(target)
            if before is None:
                store.begin_copy(shard, 2, target)
            elif before.status == "copying" and chance.random() < 0.3:
                store.fail_owner(shard, target, "no")
            elif before.status == "copying":
                store.finish_copy(shard, target, before.attempt)
            elif before.status == "failed":
                store.begin_copy(shard, 2, target)
            elif store.snapshot().shard(shard).owner(1) is not None:
                store.remove_owner(shard, 1)
            after = store.snapshot()
            changed = tally.take_in(after, {after.tables.shards.get(shard)})
            anew = [move_state(after, move) for move in plan_moves(after, plan.id)]
            assert tally.states == anew, (seed, step)
            assert all(plan_moves(after, plan.id)[number].shard_id == shard for number in changed)
            assert tally.copying(after).number == anew.count(MoveState.COPYING)
        assert Tally(after, plan).counts == +tally.counts


def plan_moves(snapshot: Snapshot, plan_id: int) -> tuple[Move, ...]:
    return snapshot.plan_moves(plan_id)
