"""What undoes a plan: whatever was begun, aborted or done, the owners are brought back, or it is said why not.

Without etcd and without threads: each step is a command on a pure world, so that what an applier could do in any order,
and an abort between any two steps, is a matter of drawing it.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from etcdmeta.commands.copying import BeginCopy, FinishCopy
from etcdmeta.commands.moveplan import AbortPlan, CreatePlan, FinishPlan, PausePlan, StartPlan
from etcdmeta.commands.moving import AdvanceMove
from etcdmeta.commands.node_states import DrainNode, UndrainNode
from etcdmeta.commands.owner import FailOwner, RemoveOwner, SetOwnerStatus
from etcdmeta.commands.planning import decommission, rebalance, repair, replace, replication, undo
from etcdmeta.commands.planning.draft import PlanDraft
from etcdmeta.errors import MoveBlocked, NotFound, PlanConflict, Refused
from etcdmeta.model.durations import HOUR
from etcdmeta.model.entities import Shard, ShardGroup, ShardOwner
from etcdmeta.model.moveplans import Move, MovePlan, PlanKind, PlanState
from etcdmeta.model.moves import blocked, is_settled
from etcdmeta.model.owners import NodeState, OwnerStatus
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_moves
from tests.commands.conftest import World
from tests.commands.planning.brute import Small

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etcdmeta.model.snapshot import Snapshot

Owners = dict[int, str]
KINDS = ("rebalance", "decommission", "replace", "replication", "repair", "moves")


class Cluster:
    """A pure world with shards 1 … in groups of their own, and what is watched at each of its generations."""

    def __init__(self, nodes: int, wanted: int, shards: list[Owners]) -> None:
        self.world = World()
        self.world.add_nodes(nodes)
        self.world.add_database(replicas=wanted)
        for i, owners in enumerate(shards, 1):
            made = tuple(ShardOwner(node_id=n, status=status) for n, status in owners.items())
            self.world.put_group(
                ShardGroup(id=i, database_id=1, policy_id=1, start=i * HOUR, end=(i + 1) * HOUR,
                           shards=(Shard(id=i, owners=made),))
            )  # fmt: skip
        self.least: Counter[int] = Counter()
        self._made = f"Cluster({nodes}, {wanted}, {shards})"

    def __repr__(self) -> str:
        return self._made

    @property
    def now(self) -> Snapshot:
        return self.world.snapshot

    def shards(self) -> Iterator[Shard]:
        return (shard for group in self.now.groups() for shard in group.shards)

    def owners(self) -> dict[int, Owners]:
        return {shard.id: {o.node_id: str(o.status) for o in shard.owners} for shard in self.shards()}

    def serving(self) -> Counter[int]:
        return Counter({shard.id: sum(owner.serves for owner in shard.owners) for shard in self.shards()})

    def run(self, command: object) -> bool:
        """Whether it changed anything. Nobody serves less than `least`."""
        changed = self.world.run(command).changed  # type: ignore[arg-type]
        now = self.serving()
        assert all(now[shard] >= least for shard, least in self.least.items()), (command, now, self.least)
        return changed

    def propose(self, draft: PlanDraft) -> int:
        create = CreatePlan(
            kind=draft.kind, moves=encode_moves(draft.moves), total=len(draft.moves), subjects=draft.subjects,
            replacement=draft.replacement, remove_subjects=draft.remove_subjects, undoes=draft.undoes,
        )  # fmt: skip
        return int(self.world.run(create).result["plan_id"])

    # --- what an applier and the nodes do

    def advance(self, plan_id: int, number: int) -> bool:
        try:
            return self.run(AdvanceMove(plan_id=plan_id, number=number))
        except MoveBlocked:
            return False

    def copies(self) -> list[tuple[int, ShardOwner]]:
        return [(s.id, o) for s in self.shards() for o in s.owners if o.status == OwnerStatus.COPYING]

    def finish_copies(self) -> bool:
        copies = self.copies()
        for shard_id, owner in copies:
            self.run(FinishCopy(shard_id=shard_id, node_id=owner.node_id, attempt=owner.attempt))
        return bool(copies)

    def carry_out(self, plan_id: int) -> str:
        """As far as it goes, and its state then."""
        numbers = range(self.now.plan(plan_id).moves)
        while sum(self.advance(plan_id, number) for number in numbers) or self.finish_copies():
            pass
        with suppress(Refused):  # moves are left, or nodes that are to go own something
            self.run(FinishPlan(plan_id=plan_id))
        return str(self.now.plan(plan_id).state)


@st.composite
def clusters(draw: st.DrawFn, *, statuses: tuple[str, ...] = ("active",)) -> Cluster:
    nodes = draw(st.integers(3, 5))
    owners = st.dictionaries(st.integers(1, nodes), st.sampled_from(statuses), min_size=1, max_size=3)
    shards = draw(st.lists(owners.filter(lambda each: "active" in each.values()), min_size=1, max_size=3))
    return Cluster(nodes, draw(st.integers(1, 3)), shards)


def drafted(data: st.DataObject, cluster: Cluster) -> PlanDraft:
    """A plan of any kind; that of the kind ``moves`` may do whatever a plan can hold."""
    snapshot = cluster.now
    nodes = [node.id for node in snapshot.nodes()]
    kind = data.draw(st.sampled_from(KINDS), "kind")
    event(kind)
    match kind:
        case "rebalance":
            return rebalance(snapshot)
        case "decommission":
            return decommission(snapshot, [data.draw(st.sampled_from(nodes))], remove=data.draw(st.booleans()))
        case "replace":
            old, new = data.draw(st.permutations(nodes))[:2]
            return replace(snapshot, old, new)
        case "replication":
            cluster.world.alter_policy(replicas=data.draw(st.integers(1, 3)))
            return replication(cluster.now)
        case "repair":
            return repair(snapshot, now=0)
    moves = []
    for shard_id, owners in cluster.owners().items():
        leavers = data.draw(st.permutations([*owners, 0]))
        comers = data.draw(st.permutations([n for n in nodes if n not in owners] + [0]))
        for gone, come in list(zip(leavers, comers, strict=False))[: data.draw(st.integers(0, 2))]:
            moves += [Move(shard_id, gone, come)] if gone or come else []
    return PlanDraft(PlanKind.REBALANCE, tuple(moves))


def play(data: st.DataObject, cluster: Cluster, plan_id: int, *, fails: bool = False) -> None:
    """Some steps of the plan, in any order."""
    numbers = range(cluster.now.plan(plan_id).moves)
    for _ in range(data.draw(st.integers(0, 12), "steps")):
        copies = cluster.copies()
        choices = [*numbers, *range(-len(copies), 0)]
        if not choices:
            return
        chosen = data.draw(st.sampled_from(choices))
        if chosen >= 0:
            cluster.advance(plan_id, chosen)
            continue
        shard_id, owner = copies[chosen]
        if fails and data.draw(st.booleans()):
            cluster.run(FailOwner(shard_id=shard_id, node_id=owner.node_id, reason="disk", attempt=owner.attempt))
        else:
            cluster.run(FinishCopy(shard_id=shard_id, node_id=owner.node_id, attempt=owner.attempt))


def end(data: st.DataObject, cluster: Cluster, plan_id: int) -> None:
    """The plan begins, and at any point of its life it is aborted; or it is done."""
    cluster.run(StartPlan(plan_id=plan_id))
    play(data, cluster, plan_id, fails=True)
    if data.draw(st.booleans(), "pause"):
        cluster.run(PausePlan(plan_id=plan_id))
        if data.draw(st.booleans(), "go on"):
            cluster.run(StartPlan(plan_id=plan_id))
    if cluster.now.plan(plan_id).state == PlanState.RUNNING and data.draw(st.booleans(), "to its end"):
        cluster.carry_out(plan_id)
    if cluster.now.plan(plan_id).is_active:
        cluster.run(AbortPlan(plan_id=plan_id))
        cluster.carry_out(plan_id)
    event(str(cluster.now.plan(plan_id).state))


QUICKLY = [phase for phase in Phase if phase is not Phase.explain]  # which takes minutes where something fails
few = settings(max_examples=150, deadline=None, report_multiple_bugs=False, phases=QUICKLY)
any_cluster = clusters(statuses=("active", "active", "active", "failed"))


@few
@given(any_cluster, st.data())
def test_the_owners_are_as_they_were_or_it_is_said_why_not(cluster: Cluster, data: st.DataObject) -> None:
    before, states = cluster.owners(), node_states(cluster)
    draft = drafted(data, cluster)
    plan_id = cluster.propose(draft)
    end(data, cluster, plan_id)
    back = undo(cluster.now, plan_id)
    event(f"{len(back.moves)} moves back, {len(back.left_out)} left out")
    undo_id = begin_undo(cluster, back, before)
    assert cluster.carry_out(undo_id) == PlanState.DONE
    assert cluster.now.plan(plan_id).state == PlanState.UNDONE
    check_back(cluster, draft, back, before, states)


@few
@given(any_cluster, st.data())
def test_an_undo_that_is_aborted_is_taken_up_by_another(cluster: Cluster, data: st.DataObject) -> None:
    before, states = cluster.owners(), node_states(cluster)
    draft = drafted(data, cluster)
    plan_id = cluster.propose(draft)
    end(data, cluster, plan_id)
    first = begin_undo(cluster, undo(cluster.now, plan_id), before)
    play(data, cluster, first, fails=True)
    if cluster.now.plan(first).is_active:
        cluster.run(AbortPlan(plan_id=first))
        assert cluster.carry_out(first) == PlanState.ABORTED
    back = undo(cluster.now, plan_id)
    assert cluster.carry_out(begin_undo(cluster, back, before)) == PlanState.DONE
    check_back(cluster, draft, back, before, states)


@few
@given(any_cluster, st.data())
def test_an_undo_of_an_undo_is_the_plan_again(cluster: Cluster, data: st.DataObject) -> None:
    before = cluster.owners()
    draft = drafted(data, cluster)
    plan_id = cluster.propose(draft)
    end(data, cluster, plan_id)
    at_first, states = cluster.owners(), node_states(cluster)
    back = undo(cluster.now, plan_id)
    undo_id = begin_undo(cluster, back, before)
    assert cluster.carry_out(undo_id) == PlanState.DONE
    again = undo(cluster.now, undo_id)
    assert cluster.carry_out(begin_undo(cluster, again, at_first)) == PlanState.DONE
    check_back(cluster, back, again, at_first, states)


@few
@given(any_cluster, st.data())
def test_what_has_not_ended_is_not_undone(cluster: Cluster, data: st.DataObject) -> None:
    plan_id = cluster.propose(drafted(data, cluster))
    if data.draw(st.booleans(), "start"):
        cluster.run(StartPlan(plan_id=plan_id))
        play(data, cluster, plan_id)
    owners = cluster.owners()
    if data.draw(st.booleans(), "abort"):
        cluster.run(AbortPlan(plan_id=plan_id))
    state = cluster.now.plan(plan_id).state
    event(str(state))
    if state == PlanState.ABORTED:  # nothing of it had begun
        assert undo(cluster.now, plan_id).moves == ()
        return
    with pytest.raises(PlanConflict) as refused:
        cluster.propose(undo(cluster.now, plan_id))
    assert (refused.value.value, refused.value.rule is not None) == (str(state), True)
    assert cluster.owners() == owners


@few
@given(any_cluster, st.data())
def test_whatever_others_did_meanwhile_nobody_loses_service(cluster: Cluster, data: st.DataObject) -> None:
    """They fail, remove, copy, drain and undrain by hand: the undo ends, or says at each move what it waits for; and of
    whatever is not as it was before the plan, something is said, or it was they who changed it."""
    before = cluster.owners()
    draft = drafted(data, cluster)
    plan_id = cluster.propose(draft)
    end(data, cluster, plan_id)
    touched = meddle(data, cluster)
    back = undo(cluster.now, plan_id)
    undo_id = begin_undo(cluster, back, before)
    if data.draw(st.booleans(), "again"):
        touched |= meddle(data, cluster)
    now, wanted = cluster.serving(), cluster.now.policy("metrics").replicas
    for shard, least in cluster.least.items():  # where they took owners away, the policy says how many more may go
        cluster.least[shard] = min(least, now[shard], *([wanted] if shard in touched else []))
    state = cluster.carry_out(undo_id)
    event(state)
    plan = cluster.now.plan(undo_id)
    for move in cluster.now.plan_moves(undo_id):
        assert is_settled(cluster.now, plan, move) or blocked(cluster.now, plan, move)
    left = dict(back.left_out).keys()
    for shard in before.keys() - left - touched:
        assert active(before[shard]) <= active(cluster.owners()[shard]) <= before[shard].keys()


# --- steps


def begin_undo(cluster: Cluster, back: PlanDraft, before: dict[int, Owners]) -> int:
    """Its plan, running. From now on nobody serves less than now, or than before the plan, where that was less."""
    undo_id = cluster.propose(back)
    now = cluster.serving()
    cluster.least = Counter({shard: min(now[shard], len(active(owners))) for shard, owners in before.items()})
    cluster.run(StartPlan(plan_id=undo_id))
    return undo_id


def check_back(
    cluster: Cluster, draft: PlanDraft, back: PlanDraft, before: dict[int, Owners], states: dict[int, str]
) -> None:
    """Owners and nodes are as they were before the plan, but for the shards that are left out, and nodes that the plan
    removed. Who had failed at its place may serve there now, or, where a repair copied it again, be gone."""
    left, after = dict(back.left_out), cluster.owners()
    for shard, owners in before.items():
        if shard in left:
            check_reason(cluster, left[shard], owners, states)
        else:
            assert active(owners) <= active(after[shard]) <= after[shard].keys() <= owners.keys()
            assert after[shard].keys() == owners.keys() or draft.kind == PlanKind.REPAIR
    removed = {node for node, state in node_states(cluster).items() if state == "removed"}
    assert node_states(cluster) == states | dict.fromkeys(removed, "removed")
    assert removed <= {*draft.subjects, *(node for node, state in states.items() if state == "removed")}


def check_reason(cluster: Cluster, why: str, owners: Owners, states: dict[int, str]) -> None:
    """Where nobody meddled, few things are in the way. ``owners`` and ``states``: of before the plan."""
    first = int(why.removeprefix("without ").split()[1].rstrip(","))
    event(re.sub(r"\d+", "N", why))
    if why.startswith("without node"):
        assert len(active(owners)) < cluster.now.policy("metrics").replicas, why
    elif why.endswith("takes no shards or is down"):
        assert node_states(cluster)[first] == "removed" or states[first] != "joined", why
    else:
        assert why.endswith(("failed at it: repair it, or cancel it", "failed at it: it has to be repaired first")), why
        assert any("failed" in each.values() for each in cluster.owners().values()), why


def meddle(data: st.DataObject, cluster: Cluster) -> set[int]:
    """What people do by hand; the shards that it concerns."""
    touched: set[int] = set()
    shards, nodes = list(cluster.owners()), [node.id for node in cluster.now.nodes()]
    least, cluster.least = cluster.least, Counter()
    for _ in range(data.draw(st.integers(1, 3), "acts")):
        shard, node = data.draw(st.sampled_from(shards)), data.draw(st.sampled_from(nodes))
        other = data.draw(st.sampled_from(nodes))
        acts = [
            FailOwner(shard_id=shard, node_id=node, reason="disk"),
            RemoveOwner(shard_id=shard, node_id=node, force=True, reason="by hand"),
            BeginCopy(shard_id=shard, source=other if other != node else node % len(nodes) + 1, target=node),
            SetOwnerStatus(shard_id=shard, node_id=node, status=OwnerStatus.LEAVING),
            DrainNode(node_id=node),
            UndrainNode(node_id=node),
        ]
        act = data.draw(st.sampled_from(acts))
        try:
            if not cluster.run(act):
                continue
        except (Refused, NotFound):
            continue
        event(act.NAME)
        if isinstance(act, DrainNode | UndrainNode):
            touched |= set(shards)
        else:
            touched.add(shard)
    cluster.least = least
    return touched


def node_states(cluster: Cluster) -> dict[int, str]:
    return {node.id: str(node.state) for node in cluster.now.nodes(include_removed=True)}


def active(owners: Owners) -> set[int]:
    return {node for node, status in owners.items() if status == "active"}


# --- one by one


GOES, TAKEN, ADDED = Move(1, 1, 2), Move(1, 1, 0), Move(1, 0, 2)


@pytest.mark.parametrize(
    ("owners", "moves", "back", "why"),
    [
        ({2: "active", 3: "active"}, [GOES], [(2, 1)], ""),
        ({2: "active", 3: "failed"}, [GOES], [], "node 3 failed at it: it has to be repaired first"),
        ({2: "active", 4: "active"}, [GOES], [(2, 1)], ""),
        ({2: "failed", 3: "active"}, [GOES], [], "node 2, which the plan brought, does not serve it any more"),
        ({3: "active"}, [GOES], [], "neither node 1 nor node 2 owns it: others have moved it since"),
        # It stands beside who should have gone: of a plan that was aborted, or somebody copied it there again.
        ({1: "active", 2: "active", 3: "active"}, [GOES], [(2, 0)], ""),
        ({1: "active", 2: "active"}, [GOES], [(2, 0)], ""),
        ({1: "leaving", 2: "active", 3: "active"}, [GOES], [], "node 1, where it was, is leaving there"),
        ({1: "copying", 2: "active", 3: "active"}, [GOES], [], "node 1, where it was, is copying there"),
        ({1: "active", 3: "active"}, [GOES], [], ""),
        ({3: "active", 5: "active"}, [TAKEN], [(0, 1)], ""),
        ({3: "leaving"}, [TAKEN], [(0, 1)], ""),
        ({4: "active"}, [TAKEN], [], "nobody serves it on a node that is up, so there is nothing to copy from"),
        ({2: "active", 3: "active"}, [ADDED], [(2, 0)], ""),
        ({2: "active", 4: "active"}, [ADDED], [], "without node 2 nobody serves it on a node that is up"),
        ({2: "active"}, [ADDED], [], "without node 2 it would have fewer owners than its policy wants"),
        ({2: "active", 3: "failed"}, [ADDED], [], "without node 2 it would have fewer owners than its policy wants"),
        ({2: "active", 3: "failed", 5: "active"}, [ADDED], [],
         "without node 2 it would have fewer active owners than its policy wants"),
        ({2: "copying", 3: "active"}, [ADDED], [], "node 2, which the plan brought, does not serve it any more"),
        ({1: "active", 2: "failed"}, [GOES], [], ""),  # somebody's own copy, after the plan
        ({2: "failed", 3: "active"}, [ADDED], [], "node 2 failed at it: repair it, or cancel it"),
        # One goes and another comes: the one serves until the other does.
        ({2: "active", 3: "active"}, [TAKEN, ADDED], [(2, 1)], ""),
        ({2: "active", 3: "active"}, [ADDED, Move(1, 1, 0), Move(1, 5, 0)], [(2, 5), (0, 1)], ""),
        ({3: "active", 5: "odd", 2: "active"}, [GOES], [], "an owner is 'odd', a status of a later version"),
    ],
)  # fmt: skip
def test_each_way_back(owners: Owners, moves: list[Move], back: list[tuple[int, int]], why: str) -> None:
    """Shard 1 after the plan; its policy wants 1 owner, or 2 where a failed one shall hold something up. Node 4 is
    down."""
    wanted = 2 if "failed" in owners.values() else 1
    shards = Small([owners], " " * 5, (NodeState.JOINED,) * 5, frozenset({4}), wanted)
    plan = MovePlan(id=1, kind=PlanKind.REBALANCE, state=PlanState.ABORTED, moves=len(moves), pages=1)
    draft = undo(shards.picture((keys.plan(1), encode(plan)), (keys.plan_moves(1, 0), encode_moves(moves))), 1)
    assert [(move.from_node, move.to_node) for move in draft.moves] == back
    assert [left.why for left in draft.left_out] == ([why] if why else [])


def drained() -> tuple[Cluster, int]:
    """Plan 1 has taken shard 1 from node 1 to node 3; node 1 drains."""
    cluster = Cluster(3, 2, [{1: "active", 2: "active"}])
    plan_id = cluster.propose(decommission(cluster.now, [1]))
    cluster.run(StartPlan(plan_id=plan_id))
    assert cluster.carry_out(plan_id) == PlanState.DONE
    assert (cluster.owners()[1].keys(), node_states(cluster)[1]) == ({2, 3}, "draining")
    return cluster, plan_id


def test_who_was_drained_takes_its_shards_again() -> None:
    cluster, plan_id = drained()
    undo_id = cluster.propose(undo(cluster.now, plan_id))
    assert node_states(cluster)[1] == "draining"
    cluster.run(StartPlan(plan_id=undo_id))
    assert node_states(cluster)[1] == "joined"
    assert cluster.carry_out(undo_id) == PlanState.DONE
    assert cluster.owners() == {1: {1: "active", 2: "active"}}
    again = cluster.propose(undo(cluster.now, undo_id))
    cluster.run(StartPlan(plan_id=again))
    assert node_states(cluster)[1] == "draining"
    cluster.run(AbortPlan(plan_id=again))
    assert node_states(cluster)[1] == "joined"


def test_what_others_made_of_a_node_since_stays() -> None:
    cluster = Cluster(3, 2, [{1: "active", 2: "active"}])
    cluster.run(DrainNode(node_id=1))
    done = cluster.propose(decommission(cluster.now, [1]))
    cluster.run(StartPlan(plan_id=done))
    assert cluster.carry_out(done) == PlanState.DONE
    cluster.run(UndrainNode(node_id=1))
    cluster.run(StartPlan(plan_id=cluster.propose(undo(cluster.now, done))))
    assert node_states(cluster)[1] == "joined", "it was draining before the plan"
    for begun in (True, False):
        aborted = cluster.propose(PlanDraft(PlanKind.DECOMMISSION, (), subjects=(3,)))
        if begun:
            cluster.run(StartPlan(plan_id=aborted))
        cluster.run(AbortPlan(plan_id=aborted))
        cluster.carry_out(aborted)
        cluster.run(DrainNode(node_id=3))
        cluster.run(StartPlan(plan_id=cluster.propose(undo(cluster.now, aborted))))
        assert node_states(cluster)[3] == "draining", "the plan has put it back itself, or never touched it"
        cluster.run(UndrainNode(node_id=3))


def test_a_node_that_another_plan_empties_is_not_put_back() -> None:
    cluster, plan_id = drained()
    undo_id = cluster.propose(undo(cluster.now, plan_id))
    late = cluster.propose(decommission(cluster.now, [1]))
    cluster.run(StartPlan(plan_id=late))
    with pytest.raises(PlanConflict, match=f"plan {late} .* empties node 1") as refused:
        cluster.run(StartPlan(plan_id=undo_id))
    assert (refused.value.value, refused.value.remedy is not None) == (late, True)
    assert cluster.carry_out(late) == PlanState.DONE
    cluster.run(StartPlan(plan_id=undo_id))
    assert node_states(cluster)[1] == "joined"
