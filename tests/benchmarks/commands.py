"""One command, and commands of 16 threads, against bare transactions.

The command is an owner's status, active to leaving and back: guard, ledger key and the group compared; group,
generation and ledger entry written. No new ids, which would be a round trip more. etcd does not wait for the disk
(``unsafe_no_fsync``): a slow disk would only make the ratios look better.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from etcdmeta.commands.owner import SetOwnerStatus
from etcdmeta.embedded import Cluster
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.records.keys import Keyspace
from etcdmeta.store import MetaStore
from tests.benchmarks.measure import Pair, Result, Scale, alternate, ratio
from tests.benchmarks.raw import RawCommand, RawMember, RawWatch, Recorder
from tests.benchmarks.world import NODES, make_cluster, open_store, shard_of

THREADS = 16
_GROUPS = 1_000
_BLOCK = 20
_OURS, _FLOOR = "ours1", "floor"


class Turns:
    """The command of one group: leaving, active, leaving …"""

    def __init__(self, store: MetaStore, group_id: int) -> None:
        self._store = store
        self._shard_id = shard_of(group_id)
        self._leaving = False

    def run(self) -> None:
        self._leaving = not self._leaving
        status = OwnerStatus.LEAVING if self._leaving else OwnerStatus.ACTIVE
        self._store.execute(SetOwnerStatus(shard_id=self._shard_id, node_id=NODES[0], status=status))


def run(scale: Scale) -> Iterator[Result]:
    for members in (1, 3):
        setting = f"{members} member{'s' if members > 1 else ''}, {min(_GROUPS, scale.groups):,} groups"
        with (
            Cluster(members=members, unsafe_no_fsync=True) as cluster,
            _world(list(cluster.endpoints), min(_GROUPS, scale.groups)) as (store, commands, member, watch),
        ):
            yield _single(scale, setting, Turns(store, 1), commands[0], member, watch)
            yield _threads(scale, setting, store, commands, member)


@contextmanager
def _world(
    endpoints: list[str], groups: int
) -> Iterator[tuple[MetaStore, list[RawCommand], RawMember, RawWatch]]:
    """The store, and the same commands raw, at the members which the store itself uses."""
    source, target = make_cluster(endpoints, _OURS, groups), Keyspace(_FLOOR)
    store, strategy = open_store(endpoints, _OURS)
    with store:
        recorded = []
        for group_id in range(1, THREADS + 1):
            turns = Turns(store, group_id)
            turns.run()
            turns.run()
            recorded.append(RawCommand(strategy.transaction, source, target))
        with closing(RawMember(_answering(store, strategy))) as member:
            for command in recorded:
                command.begin(member)
            followed = store.freshness().endpoint or endpoints[0]
            with closing(RawMember(followed).watch(*target.state_range)) as watch:
                yield store, recorded, member, watch


def _answering(store: MetaStore, strategy: Recorder) -> str:
    """The member that takes the store's transactions."""
    for endpoint in strategy.endpoints:
        if strategy.status(endpoint, deadline=time.monotonic() + 5).member_id == strategy.member_id:
            return endpoint
    raise RuntimeError(f"{store!r}: nobody has the member id {strategy.member_id}")


def _single(
    scale: Scale, setting: str, turns: Turns, command: RawCommand, member: RawMember, watch: RawWatch
) -> Result:
    def ours() -> float:
        begun = time.perf_counter()
        turns.run()
        return time.perf_counter() - begun

    def floor() -> float:
        request = command.prepare()
        begun = time.perf_counter()
        watch.until(command.send(member, request))
        return time.perf_counter() - begun

    alternate(floor, ours, scale.operations // 4)
    rounds = [alternate(floor, ours, scale.operations, block=_BLOCK) for _ in range(scale.rounds)]
    pairs = [Pair(1e3 * pair.ours, 1e3 * pair.floor) for pair in rounds]
    what = "one command, p50, until the own cache shows it ÷ raw transaction and raw watch event"
    return ratio(1, what, setting, pairs, unit="ms", reach=1.3)


def _threads(
    scale: Scale, setting: str, store: MetaStore, commands: list[RawCommand], member: RawMember
) -> Result:
    each = max(2, scale.operations // 4)
    mine = [Turns(store, group_id) for group_id in range(1, THREADS + 1)]

    def ours() -> float:
        return _rate([turns.run for turns in mine], each)

    def floor() -> float:
        return raw_rate(commands, member, each)

    alternate(floor, ours, 1)
    pairs = [alternate(floor, ours, 1) for _ in range(scale.rounds)]
    what = f"{THREADS} threads of independent commands ÷ raw transactions by {THREADS} threads"
    return ratio(2, what, setting, pairs, unit="/s", reach=0.9, at_least=True)


def raw_rate(commands: list[RawCommand], member: RawMember, each: int) -> float:
    """Raw transactions a second, each command's by its own thread, ``each`` times."""
    prepared = [[command.prepare() for _ in range(each)] for command in commands]

    def sender(command: RawCommand, requests: list[object]) -> Callable[[], object]:
        remaining = iter(requests)
        return lambda: command.send(member, next(remaining))

    return _rate([sender(*pair) for pair in zip(commands, prepared, strict=True)], each)


def _rate(actions: list[Callable[[], object]], each: int) -> float:
    """Each action by its own thread, ``each`` times; actions a second. What one raises is raised."""
    failures: list[BaseException] = []
    ready = threading.Barrier(len(actions) + 1)

    def work(action: Callable[[], object]) -> None:
        ready.wait()
        try:
            for _ in range(each):
                action()
        except BaseException as error:  # noqa: BLE001 - raised below, in the measuring thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    ready.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    duration = time.perf_counter() - begun
    if failures:
        raise failures[0]
    return len(actions) * each / duration
