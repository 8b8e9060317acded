"""How far a move is, and what comes next: each row, and that any picture and move have an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdmeta.model.copyload import CopyLoad
from etcdmeta.model.durations import HOUR, Duration
from etcdmeta.model.entities import Database, Node, RetentionPolicy, Shard, ShardGroup, ShardOwner
from etcdmeta.model.moveplans import Move, MovePlan, PlanKind, PlanLimits, PlanState
from etcdmeta.model.moves import MoveState, Step, blocked, choose_source, is_settled, move_state, outlook
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from tests.model.pictures import Book

OLD, NEW, OTHER, TARGET = 1, 2, 3, 4
RUNNING = MovePlan(id=1, kind=PlanKind.REBALANCE, state=PlanState.RUNNING)
ABORTING = RUNNING.model_copy(update={"state": PlanState.ABORTING})
MOVED, ADDED, TAKEN = Move(1, OLD, NEW), Move(1, 0, NEW), Move(1, OLD, 0)


def picture(
    owners: dict[int, str],
    *,
    target: str = "joined",
    down: tuple[int, ...] = (),
    deleted: bool = False,
    wanted: int = 2,
    source: int = OTHER,
) -> Snapshot:
    """One shard, 1, of those owners, copied from ``source``; node 2 in the state ``target``."""
    book = Book()
    book.put(keys.database_info(1), Database(id=1, name="d"))
    policy = RetentionPolicy(
        id=1, database_id=1, name="p", replicas=wanted, duration=Duration(0), group_duration=Duration(HOUR)
    )
    book.put(keys.policy_info(1, 1), policy)
    for node in (OLD, NEW, OTHER, TARGET):
        state = NodeState(target) if node == NEW else NodeState.JOINED
        book.put(keys.node(node), Node(id=node, host=f"h{node}:1", state=state, reports_liveness=node in down))
    made = tuple(ShardOwner(node_id=n, status=status, source=source) for n, status in owners.items())
    shards = (Shard(id=1, owners=made),)
    group = ShardGroup(
        id=1, database_id=1, policy_id=1, start=0, end=HOUR, shards=shards, deleted_at=5 if deleted else None
    )
    book.put(keys.group(1, 1, 0, 1), group)
    return book.load()


ROWS = [
    (MOVED, {OLD: "active", OTHER: "active"}, MoveState.WAITING, Step.BEGIN, None),
    (MOVED, {OLD: "active", NEW: "copying"}, MoveState.COPYING, None, Step.CANCEL),
    (MOVED, {OLD: "active", NEW: "failed"}, MoveState.FAILED, Step.BEGIN, Step.CANCEL),
    (MOVED, {OLD: "active", OTHER: "active", NEW: "active"}, MoveState.COPIED, Step.LEAVE, Step.LEAVE),
    (MOVED, {OLD: "leaving", OTHER: "active", NEW: "active"}, MoveState.LEAVING, Step.REMOVE, Step.REMOVE),
    (MOVED, {OLD: "active", NEW: "active"}, MoveState.COPIED, Step.LEAVE, Step.LEAVE),  # it lacked one before, too
    (MOVED, {OLD: "active", OTHER: "failed", NEW: "active"}, MoveState.COPIED, None, None),
    (MOVED, {OLD: "leaving", OTHER: "failed", NEW: "active"}, MoveState.LEAVING, None, Step.STAY),
    (MOVED, {OLD: "leaving", OTHER: "active", NEW: "failed"}, MoveState.FAILED, Step.BEGIN, Step.CANCEL),
    (MOVED, {OLD: "failed", OTHER: "active", NEW: "active"}, MoveState.COPIED, Step.DROP, Step.DROP),
    (MOVED, {OTHER: "active", NEW: "active"}, MoveState.DONE, None, None),
    (MOVED, {OTHER: "active", NEW: "leaving"}, MoveState.DONE, None, None),
    (MOVED, {OLD: "active", NEW: "leaving"}, MoveState.COPIED, None, None),
    (MOVED, {OTHER: "active"}, MoveState.VOID, None, None),
    (MOVED, {OLD: "odd", OTHER: "active", NEW: "active"}, MoveState.COPIED, None, None),
    (MOVED, {OLD: "active", NEW: "odd"}, MoveState.WAITING, None, None),
    (ADDED, {OTHER: "active"}, MoveState.WAITING, Step.BEGIN, None),
    (ADDED, {}, MoveState.WAITING, None, None),
    (ADDED, {OTHER: "active", NEW: "copying"}, MoveState.COPYING, None, Step.CANCEL),
    (ADDED, {OTHER: "active", NEW: "failed"}, MoveState.FAILED, Step.BEGIN, Step.CANCEL),
    (ADDED, {OTHER: "active", NEW: "active"}, MoveState.DONE, None, None),
    (TAKEN, {OLD: "active", NEW: "active", OTHER: "active"}, MoveState.WAITING, Step.LEAVE, None),
    (TAKEN, {OLD: "active", OTHER: "active"}, MoveState.WAITING, None, None),
    (TAKEN, {OLD: "failed", OTHER: "active"}, MoveState.WAITING, Step.DROP, None),
    (TAKEN, {OLD: "leaving", NEW: "active", OTHER: "active"}, MoveState.LEAVING, Step.REMOVE, Step.STAY),
    (TAKEN, {OTHER: "active"}, MoveState.DONE, None, None),
]


@pytest.mark.parametrize(("move", "owners", "state", "running", "aborting"), ROWS)
def test_each_row(
    move: Move, owners: dict[int, str], state: MoveState, running: Step | None, aborting: Step | None
) -> None:
    snapshot = picture(owners)
    assert move_state(snapshot, move) is state
    assert outlook(snapshot, RUNNING, move).step is running
    assert outlook(snapshot, ABORTING, move).step is aborting
    assert is_settled(snapshot, ABORTING, move) == (aborting is None)
    stuck = running is None and state not in {MoveState.DONE, MoveState.VOID, MoveState.COPYING}
    assert bool(blocked(snapshot, RUNNING, move)) == stuck


def test_a_node_that_takes_no_shards() -> None:
    waits = {OLD: "active", OTHER: "active"}
    assert "draining" in blocked(picture(waits, target="draining"), RUNNING, MOVED)
    assert move_state(picture(waits, target="removing"), MOVED) is MoveState.VOID
    begun = picture({OLD: "active", NEW: "copying"}, target="removing")
    assert outlook(begun, RUNNING, MOVED) == (MoveState.COPYING, Step.CANCEL, "")
    assert move_state(picture({}, deleted=True), MOVED) is MoveState.VOID
    assert move_state(picture({}), Move(77, OLD, NEW)) is MoveState.VOID


def test_nodes_that_are_down() -> None:
    waits = {OLD: "active", OTHER: "active"}
    assert "down" in blocked(picture(waits, down=(NEW,)), RUNNING, MOVED)
    assert "down" in blocked(picture(waits, down=(OLD, OTHER)), RUNNING, MOVED)
    assert "down" in blocked(picture({**waits, NEW: "active"}, down=(NEW,)), RUNNING, MOVED)
    # A dead one goes though another has failed: it serves nobody.
    assert outlook(picture({OLD: "active", OTHER: "failed", NEW: "active"}, down=(OLD,)), RUNNING, MOVED).step
    taken = picture({OLD: "active", NEW: "active", OTHER: "active"}, down=(NEW, OTHER))
    assert "up" in blocked(taken, RUNNING, TAKEN)


FROM_OLD = {OLD: "active", NEW: "active", OTHER: "active", TARGET: "copying"}


@pytest.mark.parametrize("move", [MOVED, TAKEN])
@pytest.mark.parametrize("status", ["active", "leaving"])
def test_whom_another_copies_from_stays_until_that_is_done(move: Move, status: str) -> None:
    owners = {**FROM_OLD, OLD: status}
    held = picture(owners, source=OLD)
    assert outlook(held, RUNNING, move).step is None
    assert blocked(held, RUNNING, move) == f"node {TARGET} copies shard 1 from node {OLD}"
    # An abort waits for nobody: who would have to wait serves on.
    stays = Step.STAY if status == "leaving" else None
    assert outlook(held, ABORTING, move).step is stays
    # It holds nobody when it is done, has failed, is cancelled, or comes from elsewhere; nor where either node is down.
    free = [picture({**owners, TARGET: "active"}, source=OLD), picture({**owners, TARGET: "failed"}, source=OLD)]
    free += [picture({n: s for n, s in owners.items() if n != TARGET}), picture(owners, source=OTHER)]
    free += [picture(owners, source=OLD, down=(TARGET,)), picture(owners, source=OLD, down=(OLD,))]
    for snapshot in free:
        assert outlook(snapshot, RUNNING, move).step is (Step.REMOVE if status == "leaving" else Step.LEAVE)


def test_who_is_leaving_is_not_copied_from_where_another_serves() -> None:
    snapshot = picture({OLD: "leaving", OTHER: "active"})
    assert choose_source(snapshot, ADDED, CopyLoad()) == OTHER
    assert choose_source(snapshot, ADDED._replace(source=OLD), CopyLoad()) == OLD


def test_the_source() -> None:
    load = CopyLoad()
    both = picture({OLD: "active", OTHER: "active"})
    assert choose_source(both, MOVED, load) == OLD
    assert choose_source(both, MOVED._replace(source=OTHER), load) == OTHER
    load.add(OLD, 9)
    assert choose_source(both, MOVED, load) == OTHER
    assert load.full(PlanLimits(per_source=1), source=OLD)
    assert not load.full(PlanLimits(per_source=1), source=OTHER)
    assert choose_source(picture({OLD: "active", OTHER: "active"}, down=(OLD,)), MOVED, CopyLoad()) == OTHER
    failed = picture({OLD: "active", OTHER: "active", NEW: "failed"})  # with OTHER
    assert choose_source(failed, MOVED._replace(source=OTHER), CopyLoad()) == OLD


NODES = st.integers(0, 4)
STATUSES = st.sampled_from(["active", "copying", "leaving", "failed", "odd"])


@given(
    owners=st.dictionaries(st.integers(1, 4), STATUSES),
    move=st.builds(Move, st.integers(0, 2), NODES, NODES, NODES),
    state=st.sampled_from(PlanState),
    target=st.sampled_from(NodeState),
    deleted=st.booleans(),
    wanted=st.integers(1, 4),
    down=st.lists(st.integers(1, 3)).map(tuple),
    source=st.integers(1, 4),
)
def test_it_is_total(
    owners: dict[int, str],
    move: Move,
    state: PlanState,
    target: str,
    deleted: bool,
    wanted: int,
    down: tuple[int, ...],
    source: int,
) -> None:
    snapshot = picture(owners, target=target, down=down, deleted=deleted, wanted=wanted, source=source)
    plan = RUNNING.model_copy(update={"state": state})
    found = outlook(snapshot, plan, move)
    assert found.state is move_state(snapshot, move)
    assert not (found.step and found.blocked)
    if found.state in {MoveState.DONE, MoveState.VOID}:
        assert found.step is None
