"""A plan that is carried out, or watched, is interrupted and resumed; and who carries it out, changes."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from etcdmeta.cli import plan_carrier
from etcdmeta.errors import Fenced
from etcdmeta.model.moveplans import Move, PlanState
from etcdmeta.services.applying import Applier
from etcdmeta.store import MetaStore
from etcdmeta.testing.agents import serve_agent
from tests.cli.processes import Process
from tests.cli.test_plan import SECONDS, Place, beside, place
from tests.services.applying.plans import copying, draft

if TYPE_CHECKING:
    from etcdmeta.services.election import Lead

__all__ = ["place"]


@contextmanager
def leading(store: MetaStore) -> Iterator[Lead]:
    """As an agent that leads plans does, with no applier yet."""
    from etcdmeta.services.election import Lead

    lead = Lead(store, plan_carrier.LEAD, who="agent of node 9")
    assert lead.try_acquire(SECONDS)
    try:
        yield lead
    finally:
        lead.release()


@contextmanager
def an_agent(store: MetaStore) -> Iterator[None]:
    """Carries plans out, as the one that leads."""
    with leading(store) as lead:
        applier = Applier(store, lead.fence)
        thread = threading.Thread(target=applier.run)
        thread.start()
        try:
            yield
        finally:
            applier.stop()
            thread.join(SECONDS)
            assert not thread.is_alive()


class Errors:
    """What a process says on stderr, as far as it was read."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        self._stream = process.stderr.fileno()
        self.text = ""

    def read_until(self, words: str | None) -> str:
        """None: to its end."""
        deadline = time.monotonic() + SECONDS
        while words is None or words not in self.text:
            ready, _, _ = select.select([self._stream], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {words!r} in {self.text!r}"
            data = os.read(self._stream, 65536)
            if not data:
                assert words is None, f"no {words!r} in {self.text!r}"
                break
            self.text += data.decode()
        return self.text


def test_interrupted_where_it_carries_the_plan_out(place: Place) -> None:
    assert place("rebalance").code == 0
    with Process("plan", "apply", "1", env=place.environ) as process:
        errors = Errors(process.process)
        errors.read_until("this process carries plan 1 out; Ctrl-C pauses it")
        place.store.wait_for(lambda snapshot: snapshot.tables.progress, SECONDS)
        assert process.end() == 130
        assert "plan 1 is paused; `etcdmeta plan apply 1` goes on with it, from any machine" in errors.read_until(None)
    plan = place.store.read_consistent().plan(1)
    assert (plan.state, plan.note) == (PlanState.PAUSED, "interrupted")
    with copying(place.store):
        resumed = place("apply", "1")
    assert (resumed.code, place.plan()) == (0, PlanState.DONE)
    assert place.counts() == dict.fromkeys(range(1, 5), 3)


def test_interrupted_where_an_agent_carries_it_out(place: Place) -> None:
    assert place("rebalance").code == 0
    with an_agent(place.store):
        with Process("plan", "apply", "1", env=place.environ) as process:
            errors = Errors(process.process)
            errors.read_until("plan 1: ")
            assert process.end() == 130
            assert "plan 1 goes on where plans are carried out" in errors.read_until(None)
        assert place.plan() == PlanState.RUNNING
        with copying(place.store):
            place.store.wait_for(lambda snapshot: snapshot.plan(1).state == PlanState.DONE, SECONDS)


def test_interrupted_and_asked_to_pause(place: Place) -> None:
    assert place("rebalance").code == 0
    with an_agent(place.store), Process("plan", "apply", "1", "--pause-on-interrupt", env=place.environ) as process:
        errors = Errors(process.process)
        errors.read_until("plan 1: ")
        assert process.end() == 130
        assert "plan 1 is paused" in errors.read_until(None)
        assert place.plan() == PlanState.PAUSED


def test_interrupted_while_it_is_aborted(place: Place) -> None:
    """What it began is settled by whoever leads next."""
    assert place("rebalance", "--detach").code == 0
    with leading(place.store):  # so that nobody settles anything
        with Process("plan", "abort", "1", "--yes", env=place.environ) as process:
            errors = Errors(process.process)
            errors.read_until("plan 1: ")
            assert process.end() == 130
        assert place.plan() == PlanState.ABORTING
    assert place("abort", "1").code == 0, "it was consented to already"
    assert place.plan() == PlanState.ABORTED


def test_where_an_agent_leads_it_is_only_watched(place: Place) -> None:
    assert place("rebalance").code == 0
    with an_agent(place.store), copying(place.store):
        ran = place("apply", "1")
    assert (ran.code, "this process carries" in ran.err) == (0, False)


def test_it_takes_over_from_an_agent_that_is_gone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_carrier, "STAND_EVERY", 0.05)
    assert place("rebalance").code == 0
    with leading(place.store) as lead, beside(place, "apply", "1") as ran, copying(place.store):
        place.store.wait_for(lambda snapshot: snapshot.plan(1).state == PlanState.RUNNING, SECONDS)
        assert not place.store.snapshot().tables.progress
        lead.release()
        place.store.wait_for(lambda snapshot: snapshot.plan(1).state == PlanState.DONE, SECONDS)
    assert ran[0].code == 0
    assert "this process carries plan 1 out" in ran[0].err


def test_a_lead_that_is_lost_is_stood_for_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_carrier, "STAND_EVERY", 0.05)
    runs = []
    run = Applier.run

    def lost_once(self: Applier, until_settled: int | None = None) -> None:
        runs.append(until_settled)
        if len(runs) == 1:
            raise Fenced("the lead of plans is not held any more")
        run(self, until_settled)

    monkeypatch.setattr(Applier, "run", lost_once)
    assert place("rebalance").code == 0
    with copying(place.store):
        assert place("apply", "1").code == 0
    assert runs == [1, 1]


def test_other_plans_that_it_leaves_alone_are_named(place: Place) -> None:
    first, second = place.shards[:2]
    for move in (Move(first, 1, 3), Move(second, 1, 4)):
        place.store.propose(draft(move))
    assert place("apply", "2", "--detach").code == 0
    with copying(place.store, lambda shard, _: shard == first):
        ran = place("apply", "1")
    assert ran.code == 0
    assert (
        "plan 2 is at work, too, and left to whoever leads plans next: an agent, or `etcdmeta plan apply 2`" in ran.err
    )
    assert place.store.read_consistent().shard(second).owner(4) is not None, (
        "it was carried out as long as this one led"
    )


def test_what_nobody_foresaw_is_not_waited_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Applier, until_settled: int | None = None) -> None:
        raise ZeroDivisionError("what nobody foresaw")

    monkeypatch.setattr(Applier, "run", broken)
    ran = place("rebalance", "--apply")
    assert (ran.code, "unexpected: ZeroDivisionError: what nobody foresaw" in ran.err) == (1, True)


def test_through_an_agent_it_is_only_watched(place: Place) -> None:
    assert place("rebalance").code == 0
    with serve_agent(place.store) as agent:
        through = {"ETCDMETA_ENDPOINTS": f"agent://{agent.address.removeprefix('agent://')}"}
        with beside(place, "apply", "1", env=through) as ran:
            place.store.wait_for(lambda snapshot: snapshot.plan(1).state == PlanState.RUNNING, SECONDS)
            with an_agent(place.store), copying(place.store):
                place.store.wait_for(lambda snapshot: snapshot.plan(1).state == PlanState.DONE, SECONDS)
    assert ran[0].code == 0, ran
    assert "through agents plan 1 is only watched" in ran[0].err
