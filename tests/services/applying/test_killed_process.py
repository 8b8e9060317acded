"""The process that carries a plan out is killed, again and again, and another one goes on."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etcdmeta.model.moveplans import Move, PlanLimits, PlanState
from etcdmeta.model.owners import SERVING
from etcdmeta.records import keys
from etcdmeta.records.transaction import Delete, Put
from tests.services.applying.plans import History, add_nodes, copying, draft, owners, started, with_shards
from tests.store.invariants import check_picture
from tests.store.worlds import SECONDS, World, etcd_world

if TYPE_CHECKING:
    import random

    from etcdmeta.embedded import Cluster

SHARDS = 24
KILLED = 5
"""At most; the last process may do what is left."""
ROOT = Path(__file__).parents[3]
LEAD = keys.lead("plans")


class Process:
    """One applier; it waits for its turn, so that the next one is there when this one is killed."""

    def __init__(self, world: World, endpoints: tuple[str, ...], plan_id: int) -> None:
        self._world = world
        command = [sys.executable, "-m", "tests.services.applying.applier_process", world.cluster, str(plan_id)]
        self._process = subprocess.Popen(
            [*command, *endpoints], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self) -> None:
        """The lead goes to it, from whoever had it: what that one may have sent before it died commits no more."""
        assert self._process.stdin is not None
        self.expect("ready")
        self._world.commit(Delete(self._world.keyspace.absolute(LEAD)))
        created = self._world.commit(Put(LEAD, b"next")).header.revision
        self._process.stdin.write(f"{created}\n")
        self._process.stdin.flush()

    def expect(self, said: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == said

    def kill(self) -> None:
        self._process.kill()
        with self._process:  # closes its pipes, and waits for it
            pass


def test_killed_again_and_again_and_resumed_by_others(
    etcd_cluster: Cluster, etcd_prefix: str, rng: random.Random, request: pytest.FixtureRequest
) -> None:
    """With SIGKILL after so many generations as chance will have it. At each generation of the whole run no shard has
    fewer owners that serve it than it had at first, and no more copies run than the plan allows.
    """
    world = etcd_world(etcd_cluster, etcd_prefix)
    request.addfinalizer(world.close)
    store = world.open()
    shards = with_shards(store, SHARDS)
    new = add_nodes(store, 3)
    moves = [Move(s, rng.choice([0, 1, 2]), rng.choice(new)) for s in shards]
    plan = started(store, draft(*moves), limits=PlanLimits(per_target=2, per_source=3, at_once=4))
    history = History(store)
    first = store.snapshot()
    killed = 0
    with ExitStack() as processes, copying(store):
        waiting: list[Process] = []
        for _ in range(2):
            waiting.append(Process(world, etcd_cluster.endpoints, plan.id))
            processes.callback(waiting[-1].kill)
        while True:
            process = waiting.pop(0)
            begun = store.read_consistent().generation
            process.begin()
            until = begun + (rng.randint(1, 5) if killed < KILLED else 1_000_000)
            store.wait_for(lambda s, until=until: s.generation >= until or s.plan(plan.id).has_ended, SECONDS)
            if store.snapshot().plan(plan.id).has_ended:
                process.expect("done")
                break
            process.kill()
            killed += 1
            waiting.append(Process(world, etcd_cluster.endpoints, plan.id))
            processes.callback(waiting[-1].kill)
    done = store.read_consistent()
    history.close()
    history.check_service(shards)
    history.check_limits(plan)
    check_picture(done)
    assert done.plan(plan.id).state == PlanState.DONE
    for move in moves:
        assert owners(done, move.shard_id) == dict.fromkeys({1, 2, move.to_node} - {move.from_node}, "active")
    assert killed >= 3
    # The pictures that etcd keeps say the same as those that were followed.
    for generation in rng.sample(range(first.generation, done.generation + 1), 5):
        past = store.snapshot_at(generation)
        for shard in shards:
            assert sum(owner.status in SERVING for owner in past.shard(shard).owners) >= 2
