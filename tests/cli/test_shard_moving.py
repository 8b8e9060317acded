"""`etcdmeta shard copy`, `cancel`, `remove-owner`, `explain`, `map` and `timeline` on a real etcd."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from etcdmeta.embedded import Cluster
from etcdmeta.store import MetaStore
from tests.cli.conftest import Cli
from tests.cli.processes import Process

TIME = "2026-11-23T12:00:00Z"
FORMATS = ["table", "wide", "json", "jsonl", "yaml", "csv", "tsv", "name"]


@dataclass(frozen=True)
class Place:
    """Shard 1 of metrics.autogen, replication 2, on nodes ``first`` and ``second``; ``spare`` has nothing."""

    cli: Cli
    store: MetaStore
    environ: dict[str, str]
    first: int
    second: int
    spare: int

    def status(self, node_id: int) -> str | None:
        owner = self.store.snapshot().shard(1).owner(node_id)
        return None if owner is None else str(owner.status)


@pytest.fixture
def place(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[Place]:
    for host in ("a:8088", "b:8088", "c:8088"):
        assert prod("node", "join", "--host", host).code == 0
    assert prod("db", "create", "metrics", "--duration", "INF", "--replicas", "2").code == 0
    assert prod("group", "create", "metrics.autogen", "--at", TIME).code == 0
    environ = {"ETCDMETA_ENDPOINTS": ",".join(etcd_cluster.endpoints), "ETCDMETA_CLUSTER": etcd_prefix}
    with MetaStore.open(etcd_cluster.endpoints, cluster=etcd_prefix) as store:
        first, second = (owner.node_id for owner in store.snapshot().shard(1).owners)
        yield Place(prod, store, environ, first, second, ({1, 2, 3} - {first, second}).pop())


def copying(place: Place) -> tuple[str, ...]:
    return ("shard", "copy", "1", "--from", f"n{place.first}", "--to", str(place.spare))


def caught_up(place: Place, node_id: int, status: str | None) -> None:
    place.store.read_consistent()
    assert place.status(node_id) == status


def test_a_copy_begins(place: Place) -> None:
    ran = place.cli(*copying(place), "-o", "json")
    assert ran.code == 0
    assert ran.items[0]["owners"][-1]["status"] == "copying"
    caught_up(place, place.spare, "copying")
    again = place.cli(*copying(place))
    assert (again.code, "nothing changed" in again.out) == (0, True)


def test_a_dry_run_writes_nothing(place: Place) -> None:
    before = place.cli("cluster", "revision").out
    wanted = [
        (copying(place), "begin copy"),
        (("shard", "remove-owner", "1", str(place.first), "--force", "--reason", "x"), "remove owner"),
    ]
    for arguments, command in wanted:
        ran = place.cli(*arguments, "--dry-run", "-o", "json")
        assert (ran.code, ran.json["kind"], ran.items[0]["command"]) == (0, "PlanList", command)
    assert place.cli("cluster", "revision").out == before


def test_waiting_for_a_copy(place: Place) -> None:
    late = place.cli(*copying(place), "--wait", "--timeout", "2s")
    assert late.code == 124
    assert "copying" in late.err
    attempt = place.store.snapshot().shard(1).last_attempt
    finishing = threading.Thread(target=lambda: place.store.finish_copy(1, place.spare, attempt))
    finishing.start()
    ran = place.cli(*copying(place), "--wait", "--timeout", "30s", "-o", "json")
    finishing.join()
    if ran.code == 0:
        assert ran.items[0]["owners"][-1]["status"] == "active"
    else:  # it was over before this one could join it
        assert (ran.code, "owns shard 1 already" in ran.err) == (4, True)


def test_waiting_for_a_copy_that_fails(place: Place) -> None:
    with Process(*copying(place), "--wait", env=place.environ) as waits:
        waits.read_until("attempt 1")
        place.store.fail_owner(1, place.spare, "no room")
        assert waits.end(signal_number=None) == 4


def test_interrupted_waiting_leaves_the_copy(place: Place) -> None:
    with Process(*copying(place), "--wait", env=place.environ) as waits:
        waits.read_until("attempt 1")
        assert waits.end() == 130
    caught_up(place, place.spare, "copying")


def test_cancel(place: Place) -> None:
    assert place.cli("shard", "cancel", "1", str(place.first), "--yes").code == 4, "it serves"
    assert place.cli(*copying(place)).code == 0
    asked = place.cli("shard", "cancel", "1", str(place.spare))
    assert (asked.code, "add --yes" in asked.err) == (2, True)
    assert place.cli("shard", "cancel", "1", str(place.spare), terminal=True, stdin="n\n").code != 0
    caught_up(place, place.spare, "copying")
    assert place.cli("shard", "cancel", "1", str(place.spare), terminal=True, stdin="y\n").code == 0
    caught_up(place, place.spare, None)


def test_an_attempt_that_begins_while_it_asks_is_not_cancelled(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place.cli(*copying(place)).code == 0

    def begin_anew(*_: object, **__: object) -> None:
        place.store.fail_owner(1, place.spare, "no room")
        place.store.begin_copy(1, place.first, place.spare)

    monkeypatch.setattr("etcdmeta.cli.shard_copying.confirm", begin_anew)
    ran = place.cli("shard", "cancel", "1", str(place.spare))
    assert (ran.code, "attempt 1 of node" in ran.err) == (4, True)
    caught_up(place, place.spare, "copying")
    monkeypatch.undo()
    assert place.cli("shard", "cancel", "1", str(place.spare), "--yes").code == 0


def test_what_failed_without_a_copy_is_cleared_away(place: Place) -> None:
    place.store.fail_owner(1, place.second, "disk full")
    assert place.cli("shard", "cancel", "1", str(place.second), "--yes").code == 0
    caught_up(place, place.second, None)


def test_remove_owner(place: Place) -> None:
    first, second = str(place.first), str(place.second)
    refused = place.cli("shard", "remove-owner", "1", first, "--yes")
    assert (refused.code, "wants 2" in refused.err) == (4, True)
    assert "--force --reason TEXT" in refused.err, "what to type"
    forced = ("--force", "--reason", "sold")
    asked = place.cli("shard", "remove-owner", "1", first, *forced)
    assert (asked.code, "1 owner will serve it" in asked.err) == (2, True)
    assert place.cli("shard", "remove-owner", "1", first, *forced, "--yes").code == 0
    caught_up(place, place.first, None)
    last = place.cli("shard", "remove-owner", "1", second, *forced, "--yes")
    assert (last.code, "last" in last.err) == (4, True)
    assert "--allow-last" in last.err, "what to type"
    gone = place.cli("shard", "remove-owner", "1", second, *forced, "--allow-last", "--yes", "-o", "json")
    assert gone.code == 0
    assert gone.items[0]["owners"] == []
    (story,) = place.cli("shard", "explain", "1", "-o", "json").items
    told = [owner["history"][-1]["what"] for owner in story["formerOwners"]]
    assert told == ["owner no more (forced: sold)"] * 2, "who broke a rule said why"


@pytest.mark.parametrize("verb", [("map",), ("explain", "1"), ("timeline", "1")])
def test_every_format(place: Place, verb: tuple[str, ...]) -> None:
    for kind in FORMATS:
        ran = place.cli("shard", *verb, "-o", kind)
        assert (ran.code, bool(ran.out)) == (0, True), (verb, kind)


def test_the_story_of_a_copy(place: Place) -> None:
    place.store.begin_copy(1, place.first, place.spare)
    place.store.fail_owner(1, place.spare, "disk full")
    (item,) = place.cli("shard", "explain", "1", "-o", "json").items
    history = next(owner for owner in item["owners"] if owner["nodeId"] == str(place.spare))["history"]
    told = [turn["what"] for turn in history]
    assert told == [f"owner, copying from n{place.first}, attempt 1", "copying → failed (disk full)"]
    assert item["next"][0] == f"etcdmeta shard copy 1 --from {place.first} --to {place.spare}"
    ran = place.cli(*item["next"][0].split()[1:])
    assert ran.code == 0, "the command that it names can be typed"
    events = place.cli("shard", "timeline", "1", "-o", "json").items
    assert [event["command"] for event in events][-3:] == ["begin copy", "fail owner", "begin copy"]
    assert [len(event["owners"]) for event in events] == [2, 3, 3, 3]
    assert events[-1]["owners"][-1]["attempt"] == 2


def test_the_map(place: Place) -> None:
    rows = place.cli("shard", "map", "-o", "json").items
    assert [(row["nodeId"], len(row["shards"])) for row in rows] == [
        (str(node), int(node != place.spare)) for node in (1, 2, 3)
    ]
    generation = place.store.snapshot().generation
    place.store.drop_database("metrics")
    then = place.cli("shard", "map", "--at-generation", str(generation), "-o", "json").items
    assert [row["shards"] for row in then] == [row["shards"] for row in rows]
    assert not any(row["shards"] for row in place.cli("shard", "map", "-o", "json").items)


def test_the_map_of_one_node(place: Place) -> None:
    named = place.cli("shard", "map", "--node", str(place.first), "-o", "json").items
    assert {row["nodeId"] for row in named} == {str(place.first), str(place.second)}


WRONG = [
    (("explain", "9"), 3),
    (("explain",), 2),
    (("timeline", "9"), 3),
    (("map", "--db", "nope"), 3),
    (("map", "9"), 3),
    (("copy", "9", "--from", "1", "--to", "2"), 3),
    (("copy", "1", "--from", "1", "--to", "9"), 3),
    (("copy", "1", "--from", "1"), 2),
    (("copy", "1", "--from", "1", "--to", "1"), 2),
    (("cancel", "1", "9"), 3),
    (("remove-owner", "1", "9"), 3),
]


def test_what_is_wrong(place: Place) -> None:
    for arguments, code in WRONG:
        ran = place.cli("shard", *arguments)
        assert (ran.code, ran.out) == (code, ""), arguments


def test_json_lines_are_objects(place: Place) -> None:
    lines = place.cli("shard", "timeline", "1", "-o", "jsonl").lines
    assert [json.loads(line)["command"] for line in lines] == ["create shard group"]
