"""The services of the cluster: one process at a time, by more than one clock, in two steps, with a cap."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from etcdmeta.agent.duties import SERVICES, USUAL, check_services, parse_services
from etcdmeta.commands.copying import BeginCopy
from etcdmeta.commands.database import CreateDatabase
from etcdmeta.embedded import Cluster
from etcdmeta.errors import ConfigurationInvalid, Fenced, TooStale, Unavailable
from etcdmeta.model.durations import DAY, SECOND
from etcdmeta.model.entities import Liveness
from etcdmeta.model.moveplans import PlanKind, PlanState
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.revisionmarks import Mark, decode_marks, encode_marks
from etcdmeta.records.transaction import Delete, Put
from etcdmeta.services.clocks import MINUTE, confirmed, earlier
from etcdmeta.services.election import Lead, who_leads
from etcdmeta.services.precreation import Precreation
from etcdmeta.services.pruning import LedgerPruning
from etcdmeta.services.repairing import Repairing
from etcdmeta.services.retention import Retention, cap
from etcdmeta.services.runner import ServiceRunner, ServiceStatus
from etcdmeta.services.service import Note, Service, Turn
from etcdmeta.services.stuck import StuckCopies, stuck_copies
from etcdmeta.store import MetaStore, SystemClock, pruning
from etcdmeta.store.clock import Clock
from tests.store.worlds import HOUR, World, soon, wait_until

SECONDS = 30.0
YEAR = 365 * DAY
NOW = SystemClock().now() // HOUR * HOUR + HOUR // 2
"""What time it is for stores and turns: half past an hour, and it stays so. By a clock that goes on, another group
would be that of now, and one more expired, when an hour begins in the middle of a test."""
direct = pytest.mark.parametrize("world", ["local", "etcd"], indirect=True)


class Ahead(Clock):
    """A clock that stands, and is wrong by so many nanoseconds."""

    def __init__(self, by: int = 0) -> None:
        self.by = by

    def now(self) -> int:
        return NOW + self.by


class Turns:
    """A pass of who leads, as the runner makes it."""

    def __init__(self) -> None:
        self._leads: list[Lead] = []

    def __call__(self, store: MetaStore, name: str, *, by: int = 0, node_id: int = 0) -> Turn:
        self._leads.append(Lead(store, name))
        assert self._leads[-1].try_acquire(0.0)
        return Turn(store, name, self._leads[-1].fence, threading.Event(), Ahead(by), node_id)

    def release(self) -> None:
        """Another may lead."""
        for lead in self._leads:
            lead.release()


@pytest.fixture
def turn_of() -> Iterator[Turns]:
    turns = Turns()
    yield turns
    turns.release()


def with_groups(store: MetaStore, count: int, *, keep: str = "1h") -> None:
    """Of an hour each, the newest one being that of now; but for it all older than two hours have expired."""
    store.add_node("n1:1")
    store.create_database("d", duration="INF", group_duration="1h")
    for hours in range(count):
        store.create_shard_group("d", "autogen", NOW - hours * HOUR)
    store.alter_policy("d", "autogen", duration=keep)


def live(world: World, node_id: int, clock: int) -> None:
    sign = Liveness(node_id=node_id, instance=node_id, since=1, host=f"n{node_id}:1", clock=clock)
    world.commit(Put(keys.live(node_id), encode(sign)))


def deleted(store: MetaStore) -> list[int]:
    return [group.id for group in store.read_consistent().groups(include_deleted=True) if group.is_deleted]


# --- clocks


@pytest.mark.parametrize(
    ("own", "peers", "agreed"),
    [
        (100, [100, 100], 100),
        (YEAR, [100, 101], 100 + MINUTE),  # mine is ahead
        (100, [YEAR, 101, 100], 100),  # one peer's is ahead
        (100, [YEAR, YEAR], 100),  # all but mine are
        (-YEAR, [100, 101], -YEAR),  # mine is behind: that only delays
        (YEAR, [100, YEAR], 100 + MINUTE),
    ],
)
def test_the_time_that_services_go_by(own: int, peers: list[int], agreed: int) -> None:
    assert earlier(own, peers) == agreed


def test_alone_the_own_clock_has_to_be_near_the_newest_commit() -> None:
    assert confirmed(5, None) == 5
    assert confirmed(30 * DAY, 0) == 30 * DAY
    for own in (30 * DAY + 1, -30 * DAY - 1):
        with pytest.raises(TooStale, match="the newest commit was at"):
            confirmed(own, 0)


@direct
def test_a_leader_a_year_ahead_takes_nothing_away(world: World, turn_of: Turns) -> None:
    """With peers it goes by theirs, alone it is refused."""
    store = world.open(clock=Ahead())
    with_groups(store, 3, keep="1w")
    turn = turn_of(store, "retention", by=YEAR, node_id=1)
    live(world, 1, NOW + YEAR)  # its own word
    with pytest.raises(TooStale):
        Retention().run(turn)
    live(world, 2, NOW)
    store.add_node("n2:1")
    assert Retention().run(turn) == ""
    assert deleted(store) == []
    turn = turn_of(store, "precreation", by=YEAR, node_id=1)
    assert "precreated" not in Precreation(ahead=1).run(turn)


def test_a_leader_a_year_ahead_forgets_nothing_and_moves_nothing(
    local: World, turn_of: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its store's clock is as wrong as its own."""
    monkeypatch.setattr(pruning, "KEPT_ENTRIES", 2)
    other = local.open(clock=Ahead())
    four_nodes(other, replicas=2)
    store = local.open(clock=Ahead(YEAR))
    live(local, 2, NOW)
    store.wait_for(lambda snapshot: snapshot.liveness(2), SECONDS)
    before = [entry.operation_id for entry in other.history()]
    assert len(before) > 5
    assert LedgerPruning().run(turn_of(store, "ledger", by=YEAR, node_id=1)) == ""
    assert [entry.operation_id for entry in other.history()] == before
    shard = next(other.snapshot().groups()).shards[0]
    other.fail_owner(shard.id, shard.owners[0].node_id, "disk lost")
    turn = turn_of(store, "repair", by=YEAR, node_id=1)
    store.read_consistent()
    assert Repairing(delay=600.0).run(turn) == ""


# --- retention


@direct
def test_expired_groups_are_marked_and_pruned_after_the_lease_of_the_grace(world: World, turn_of: Turns) -> None:
    store = world.open(clock=Ahead())
    with_groups(store, 8)
    turn, service = turn_of(store, "retention"), Retention()
    assert service.run(turn) == "marked 6 expired shard groups deleted"
    marked = deleted(store)
    assert service.run(turn) == ""
    assert deleted(store) == marked  # the grace has begun
    wait = world.keyspace.absolute(keys.grace("retention"))
    late = next(group.id for group in store.snapshot().groups() if group.id not in marked)
    store.delete_shard_group(late)  # after it had begun: it waits for the next one
    (kv,) = world.raw.read(wait, deadline=soon()).kvs
    assert kv.lease
    world.raw.revoke_lease(kv.lease, deadline=soon())
    assert service.run(turn) == f"pruned {len(marked)} whose grace was over"
    assert deleted(store) == [late]
    (again,) = world.raw.read(wait, deadline=soon()).kvs
    assert again.lease not in {0, kv.lease}
    world.raw.revoke_lease(again.lease, deadline=soon())
    assert service.run(turn) == "pruned 1 whose grace was over"
    assert deleted(store) == []
    assert not world.raw.read(wait, deadline=soon()).kvs  # nothing is waited for


def test_a_pass_marks_no_more_than_the_cap(local: World, turn_of: Turns) -> None:
    store = local.open(clock=Ahead())
    with_groups(store, 40)
    assert cap(store.snapshot()) == 10
    turn = turn_of(store, "retention")
    assert Retention().run(turn) == "marked 10 expired shard groups deleted"
    oldest = sorted(store.snapshot().groups(include_deleted=True), key=lambda group: group.end)[:10]
    assert sorted(deleted(store)) == sorted(group.id for group in oldest)
    assert len(deleted(store)) == 10
    (note,) = turn.notes
    assert note.things == 28
    assert note.text.startswith("retention is held back by its cap")
    assert "`etcdmeta group delete --expired`" in note.text
    Retention().run(turn)
    assert len(deleted(store)) == 20
    Retention(consent=100).run(turn)
    assert len(deleted(store)) == 38


def test_a_policy_that_keeps_longer_in_that_moment_keeps(
    local: World, turn_of: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was altered between the picture that the pass was planned on and its commit."""
    store, other = local.open(clock=Ahead()), local.open(clock=Ahead())
    with_groups(store, 8)
    turn, transact, once = turn_of(store, "retention"), store.strategy.transact, [True]

    def late(txn: object, *, deadline: float) -> object:
        if once:
            once.clear()
            other.alter_policy("d", "autogen", duration="INF")
        return transact(txn, deadline=deadline)  # type: ignore[arg-type]

    monkeypatch.setattr(store.strategy, "transact", late)
    assert Retention().run(turn) == ""
    assert deleted(store) == []


def test_who_lost_the_lead_marks_nothing(local: World, turn_of: Turns) -> None:
    store = local.open(clock=Ahead())
    with_groups(store, 8)
    turn = turn_of(store, "retention")
    local.commit(Delete(local.keyspace.absolute(keys.lead("retention"))))
    with pytest.raises(Fenced):
        Retention().run(turn)
    assert deleted(store) == []


# --- the others


def test_precreation_makes_what_comes_next_once(local: World, turn_of: Turns) -> None:
    store = local.open(clock=Ahead())
    with_groups(store, 1, keep="1d")
    turn = turn_of(store, "precreation")
    assert Precreation(ahead=HOUR).run(turn) == "precreated 1 shard groups"
    assert Precreation(ahead=HOUR).run(turn) == ""


def test_the_ledger_is_pruned_under_the_lead(local: World, turn_of: Turns) -> None:
    store = local.open(clock=Ahead())
    store.init_cluster()
    assert LedgerPruning().run(turn_of(store, "ledger")) == ""


def test_an_entry_that_nobody_can_read_is_left_to_people(
    local: World, turn_of: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass does the rest; alone, the time of the newest commit is that of one that can be read."""
    monkeypatch.setattr(pruning, "KEPT_ENTRIES", 2)
    old = local.open(clock=Ahead(-31 * DAY))
    old.init_cluster()
    old.create_database("metrics")
    local.commit(Put(b"ledger/strange", b"\xff"))
    store = local.open(clock=Ahead())
    for number in range(2):
        store.create_continuous_query("metrics", f"q{number}", "select 1")
    key = local.keyspace.absolute(b"ledger/strange").decode()
    turn = turn_of(store, "ledger")
    local.commit(Put(b"ledger/newest", b"\xff"))  # it has no time
    assert LedgerPruning().run(turn) == "forgot 2 old operations"
    assert [note.things for note in turn.notes] == [1]
    assert turn.notes[0].text.startswith(f"nobody can read the entry {key} of the ledger, so that it stays")
    assert f"`etcdctl del {key}`" in turn.notes[0].text
    local.commit(Put(b"ledger/another", b"\xff"))
    runner = ServiceRunner(store, [LedgerPruning()])
    turn_of.release()
    runner.start()
    try:
        wait_until(lambda: runner.status()[0].passes, "a pass was made")
        (status,) = runner.status()
    finally:
        runner.stop()
    assert (status.failures, status.last_error) == (0, None)
    assert [note.things for note in status.notes] == [2]
    assert status.notes[0].text.startswith(f"nobody can read 2 entries, such as {key}, of the ledger")


def test_a_copy_that_says_nothing_is_stuck(local: World, turn_of: Turns, caplog: pytest.LogCaptureFixture) -> None:
    store = local.open(clock=Ahead())
    with_groups(store, 1, keep="1d")
    store.add_node("n2:1")
    store.execute(BeginCopy(shard_id=1, source=1, target=2))
    assert not list(stuck_copies(store.snapshot(), NOW))
    (stuck,) = stuck_copies(store.snapshot(), NOW + HOUR)
    assert (stuck.shard_id, stuck.node_id, stuck.attempt) == (1, 2, 1)
    service, turn = StuckCopies(after=0), turn_of(store, "stuck")
    for _ in range(2):
        assert service.run(turn) == ""
    assert caplog.text.count("the copy of shard 1 to node 2 gives no sign since") == 1
    assert [note.things for note in turn.notes] == [1, 1]
    assert "`etcdmeta shard explain 1`" in turn.notes[0].text
    local.commit(Delete(local.keyspace.absolute(keys.progress(1, 1, 1, 2))))
    store.wait_for(lambda snapshot: not snapshot.tables.progress, SECONDS)
    assert [copy.shard_id for copy in stuck_copies(store.snapshot(), NOW + HOUR)] == [1]  # the owner says it


def test_repair_waits_and_then_begins_one_plan(local: World, turn_of: Turns) -> None:
    store = local.open(clock=Ahead())
    with_groups(store, 3, keep="1d")
    for number in (2, 3, 4):
        store.add_node(f"n{number}:1")
    store.alter_policy("d", "autogen", replicas=2)
    seconds = [0.0]
    service, turn = Repairing(delay=60.0, most=2, monotonic=lambda: seconds[0]), turn_of(store, "repair")
    assert service.run(turn) == ""
    seconds[0] = 59.9
    assert service.run(turn) == ""
    seconds[0] = 60.0
    assert service.run(turn) == "began plan 1: 2 moves for 2 shards that lost owners"
    plan = store.snapshot().plan(1)
    assert (plan.kind, plan.state, plan.moves) == (PlanKind.REPAIR, PlanState.RUNNING, 2)
    seconds[0] = 600.0
    assert service.run(turn) == ""  # one plan at a time


def four_nodes(store: MetaStore, *, replicas: int) -> None:
    """Three groups; all owners are where they belong."""
    for number in range(1, 5):
        store.add_node(f"n{number}:1")
    store.create_database("d", duration="INF", group_duration="1h", replicas=replicas)
    for hours in range(3):
        store.create_shard_group("d", "autogen", NOW - hours * HOUR)


def comes(world: World, store: MetaStore, node_id: int) -> None:
    live(world, node_id, 0)
    store.wait_for(lambda snapshot: snapshot.liveness(node_id), SECONDS)
    record = store.snapshot().node(node_id).model_copy(update={"reports_liveness": True})
    world.commit(Put(keys.node(node_id), encode(record)))
    store.wait_for(lambda snapshot: snapshot.node(node_id).reports_liveness, SECONDS)


def goes(world: World, store: MetaStore, node_id: int) -> None:
    world.commit(Delete(world.keyspace.absolute(keys.live(node_id))))
    store.wait_for(lambda snapshot: snapshot.is_live(node_id) is False, SECONDS)


def test_another_leader_of_repair_does_not_wait_anew_for_a_node_that_is_down(local: World, turn_of: Turns) -> None:
    """Each leader is another process: nothing is remembered but what is stored."""
    store = local.open(clock=Ahead())
    four_nodes(store, replicas=2)
    comes(local, store, 4)

    def a_new_leader_after(seconds: int) -> str:
        did = Repairing(delay=600.0, monotonic=lambda: 0.0).run(turn := turn_of(store, "repair", by=seconds * SECOND))
        assert not turn.notes
        turn_of.release()
        return did

    assert a_new_leader_after(0) == ""
    goes(local, store, 4)
    assert a_new_leader_after(60) == ""  # seen to be down
    assert a_new_leader_after(300) == ""
    assert a_new_leader_after(590) == ""
    comes(local, store, 4)
    assert a_new_leader_after(610) == ""  # seen to be back
    assert not local.raw.read(local.keyspace.absolute(keys.grace_down("repair")), deadline=soon()).kvs
    goes(local, store, 4)
    for seconds in (700, 900, 1100, 1299):
        assert a_new_leader_after(seconds) == ""
    assert a_new_leader_after(1300).startswith("began plan 1:")


def test_another_leader_of_repair_does_not_wait_anew_for_a_shard_that_is_short(local: World, turn_of: Turns) -> None:
    """Of owners, of which none is lost; unless something changed meanwhile."""
    store = local.open(clock=Ahead())
    four_nodes(store, replicas=1)
    first, *others = store.snapshot().groups()
    shard = first.shards[0]

    def a_new_leader_after(seconds: int) -> str:
        did = Repairing(delay=600.0, monotonic=lambda: 0.0).run(turn := turn_of(store, "repair", by=seconds * SECOND))
        assert not turn.notes
        turn_of.release()
        return did

    def marks() -> int:
        kvs = local.raw.read(local.keyspace.absolute(keys.grace_seen("repair")), deadline=soon()).kvs
        return len(decode_marks(kvs[0].value)) if kvs else 0

    assert (a_new_leader_after(-3600), marks()) == ("", 0)
    store.alter_policy("d", "autogen", replicas=2)
    for seconds in range(0, 600, 20):
        assert a_new_leader_after(seconds) == ""
        if seconds == 300:  # in one of the groups something changes
            other = next(n.id for n in store.snapshot().nodes() if n.id != shard.owners[0].node_id)
            store.begin_copy(shard.id, shard.owners[0].node_id, other)
            store.cancel_copy(shard.id, other)
    assert marks() <= 18
    assert a_new_leader_after(600) == "began plan 1: 8 moves for 8 shards that lost owners"
    assert {move.shard_id for move in store.snapshot().plan_moves(1)} == {s.id for each in others for s in each.shards}
    store.abort_plan(1)
    store.finish_plan(1)
    assert a_new_leader_after(880) == ""  # that nobody looked for long is no matter: what did not change, stood still
    assert a_new_leader_after(940) == "began plan 2: 4 moves for 4 shards that lost owners"  # plan 1 kept the others
    store.abort_plan(2)
    store.finish_plan(2)
    store.add_node("n5:1")
    for seconds in range(2000, 2600, 30):
        assert a_new_leader_after(seconds) == ""  # who comes now could not have helped before
    assert marks() <= 18
    assert a_new_leader_after(2600).startswith("began plan 3: 12 moves")
    store.abort_plan(3)
    store.finish_plan(3)
    store.alter_policy("d", "autogen", replicas=1)
    assert (a_new_leader_after(9000), marks()) == ("", 0)


def test_a_node_that_goes_down_is_waited_for_however_long_its_shards_stood_still(
    local: World, turn_of: Turns
) -> None:
    store = local.open(clock=Ahead())
    four_nodes(store, replicas=2)
    comes(local, store, 4)
    shard = next(store.snapshot().groups()).shards[0]
    store.fail_owner(shard.id, shard.owners[0].node_id, "disk lost")  # so that there is something to note
    for seconds in (0, 590):
        assert Repairing(delay=600.0).run(turn_of(store, "repair", by=seconds * SECOND)) == ""
        turn_of.release()
    goes(local, store, 4)
    began = Repairing(delay=600.0).run(turn_of(store, "repair", by=700 * SECOND))
    assert began == "began plan 1: 1 moves for 1 shards that lost owners"


@pytest.mark.parametrize("value", [b"\xff", encode_marks([Mark(2**62, 1)]), encode_marks([Mark(1, 2**40)])])
def test_marks_that_cannot_be_are_none(local: World, turn_of: Turns, value: bytes) -> None:
    """Garbage, a time that has not come, a revision that has not come (etcd was restored)."""
    store = local.open(clock=Ahead())
    four_nodes(store, replicas=1)
    store.alter_policy("d", "autogen", replicas=2)
    local.commit(Put(keys.grace_seen("repair"), value))
    assert Repairing(delay=600.0).run(turn_of(store, "repair")) == ""
    turn_of.release()
    assert Repairing(delay=600.0).run(turn_of(store, "repair", by=601 * SECOND)).startswith("began plan 1:")


def test_what_nobody_watched_for_long_is_watched_anew(local: World, turn_of: Turns) -> None:
    store = local.open(clock=Ahead())
    four_nodes(store, replicas=2)
    comes(local, store, 4)
    goes(local, store, 4)
    for minutes in (0, 20):  # it may have been back in between
        turn = turn_of(store, "repair", by=minutes * MINUTE)
        assert Repairing(delay=600.0).run(turn) == ""
        turn_of.release()


def test_a_failed_owner_says_itself_since_when(local: World, turn_of: Turns) -> None:
    store = local.open(clock=Ahead())
    four_nodes(store, replicas=2)
    shard = next(store.snapshot().groups()).shards[0]
    store.fail_owner(shard.id, shard.owners[0].node_id, "disk lost")
    assert Repairing(delay=600.0).run(turn_of(store, "repair", by=599 * SECOND)) == ""
    turn_of.release()
    assert Repairing(delay=600.0).run(turn_of(store, "repair", by=601 * SECOND)).startswith("began plan 1: 1 moves")


def test_who_leads_again_knows_nothing_of_what_was_before(local: World, turn_of: Turns) -> None:
    store = local.open(clock=Ahead())
    four_nodes(store, replicas=1)
    store.alter_policy("d", "autogen", replicas=2)
    seconds = [0.0]
    service = Repairing(delay=60.0, monotonic=lambda: seconds[0])
    assert service.run(turn_of(store, "repair")) == ""
    turn_of.release()
    seconds[0] = 3600.0
    turn = turn_of(store, "repair")
    assert service.run(turn) == ""
    seconds[0] = 3660.0
    assert service.run(turn).startswith("began plan 1:")


def test_with_many_nodes_down_nothing_is_repaired(local: World, turn_of: Turns) -> None:
    store = local.open(clock=Ahead())
    with_groups(store, 3, keep="1d")
    for number in (2, 3, 4):
        store.add_node(f"n{number}:1")
    store.alter_policy("d", "autogen", replicas=2)
    for node_id in (3, 4):  # they reported once, and do no more
        live(local, node_id, 1)
        store.wait_for(lambda snapshot, n=node_id: snapshot.liveness(n), SECONDS)  # type: ignore[misc]
        reports = store.snapshot().node(node_id).model_copy(update={"reports_liveness": True})
        local.commit(Put(keys.node(node_id), encode(reports)))
        local.commit(Delete(local.keyspace.absolute(keys.live(node_id))))
    store.wait_for(lambda snapshot: snapshot.is_live(4) is False, SECONDS)
    turn = turn_of(store, "repair")
    assert Repairing(delay=0.0).run(turn) == ""
    assert not store.snapshot().plans()
    assert [note.text.partition(":")[0] for note in turn.notes] == ["2 of 4 nodes are down"]


# --- running them


class Counting:
    """A service that commits something at each pass, and says which process did."""

    name = "counting"

    def __init__(self, who: str, passes: threading.Semaphore, every: float = 0.05) -> None:
        self.who, self.every, self.passes = who, every, passes
        self.errors: list[BaseException] = []

    def run(self, turn: Turn) -> str:
        if self.errors:
            raise self.errors.pop()
        turn.store.execute(CreateDatabase(name=f"{self.who}-{turn.store.latest().generation}"), fence=turn.fence())
        self.passes.release()
        return "made a database"

    def doing(self) -> str:
        return ""

    def interrupt(self) -> None:
        pass


class Noting(Counting):
    def run(self, turn: Turn) -> str:
        turn.notes.append(Note("look", 3))
        return super().run(turn)


@direct
def test_one_of_three_runs_it_and_another_takes_over(world: World) -> None:
    store = world.open()
    store.init_cluster()
    passes = threading.Semaphore(0)
    runners = {who: ServiceRunner(world.open(), [Counting(who, passes)], ttl=2.0, who=who) for who in "abc"}
    left = set(runners)
    try:
        for runner in runners.values():
            runner.start()
        while left:
            assert passes.acquire(timeout=SECONDS)
            leader = who_leads(store, "counting")
            assert leader is not None
            if leader.who not in left:
                continue  # a pass of the one before
            assert [s.name for who in left - {leader.who} for s in runners[who].status() if s.leads] == []
            left.remove(leader.who)
            runners[leader.who].stop()
    finally:
        for runner in runners.values():
            runner.stop()
    assert who_leads(store, "counting") is None
    makers = [database.name[0] for database in store.read_consistent().databases()]
    assert set(makers) == set("abc")
    assert len([who for who, before in zip(makers, ["", *makers], strict=False) if who != before]) == 3  # by turns


def test_a_leader_that_sleeps_in_the_middle_of_a_step_changes_nothing_when_it_wakes_up(
    etcd_cluster: Cluster, etcd_prefix: str, etcd_store: MetaStore, turn_of: Turns
) -> None:
    """All that the step compares still stands but the lead: that alone keeps it from being done."""
    with_groups(etcd_store, 8)
    command = [sys.executable, "-m", "tests.services.stopping", ",".join(etcd_cluster.endpoints), etcd_prefix, "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "in the middle\n"
            os.kill(process.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            process.stdin.write("\n")
            process.stdin.flush()
            lead = Lead(etcd_store, "retention")
            assert lead.try_acquire(SECONDS)  # its time to live is over
            generation = etcd_store.read_consistent().generation
            os.kill(process.pid, signal.SIGCONT)
            assert process.stdout.readline() == "refused\n"
            assert deleted(etcd_store) == []
            assert etcd_store.snapshot().generation == generation
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "0 nothing\n"
        finally:
            process.kill()
    lead.release()
    assert Retention().run(turn_of(etcd_store, "retention")).startswith("marked")


def test_a_pass_that_fails_is_told_and_made_again(local: World) -> None:
    store = local.open()
    store.init_cluster()
    service = Counting("a", threading.Semaphore(0))
    service.errors = [Unavailable("etcd is away"), Fenced("lost")]
    runner = ServiceRunner(store, [service], ttl=2.0)
    runner.start()
    try:
        assert service.passes.acquire(timeout=SECONDS)
        assert service.passes.acquire(timeout=SECONDS)
    finally:
        runner.stop()
    (status,) = runner.status()
    assert (status.leads, status.did, status.last_error) == (False, "made a database", None)
    assert status.passes >= 1
    assert (status.failures, status.problem) == (1, "etcd is away")
    assert 0 < status.problem_at <= status.did_at <= status.pass_ended


def test_who_leads_is_known_to_those_who_stand_by(local: World) -> None:
    store = local.open()
    store.init_cluster()
    passes = threading.Semaphore(0)
    runners = [ServiceRunner(local.open(), [Noting(who, passes)], ttl=2.0, who=who) for who in "ab"]
    try:
        for runner in runners:
            runner.start()
        for _ in range(3):
            assert passes.acquire(timeout=SECONDS)
        wait_until(lambda: known(runners), "both know")
        statuses = known(runners)
    finally:
        for runner in runners:
            runner.stop()
    (leading,) = [status for status in statuses if status.leads]
    (standing_by,) = [status for status in statuses if not status.leads]
    assert leading.leader == standing_by.leader
    assert leading.since == standing_by.since > 0
    assert leading.notes == (Note("look", 3),)
    assert leading.passes > 0
    assert (standing_by.passes, standing_by.notes, standing_by.pass_began) == (0, (), 0)


def known(runners: list[ServiceRunner]) -> list[ServiceStatus]:
    """Empty while not all is known."""
    found = [status for runner in runners for status in runner.status()]
    return found if all(status.leader for status in found) and any(status.notes for status in found) else []


def test_names_of_services() -> None:
    assert parse_services("all") == USUAL == ("plans", "precreation", "retention", "stuck", "ledger")
    assert parse_services("none") == ()
    assert parse_services("repair, plans,plans") == ("repair", "plans")
    with pytest.raises(ConfigurationInvalid, match="no service 'plan'"):
        check_services(["plan"])
    made: list[Service] = [kind() for kind in SERVICES.values()]
    assert [service.name for service in made] == list(SERVICES)
