"""The keeper of a node's liveness, step by step: its steps are taken by the test, its clock is the test's."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etcdmeta.agent.liveness import Liveness, LivenessState
from etcdmeta.agent.tenure import GRACE, lease_seconds
from etcdmeta.cli.output import Picture
from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_screen import status_screen
from etcdmeta.cli.shard_table import Look
from etcdmeta.cli.shard_view import StatusView, status_view
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.errors import (
    ConfigurationInvalid,
    Defect,
    NodeAlreadyRunning,
    NodeIdentityRefused,
    NodeRemoved,
    PermissionDenied,
    Unavailable,
)
from etcdmeta.model.entities import Liveness as Record
from etcdmeta.model.entities import Node
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Delete, Put, Transaction, Write
from etcdmeta.store import Fence, MetaStore, new_operation_id
from etcdmeta.store.ledger import encode_generation
from etcdmeta.testing.agents import serve_agent

DAY = 86_400 * 10**9
NOW = 1_700_000_000 * 10**9
TTL = 60.0
DEADLINE = 30.0
NODE = 1


class Ahead:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> int:
        return NOW + int(self.seconds * 1e9)


class Stage:
    """One node that said it would report, and its keeper; ``advance`` lets time pass for it and for etcd's leases."""

    def __init__(self, cluster_name: str) -> None:
        self.name = cluster_name
        self.keyspace = Keyspace(cluster_name)
        self.clock = Ahead()
        self.cluster = LocalCluster()
        self.stores: list[MetaStore] = []
        self.strategy, self.store = self.open()
        self.store.init_cluster()
        self.join(NODE)

    def open(self) -> tuple[LocalStrategy, MetaStore]:
        """One more client, and the store on it."""
        strategy = LocalStrategy(self.cluster)
        store = MetaStore(strategy, cluster=self.name, timeout=DEADLINE)
        self.stores.append(store)
        store.wait_live()
        return strategy, store

    def close(self) -> None:
        for store in self.stores:
            store.close()

    def join(self, node_id: int, **fields: Any) -> None:
        """Past the commands, with a generation, as they write it."""
        record = Node(id=node_id, host=f"h{node_id}:8088", reports_liveness=True, **fields)
        generation = Put(self.absolute(keys.GENERATION), encode_generation(1, [new_operation_id()]))
        self.commit(Put(self.absolute(keys.node(node_id)), encode(record)), generation)
        self.caught_up()

    def commit(self, *writes: Write) -> None:
        assert self.cluster.transact(Transaction((), writes)).succeeded

    def absolute(self, key: bytes) -> bytes:
        return self.keyspace.absolute(key)

    def keeper(self, *, host: str = "h1:8088", store: MetaStore | None = None, **options: Any) -> Liveness:
        options = {"ttl": TTL, "clock": self.clock, "monotonic": self.clock, "random": lambda: 1.0, **options}
        return Liveness(store or self.store, NODE, host=host, version="1.2", agent_address="h1:8188", **options)

    def live(self, **options: Any) -> Liveness:
        keeper = self.keeper(**options)
        keeper._turn()
        assert keeper.status().state is LivenessState.LIVE
        return keeper

    def advance(self, seconds: float) -> None:
        self.clock.seconds += seconds
        self.cluster.advance(seconds)

    def sign(self) -> tuple[int, int, int, Record] | None:
        """Lease, create and mod revision, and the record, as they stand in etcd."""
        kvs = self.cluster.read(self.absolute(keys.live(NODE)), None, revision=0, limit=0, keys_only=False).kvs
        if not kvs:
            return None
        kv = kvs[0]
        row = (kv.value, kv.mod_revision, kv.create_revision)
        return kv.lease, kv.create_revision, kv.mod_revision, self.store.snapshot().decoder.liveness(row, NODE)

    def other(self, seconds: int = 80, **fields: Any) -> int:
        """Another process takes the key; its lease."""
        lease = self.cluster.grant_lease(seconds)
        values = {"node_id": NODE, "instance": 7, "since": NOW, "host": "elsewhere:8088", **fields}
        self.commit(Put(self.absolute(keys.live(NODE)), encode(Record(**values)), lease))
        return lease

    def caught_up(self) -> Snapshot:
        revision = self.cluster.revision
        self.store.wait_for(lambda snapshot: snapshot.revision >= revision)
        return self.store.snapshot()


@pytest.fixture
def stage(etcd_prefix: str) -> Iterator[Stage]:
    stage = Stage(etcd_prefix)
    try:
        yield stage
    finally:
        stage.close()


def created(stage: Stage) -> int:
    sign = stage.sign()
    assert sign is not None
    return sign[1]


# --- living and ending


def test_a_process_dies_between_one_and_two_ttls() -> None:
    for ttl in (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 3600.0):
        just_before_a_renewal = lease_seconds(ttl) - ttl / 3
        just_after = lease_seconds(ttl)
        assert ttl <= just_before_a_renewal, "down before the ttl"
        assert just_after <= 2 * ttl, "down after two"


@pytest.mark.parametrize("ttl", [0.0, 0.9, 3601.0, float("nan")])
def test_a_ttl_out_of_bounds_is_refused(stage: Stage, ttl: float) -> None:
    with pytest.raises(ConfigurationInvalid, match="time to live"):
        stage.keeper(ttl=ttl)


def test_a_node_is_live_until_it_stops(stage: Stage) -> None:
    assert stage.caught_up().is_live(NODE) is False
    keeper = stage.keeper()
    keeper.start()
    assert keeper.wait_live(DEADLINE)
    seen = stage.caught_up().liveness(NODE)
    status = keeper.status()
    assert seen is not None
    assert (seen.host, seen.version, seen.agent_address) == ("h1:8088", "1.2", "h1:8188")
    assert (seen.instance, seen.since) == (status.instance, status.since)
    assert (seen.generation, seen.cache_age, seen.interruptions) == (stage.store.snapshot().generation, 0, ())
    assert seen.lease_seconds == lease_seconds(TTL)
    sign = stage.sign()
    assert sign is not None
    assert sign[0] == status.lease
    keeper.stop()
    assert stage.sign() is None, "down at once"
    assert keeper.status().state is LivenessState.STOPPED
    assert (keeper.status().lease, keeper.status().since) == (0, None)
    keeper.stop()
    assert not any(thread.name == "etcdmeta-liveness" for thread in threading.enumerate())


def test_stop_before_start_and_with_etcd_away(stage: Stage) -> None:
    stage.keeper().stop()
    keeper = stage.keeper()
    keeper.start()
    assert keeper.wait_live(DEADLINE)
    stage.strategy.disconnect()
    keeper.stop()
    assert keeper.status().state is LivenessState.STOPPED
    assert stage.sign() is not None, "it ends by itself"
    stage.advance(lease_seconds(TTL))
    assert stage.sign() is None


def test_a_closed_store_ends_the_keeper(stage: Stage) -> None:
    _, store = stage.open()
    keeper = stage.keeper(store=store)
    keeper.start()
    assert keeper.wait_live(DEADLINE)
    store.close()
    stage.clock.seconds += TTL
    keeper.nudge()
    keeper._thread.join(DEADLINE)
    assert keeper.status().state is LivenessState.STOPPED


# --- renewing, and what is said


def test_renewals_keep_the_lease_and_write_nothing(stage: Stage) -> None:
    keeper = stage.live()
    before = stage.sign()
    for _ in range(12):
        stage.advance(TTL / 3)
        assert 0 < keeper._turn() <= TTL / 3
    assert stage.sign() == before, "nothing new, nothing put"
    assert keeper.status().renewals == 12
    assert keeper.status().losses == 0


def test_news_is_put_once_in_half_a_ttl(stage: Stage) -> None:
    keeper = stage.live()
    made = created(stage)
    mods = set()
    for turn in range(60):  # at one turn in a tenth of a ttl: six ttls
        stage.store.create_database(f"d{turn}")
        stage.advance(TTL / 10)
        keeper._turn()
        sign = stage.sign()
        assert sign is not None
        mods.add(sign[2])
    assert sign[3].generation == stage.store.snapshot().generation, "the last turn was one that says it"
    assert created(stage) == made
    assert 11 <= len(mods) <= 13


def test_an_old_picture_is_news(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = stage.live()
    real = stage.store.freshness

    def aged(age: float) -> int:
        monkeypatch.setattr(stage.store, "freshness", lambda: _with_age(real(), age))
        stage.advance(TTL / 2)
        keeper._turn()
        sign = stage.sign()
        assert sign is not None
        return sign[3].cache_age

    assert aged(TTL - 1) == 0
    assert aged(90.7) == 90 * 10**9
    assert aged(float("inf")) == 2**63 - 1
    assert aged(0.0) == 0


def _with_age(fresh: Any, age: float) -> Any:
    return type(fresh)(**{name: getattr(fresh, name) for name in fresh.__slots__} | {"age": age})


# --- another holder


def test_a_second_process_waits_and_is_refused(stage: Stage) -> None:
    first = stage.live()
    before = stage.sign()
    refusals: list[NodeIdentityRefused] = []
    second = stage.keeper(host="h9:8088", on_refused=refusals.append, store=stage.open()[1])
    assert 0 < second._turn() <= 1.0
    assert second.status().state is LivenessState.WAITING
    for _ in range(int(lease_seconds(TTL) + GRACE) - 1):
        stage.advance(1)
        first._turn()
        second._turn()
    assert second.status().state is LivenessState.WAITING
    stage.advance(2)
    first._turn()
    second.start()
    with pytest.raises(NodeAlreadyRunning, match=r"h1:8088.*this one is at h9:8088") as caught:
        second.wait_live(DEADLINE)
    assert "2023-" in str(caught.value), "since when"
    second._thread.join(DEADLINE)
    assert refusals == [caught.value]
    assert second.status().state is LivenessState.REFUSED
    assert stage.sign() == before, "the first one is as it was"
    assert first.status().losses == 0


def test_a_dead_holder_is_waited_for(stage: Stage) -> None:
    lease = stage.other(80)
    keeper = stage.keeper()
    for _ in range(79):
        keeper._turn()
        stage.advance(1)
        sign = stage.sign()
        assert sign is not None
        assert sign[0] == lease, "not overwritten"
    assert keeper.status().state is LivenessState.WAITING
    stage.advance(1)
    keeper._turn()
    assert keeper.status().state is LivenessState.LIVE
    sign = stage.sign()
    assert sign is not None
    assert sign[3].instance == keeper.status().instance


def test_the_holders_own_lease_is_what_is_waited_for(stage: Stage) -> None:
    stage.other(200, lease_seconds=200)
    keeper = stage.keeper()
    for _ in range(20):
        keeper._turn()
        stage.advance(10)
    keeper._turn()
    assert keeper.status().state is LivenessState.LIVE


def test_waiting_begins_anew_when_etcd_was_away_or_had_an_election(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.other(100_000)
    keeper = stage.keeper()
    patience = lease_seconds(TTL) + GRACE
    keeper._turn()
    stage.advance(patience - 1)
    stage.strategy.disconnect()
    keeper._turn()
    assert isinstance(keeper.status().last_error, Unavailable)
    stage.strategy.reconnect()
    keeper._turn()
    stage.advance(patience - 1)
    keeper._turn()
    look = keeper._tenure._key.look
    monkeypatch.setattr(
        keeper._tenure._key, "look", lambda **options: type(found := look(**options))(found.sign, raft_term=2)
    )
    stage.advance(1)
    keeper._turn()
    stage.advance(patience - 1)
    keeper._turn()
    assert keeper.status().state is LivenessState.WAITING
    stage.advance(1)
    with pytest.raises(NodeAlreadyRunning, match="elsewhere"):
        keeper._turn()


def test_a_record_that_cannot_be_read_is_somebody_elses(stage: Stage) -> None:
    lease = stage.cluster.grant_lease(100_000)
    stage.commit(Put(stage.absolute(keys.live(NODE)), b"\xff\xff", lease))
    keeper = stage.keeper()
    keeper._turn()
    stage.advance(lease_seconds(TTL) + GRACE)
    with pytest.raises(NodeAlreadyRunning, match="cannot be read"):
        keeper._turn()


def test_taken_between_looking_and_creating(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = stage.keeper()
    grant = stage.strategy.grant_lease
    granted = []

    def slow(ttl: int, *, deadline: float) -> int:
        granted.append(grant(ttl, deadline=deadline))
        stage.other()
        return granted[-1]

    monkeypatch.setattr(stage.strategy, "grant_lease", slow)
    keeper._turn()
    keeper._turn()
    assert keeper.status().state is LivenessState.WAITING
    assert keeper.status().lease == 0
    assert stage.cluster.keep_alive(granted[0]) == 0, "the own lease is ended"
    sign = stage.sign()
    assert sign is not None
    assert sign[3].host == "elsewhere:8088"


# --- losing it


def test_a_paused_process_comes_back_by_itself(stage: Stage) -> None:
    keeper = stage.live()
    first, since = created(stage), keeper.status().since
    stage.advance(3 * TTL)
    assert stage.sign() is None
    assert keeper.status().state is LivenessState.LOST, "it says so before it asks"
    keeper._turn()
    assert keeper.status().losses == 1
    keeper._turn()
    status = keeper.status()
    assert status.state is LivenessState.LIVE
    assert created(stage) > first
    sign = stage.sign()
    assert sign is not None
    assert (sign[0], sign[3].instance) == (status.lease, status.instance)
    assert status.since is not None
    assert since is not None
    assert status.since > since
    assert sign[3].interruptions == (status.since,)


def test_a_process_that_was_paused_while_another_took_its_id_gives_up(stage: Stage) -> None:
    refusals: list[NodeIdentityRefused] = []
    keeper = stage.live(on_refused=refusals.append)
    stage.advance(3 * TTL)
    lease = stage.other(100_000)
    keeper._turn()
    keeper._turn()
    assert keeper.status().state is LivenessState.WAITING
    stage.advance(lease_seconds(TTL) + GRACE)
    keeper.start()
    with pytest.raises(NodeAlreadyRunning, match="elsewhere:8088"):
        keeper.wait_live(DEADLINE)
    keeper._thread.join(DEADLINE)
    assert [type(error) for error in refusals] == [NodeAlreadyRunning]
    sign = stage.sign()
    assert sign is not None
    assert sign[0] == lease, "nothing of it was touched"


def test_what_the_node_s_commits_compare(stage: Stage) -> None:
    keeper = stage.keeper()
    assert keeper.fence() is None
    keeper._turn()
    first = Fence(keys.live(NODE), created(stage), f"the liveness of node {NODE}")
    assert keeper.fence() == first
    stage.clock.seconds += lease_seconds(TTL)
    assert keeper.fence() == first
    stage.clock.seconds += 1  # its lease may have ended: it has not come to see that
    assert keeper.fence() is None
    keeper._turn()
    assert keeper.fence() == first  # it had not
    stage.advance(3 * TTL)
    lease = stage.other(100_000)
    keeper._turn()
    assert keeper.fence() is None  # another has its id
    stage.cluster.revoke_lease(lease)
    keeper._turn()
    keeper._turn()
    again = keeper.fence()
    assert again is not None
    assert again.create_revision == created(stage) > first.create_revision
    keeper.stop()
    keeper._end(None)
    assert keeper.fence() is None


@pytest.mark.parametrize("gone", [True, False])
def test_etcd_away(stage: Stage, gone: bool) -> None:
    keeper = stage.live()
    before = stage.sign()
    stage.strategy.disconnect()
    stage.clock.seconds += TTL / 3
    pauses = [keeper._turn() for _ in range(12)]
    assert all(0.05 <= pause <= TTL / 3 for pause in pauses)
    assert pauses[:3] == sorted(set(pauses[:3]))
    assert pauses[-1] == TTL / 3, "the pauses grow to a renewal's"
    status = keeper.status()
    assert (status.state, status.failures) == (LivenessState.LIVE, 12)
    assert isinstance(status.last_error, Unavailable)
    stage.clock.seconds += lease_seconds(TTL)
    if gone:
        stage.cluster.advance(lease_seconds(TTL) + TTL)
    assert keeper.status().state is LivenessState.LOST, "it cannot know any more"
    keeper._turn()
    stage.strategy.reconnect()
    keeper._turn()
    keeper._turn()
    status = keeper.status()
    assert (status.state, status.last_error) == (LivenessState.LIVE, None)
    assert status.losses == (1 if gone else 0)
    assert (stage.sign() == before) is not gone


def test_pauses_are_never_nothing(stage: Stage) -> None:
    stage.strategy.disconnect()
    keeper = stage.keeper(random=lambda: 0.0)
    assert all(keeper._turn() >= 0.05 for _ in range(20))


def test_a_key_deleted_by_hand_comes_back(stage: Stage) -> None:
    keeper = stage.live()
    stage.commit(Delete(stage.absolute(keys.live(NODE))))
    assert stage.caught_up().is_live(NODE) is False
    keeper._turn()
    keeper._turn()
    assert keeper.status().state is LivenessState.LIVE
    assert keeper.status().losses == 1
    assert stage.caught_up().is_live(NODE) is True


def test_what_the_picture_shows_to_go_is_seen_at_once(stage: Stage) -> None:
    """The keeper has nothing else to do for twenty minutes."""
    keeper = stage.keeper(ttl=3600.0)
    keeper.start()
    assert keeper.wait_live(DEADLINE)
    first = created(stage)
    stage.caught_up()
    stage.commit(Delete(stage.absolute(keys.live(NODE))))
    again = stage.store.wait_for(lambda snapshot: _since(snapshot, first), timeout=DEADLINE)
    assert again.instance == keeper.status().instance
    assert keeper.status().losses == 1
    keeper.stop()


def _since(snapshot: Snapshot, revision: int) -> Record | None:
    """The node's sign of life, where it was created after that revision."""
    found = snapshot.liveness(NODE)
    return found if found is not None and found.create_revision > revision else None


def test_a_key_overwritten_by_hand_is_another_process(stage: Stage) -> None:
    keeper = stage.live()
    own = keeper.status().lease
    lease = stage.other()
    stage.caught_up()
    keeper._turn()
    keeper._turn()
    assert keeper.status().state is LivenessState.WAITING
    assert stage.cluster.keep_alive(own) == 0
    sign = stage.sign()
    assert sign is not None
    assert sign[0] == lease


def test_a_removed_node_gives_up(stage: Stage) -> None:
    keeper = stage.live()
    keeper.start()
    stage.join(NODE, state=NodeState.REMOVED)
    keeper.nudge()
    keeper._thread.join(DEADLINE)
    with pytest.raises(NodeRemoved, match="was removed"):
        keeper.wait_live(DEADLINE)
    assert stage.sign() is None


# --- answers that are lost


@pytest.mark.parametrize("fault", ["lose_answer", "lose_request", "hold_request"])
def test_the_answer_to_the_creation_is_lost(stage: Stage, fault: str) -> None:
    getattr(stage.strategy, fault)()
    keeper = stage.keeper()
    assert keeper._turn() >= 0.05
    lease = keeper.status().lease
    assert keeper.status().state is LivenessState.STARTING
    stage.clock.seconds += 1
    keeper._turn()
    status = keeper.status()
    assert (status.state, status.lease, status.losses) == (LivenessState.LIVE, lease, 0)
    before = stage.sign()
    assert before is not None
    assert (before[0], before[3].since) == (lease, status.since)
    assert [result.succeeded for result in stage.strategy.release()] in ([], [False]), "what lands late changes nothing"
    assert stage.sign() == before
    stage.advance(TTL / 2)
    keeper._turn()
    assert keeper.status().state is LivenessState.LIVE


@pytest.mark.parametrize("fault", ["lose_answer", "lose_request"])
def test_the_answer_to_a_put_is_lost(stage: Stage, fault: str) -> None:
    keeper = stage.live()
    made = created(stage)
    stage.store.create_database("metrics")
    stage.advance(TTL / 2)
    getattr(stage.strategy, fault)()
    keeper._turn()
    assert keeper.status().failures == 1
    stage.clock.seconds += 1
    keeper._turn()
    sign = stage.sign()
    assert sign is not None
    assert (sign[1], sign[3].generation) == (made, stage.store.snapshot().generation)


def test_the_lease_ends_between_renewal_and_put(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = stage.live()
    stage.store.create_database("metrics")
    stage.advance(TTL / 2)
    put = keeper._tenure._key.put

    def late(*arguments: Any, **options: Any) -> Any:
        stage.cluster.revoke_lease(keeper.status().lease)
        return put(*arguments, **options)

    monkeypatch.setattr(keeper._tenure._key, "put", late)
    keeper._turn()
    assert keeper.status().losses == 1
    keeper._turn()
    assert keeper.status().lease == 0, "to create under it was refused"
    keeper._turn()
    assert keeper.status().state is LivenessState.LIVE
    assert keeper.status().losses == 1


def test_refused_by_etcd_or_a_defect_goes_on_trying(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = stage.keeper()
    errors = itertools.chain([PermissionDenied("no role"), ZeroDivisionError("a bug")], itertools.repeat(None))
    grant = stage.strategy.grant_lease

    def failing(ttl: int, *, deadline: float) -> int:
        error = next(errors)
        if error is not None:
            raise error
        return grant(ttl, deadline=deadline)

    monkeypatch.setattr(stage.strategy, "grant_lease", failing)
    for expected in (PermissionDenied, Defect):
        assert keeper._turn() >= 0.05
        assert type(keeper.status().last_error) is expected
    assert "bug" not in str(keeper.status().last_error)
    keeper._turn()
    assert keeper.status().state is LivenessState.LIVE


# --- flapping


def test_a_node_that_keeps_being_restarted_is_flapping(stage: Stage, tmp_path: Path) -> None:
    starts = tmp_path / "starts.json"
    for restarts in range(4):
        keeper = stage.live(starts=starts)
        seen = stage.caught_up().liveness(NODE)
        assert seen is not None
        assert len(seen.interruptions) == keeper.status().interruptions == restarts
        assert seen.is_flapping(stage.clock.now()) == (restarts >= 3)
        keeper._tenure.let_go()
        stage.advance(60)
    assert starts.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["starts.json"]
    assert not seen.is_flapping(stage.clock.now() + 600 * 10**9)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"becameLive": 3}', b'{"becameLive": ["x"]}', b"\xff"])
def test_a_damaged_file_of_starts_is_begun_anew(stage: Stage, tmp_path: Path, content: bytes) -> None:
    starts = tmp_path / "starts.json"
    starts.write_bytes(content)
    keeper = stage.live(starts=starts)
    assert keeper.status().interruptions == 0
    keeper._tenure.let_go()
    assert stage.live(starts=starts).status().interruptions == 1


def test_starts_that_cannot_be_written_are_no_reason_to_be_down(stage: Stage, tmp_path: Path) -> None:
    keeper = stage.live(starts=tmp_path / "gone" / "starts.json")
    assert keeper.status().interruptions == 0


def test_flapping_is_three_interruptions_in_ten_minutes() -> None:
    minute = 60 * 10**9
    for minutes, flapping in (((0, 5, 9), True), ((0, 5, 10), False), ((-1, 0, 1), False), ((9, 9), False)):
        record = Record(node_id=1, instance=1, since=NOW, interruptions=tuple(NOW - m * minute for m in minutes))
        assert record.is_flapping(NOW) is flapping, minutes


# --- through an agent


def test_a_node_that_does_not_reach_etcd(stage: Stage) -> None:
    """It keeps its lease through an agent, and dies as any other."""
    with (
        serve_agent(stage.store) as serving,
        MetaStore.open(f"agent://{serving.address}", cluster=stage.name, timeout=DEADLINE) as store,
    ):
        keeper = stage.live(store=store)
        lease = keeper.status().lease
        sign = stage.sign()
        assert sign is not None
        assert (sign[0], sign[3].instance) == (lease, keeper.status().instance)
        second = stage.keeper(store=store, host="h9:8088")
        second._turn()
        assert second.status().state is LivenessState.WAITING
        stage.store.create_database("metrics")
        generation = stage.store.snapshot().generation
        store.wait_for(lambda snapshot: snapshot.generation == generation)
        stage.advance(TTL / 2)
        keeper._turn()
        sign = stage.sign()
        assert sign is not None
        assert sign[3].generation == generation
        assert (keeper.status().renewals, keeper.status().failures) == (1, 0)
        stage.advance(3 * TTL)
        keeper._turn()
        keeper._turn()
        status = keeper.status()
        assert (status.state, status.losses) == (LivenessState.LIVE, 1)
        assert status.lease != lease
        serving.stop()
        stage.clock.seconds += TTL
        keeper._turn()
        assert isinstance(keeper.status().last_error, Unavailable)
        serving.start()
        deadline = time.monotonic() + DEADLINE
        while keeper.status().last_error is not None and time.monotonic() < deadline:
            keeper._turn()
        assert keeper.status().last_error is None
        keeper._tenure.let_go()
        assert stage.sign() is None


# --- what shard status makes of it


def test_shard_status_counts_liveness(stage: Stage) -> None:
    stage.join(2)
    store = stage.store
    store.create_database("metrics", duration="30d", replicas=2)
    store.create_shard_group("metrics", "autogen", at=NOW // DAY * DAY)
    keepers = []
    for node_id in (1, 2):
        client, own = stage.open()
        keeper = Liveness(
            own, node_id, host=f"h{node_id}:8088", version="1", ttl=TTL,
            clock=stage.clock, monotonic=stage.clock,
        )  # fmt: skip
        keeper.start()
        assert keeper.wait_live(DEADLINE)
        keepers.append((client, keeper))
    header, rows = shown(stage)
    assert "2 nodes ·" in header
    assert (rows.ready, rows.health, rows.reason) == (2, "ok", "")

    client, keeper = keepers[1]
    client.disconnect()
    stage.clock.seconds += TTL / 3
    keepers[0][1].nudge()
    stage.cluster.advance(TTL / 3)
    assert shown(stage)[1].ready == 2, "not before its time"
    stage.cluster.advance(lease_seconds(TTL) - TTL / 3)
    keepers[0][1].nudge()
    store.wait_for(lambda snapshot: snapshot.is_live(2) is False)
    store.wait_for(lambda snapshot: snapshot.is_live(1))
    header, rows = shown(stage)
    assert "2 nodes, 1 down" in header
    assert (rows.ready, rows.health, rows.reason) == (1, "degraded", "n2: down")

    client.reconnect()
    stage.clock.seconds += TTL
    keeper.nudge()
    store.wait_for(lambda snapshot: snapshot.is_live(2), timeout=DEADLINE)
    assert shown(stage)[1].health == "ok"
    assert keeper.status().losses == 1
    for _, each in keepers:
        each.stop()
    store.wait_for(lambda snapshot: snapshot.is_live(1) is False)
    header, rows = shown(stage)
    assert "2 nodes, 2 down" in header
    assert (rows.health, rows.reason) == ("unavailable", "n1: down · n2: down")


def shown(stage: Stage) -> tuple[str, Any]:
    snapshot = stage.caught_up()
    picture = Picture(1, snapshot.generation, snapshot.revision, NOW, 0.0)
    view: StatusView = status_view(snapshot, picture, ShardFilter(), now=NOW)
    lines = status_screen(view, Look(width=None, marks=False, colour=False))
    return "\n".join(lines[:3]), view.statuses[0]
