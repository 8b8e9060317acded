"""Committing and failing over through agents: each command once, whichever of them does it."""

from __future__ import annotations

import _thread
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from etcdmeta import errors
from etcdmeta.commands.database import CreateDatabase
from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.replica.changes import Change
from etcdmeta.replica.states import FollowerState
from etcdmeta.store import new_operation_id
from tests.consensus.agents import Agents, committed, in_thread, query
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import SECONDS, wait_live, wait_until

# --- fail-over


def test_a_follower_goes_on_at_another_agent_without_loss_or_repetition(agents: Agents) -> None:
    writer, reader = agents.stores[0], agents.open()
    news = reader.changes(since=reader.snapshot(), timeout=SECONDS)
    for turn in range(4):
        writer.create_database(f"{turn}-before")
        left = reader.counters()["reconnects"]
        agents.proxies[agents.followed_by(reader)].reset()
        writer.create_database(f"{turn}-while")
        wait_until(lambda n=left: reader.counters()["reconnects"] > n, "it goes elsewhere")
    writer.create_database("last")
    names = []
    for change in news:
        assert isinstance(change, Change)
        if change.kind == "database":
            names.append(change.where)
        if change.where == "last":
            break
    assert names == [f"{turn}-{when}" for turn in range(4) for when in ("before", "while")] + ["last"]
    check_cache(agents.world, reader)


def test_with_an_agent_gone_the_other_feeds_and_commits(agents: Agents) -> None:
    store = agents.open()
    for gone in (0, 1):
        agents.proxies[gone].cut()
        outcome = store.execute(query(f"q{gone}"))
        assert store.snapshot().revision >= outcome.revision
        assert agents.followed_by(store) != gone
        agents.proxies[gone].heal()
    check_cache(agents.world, store)
    check_ledger(agents.world)


def test_who_feeds_and_who_commits_may_be_different_agents(agents: Agents) -> None:
    store = agents.open()
    fed_by = agents.followed_by(store)
    strategy = store.strategy
    assert isinstance(strategy, AgentStrategy)
    strategy._transport.picker.mark_good(agents.addresses[1 - fed_by], time.monotonic())
    for number in range(10):
        outcome = store.execute(query(f"q{number}"))
        assert store.snapshot().database("warm").query(f"q{number}").mod_revision == outcome.revision
    assert agents.written_to_by(store) == 1 - fed_by
    assert agents.followed_by(store) == fed_by


def test_with_all_agents_gone_a_write_is_certain_not_to_be(agents: Agents) -> None:
    store = agents.open()
    for proxy in agents.proxies:
        proxy.cut()
    with pytest.raises((errors.Unavailable, errors.OutcomeUnknown)):
        store.execute(query("q"), timeout=0.5)  # perhaps sent on a connection that was still taken to be good
    with pytest.raises(errors.Unavailable) as caught:
        store.execute(query("q"), timeout=0.5)  # certainly not
    assert "agent" in caught.value.message
    wait_until(lambda: store.freshness().state is FollowerState.STALE, "the follower notices")
    assert store.snapshot().find_database("warm") is not None, "reading goes on"
    for proxy in agents.proxies:
        proxy.heal()
    wait_live(store)
    assert store.execute(query("q")).changed
    check_ledger(agents.world)


def test_an_agent_that_stops_sends_its_readers_elsewhere(agents: Agents) -> None:
    store = agents.open()
    first = agents.followed_by(store)
    agents.servings[first].stop()
    wait_until(lambda: store.freshness().endpoint == agents.addresses[1 - first], "the other feeds")
    assert store.execute(query("q")).changed
    agents.servings[first].start()
    agents.servings[1 - first].stop()
    assert store.execute(query("p")).changed
    wait_live(store)
    check_ledger(agents.world)


# --- each command once


def test_a_swallowed_answer_is_asked_for_at_the_other_agent(agents: Agents) -> None:
    store = agents.open()
    for turn in range(3):
        store.execute(query(f"before{turn}"))
        used = agents.written_to_by(store)
        proxy = agents.proxies[used]
        swallowed = proxy.seen.dropped_from_server
        proxy.drop_answers()
        operation_id = new_operation_id()
        generation = agents.world.generation()
        ended = in_thread(lambda turn=turn, op=operation_id: store.execute(query(f"q{turn}"), operation_id=op))
        proxy.wait_for(lambda seen, n=swallowed: seen.dropped_from_server > n, SECONDS)
        wait_until(lambda g=generation: agents.world.generation() == g + 1, "the agent has committed it")
        proxy.cut()
        outcome = ended()
        assert (outcome.operation_id, outcome.changed) == (operation_id, True)
        assert committed(agents, operation_id) == [False]
        proxy.heal()
        assert store.outcome(operation_id) == outcome
    check_cache(agents.world, store)
    check_ledger(agents.world)


def test_a_swallowed_request_is_sent_to_the_other_agent(agents: Agents) -> None:
    store = agents.open()
    store.execute(query("before"))
    proxy = agents.proxies[agents.written_to_by(store)]
    lost = proxy.seen.dropped_to_server
    proxy.drop_requests()
    ended = in_thread(lambda: store.execute(query("q")))
    proxy.wait_for(lambda seen: seen.dropped_to_server > lost, SECONDS)
    proxy.cut()
    assert ended().changed
    check_ledger(agents.world)


def test_what_is_stuck_in_one_agent_and_done_by_the_other_does_not_land(agents: Agents) -> None:
    store = agents.open()
    store.execute(query("before"))
    used = agents.written_to_by(store)
    strategy = agents.strategies[used]
    gate = strategy.hold()
    ended = in_thread(lambda: store.execute(query("q")))
    assert strategy.reached.wait(SECONDS)
    agents.proxies[used].cut()
    outcome = ended()
    assert committed(agents, outcome.operation_id) == [False]
    store.drop_continuous_query("warm", "q")
    gate.set()
    assert strategy.landed.wait(SECONDS)
    assert store.read_consistent().database("warm").find_query("q") is None
    check_cache(agents.world, store)
    check_ledger(agents.world)


@pytest.mark.parametrize("own_id", [False, True])
def test_a_refusal_after_a_lost_answer_is_proof(agents: Agents, own_id: bool) -> None:
    """The first sending is stuck, and the second is refused: what is told as refused never happens."""
    store = agents.open()
    store.execute(query("before"))
    used = agents.written_to_by(store)
    strategy, other = agents.strategies[used], agents.stores[1 - used]
    gate = strategy.hold()
    operation_id = new_operation_id() if own_id else None
    ended = in_thread(lambda: store.execute(query("q"), operation_id=operation_id))
    assert strategy.reached.wait(SECONDS)
    other.create_continuous_query("warm", "q", "select another")
    agents.proxies[used].cut()
    with pytest.raises(errors.QueryExists):
        ended()
    other.drop_continuous_query("warm", "q")
    gate.set()
    assert strategy.landed.wait(SECONDS)
    assert store.read_consistent().database("warm").find_query("q") is None
    void = [entry for entry in agents.world.ledger() if entry.void]
    assert [entry.command for entry in void] == ["create continuous query"]
    if operation_id is not None:
        assert store.outcome(operation_id) is None, "proven not committed, for ever"
    check_ledger(agents.world)


def test_what_finds_its_work_done_leaves_a_trace_only_where_it_may_be_on_its_way(agents: Agents) -> None:
    store = agents.open()
    ledger = len(agents.world.ledger())
    assert not store.execute(CreateDatabase(name="warm")).changed
    assert len(agents.world.ledger()) == ledger
    used = agents.written_to_by(store)
    proxy = agents.proxies[used]
    lost = proxy.seen.dropped_to_server
    proxy.drop_requests()
    ended = in_thread(lambda: store.execute(CreateDatabase(name="warm")))
    proxy.wait_for(lambda seen: seen.dropped_to_server > lost, SECONDS)
    proxy.cut()
    outcome = ended()
    assert not outcome.changed
    assert committed(agents, outcome.operation_id) == [False]


def test_with_no_agent_to_ask_the_outcome_is_unknown_and_told_later(agents: Agents) -> None:
    store = agents.open()
    store.execute(query("before"))
    for proxy in agents.proxies:
        proxy.drop_answers()
    with pytest.raises(errors.OutcomeUnknown) as caught:
        store.execute(query("q"), timeout=0.5)
    operation_id = caught.value.operation_id
    for proxy in agents.proxies:
        proxy.heal()
    wait_live(store)
    outcome = store.execute(query("q"), operation_id=operation_id)
    assert outcome.changed
    assert store.outcome(operation_id) == outcome
    assert committed(agents, operation_id) in ([False], [True, False])
    check_ledger(agents.world)


def test_an_interrupt_leaves_the_outcome_unknown_with_its_id(lone: Agents) -> None:
    store = lone.open()
    strategy = lone.strategies[0]
    gate = strategy.hold()

    def interrupt() -> None:
        assert strategy.reached.wait(SECONDS)
        _thread.interrupt_main()

    interrupted = in_thread(interrupt)
    with pytest.raises(errors.OutcomeUnknown) as caught:
        store.execute(query("q"))
    interrupted()
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)
    gate.set()
    assert strategy.landed.wait(SECONDS)
    operation_id = caught.value.operation_id
    wait_until(lambda: committed(lone, operation_id) == [False], "it has landed")
    assert store.execute(query("q"), operation_id=operation_id).changed
    check_ledger(lone.world)


def test_many_threads_under_trouble_commit_each_once(agents: Agents) -> None:
    store = agents.open()
    stop = threading.Event()

    def trouble() -> None:
        number = 0
        while not stop.wait(0.05):
            agents.proxies[number % 2].reset()
            number += 1

    troubled = in_thread(trouble)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda n: store.execute(query(f"q{n}")), range(60)))
    stop.set()
    troubled()
    assert all(outcome.changed for outcome in outcomes)
    assert len(store.read_consistent().database("warm").queries()) == 60
    done = [entry.operation_id for entry in agents.world.ledger() if not entry.void]
    assert len(done) == len(set(done)) == 62
    wait_live(store)
    check_cache(agents.world, store)
    check_ledger(agents.world)
