"""A world for pure plans: records in a dict with etcd's counters, in which every committed plan is held to
the laws.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import pytest

from etcdmeta.commands.group import CreateShardGroup
from etcdmeta.commands.node import AddNode
from etcdmeta.commands.plan import (
    MAX_BYTES,
    MAX_COMPARES,
    MAX_OPERATIONS,
    Command,
    Context,
    Ids,
    IdsWanted,
    Plan,
)
from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import Database, Record, RetentionPolicy, ShardGroup
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_name_ref
from etcdmeta.records.keys import Kind
from etcdmeta.records.transaction import (
    DELETE_EVENT,
    PUT_EVENT,
    Compare,
    Counter,
    Delete,
    DeleteRange,
    Event,
    KeyValue,
    Put,
    Write,
)
from etcdmeta.replica.apply import apply
from etcdmeta.replica.loader import Loader

MONDAY = 1_795_392_000 * 10**9
"""2026-11-23T00:00:00Z"""


class World:
    """One cluster without etcd: ``run`` plans, checks the laws and the compares, and commits."""

    def __init__(self) -> None:
        self.kvs: dict[bytes, KeyValue] = {}
        self.snapshot: Snapshot = Loader(0).finish(1)
        self.now = MONDAY
        self._ids: dict[str, int] = {}

    def plan(self, command: Command, *, at: Snapshot | None = None) -> Plan:
        """The plan on the present picture, or on an older one; ids are reserved as it asks for them."""
        reserved: dict[str, list[int]] = {}
        while True:
            try:
                plan = command.plan(Context(at or self.snapshot, self.now, Ids(reserved)))
            except IdsWanted as need:
                for kind, count in need.wanted.items():
                    while len(reserved.setdefault(kind, [])) < count:
                        self._ids[kind] = self._ids.get(kind, 0) + 1
                        reserved[kind].append(self._ids[kind])
            else:
                check_laws(plan, at or self.snapshot)
                return plan

    def run(self, command: Command) -> Plan:
        plan = self.plan(command)
        assert self.commit(plan), f"a plan on the present picture does not hold: {plan.compares}"
        return plan

    def run_all(self, command: Command) -> list[Plan]:
        """A workflow to its end."""
        plans = [self.run(command)]
        while plans[-1].more:
            command = command.following(plans[-1].result)
            plans.append(self.run(command))
        return plans

    def commit(self, plan: Plan) -> bool:
        """False: a compare failed, and nothing was written."""
        if not all(map(self.holds, plan.compares)):
            return False
        if plan.writes:
            self.write([*plan.writes, Put(keys.GENERATION, secrets.token_bytes(8))])
        return True

    def holds(self, compare: Compare) -> bool:
        found = [kv for key, kv in self.kvs.items() if compare.covers(key)]
        if compare.range_end is None and not found:
            found = [KeyValue(compare.key, b"", 0, 0, 0)]
        counters = {
            Counter.CREATE: lambda kv: kv.create_revision,
            Counter.MOD: lambda kv: kv.mod_revision,
            Counter.VERSION: lambda kv: kv.version,
        }
        numbers = [counters[compare.counter](kv) for kv in found]
        return all(n < compare.number if compare.less else n == compare.number for n in numbers)

    def write(self, writes: Sequence[Write]) -> None:
        """One revision, foreign or not."""
        revision = self.snapshot.revision + 1
        events = []
        for write in writes:
            if isinstance(write, Put):
                old = self.kvs.get(write.key)
                create, version = (old.create_revision, old.version + 1) if old else (revision, 1)
                kv = KeyValue(write.key, write.value, create, revision, version)
                self.kvs[write.key] = kv
                events.append(Event(PUT_EVENT, kv))
                continue
            gone = [key for key in self.kvs if _deletes(write, key)]
            for key in gone:
                del self.kvs[key]
                events.append(Event(DELETE_EVENT, KeyValue(key, b"", 0, revision, 0)))
        self.snapshot, _ = apply(self.snapshot, events, revision, 0)

    def put_group(self, group: ShardGroup) -> ShardGroup:
        """Bring a group into the picture as it is, rules or not."""
        self.put(keys.group(group.database_id, group.policy_id, group.start, group.id), group)
        return self.snapshot.group(group.id)

    def put(self, key: bytes, record: Record) -> None:
        self.write([Put(key, encode(record)), Put(keys.GENERATION, secrets.token_bytes(8))])

    # --- what most tests begin with

    def add_nodes(self, count: int) -> tuple[int, ...]:
        have = len(self.snapshot.nodes(include_removed=True))
        return tuple(
            self.run(AddNode(host=f"h{n}:8088", cluster_id=7, epoch=9)).result["node_id"]
            for n in range(have + 1, have + count + 1)
        )

    def add_database(
        self, name: str = "metrics", *, replicas: int = 1, duration: str = "INF", group_duration: str = "7d"
    ) -> None:
        d, p = len(self.snapshot.databases()) + 1, len(self.snapshot.databases()) + 1
        self.put(keys.database_info(d), Database(id=d, name=name, default_policy_id=p))
        self.write([Put(keys.database_name(name), encode_name_ref(d))])
        self.write([Put(keys.policy_name(d, "autogen"), encode_name_ref(p))])
        self.put_policy(
            RetentionPolicy(
                id=p,
                database_id=d,
                name="autogen",
                replicas=replicas,
                duration=Duration.parse(duration),
                group_duration=Duration.parse(group_duration),
            )
        )

    def put_policy(self, policy: RetentionPolicy) -> None:
        self.put(keys.policy_info(policy.database_id, policy.id), policy)

    def alter_policy(self, database: str = "metrics", **fields: object) -> None:
        self.put_policy(self.snapshot.policy(database).record.model_copy(update=fields))

    def add_group(self, at: int, database: str = "metrics", policy: str = "autogen") -> ShardGroup:
        plan = self.run(CreateShardGroup(database=database, policy=policy, at=at))
        return self.snapshot.group(plan.result["group_id"])

    def spans(self, database: str = "metrics") -> list[tuple[int, int]]:
        """[start, effective end) of the live groups that hold anything, in order of time."""
        groups = self.snapshot.policy(database).groups()
        return [(g.start, g.effective_end) for g in groups if g.effective_end > g.start]


def check_laws(plan: Plan, snapshot: Snapshot) -> None:
    """Laws 1, 2, 4 and 5, for any plan; and that it touches nothing that is not its own."""
    puts = [w for w in plan.writes if isinstance(w, Put)]
    deletes = [w for w in plan.writes if isinstance(w, Delete)]
    spans = [w for w in plan.writes if isinstance(w, DeleteRange)]
    touched = [w.key for w in (*puts, *deletes)]
    assert plan.changed == bool(plan.writes)
    assert plan.changed or not plan.more
    assert len(plan.compares) <= MAX_COMPARES
    assert len(plan.writes) <= MAX_OPERATIONS
    assert sum(len(p.key) + len(p.value) for p in puts) <= MAX_BYTES
    assert len(set(touched)) == len(touched), "a key is written twice"
    for key in (*touched, *(w.start for w in spans)):
        assert key.startswith((b"state/", b"secret/")), key
        assert key != keys.GENERATION
        assert key != keys.CLUSTER or Compare.absent(keys.CLUSTER) in plan.compares
    for key in touched:
        assert not any(w.start <= key < w.end for w in spans), f"law 4: {key!r} lies in a deleted span"
    for delete in deletes:
        kind, _ = keys.locate(delete.key)
        assert kind is not Kind.NODE, "law 1: nodes are marked"
        if kind is Kind.GROUP:
            group = snapshot.group(int(keys.locate(delete.key)[1][3]))
            assert group.is_deleted, "law 1: groups are marked before they are deleted"
    for put in puts:
        check_parent(put.key, plan)


def check_parent(key: bytes, plan: Plan) -> None:
    """Law 2, for what these commands put below a parent."""
    kind, where = keys.locate(key)
    own = any(c.key == key and c.counter is Counter.MOD for c in plan.compares)
    if kind is Kind.GROUP:
        d, p = int(where[0]), int(where[1])
        assert own or any(c.key == keys.policy_info(d, p) for c in plan.compares), "law 2"
    if kind is Kind.NODE:
        assert own or Compare.absent(key) in plan.compares


def _deletes(write: Write, key: bytes) -> bool:
    if isinstance(write, DeleteRange):
        return write.start <= key < write.end
    return write.key == key


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def three(world: World) -> World:
    """Three nodes, and the database ``metrics`` in two copies, weekly groups."""
    world.add_nodes(3)
    world.add_database(replicas=2)
    return world


WorldMaker = Callable[[], World]


@pytest.fixture(scope="session")
def make_world() -> WorldMaker:
    """For property tests, which need a new world an example."""
    return World
