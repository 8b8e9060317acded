"""Plans carried out: whatever happens to who carries them out, no shard loses service, limits hold, and it ends."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from etcdmeta.commands.moving import AdvanceMove
from etcdmeta.commands.planning import undo
from etcdmeta.errors import Fenced, InvalidInput, MoveBlocked, PlanConflict
from etcdmeta.model.moveplans import Move, PlanKind, PlanLimits, PlanState
from etcdmeta.model.moves import MoveState, move_state
from etcdmeta.model.owners import NodeState
from etcdmeta.services.applying import Applier
from etcdmeta.services.applying.work import Retries
from etcdmeta.store import Fence
from tests.services.applying.plans import History, add_nodes, copying, draft, owners, started, with_shards
from tests.store.invariants import check_picture
from tests.store.worlds import SECONDS, World, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from etcdmeta.commands.plan import Command
    from etcdmeta.model.moveplans import MovePlan
    from etcdmeta.store import MetaStore

QUICK = Retries(pause=0.01)


class Killed(BaseException):
    """As a process that is gone: nobody handles it."""


class Dying:
    """A store whose user dies at one of its commits: before it, or after it was done."""

    def __init__(self, store: MetaStore, at: int, *, done: bool) -> None:
        self._store, self._at, self._done, self.commits = store, at, done, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def execute(self, *arguments: Any, **named: Any) -> Any:
        return self._commit(self._store.execute, *arguments, **named)

    def execute_all(self, *arguments: Any, **named: Any) -> Any:
        return self._commit(self._store.execute_all, *arguments, **named)

    def _commit(self, execute: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.commits += 1
        if self.commits > self._at:
            raise Killed
        if self.commits < self._at or self._done:
            outcome = execute(*arguments, **named)
            if self.commits < self._at:
                return outcome
        raise Killed


class Watched:
    """A store, and how many steps its user commits together; ``first`` is done before they are for the first time."""

    def __init__(self, store: MetaStore, first: Callable[[], object] = lambda: None) -> None:
        self._store, self._first, self.together = store, first, list[int]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def execute_all(self, commands: Sequence[Command], **named: Any) -> Any:
        if not self.together:
            self._first()
        self.together.append(len(commands))
        return self._store.execute_all(commands, **named)


@contextmanager
def applying(applier: Applier, plan_id: int | None = None) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=applier.run, args=(plan_id,))
    thread.start()
    try:
        yield thread
    finally:
        applier.stop()
        thread.join(SECONDS)
        assert not thread.is_alive()


def carried_out(store: MetaStore, plan_id: int, *appliers: Applier) -> MovePlan:
    """Until it has ended, or is paused."""
    with copying(store):
        for applier in appliers or (Applier(store, retries=QUICK),):
            applier.run(plan_id)
    return store.snapshot().plan(plan_id)


def a_plan_of_all_kinds(store: MetaStore) -> tuple[list[int], MovePlan]:
    """Two shards move, one gets an owner more, one loses one too many."""
    shards = with_shards(store, 4)
    new, spare = add_nodes(store, 2)
    store.begin_copy(shards[3], 1, spare)
    store.finish_copy(shards[3], spare, 1)
    moves = [Move(shards[0], 1, new), Move(shards[1], 2, new), Move(shards[2], 0, new), Move(shards[3], 1, 0)]
    return shards, started(store, draft(*moves), limits=PlanLimits(per_target=2, per_source=1, at_once=2))


def test_a_plan_is_carried_out(world: World) -> None:
    store = world.open()
    history = History(store)
    shards = with_shards(store, 6)
    new, other = add_nodes(store, 2)
    history.pictures.clear()
    moves = [Move(shard, 1, (new, other)[n % 2]) for n, shard in enumerate(shards)]
    plan = started(store, draft(*moves), reason="two more nodes", limits=PlanLimits(at_once=3))
    done = carried_out(store, plan.id)
    assert (done.state, done.reason, done.moves) == (PlanState.DONE, "two more nodes", 6)
    for n, shard in enumerate(shards):
        assert owners(store.snapshot(), shard) == {2: "active", (new, other)[n % 2]: "active"}
    history.close()
    history.check_service(shards)
    assert history.check_limits(plan) > 1
    check_picture(store.snapshot())


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (PlanLimits(per_target=9, per_source=1, at_once=9), 1),
        (PlanLimits(per_target=1, per_source=9, at_once=9), 2),
        (PlanLimits(per_target=9, per_source=9, at_once=3), 3),
    ],
)
def test_limits_hold_at_each_generation(local: World, limits: PlanLimits, most: int) -> None:
    """Eight shards leave the only node that has them, to two others."""
    store = local.open()
    shards = with_shards(store, 8, nodes=1, replicas=1)
    new = add_nodes(store, 2)
    history = History(store)
    plan = started(store, draft(*(Move(s, 1, new[n % 2]) for n, s in enumerate(shards))), limits=limits)
    with applying(Applier(store, retries=QUICK), plan.id):
        store.wait_for(lambda snapshot: len(snapshot.tables.progress) == most, SECONDS)
        with copying(store):
            store.wait_for(lambda snapshot: snapshot.plan(plan.id).has_ended, SECONDS)
    history.close()
    history.check_service(shards)
    assert history.check_limits(plan) == most


@pytest.mark.parametrize("done", [False, True], ids=["before the commit", "after the commit"])
def test_killed_at_every_step_in_turn(local: World, done: bool) -> None:
    """Until a run is not killed any more: as many as there are steps."""
    killed = 0
    while True:
        local.rename(f"killed{killed}")
        store = local.open()
        shards, plan = a_plan_of_all_kinds(store)
        history = History(store)
        dying = Dying(store, killed + 1, done=done)
        with copying(store):
            try:
                Applier(dying, retries=QUICK, at_once=1).run(plan.id)  # type: ignore[arg-type]
            except Killed:
                killed += 1
                Applier(store, retries=QUICK).run(plan.id)
            else:
                break
        history.close()
        assert store.snapshot().plan(plan.id).state == PlanState.DONE
        assert [len(owners(store.snapshot(), shard)) for shard in shards] == [2, 2, 3, 2]
        history.check_service([shards[0], shards[1], shards[2]])
        history.check_limits(plan)
        check_picture(store.snapshot())
    # 3 for each move, 1 for what is added, 2 for what is taken away, and 1 for the plan itself: a run that sees the
    # plan done may end before it hears that it was killed by its last commit.
    assert killed >= (9 if done else 10)


def test_killed_on_a_real_cluster_and_resumed_by_another(world: World) -> None:
    store, other = world.open(), world.open()
    shards, plan = a_plan_of_all_kinds(store)
    history = History(store)
    with copying(store), pytest.raises(Killed):
        Applier(Dying(store, 3, done=True), retries=QUICK).run(plan.id)  # type: ignore[arg-type]
    assert carried_out(other, plan.id).state == PlanState.DONE
    store.read_consistent()
    history.close()
    history.check_service(shards[:3])


def test_two_at_once(world: World) -> None:
    """Without an election: nothing is done twice, and no shard loses service."""
    one, two = world.open(), world.open()
    shards, plan = a_plan_of_all_kinds(one)
    history = History(one)
    with copying(one), applying(Applier(one, retries=QUICK)), applying(Applier(two, retries=QUICK)):
        one.wait_for(lambda snapshot: snapshot.plan(plan.id).has_ended, SECONDS)
    history.close()
    history.check_service(shards[:3])
    assert [len(owners(one.snapshot(), shard)) for shard in shards] == [2, 2, 3, 2]


@pytest.mark.parametrize("steps", range(1, 8))  # all that there are while one copy goes on
def test_aborted_after_each_step(local: World, steps: int) -> None:
    store = local.open()
    shards, plan = a_plan_of_all_kinds(store)
    history = History(store)
    with copying(store, lambda shard, _: shard != shards[1]):  # one is still copying
        with pytest.raises(Killed):
            Applier(Dying(store, steps, done=True), retries=QUICK, at_once=1).run(plan.id)  # type: ignore[arg-type]
        store.abort_plan(plan.id, "enough")
        Applier(store, retries=QUICK).run(plan.id)
    ended = store.snapshot().plan(plan.id)
    assert (ended.state, ended.note) == (PlanState.ABORTED, "enough")
    for shard in shards:
        assert set(owners(store.snapshot(), shard).values()) == {"active"}
    history.close()
    history.check_service(shards[:3])
    check_picture(store.snapshot())


def test_undone(local: World) -> None:
    store = local.open()
    shards, plan = a_plan_of_all_kinds(store)
    before = [{1: "active", 2: "active"}] * 2
    assert carried_out(store, plan.id).state == PlanState.DONE
    back = [Move(m.shard_id, m.to_node, m.from_node) for m in store.snapshot().plan_moves(plan.id)]
    undo = started(store, draft(*back[:2], kind=PlanKind.UNDO, undoes=plan.id))
    assert carried_out(store, undo.id).state == PlanState.DONE
    assert [owners(store.snapshot(), shard) for shard in shards[:2]] == before
    undone = store.snapshot().plan(plan.id)
    assert (undone.state, undone.undone_by) == (PlanState.UNDONE, undo.id)
    with pytest.raises(PlanConflict):
        store.propose(draft(*back[:2], kind=PlanKind.UNDO, undoes=plan.id))


@pytest.mark.parametrize("steps", range(1, 13))  # past all that there are
def test_undone_from_wherever_it_was_stopped(local: World, steps: int) -> None:
    """And that one is stopped, too, and another brings back what is left."""
    store = local.open()
    shards, plan = a_plan_of_all_kinds(store)
    before = [owners(store.snapshot(), shard) for shard in shards]
    history = History(store)
    for undoing in (plan, None, None):
        made = undoing or started(store, undo(store.snapshot(), plan.id))
        with copying(store), suppress(Killed):
            Applier(Dying(store, steps, done=True), retries=QUICK, at_once=1).run(made.id)  # type: ignore[arg-type]
            store.wait_for(lambda snapshot, made=made: snapshot.plan(made.id).has_ended, SECONDS)
        if store.snapshot().plan(made.id).state == PlanState.DONE:
            if undoing is None:
                break
            continue
        with pytest.raises(PlanConflict, match="is running"):
            store.propose(undo(store.snapshot(), made.id))
        store.abort_plan(made.id)
        assert carried_out(store, made.id).state == PlanState.ABORTED
    else:
        last = started(store, undo(store.snapshot(), plan.id))
        assert carried_out(store, last.id).state == PlanState.DONE
    history.close()
    assert [owners(store.snapshot(), shard) for shard in shards] == before
    assert store.snapshot().plan(plan.id).state == PlanState.UNDONE
    history.check_service(shards[:3])
    check_picture(store.snapshot())


def test_nodes_are_drained_removed_and_put_back(local: World) -> None:
    store = local.open()
    shards = with_shards(store, 2)
    new = add_nodes(store, 1)[0]
    moves = [Move(shard, 1, new) for shard in shards]
    drained = started(store, draft(*moves, kind=PlanKind.DECOMMISSION, subjects=(1,)))
    assert store.snapshot().node(1).state == NodeState.DRAINING
    store.abort_plan(drained.id)
    assert store.snapshot().node(1).state == NodeState.JOINED
    assert carried_out(store, drained.id).state == PlanState.ABORTED
    replaced = started(store, draft(*moves, kind=PlanKind.REPLACE, subjects=(1,), replacement=new))
    assert store.snapshot().node(1).state == NodeState.REMOVING
    assert carried_out(store, replaced.id).state == PlanState.DONE
    assert store.snapshot().node(1).state == NodeState.REMOVED
    check_picture(store.snapshot())


def test_what_still_owns_something_is_not_removed_and_said_so(local: World) -> None:
    store = local.open()
    shards = with_shards(store, 2)
    new = add_nodes(store, 1)[0]
    plan = started(store, draft(Move(shards[0], 1, new), kind=PlanKind.REPLACE, subjects=(1,)))
    with copying(store), applying(Applier(store, retries=QUICK), plan.id):
        note = store.wait_for(lambda s: s.plan(plan.id).note, SECONDS)
        store.remove_owner(shards[1], 1, force=True, reason="lost")
        store.wait_for(lambda s: s.plan(plan.id).state == PlanState.DONE, SECONDS)
    assert store.snapshot().node(1).state == NodeState.REMOVED
    assert note == (
        f"cannot end: node 1 owns 1 of the live shards: {shards[1]}; `etcdmeta shard explain {shards[1]}` says what "
        f"keeps it; where that is given up, `etcdmeta shard remove-owner {shards[1]} 1`"
    )


def test_a_copy_that_fails_is_begun_again_a_few_times(local: World) -> None:
    store = local.open()
    shard = with_shards(store, 1)[0]
    new = add_nodes(store, 1)[0]
    plan = started(store, draft(Move(shard, 1, new)))
    attempts = []
    with applying(Applier(store, retries=Retries(attempts=3, pause=0.01)), plan.id):
        for _ in range(3):
            owner = store.wait_for(lambda s: (o := s.shard(shard).owner(new)) and o.status == "copying" and o, SECONDS)
            attempts.append((owner.attempt, owner.source))
            store.fail_owner(shard, new, "disk", attempt=owner.attempt)
        noted = store.wait_for(lambda s: s.plan(plan.id).note, SECONDS)
    assert [attempt for attempt, _ in attempts] == [1, 2, 3]
    assert len({source for _, source in attempts[:2]}) == 2  # another source
    assert noted == f"move 0: the copy of shard {shard} to node {new} failed 3 times"
    store.pause_plan(plan.id)
    store.start_plan(plan.id)  # somebody has looked at it
    assert carried_out(store, plan.id).state == PlanState.DONE


@pytest.mark.parametrize("how", ["done", "failed", "cancelled", "aborted"])
def test_whom_another_copies_from_goes_when_that_is_over(local: World, how: str) -> None:
    """Two moves of one shard, each copied from the node that the other one empties; the first is through first."""
    store, opened = local.open(), threading.Event()
    shard = with_shards(store, 1)[0]
    new, other = add_nodes(store, 2)
    plan = started(store, draft(Move(shard, 1, new, 2), Move(shard, 2, other, 1)))
    history = History(store)

    def may_finish(shard_id: int, node_id: int) -> bool:
        return opened.is_set() or (node_id == new and owners(store.latest(), shard).get(other) == "copying")

    applier = Applier(store, retries=Retries(pause=0.01 if how == "done" else 1000))
    with copying(store, may_finish), applying(applier, plan.id):
        store.wait_for(
            lambda s: owners(s, shard) == {1: "active", 2: "active", new: "active", other: "copying"}, SECONDS
        )
        with pytest.raises(MoveBlocked, match=f"node {other} copies shard {shard} from node 1"):
            store.execute(AdvanceMove(plan_id=plan.id, number=0))
        if how == "done":
            opened.set()
            store.create_database("wakes the copier")
        elif how == "failed":
            store.fail_owner(shard, other, "disk")
        elif how == "cancelled":
            store.drain_node(other)  # so that it is not begun again
            store.cancel_copy(shard, other)
        else:
            store.abort_plan(plan.id)
        left = {
            "done": {new: "active", other: "active"},
            "failed": {2: "active", new: "active", other: "failed"},
            "cancelled": {2: "active", new: "active"},
            "aborted": {2: "active", new: "active"},
        }
        store.wait_for(lambda s: owners(s, shard) == left[how], SECONDS)
        if how in {"done", "aborted"}:
            store.wait_for(lambda s: s.plan(plan.id).has_ended, SECONDS)
    history.close()
    history.check_service([shard])
    history.check_sources()


def test_a_move_that_is_blocked_goes_on_when_it_can(local: World) -> None:
    store = local.open()
    shard = with_shards(store, 1)[0]
    new = add_nodes(store, 1)[0]
    plan = started(store, draft(Move(shard, 1, new)))
    store.update_node(new, state=NodeState.DRAINING)
    with pytest.raises(MoveBlocked, match="draining"):
        store.execute(AdvanceMove(plan_id=plan.id, number=0))
    with copying(store), applying(Applier(store, retries=QUICK), plan.id):
        store.update_node(new, state=NodeState.JOINED)
        store.wait_for(lambda s: s.plan(plan.id).state == PlanState.DONE, SECONDS)


def test_one_step_that_is_refused_holds_up_none_that_shares_its_transaction(local: World) -> None:
    store = local.open()
    shards = with_shards(store, 4)
    new, draining = add_nodes(store, 2)
    moves = [Move(shard, 1, draining if n == 2 else new) for n, shard in enumerate(shards)]
    plan = started(store, draft(*moves), limits=PlanLimits(per_target=4, per_source=4))
    watched = Watched(store, lambda: store.update_node(draining, state=NodeState.DRAINING))
    patient = Retries(pause=2 * SECONDS)  # what fails is not tried again in this test
    with copying(store), applying(Applier(watched, retries=patient), plan.id):  # type: ignore[arg-type]
        others = [shard for n, shard in enumerate(shards) if n != 2]
        store.wait_for(lambda s: all(owners(s, shard) == {2: "active", new: "active"} for shard in others), SECONDS)
    assert watched.together[0] == 4
    assert owners(store.snapshot(), shards[2]) == {1: "active", 2: "active"}


def test_steps_that_are_too_many_for_a_transaction_are_parted(local: World) -> None:
    """Thirty copies from as many nodes to as many others compare all of these."""
    store = local.open()
    shards = with_shards(store, 30, nodes=30, replicas=1)
    new = add_nodes(store, 30, first=100)
    moves = [Move(shard, *owners(store.snapshot(), shard), new[n]) for n, shard in enumerate(shards)]
    assert len({move.from_node for move in moves}) == 30
    plan = started(store, draft(*moves), limits=PlanLimits(at_once=30))
    watched = Watched(store)
    history = History(store)
    with copying(store):
        Applier(watched, retries=QUICK).run(plan.id)  # type: ignore[arg-type]
    history.close()
    history.check_service(shards)
    assert store.snapshot().plan(plan.id).state == PlanState.DONE
    assert watched.together[:3] == [30, 15, 15]


def test_a_plan_that_is_paused_begins_nothing(local: World) -> None:
    store = local.open()
    shard = with_shards(store, 1)[0]
    new = add_nodes(store, 1)[0]
    plan = started(store, draft(Move(shard, 1, new)))
    store.execute(AdvanceMove(plan_id=plan.id, number=0))
    store.pause_plan(plan.id, "backup")
    paused = carried_out(store, plan.id)
    assert (paused.state, paused.note) == (PlanState.PAUSED, "backup")
    with pytest.raises(PlanConflict, match="paused"):
        store.execute(AdvanceMove(plan_id=plan.id, number=0))
    store.start_plan(plan.id)
    assert carried_out(store, plan.id).state == PlanState.DONE


def test_plans_that_would_move_the_same_owner(local: World) -> None:
    store = local.open()
    shards = with_shards(store, 2)
    new, other = add_nodes(store, 2)
    first = started(store, draft(Move(shards[0], 1, new)))
    for move in (Move(shards[0], 1, other), Move(shards[0], 2, new), Move(shards[0], new, other)):
        with pytest.raises(PlanConflict, match=f"plan {first.id} "):
            store.start_plan(store.propose(draft(move)).id)
    replaced = draft(Move(shards[0], 1, other), kind=PlanKind.REPLACE, subjects=(1,))
    store.start_plan(store.propose(replaced).id)  # it has to go anyhow
    store.start_plan(store.propose(draft(Move(shards[1], 2, new))).id)
    with pytest.raises(InvalidInput, match="two moves"):
        store.propose(draft(Move(shards[0], 1, new), Move(shards[0], 2, new)))


def test_a_large_plan_is_written_in_steps_and_an_odd_one_not_at_all(local: World) -> None:
    store = local.open()
    with_shards(store, 1)
    moves = [Move(shard_id, 1, 2, 0, shard_id) for shard_id in range(100, 20_600)]
    plan = store.propose(draft(*moves))
    assert (plan.state, plan.moves, plan.pages) == (PlanState.PROPOSED, 20_500, 41)
    assert store.snapshot().plan_moves(plan.id) == tuple(moves)
    assert store.snapshot().find_move(plan.id, 20_499) == moves[-1]
    started_plan = store.start_plan(plan.id)
    assert move_state(store.snapshot(), moves[0]) is MoveState.VOID
    assert carried_out(store, started_plan.id).state == PlanState.DONE
    with pytest.raises(InvalidInput, match="at most 200000"):
        store.propose(draft(*[Move(1, 1, 2)] * 200_001))


def test_those_that_ended_long_ago_are_forgotten(local: World) -> None:
    store = local.open()
    store.init_cluster()
    for _ in range(55):
        store.abort_plan(store.propose(draft()).id)
    assert [plan.id for plan in store.snapshot().plans()] == list(range(5, 56))


def test_the_lead_is_compared_and_lost(local: World) -> None:
    store = local.open()
    _, plan = a_plan_of_all_kinds(store)
    with pytest.raises(Fenced):
        Applier(store, lambda: Fence(b"lead/plans", 7, "the lead of plans")).run(plan.id)
    with pytest.raises(Fenced):
        Applier(store, lambda: None).run(plan.id)
    assert all(move_state(store.snapshot(), m) is MoveState.WAITING for m in store.snapshot().plan_moves(plan.id))


def test_it_stops_and_leaves_no_thread(local: World) -> None:
    store = local.open()
    _, plan = a_plan_of_all_kinds(store)
    applier = Applier(store)
    with applying(applier):
        wait_until(lambda: store.snapshot().tables.progress, "a copy begins")
    assert store.snapshot().plan(plan.id).state == PlanState.RUNNING
    assert not any("etcdmeta-applier" in thread.name for thread in threading.enumerate())
