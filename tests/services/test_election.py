"""Leading: by one at a time, given back, lost, taken over; and who slept commits nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO

import pytest

from etcdmeta.commands.database import CreateDatabase
from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.embedded import Cluster
from etcdmeta.errors import ConfigurationInvalid, Fenced
from etcdmeta.records import keys
from etcdmeta.records.transaction import Delete
from etcdmeta.services.election import Lead, who_leads
from etcdmeta.store import MetaStore
from etcdmeta.testing.agents import serve_agent
from tests.services.leading import LEAD
from tests.store.worlds import World, soon

SECONDS = 30.0
direct = pytest.mark.parametrize("world", ["local", "etcd"], indirect=True)
"""Not through agents: what they pass on is commands."""


@pytest.fixture
def leads() -> Iterator[list[Lead]]:
    """Given back at the end, whoever holds them."""
    made: list[Lead] = []
    yield made
    for lead in made:
        lead.release()


def lead_of(store: MetaStore, leads: list[Lead], who: str = "", **fields: object) -> Lead:
    leads.append(Lead(store, LEAD, who=who, **fields))  # type: ignore[arg-type]
    return leads[-1]


@direct
def test_one_of_many_leads(world: World, leads: list[Lead]) -> None:
    world.open().init_cluster()
    all_of_them = [lead_of(world.open(), leads, f"process {n}") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda lead: lead.try_acquire(0.5), all_of_them))
    assert won.count(True) == 1
    winner = all_of_them[won.index(True)]
    assert [lead.fence() is not None for lead in all_of_them] == won
    assert winner.try_acquire(0.0)  # it has it already
    found = who_leads(world.open(), LEAD)
    assert found is not None
    assert found.who == f"process {won.index(True)}"


@direct
def test_given_back_it_is_another_s_at_once_and_the_old_fence_is_void(world: World, leads: list[Lead]) -> None:
    store, other = world.open(), world.open()
    store.init_cluster()
    first, second = lead_of(store, leads), lead_of(other, leads)
    assert first.try_acquire(0.0)
    fence = first.fence()
    store.execute(CreateDatabase(name="a"), fence=fence)
    first.release()
    assert first.fence() is None
    assert who_leads(store, LEAD) is None
    assert second.try_acquire(0.0)
    with pytest.raises(Fenced, match="the lead of tests"):
        store.execute(CreateDatabase(name="b"), fence=fence)
    other.execute(CreateDatabase(name="c"), fence=second.fence())
    assert [database.name for database in store.read_consistent().databases()] == ["a", "c"]
    assert not first.try_acquire(0.3)
    first.release()  # it has nothing: nothing happens
    assert second.fence() is not None


@direct
def test_it_is_waited_for(world: World, leads: list[Lead]) -> None:
    store = world.open()
    store.init_cluster()
    first, second = lead_of(store, leads), lead_of(world.open(), leads)
    assert first.try_acquire(0.0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second.try_acquire, SECONDS)
        first.release()
        assert waiting.result(SECONDS)


@direct
def test_it_is_renewed_for_as_long_as_it_is_held(world: World, leads: list[Lead]) -> None:
    """Longer than it lives without: another waits for it in vain."""
    store = world.open()
    store.init_cluster()
    first, second = lead_of(store, leads, ttl=2.0), lead_of(world.open(), leads)
    assert first.try_acquire(0.0)
    fence = first.fence()
    assert not second.try_acquire(5.0)
    assert first.fence() == fence
    store.execute(CreateDatabase(name="a"), fence=fence)


@direct
def test_whose_key_was_taken_away_commits_nothing_and_may_lead_again(world: World, leads: list[Lead]) -> None:
    store = world.open()
    store.init_cluster()
    lead = lead_of(store, leads)
    assert lead.try_acquire(0.0)
    world.commit(Delete(world.keyspace.absolute(keys.lead(LEAD))))
    with pytest.raises(Fenced):
        store.execute(CreateDatabase(name="a"), fence=lead.fence())
    lead.release()
    assert lead.try_acquire(0.0)
    store.execute(CreateDatabase(name="b"), fence=lead.fence())
    assert [database.name for database in store.snapshot().databases()] == ["b"]


@direct
def test_whose_lease_was_taken_away_is_told(world: World, leads: list[Lead]) -> None:
    store = world.open()
    store.init_cluster()
    lost = threading.Event()
    lead = lead_of(store, leads, ttl=2.0, on_lost=lambda why: lost.set())
    assert lead.try_acquire(0.0)
    (kv,) = world.raw.read(world.keyspace.absolute(keys.lead(LEAD)), deadline=soon()).kvs
    world.raw.revoke_lease(kv.lease, deadline=soon())
    assert lost.wait(SECONDS)
    assert lead.fence() is None
    assert lead.try_acquire(0.0)


@pytest.mark.parametrize("lands", [True, False], ids=["it landed", "it did not"])
def test_an_answer_that_is_lost(local: World, leads: list[Lead], monkeypatch: pytest.MonkeyPatch, lands: bool) -> None:
    store = local.open()
    store.init_cluster()
    lead = lead_of(store, leads)
    transact, lose = store.strategy.transact, [True]

    def losing(txn: object, *, deadline: float) -> object:
        if not lose:
            return transact(txn, deadline=deadline)  # type: ignore[arg-type]
        lose.clear()
        if lands:
            transact(txn, deadline=deadline)  # type: ignore[arg-type]
        raise Ambiguous("swallowed")

    monkeypatch.setattr(store.strategy, "transact", losing)
    assert lead.try_acquire(5.0)
    monkeypatch.undo()
    store.execute(CreateDatabase(name="a"), fence=lead.fence())


def test_no_longer_certain_it_does_not_lead(local: World, leads: list[Lead]) -> None:
    """A process that was suspended sees, by its own clock, that its lease may have ended."""
    now = [0.0]
    store = local.open()
    store.init_cluster()
    lead = lead_of(store, leads, ttl=3600.0, monotonic=lambda: now[0])
    assert lead.try_acquire(0.0)
    now[0] = 3599.0
    assert lead.fence() is not None
    now[0] = 3600.0
    assert lead.fence() is None


def test_what_cannot_be(local: World) -> None:
    with pytest.raises(ConfigurationInvalid, match="1 s"):
        Lead(local.open(), LEAD, ttl=1.0)


def test_through_an_agent_nobody_leads(local: World) -> None:
    store = local.open()
    store.init_cluster()
    with serve_agent(store) as agent, MetaStore.open(f"agent://{agent.address}", cluster=store.cluster_name) as outside:
        with pytest.raises(ConfigurationInvalid, match="through an agent"):
            Lead(outside, LEAD).try_acquire(0.0)
        assert who_leads(store, LEAD) is None


# --- processes


@contextmanager
def leading_process(cluster: Cluster, prefix: str, ttl: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.services.leading", ",".join(cluster.endpoints), prefix, str(ttl)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert stream(process.stdout).readline() == "leading\n"
            yield process
        finally:
            process.kill()


def stream(found: IO[str] | None) -> IO[str]:
    assert found is not None
    return found


def test_a_killed_leader_is_followed(
    etcd_cluster: Cluster, etcd_prefix: str, etcd_store: MetaStore, leads: list[Lead]
) -> None:
    etcd_store.init_cluster()
    lead = lead_of(etcd_store, leads)
    with leading_process(etcd_cluster, etcd_prefix, 2.0) as process:
        assert not lead.try_acquire(0.0)
        process.kill()
        assert lead.try_acquire(SECONDS)


def test_a_stopped_leader_commits_nothing_when_it_wakes_up(
    etcd_cluster: Cluster, etcd_prefix: str, etcd_store: MetaStore, leads: list[Lead]
) -> None:
    """It had its fence, and is stopped before it commits."""
    etcd_store.init_cluster()
    lead = lead_of(etcd_store, leads)
    with leading_process(etcd_cluster, etcd_prefix, 2.0) as process:
        stdin, stdout = stream(process.stdin), stream(process.stdout)
        stdin.write("before\n")
        stdin.flush()
        assert stdout.readline() == "done\n"
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)  # its other threads go on for a moment
        stdin.write("late\n")
        stdin.flush()
        assert lead.try_acquire(SECONDS)
        os.kill(process.pid, signal.SIGCONT)
        assert stdout.readline() == "Fenced lost\n"
        assert lead.fence() is not None
        etcd_store.execute(CreateDatabase(name="after"), fence=lead.fence())
    names = [database.name for database in etcd_store.read_consistent().databases()]
    assert names == ["before", "after"]
