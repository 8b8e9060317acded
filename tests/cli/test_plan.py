"""``etcdmeta plan`` on a real etcd: made, shown, carried out, stopped, verified, undone; what it exits with."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from etcdmeta.cli import plan_watch
from etcdmeta.cli.session import Session
from etcdmeta.embedded import Cluster
from etcdmeta.model.moveplans import PlanState
from etcdmeta.model.owners import NodeState
from etcdmeta.store import MetaStore
from tests.cli.conftest import Cli, Ran
from tests.services.applying.plans import HOUR, copying, owners

SECONDS = 30.0
FORMATS = ["table", "wide", "json", "jsonl", "yaml", "csv", "tsv", "name"]


@dataclass(frozen=True)
class Place:
    """Six shards of ``metrics.autogen``, replication 2, on nodes 1 and 2; nodes 3 and 4 have nothing."""

    cli: Cli
    store: MetaStore
    environ: dict[str, str]
    shards: list[int]

    def __call__(self, *arguments: str, **more: object) -> Ran:
        return self.cli("plan", *arguments, **more)

    def plan(self, number: int = 1) -> PlanState | str:
        return self.store.read_consistent().plan(number).state

    def layout(self) -> list[dict[int, str]]:
        snapshot = self.store.read_consistent()
        return [owners(snapshot, shard) for shard in self.shards]

    def counts(self) -> dict[int, int]:
        return {node_id: owned for node_id, owned in self.store.read_consistent().owner_counts().items() if owned}


@pytest.fixture
def place(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[Place]:
    environ = {"ETCDMETA_ENDPOINTS": ",".join(etcd_cluster.endpoints), "ETCDMETA_CLUSTER": etcd_prefix}
    with MetaStore.open(etcd_cluster.endpoints, cluster=etcd_prefix, actor="tester@here") as store:
        for number, zone in ((1, "a"), (2, "b")):
            store.add_node(f"db-{number}:8088", labels={"zone": zone})
        store.create_database("metrics", replicas=2, group_duration="1h")
        groups = [store.create_shard_group("metrics", "autogen", hour * HOUR) for hour in range(6)]
        for number, zone in ((3, "a"), (4, "b")):
            store.add_node(f"db-{number}:8088", labels={"zone": zone})
        yield Place(prod, store, environ, [group.shards[0].id for group in groups])


@contextmanager
def beside(place: Place, *arguments: str, **more: object) -> Iterator[list[Ran]]:
    """The command line in a thread, to be ended by what the block does; how it ended stands in the list."""
    ran: list[Ran] = []
    thread = threading.Thread(target=lambda: ran.append(place(*arguments, **more)))
    thread.start()
    try:
        yield ran
    finally:
        thread.join(SECONDS)
        assert not thread.is_alive()


def test_a_plan_beside_others_reckons_with_those_at_work_and_names_those_that_are_proposed(place: Place) -> None:
    assert place("rebalance").lines[0] == "plan 1 (rebalance) is proposed: 6 moves, 6 waiting"
    again = place("rebalance", "--dry-run")
    assert again.lines[0] == "a plan (rebalance), not stored: 6 moves"
    named = "plan 1 (rebalance, 6 moves) is proposed, too, and not reckoned with"
    assert named in again.err
    assert place("apply", "1", "--detach").code == 0
    again = place("rebalance")
    assert again.lines[0] == "nothing is to be moved"
    at_work = "plan 1 (rebalance, 6 moves) is at work: what it will have done counts as done"
    assert at_work in again.err
    found = json.loads(place("rebalance", "-o", "json").out)
    assert at_work in found["warnings"]
    assert found["items"][0]["balance"]["mostBefore"] == found["items"][0]["balance"]["leastBefore"] == 3


def test_a_plan_is_made_shown_and_carried_out(place: Place) -> None:
    made = place("rebalance", "--reason", "two more nodes", "--at-once", "3")
    assert made.code == 0
    assert made.lines[0] == "plan 1 (rebalance) is proposed: 6 moves, 6 waiting"
    assert made.lines[-1] == "Next: etcdmeta plan apply 1"
    (item,) = place("list", "-o", "json").items
    assert (item["id"], item["state"], item["reason"]) == ("1", "proposed", "two more nodes")
    assert item["limits"] == {"perTarget": 2, "perSource": 2, "atOnce": 3}
    assert item["moveList"] is None
    assert place("verify", "1").code == 10, "it is not as the plan wants it yet"
    with copying(place.store):
        ran = place("apply", "1")
    assert (ran.code, ran.out.startswith("plan 1 (rebalance) is done; 6 moves, 6 done")) == (0, True), ran
    assert "this process carries plan 1 out" in ran.err
    assert place.counts() == dict.fromkeys(range(1, 5), 3)
    verified = place("verify", "1", "-o", "json")
    assert (verified.code, verified.json["summary"]["verdict"], len(verified.items)) == (0, "ok", 6)
    (shown,) = place("show", "1", "-o", "json").items
    assert shown["moveStates"] == {"done": 6}
    assert [move["state"] for move in shown["moveList"]] == ["done"] * 6
    again = place("apply", "1")
    assert (again.code, "plan 1 (rebalance) is done" in again.out) == (0, True), "that it is done is no error"


def test_on_a_terminal_one_line_is_drawn_in_place(place: Place) -> None:
    assert place("rebalance").code == 0
    with copying(place.store):
        ran = place("apply", "1", terminal=True)
    assert ran.code == 0
    drawn = ran.err.split("\r\x1b[K")
    assert any(line.startswith("plan 1: 6 of 6 moves done") for line in drawn)
    assert ran.err.endswith("\r\x1b[K"), "nothing stays drawn"
    quiet = place("apply", "1", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_nothing_is_to_be_moved(place: Place) -> None:
    ran = place("replication")
    assert (ran.code, ran.lines[0]) == (0, "nothing is to be moved")
    (item,) = place("replication", "metrics.autogen", "-o", "json").items
    assert (item["id"], item["state"], item["moves"]) == (None, "draft", 0)
    assert place("list", "-o", "json").items == []


def test_made_and_applied_in_one(place: Place) -> None:
    with copying(place.store):
        ran = place("rebalance", "--apply", "-o", "json")
    (item,) = ran.items
    assert (ran.code, item["id"], item["state"], len(item["moveList"])) == (0, "1", "done", 6)


def test_a_dry_run_writes_nothing(place: Place) -> None:
    assert place("rebalance").code == 0
    revision = place.cli("cluster", "revision").out
    for arguments in (("rebalance",), ("decommission", "1", "--remove", "--apply"), ("replication", "metrics")):
        ran = place(*arguments, "--dry-run", "-o", "json")
        assert (ran.code, ran.json["kind"]) == (0, "MovePlanList"), arguments
        assert [item["id"] for item in ran.items] == [None]
    drained = place("decommission", "1", "--dry-run", "-o", "json")
    written = drained.json["summary"]["dryRun"]["written"]
    assert [row["action"] for row in written] == ["put", "put"]
    for arguments, command in ((("apply", "1"), "start plan"), (("abort", "1"), "abort plan")):
        ran = place(*arguments, "--dry-run", "-o", "json")
        assert (ran.code, ran.json["kind"], ran.items[0]["command"]) == (0, "PlanList", command)
    assert place("pause", "1", "--dry-run").code == 4, "it does not run"
    table = place("rebalance", "--dry-run")
    assert "  expects  state/plan/" in table.out
    assert "dry run: nothing was written" in table.err
    assert place.cli("cluster", "revision").out == revision


def test_started_and_left_alone(place: Place) -> None:
    ran = place("rebalance", "--detach")
    assert (ran.code, "plan 1 (rebalance) is running" in ran.out) == (0, True)
    assert "whoever leads plans carries it out" in ran.err
    assert place.plan() == PlanState.RUNNING
    assert place("pause", "1", "--reason", "not now").code == 0
    assert place.store.read_consistent().plan(1).note == "not now"
    assert place("apply", "1", "--detach").code == 0
    assert place.plan() == PlanState.RUNNING


def test_paused_meanwhile(place: Place) -> None:
    assert place("rebalance").code == 0
    with beside(place, "apply", "1") as ran:
        place.store.wait_for(lambda snapshot: snapshot.tables.progress, SECONDS)
        assert place("pause", "1", "--reason", "lunch").code == 0
    assert ran[0].code == 8
    assert "plan 1 (rebalance) is paused: lunch" in ran[0].out
    assert "`etcdmeta plan apply 1` goes on with it" in ran[0].err
    with copying(place.store):
        assert place("apply", "1").code == 0


def test_not_in_time(place: Place) -> None:
    ran = place("rebalance", "--apply", "--timeout", "1s")
    assert ran.code == 124
    assert "plan 1 is still running" in ran.err
    assert place.plan() == PlanState.RUNNING


def test_aborted(place: Place) -> None:
    before = place.layout()
    with beside(place, "rebalance", "--apply") as ran:
        place.store.wait_for(lambda snapshot: snapshot.tables.progress, SECONDS)
        asked = place("abort", "1")
        assert (asked.code, "add --yes" in asked.err) == (2, True)
        assert "will be cancelled" in asked.err
        assert place("abort", "1", terminal=True, stdin="n\n").code == 130
        assert place.plan() == PlanState.RUNNING
        aborted = place("abort", "1", "--yes", "--reason", "enough")
    assert (aborted.code, "plan 1 (rebalance) is aborted: enough" in aborted.out) == (0, True), aborted
    assert ran[0].code == 8
    assert place.layout() == before
    moves = place("show", "1", "-o", "json").items[0]["moves"]
    shown = place("show", "1").out
    assert f"{moves} moves, {moves} left" in shown, "nothing of it waits any more"
    assert "waiting" not in shown
    assert place("abort", "1").code == 0, "it is aborted already"
    assert place("apply", "1").code == 4
    assert place("verify", "1").code == 0


def test_undone(place: Place) -> None:
    before = place.layout()
    with copying(place.store):
        assert place("rebalance", "--apply").code == 0
        assert place("undo", "1", "--apply").code == 0
    assert place.layout() == before
    assert [place.plan(1), place.plan(2)] == [PlanState.UNDONE, PlanState.DONE]
    again = place("undo", "1")
    assert (again.code, "undone by plan 2" in again.err) == (4, True)
    assert place("verify", "1").code == 0


def test_a_node_is_emptied_and_removed(place: Place) -> None:
    asked = place("decommission", "db-1:8088", "--remove", "--apply")
    assert asked.code == 2
    assert "this removes node 1 (db-1:8088) for good, after 6 moves" in asked.err
    assert place("list", "-o", "json").items == [], "nothing is stored before it is allowed"
    assert place("decommission", "1", "--remove").code == 0, "what moves nothing does not ask"
    assert "for good" in place("apply", "1").err
    with copying(place.store):
        assert place("apply", "1", "--yes").code == 0
    assert place.store.read_consistent().node(1).state == NodeState.REMOVED
    assert 1 not in place.counts()


def test_a_policy_wants_more(place: Place) -> None:
    assert place.cli("rp", "alter", "metrics.autogen", "--replicas", "3").code == 0
    with copying(place.store):
        assert place("replication", "metrics", "--apply", "--per-node", "5", "--per-source", "5").code == 0
    assert {len(found) for found in place.layout()} == {3}


def test_what_it_waits_for_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_watch, "WHY_AFTER", 0.0)
    assert place("rebalance").code == 0
    for node_id in (3, 4):  # nothing can go there
        place.store.drain_node(node_id)
    said, notes = threading.Event(), []

    def note(self: Session, text: str, *, level: str = "info") -> None:
        notes.append(text)
        if text.startswith("plan 1 waits: "):
            said.set()

    monkeypatch.setattr(Session, "note", note)
    with beside(place, "apply", "1"):
        assert said.wait(SECONDS), notes
        assert "Next: etcdmeta shard explain" in place("show", "1").out
        place.store.pause_plan(1)
    (why,) = {text for text in notes if text.startswith("plan 1 waits: ")}
    assert "node 3 is draining and takes no shards (3 moves)" in why
    assert "node 4 is draining and takes no shards (3 moves)" in why
    monkeypatch.undo()
    blocked = place("verify", "1")
    assert (blocked.code, "6 blocked" in blocked.out) == (10, True)


def test_a_copy_that_fails_is_said(place: Place) -> None:
    with beside(place, "rebalance", "--apply", "--at-once", "1") as ran:
        shard, node = place.store.wait_for(lambda s: next(iter(s.tables.progress.keys()), None), SECONDS)
        place.store.fail_owner(shard, node, "disk full", attempt=1)
        with copying(place.store):
            place.store.wait_for(lambda snapshot: snapshot.plan(1).has_ended, SECONDS)
    assert ran[0].code == 0
    assert f"shard {shard} to node {node}: its copy failed: disk full" in ran[0].err


def test_drift_is_found(place: Place) -> None:
    with copying(place.store):
        assert place("rebalance", "--apply").code == 0
    move = place.store.read_consistent().plan_moves(1)[0]
    place.store.remove_owner(move.shard_id, move.to_node, force=True, reason="sold")
    ran = place("verify", "1", "-o", "json")
    assert (ran.code, ran.json["summary"]["byAgreement"]) == (10, {"drifted": 1, "done": 5})
    place.store.fail_owner(move.shard_id, other(place, move.shard_id), "lost", force=True)
    gone = place("verify", "1", "-o", "json")
    assert (gone.code, gone.json["summary"]["unserved"]) == (11, [str(move.shard_id)])
    assert place("verify", "1", "--max-age", "1ns").code == 12


def other(place: Place, shard_id: int) -> int:
    (node_id,) = owners(place.store.read_consistent(), shard_id)
    return node_id


def test_two_plans_that_want_the_same(place: Place) -> None:
    assert place("rebalance").code == 0
    assert place("rebalance").code == 0
    assert place("apply", "1", "--detach").code == 0
    refused = place("apply", "2")
    assert (refused.code, "plan 1 (rebalance) is running and moves shard" in refused.err) == (4, True)
    assert [item["id"] for item in place("list", "--active", "-o", "json").items] == ["1", "2"]


def test_as_it_was(place: Place) -> None:
    assert place("rebalance").code == 0
    proposed = place.store.read_consistent().generation
    with copying(place.store):
        assert place("apply", "1").code == 0
    then = place("show", "1", "--at-generation", str(proposed), "-o", "json")
    assert (then.items[0]["state"], then.items[0]["moveStates"]) == ("proposed", {"waiting": 6})
    assert place("list", "--at-generation", str(proposed), "-o", "json").items[0]["state"] == "proposed"
    assert place("list", "--at-generation", str(proposed - 1), "-o", "json").items == []
    assert place("verify", "1", "--at-generation", str(proposed)).code == 2, "that is about the present"


def test_every_format(place: Place) -> None:
    assert place("rebalance").code == 0
    for verb in (("list",), ("show", "1"), ("show", "1", "--moves"), ("verify", "1")):
        for kind in FORMATS:
            ran = place(*verb, "-o", kind)
            assert (ran.code, bool(ran.out)) == (10 if verb[0] == "verify" else 0, True), (verb, kind)
    assert place("list", "-o", "name").out == "1\n"
    moves = place("show", "1", "--moves", "-o", "json")
    assert (moves.json["kind"], len(moves.items), moves.items[0]["planId"]) == ("MoveList", 6, "1")
    assert place("rebalance").code == 0
    both = place("show", "1", "2", "1", "--moves", "-o", "jsonl").lines
    assert [json.loads(line)["planId"] for line in both] == ["1"] * 6 + ["2"] * 6
    assert place("show", "1", "2").out.count("is proposed: 6 moves") == 2


WRONG = [
    (("show", "9"), 3), (("show", "x"), 2), (("show",), 2), (("apply", "9"), 3), (("pause", "9"), 3),
    (("abort", "9"), 3), (("undo", "9"), 3), (("verify", "9"), 3), (("decommission", "9"), 3), (("decommission",), 2),
    (("replication", "nope"), 3), (("replication", "metrics.nope"), 3), (("rebalance", "--at-once", "0"), 2),
    (("rebalance", "--apply", "--detach"), 2),
    (("pause", "1"), 4), (("undo", "1"), 4), (("verify", "1", "--max-age", "soon"), 2),
]  # fmt: skip


def test_what_is_wrong(place: Place) -> None:
    assert place("rebalance").code == 0
    for arguments, code in WRONG:
        ran = place(*arguments)
        assert (ran.code, ran.out) == (code, ""), arguments


def test_before_there_is_a_cluster(prod: Cli) -> None:
    for arguments in (("list",), ("rebalance",), ("show", "1"), ("apply", "1")):
        assert prod("plan", *arguments).code == 3
