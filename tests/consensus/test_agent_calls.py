"""All that a store asks of agents, who may ask, and what is not an agent."""

from __future__ import annotations

import http.server
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import grpc
import pytest

from etcdmeta import MetaStore, errors
from etcdmeta.agent.limits import Limits
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.consensus.protocol import Delegate
from etcdmeta.records.transaction import Compare, Put, Read, Transaction
from etcdmeta.replica.changes import Change
from etcdmeta.store import pruning
from etcdmeta.store.pruning import Pruned
from etcdmeta.testing.agents import serve_agent
from tests.consensus.agents import Agents, in_thread, query
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import SECONDS, etcd_world, soon, wait_live

if TYPE_CHECKING:
    from etcdmeta.embedded import Cluster


def test_what_nobody_can_read_in_the_ledger_is_named_by_the_agent(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "KEPT_ENTRIES", 1)
    agents.world.commit(Put(b"ledger/strange", b"\xff"))
    agents.stores[0].init_cluster()
    with MetaStore.open("agent://" + agents.addresses[0], cluster="prod", timeout=SECONDS) as store:
        store.create_database("metrics")
        assert store.prune_ledger() == Pruned(0, ("/etcdmeta/prod/ledger/strange",), 1)


def test_opened_by_its_address_all_of_a_store_works(agents: Agents) -> None:
    address = "agent://" + ",".join(agents.addresses)
    with MetaStore.open(address, cluster="prod", actor="ann@host", timeout=SECONDS) as store:
        node = store.add_node("n1:1")
        assert store.add_node("n1:1") == node
        user = store.create_user("bob", "secret words")
        assert store.verify_password("bob", "secret words")
        assert not store.verify_password("bob", "other words")
        assert not store.verify_password("nobody", "secret words")
        assert store.plan(CreateDatabase(name="metrics")).changed
        with store.batch() as batch:
            batch.execute(CreateDatabase(name="metrics"))
            batch.execute(CreateContinuousQuery(database="metrics", name="q", query="select 1"))
        assert store.outcome(batch.outcomes[0].operation_id) == batch.outcomes[0]
        entries = store.history()
        assert [entry.command for entry in entries[-2:]] == ["create database", "create continuous query"]
        assert all("ann@host" in entry.actor for entry in entries[-2:])
        assert store.prune_ledger() == Pruned()
        assert store.set_read_only(True).changed
        with pytest.raises(errors.ReadOnly):
            store.create_database("more")
        assert store.set_read_only(False).changed
        said = store.members()
        assert sorted(said) == sorted(agents.addresses)
        assert not [each for each in said.values() if isinstance(each, errors.EtcdMetaError)]
        assert store.snapshot().find_user("bob") == user
        assert "secret words" not in repr(entries)


def test_an_agent_of_another_cluster_says_so(lone: Agents) -> None:
    with pytest.raises(errors.WrongCluster) as caught:
        MetaStore.open(f"agent://{lone.addresses[0]}", cluster="other", timeout=SECONDS)
    assert caught.value.remedy is not None


def test_what_is_no_agent_is_named(lone: Agents) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    serving = in_thread(web.serve_forever)
    try:
        for other in (port, web.server_address[1]):
            with pytest.raises(errors.UnsupportedVersion, match="agent"):
                MetaStore.open(f"agent://127.0.0.1:{other}", cluster="prod", timeout=SECONDS)
    finally:
        server.stop(None).wait(SECONDS)
        web.shutdown()
        serving()
        web.server_close()


def test_users_of_etcd_are_not_for_agents() -> None:
    with pytest.raises(errors.ConfigurationInvalid, match="certificate"):
        MetaStore.open("agent://localhost", user="root", password="x")


def test_an_agent_that_takes_no_more_is_passed_by(lone: Agents) -> None:
    """The first has its hands full: reads and commands go to the other."""
    full = lone.add(limits=Limits(max_requests=1))
    only = lone.open(full)
    gate = lone.strategies[full].hold()
    ended = in_thread(lambda: only.execute(query("held")))
    assert lone.strategies[full].reached.wait(SECONDS)
    with pytest.raises(errors.TooManyRequests):
        only.execute(query("q"), timeout=0.5)
    store = lone.open(full, 0)
    for number in range(3):
        assert store.execute(query(f"q{number}")).changed
    gate.set()
    assert ended().changed
    check_ledger(lone.world)


def test_leases_and_signs_of_life_go_through_agents(lone: Agents) -> None:
    strategy: Delegate = AgentStrategy(lone.addresses)
    try:
        key = lone.world.keyspace.absolute(b"state/live/0000000000000001")
        lease = strategy.grant_lease(60, deadline=soon())
        assert strategy.keep_alive(lease, deadline=soon()) == 60
        put = Transaction((Compare.absent(key),), (Put(key, b"x", lease),), (Read(key),))
        assert strategy.transact(put, deadline=soon()).succeeded
        again = strategy.transact(put, deadline=soon())
        assert not again.succeeded
        assert [kv.value for kv in again.reads[0]] == [b"x"]
        assert again.reads[0][0].lease == lease
        strategy.revoke_lease(lease, deadline=soon())
        strategy.revoke_lease(lease, deadline=soon())
        assert strategy.keep_alive(lease, deadline=soon()) == 0
        assert not strategy.read(key, deadline=soon()).kvs
        record = Put(lone.world.keyspace.absolute(b"state/node/1"), b"")
        with pytest.raises(errors.Defect):
            strategy.transact(Transaction((), (record,)), deadline=soon())
    finally:
        strategy.close()


def test_a_closed_strategy_says_so(lone: Agents) -> None:
    strategy = AgentStrategy(lone.addresses)
    strategy.close()
    strategy.close()
    key = lone.world.keyspace.absolute(b"state/generation")
    for call in (
        lambda: strategy.read(key, deadline=soon()),
        lambda: list(strategy.list(*lone.world.keyspace.state_range, deadline=soon())),
        lambda: strategy.watch(*lone.world.keyspace.state_range, from_revision=1, endpoint=lone.addresses[0]),
        lambda: strategy.agent_status(lone.addresses[0], deadline=soon()),
    ):
        with pytest.raises(errors.StoreClosed):
            call()


def test_nothing_is_dropped_unasked(lone: Agents) -> None:
    """A command refused by the agent's own store is that very refusal."""
    store = lone.open()
    revision = lone.world.revision()
    with pytest.raises(errors.DatabaseNotFound) as caught:
        store.execute(DropDatabase(name="none"))
    assert (type(caught.value), caught.value.value) == (errors.DatabaseNotFound, "none")
    assert lone.world.revision() == revision


FORKING = """
import os, sys
from etcdmeta import MetaStore, errors
store = MetaStore.open(sys.argv[1], cluster="prod", timeout=20)
child = os.fork()
if child == 0:
    refused = 0
    for use in (store.snapshot, store.read_consistent, store.history, lambda: store.create_database("late")):
        try:
            use()
        except errors.ForkedProcess:
            refused += 1
    os._exit(0 if refused == 4 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(store.create_database("forked").name)
store.close()
"""


def test_after_a_fork_every_use_is_refused(lone: Agents) -> None:
    """In a process of its own: the agents' gRPC servers do not survive a fork of theirs."""
    command = [sys.executable, "-c", FORKING, f"agent://{lone.addresses[0]}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * SECONDS, check=False)
    assert (done.returncode, done.stdout) == (0, "forked\n"), done.stderr


def test_over_a_real_etcd_an_agent_may_go_under_load(etcd_cluster: Cluster, etcd_prefix: str) -> None:
    world = etcd_world(etcd_cluster, etcd_prefix)
    with ExitStack() as beneath:
        beneath.callback(world.close)
        served = []
        for _ in range(2):
            own = MetaStore(EtcdStrategy(etcd_cluster.endpoints), cluster=etcd_prefix, timeout=SECONDS)
            beneath.callback(own.close)
            own.wait_live(SECONDS)
            served.append(beneath.enter_context(serve_agent(own)))
        addresses = ",".join(serving.address for serving in served)
        store = beneath.enter_context(MetaStore.open(f"agent://{addresses}", cluster=etcd_prefix, timeout=SECONDS))
        store.init_cluster()
        store.create_database("warm")
        news = store.changes(since=store.snapshot(), timeout=SECONDS)
        with ThreadPoolExecutor(8) as pool:
            tasks = [pool.submit(store.execute, query(f"q{number}")) for number in range(40)]
            tasks[4].result(SECONDS)
            served[0].stop(grace=0)
            outcomes = [task.result(SECONDS) for task in tasks]
        assert all(outcome.changed for outcome in outcomes)
        told = [next(news) for _ in range(40)]
        assert len({item.where for item in told if isinstance(item, Change)}) == 40
        wait_live(store)
        check_cache(world, store)
        check_ledger(world)
        assert len([entry for entry in world.ledger() if not entry.void]) == 42
