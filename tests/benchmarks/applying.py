"""A plan being applied, against bare transactions by 16 threads.

Ours are the steps that the applier commits, three a move: the copy begins, the old owner leaves, and is removed. Each
is an operation of its own, with its compares and its entry in the ledger, and the lead's key is compared as in an
election. Up to thirty share a transaction of etcd; the floor is the rate of single ones, as in `commands`, whose
steps are counted in the same way. What the nodes commit, the end of each copy, is not counted, and is made cheap
(`finisher`), but takes its part of the machine. The plan's limits are wide, so that they are not what is measured.
The time is from the applier's start until the plan is done; storing and starting the plan is not in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from etcdmeta.commands.planning import PlanDraft
from etcdmeta.embedded import Cluster
from etcdmeta.model.moveplans import Move, PlanKind, PlanLimits, PlanState
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.services.applying import Applier
from etcdmeta.store import Fence, MetaStore
from tests.benchmarks.commands import THREADS, Turns, raw_rate
from tests.benchmarks.finisher import Finisher
from tests.benchmarks.measure import Pair, Result, Scale, ratio
from tests.benchmarks.raw import RawCommand, RawMember, Recorder
from tests.benchmarks.world import NODES, make_cluster, open_store, shard_of

_OURS, _FLOOR = "ours1", "floor"
_GROUPS = 10_000
_LIMITS = PlanLimits(per_target=128, per_source=128, at_once=128)
_STEPS = 3
_PATIENCE = 120.0


def run(scale: Scale) -> Iterator[Result]:
    groups = min(_GROUPS, scale.groups)
    for members in (1, 3):
        moves = min(groups, 4 * scale.operations)
        setting = f"{members} member{'s' if members > 1 else ''}, {groups:,} groups, {moves:,} moves"
        with Cluster(members=members, unsafe_no_fsync=True) as cluster:
            pairs = _rounds(list(cluster.endpoints), groups, moves, scale)
        what = f"steps of a plan that the applier commits ÷ raw transactions by {THREADS} threads"
        yield ratio(15, what, setting, pairs, unit="/s", reach=0.5, at_least=True)


def _rounds(endpoints: list[str], groups: int, moves: int, scale: Scale) -> list[Pair]:
    source, target = make_cluster(endpoints, _OURS, groups), Keyspace(_FLOOR)
    store, strategy = open_store(endpoints, _OURS)
    with store, closing(RawMember(endpoints[0])) as member:
        commands = _raw_commands(store, strategy, source, target, member)
        there = store.add_node("node-4.example.com:8088").id
        lead = Transaction((), (Put(source.absolute(keys.lead("plans")), b"bench"),))
        revision = strategy.transact(lead, deadline=time.monotonic() + _PATIENCE).header.revision
        fence = Fence(keys.lead("plans"), revision, "the lead of plans")
        pairs = []
        ends = NODES[0], there
        with Finisher(endpoints[0], _OURS):
            for count in (moves // 4, *[moves] * scale.rounds):
                done = _applied(store, fence, *ends, count)
                pairs.append(Pair(done, raw_rate(commands, member, max(2, scale.operations // 4))))
                _applied(store, fence, *reversed(ends), count)
        return pairs[1:]


def _raw_commands(
    store: MetaStore, strategy: Recorder, source: Keyspace, target: Keyspace, member: RawMember
) -> list[RawCommand]:
    commands = []
    for group_id in range(1, THREADS + 1):
        turns = Turns(store, group_id)
        turns.run()
        turns.run()
        commands.append(RawCommand(strategy.transaction, source, target))
        commands[-1].begin(member)
    return commands


def _applied(store: MetaStore, fence: Fence, gone: int, come: int, count: int) -> float:
    """One plan from its start until it is done; steps a second."""
    moves = tuple(Move(shard_of(group_id), gone, come) for group_id in range(1, count + 1))
    plan = store.propose(PlanDraft(PlanKind.REBALANCE, moves), limits=_LIMITS)
    store.start_plan(plan.id)
    applier = Applier(store, lambda: fence)
    begun = time.perf_counter()
    applier.run(plan.id)
    duration = time.perf_counter() - begun
    if store.snapshot().plan(plan.id).state != PlanState.DONE or applier.steps < _STEPS * count:
        raise RuntimeError(f"{applier.steps} steps of {_STEPS * count}, and the plan is not done")
    return _STEPS * count / duration
