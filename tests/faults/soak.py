"""Random commands by several stores while etcd is hurt at random; at the end everything must agree.

``scripts/soak --minutes 10 --seed 7``. Bounded, on loopback, on a cluster of its own that ends with it. What happens
when is up to the machine, but what is tried is drawn from the seed. A short form is one of the tests.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from etcdmeta import errors
from etcdmeta.commands.copying import BeginCopy, CancelCopy, FinishCopy
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.group import CreateShardGroup, DeleteShardGroup
from etcdmeta.commands.group_upkeep import PrecreateShardGroups, PruneShardGroups, TruncateShardGroups
from etcdmeta.commands.node import AddNode, BeginNodeRemoval, FinishNodeRemoval, UpdateNode
from etcdmeta.commands.owner import FailOwner, RemoveOwner, SetOwnerStatus
from etcdmeta.commands.policy import AlterPolicy, CreatePolicy, DropPolicy, SetDefaultPolicy
from etcdmeta.commands.query import CreateContinuousQuery, DropContinuousQuery
from etcdmeta.commands.user import CreateUser, DropUser, GrantPrivilege, RevokePrivilege
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.embedded import Cluster
from etcdmeta.model.durations import Duration
from etcdmeta.model.owners import NodeState, OwnerStatus, Privilege
from etcdmeta.store import Outcome, new_operation_id
from etcdmeta.testing import Proxy
from tests.faults.agreement import MembersDisagree, disagreement
from tests.faults.conftest import QUICK
from tests.faults.replay import Replay, mark
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import DAY, HOUR, SECONDS, World, etcd_world, wait_live

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etcdmeta.commands.plan import Command
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore

HASH = b"$2a$10$" + b"." * 53
STORES = 3
THREADS = 2
"""Of each store."""

EXPECTED = (
    errors.NotFound,
    errors.Refused,
    errors.InvalidInput,
    errors.Unavailable,
    errors.OutcomeUnknown,
    errors.ConflictPersists,
    errors.WaitTimedOut,
)
"""What a command may end with while others are at work and etcd is hurt."""


@dataclass
class Tally:
    """What was answered, by operation. Only its own thread writes to one."""

    done: dict[str, Outcome] = field(default_factory=dict)
    refused: dict[str, errors.EtcdMetaError] = field(default_factory=dict)
    unknown: dict[str, errors.EtcdMetaError] = field(default_factory=dict)

    def note(self, operation_id: str, answer: Outcome | errors.EtcdMetaError) -> None:
        if isinstance(answer, Outcome):
            self.done[operation_id] = answer
        elif isinstance(answer, errors.OutcomeUnknown | errors.WaitTimedOut):
            self.unknown[operation_id] = answer
        else:
            self.refused[operation_id] = answer


class Soak:
    """One run. ``say`` gets a line now and then."""

    def __init__(self, cluster: Cluster, seed: int, say: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._seed = seed
        self._say = say
        self._ended = threading.Event()
        self._failures: list[BaseException] = []
        self.faults: Counter[str] = Counter()

    def run(self, seconds: float) -> Counter[str]:
        """How often what was answered. Raises AssertionError where anything does not agree, and `MembersDisagree` where
        etcd's own members do not, by their own hashes: then the run says nothing of us."""
        try:
            return self._run(seconds)
        except Exception as error:
            try:
                told = disagreement(self._cluster.endpoints, SECONDS)
            except (grpc.RpcError, TimeoutError):
                told = ""
            if told:
                raise MembersDisagree(told) from error
            raise

    def _run(self, seconds: float) -> Counter[str]:
        world = etcd_world(self._cluster, f"soak-{secrets.token_hex(4)}")
        proxies = [Proxy(endpoint) for endpoint in self._cluster.endpoints]
        try:
            stores = [world.open(EtcdStrategy([proxy.address for proxy in proxies]), follower=QUICK, timeout=6.0)]
            stores += [world.open(follower=QUICK, timeout=6.0) for _ in range(STORES - 1)]
            stores[0].init_cluster()
            replays = [Replay(store, patience=6 * SECONDS) for store in stores]
            marker = f"end-{secrets.token_hex(4)}"
            tallies = [Tally() for _ in range(STORES * THREADS)]
            threads = [
                threading.Thread(target=self._guarded, args=(self._work, stores[n % STORES], n, tallies[n]))
                for n in range(STORES * THREADS)
            ]
            threads.append(threading.Thread(target=self._guarded, args=(self._hurt, world, proxies)))
            listeners = [threading.Thread(target=self._guarded, args=(r.until, marker)) for r in replays]
            for thread in (*threads, *listeners):
                thread.start()
            self._wait(seconds, tallies)
            for thread in threads:
                thread.join(3 * SECONDS)
                assert not thread.is_alive(), f"{thread.name} does not end"
            self._raise_failure()
            for store in stores:
                wait_live(store, 60)
                mark(stores[0], store, marker)
            for thread in listeners:
                thread.join(3 * SECONDS)
            self._raise_failure()
            return self._judge(world, stores, replays, tallies)
        finally:
            self._ended.set()
            world.close()
            for proxy in proxies:
                proxy.close()

    def _wait(self, seconds: float, tallies: Sequence[Tally]) -> None:
        end = time.monotonic() + seconds
        while not self._ended.wait(min(10.0, max(0.0, end - time.monotonic()))) and time.monotonic() < end:
            done = sum(len(tally.done) for tally in tallies)
            self._say(f"{end - time.monotonic():.0f} s to go: {done} commands, {sum(self.faults.values())} faults")
        self._ended.set()

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures[0]

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except BaseException as error:  # noqa: BLE001  (raised by `run`)
            self._failures.append(error)
            self._ended.set()

    # --- commands

    def _work(self, store: MetaStore, number: int, tally: Tally) -> None:
        rng = random.Random(f"{self._seed} {number}")
        while not self._ended.is_set():
            commands = [draw(rng, store.snapshot()) for _ in range(rng.choices([1, 3], [9, 1])[0])]
            operation_id, timeout = new_operation_id(), rng.choices([6.0, 0.05], [9, 1])[0]
            try:
                if len(commands) > 1:
                    store.execute_all(commands, timeout=timeout)
                    continue
                for _ in range(rng.choices([1, 2], [9, 1])[0]):  # sent twice, some of them
                    tally.note(operation_id, store.execute(commands[0], timeout=timeout, operation_id=operation_id))
            except EXPECTED as error:
                if len(commands) == 1 and operation_id not in tally.done:
                    tally.note(operation_id, error)

    # --- faults

    def _hurt(self, world: World, proxies: Sequence[Proxy]) -> None:
        rng = random.Random(f"{self._seed} faults")
        while not self._ended.wait(rng.uniform(0.2, 1.0)):
            fault = rng.choice(["kill", "freeze", "cut", "drop answers", "drop requests", "compact"])
            self.faults[fault] += 1
            member, length = rng.randrange(len(proxies)), rng.uniform(0.3, 2.5)
            if fault == "kill":
                self._cluster.kill(member)
                self._ended.wait(length)
                self._cluster.restart(member)
            elif fault == "freeze":
                self._cluster.freeze(member)
                self._ended.wait(length)
                self._cluster.thaw(member)
                self._cluster.wait_until_serving(member)
            elif fault == "compact":
                world.compact(world.revision())
            else:
                {"cut": Proxy.cut, "drop answers": Proxy.drop_answers, "drop requests": Proxy.drop_requests}[fault](
                    proxies[member]
                )
                self._ended.wait(length)
                proxies[member].heal()

    # --- at the end

    def _judge(
        self, world: World, stores: Sequence[MetaStore], replays: Sequence[Replay], tallies: Sequence[Tally]
    ) -> Counter[str]:
        for store, replay in zip(stores, replays, strict=True):
            assert store.freshness().problem is None
            replay.compare(world)
            check_cache(world, store)
        check_ledger(world)
        entries = {entry.operation_id: entry for entry in world.ledger() if not entry.void}
        endings: Counter[str] = Counter()
        for tally in tallies:
            for operation_id, outcome in tally.done.items():
                assert operation_id in entries, f"{outcome} was told, and is not in the ledger"
                assert entries[operation_id].revision == outcome.revision
                endings["done"] += 1
            for operation_id, error in tally.refused.items():
                assert operation_id not in entries, f"{error!r} was told, and it was done"
                endings[type(error).__name__] += 1
            for operation_id, error in tally.unknown.items():
                told = _told(stores[0], operation_id)
                assert (told is not None) == (operation_id in entries), f"{operation_id}: {told}"
                endings[type(error).__name__] += 1
        return endings


def _told(store: MetaStore, operation_id: str) -> Outcome | None:
    try:
        return store.outcome(operation_id, timeout=SECONDS)
    except errors.OutcomeUnknown:
        return None  # never arrived, and nobody settled it


def draw(rng: random.Random, snapshot: Snapshot) -> Command:
    """Any command, about few enough things that they meet."""
    database, policy = f"d{rng.randrange(4)}", rng.choice(["autogen", "p", "q"])
    host, user = f"h{rng.randrange(6)}:1", f"u{rng.randrange(3)}"
    now = time.time_ns()
    at = now + rng.randrange(-3, 6) * HOUR
    groups = list(snapshot.groups())
    group = rng.choice(groups) if groups else None
    shard = rng.choice(group.shards) if group is not None else None
    owner = rng.choice(shard.owners) if shard is not None and shard.owners else None
    nodes = [node.id for node in snapshot.nodes()] or [1]
    target = rng.choice(nodes)
    makers: list[Callable[[], Command]] = [
        lambda: CreateDatabase(name=database, duration=Duration(DAY), replicas=2, group_duration=Duration(HOUR)),
        lambda: CreateDatabase(name=database),
        lambda: CreatePolicy(database=database, name=policy, duration=Duration(DAY), replicas=rng.randint(1, 3)),
        lambda: AlterPolicy(database=database, name=policy, new_name=rng.choice(["p", "q", "autogen"])),
        lambda: AlterPolicy(database=database, name=policy, replicas=rng.randint(1, 3)),
        lambda: SetDefaultPolicy(database=database, name=policy),
        lambda: CreateContinuousQuery(database=database, name=f"c{rng.randrange(5)}", query="select 1"),
        lambda: DropContinuousQuery(database=database, name=f"c{rng.randrange(5)}"),
        lambda: CreateUser(name=user, password_hash=HASH),
        lambda: DropUser(name=user),
        lambda: GrantPrivilege(user=user, database=database, privilege=rng.choice([Privilege.READ, Privilege.ALL])),
        lambda: RevokePrivilege(user=user, database=database),
        lambda: UpdateNode(node_id=target, state=rng.choice([NodeState.JOINED, NodeState.DRAINING])),
        lambda: PrecreateShardGroups(until=now + 2 * HOUR),
        lambda: PruneShardGroups(deleted_before=now),
        *[lambda: AddNode(host=host, cluster_id=1, epoch=1)] * 2,
        *[lambda: CreateShardGroup(database=database, policy=rng.choice(["", policy]), at=at)] * 6,
    ]
    rare: list[Callable[[], Command]] = [
        lambda: DropDatabase(name=database),
        lambda: DropPolicy(database=database, name=policy),
        lambda: TruncateShardGroups(at=at, database=database),
        lambda: BeginNodeRemoval(node_id=target),
        lambda: FinishNodeRemoval(node_id=target),
    ]
    if group is not None and shard is not None and owner is not None:
        where = {"shard_id": shard.id, "node_id": owner.node_id}
        makers += [
            *[lambda: BeginCopy(shard_id=shard.id, source=owner.node_id, target=target)] * 3,
            *[lambda: FinishCopy(**where, attempt=max(1, owner.attempt))] * 2,
            lambda: FailOwner(**where, reason="soaked"),
            lambda: CancelCopy(**where),
            lambda: SetOwnerStatus(**where, status=rng.choice([OwnerStatus.ACTIVE, OwnerStatus.LEAVING])),
            lambda: RemoveOwner(**where),
            lambda: RemoveOwner(**where, force=True, reason="soaked"),
        ]
        rare.append(lambda: DeleteShardGroup(group_id=group.id))
    return rng.choice(rare if rng.random() < 0.08 else makers)()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description="Random commands and faults on a real etcd.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default: 5)")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="what to try (default: drawn, shown)")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}: bring it back with --seed={arguments.seed}", flush=True)
    with Cluster(3, unsafe_no_fsync=True) as cluster:
        soak = Soak(cluster, arguments.seed, lambda line: print(line, flush=True))
        try:
            endings = soak.run(60 * arguments.minutes)
        except MembersDisagree as etcds:
            print(f"void: {etcds}", flush=True)
            return 1
    for what, counts in (("commands", endings), ("faults", soak.faults)):
        print(f"{what}: " + ", ".join(f"{count} {name}" for name, count in counts.most_common()))
    print("everything agrees")
    return 0


if __name__ == "__main__":
    sys.exit(main())
