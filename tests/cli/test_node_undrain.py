"""`node undrain` on a real etcd."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from etcdmeta.commands.planning import decommission
from etcdmeta.embedded import Cluster
from etcdmeta.model.owners import NodeState
from etcdmeta.store import MetaStore
from tests.cli.conftest import Cli

HOUR = 3600 * 10**9


@dataclass(frozen=True)
class Place:
    """Three nodes; shards of metrics, replication 2."""

    cli: Cli
    store: MetaStore

    def states(self) -> list[str]:
        return [str(node.state) for node in self.store.read_consistent().nodes(include_removed=True)]

    def emptied(self, *node_ids: int, start: bool = True) -> int:
        """The plan that takes everything off them."""
        plan = self.store.propose(decommission(self.store.snapshot(), node_ids))
        if start:
            self.store.start_plan(plan.id)
        return plan.id


@pytest.fixture
def place(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[Place]:
    with MetaStore.open(etcd_cluster.endpoints, cluster=etcd_prefix) as store:
        for host in ("a:1", "b:1", "c:1", "d:1"):
            store.add_node(host)
        store.create_database("metrics", replicas=2, group_duration="1h")
        for hour in range(2):
            store.create_shard_group("metrics", "autogen", hour * HOUR)
        yield Place(prod, store)


def test_nodes_take_shards_again(place: Place) -> None:
    place.store.drain_node(1)
    place.store.drain_node("b:1")
    ran = place.cli("node", "undrain", "a:1", "n2", "3", "--reason", "new disks")
    assert (ran.code, ran.err) == (0, "")
    assert "node 1 (a:1) is joined and takes shards; it was draining: new disks (generation " in ran.lines[0]
    assert ran.lines[2].startswith("node 3 (c:1) is joined already; nothing changed")
    assert place.states() == ["joined"] * 4


def test_the_record_as_json(place: Place) -> None:
    place.store.drain_node(1)
    ran = place.cli("node", "undrain", "1", "-o", "json")
    assert (ran.json["kind"], ran.items[0]["state"]) == ("NodeList", "joined")


def test_a_removal_that_was_begun_is_called_off(place: Place) -> None:
    from etcdmeta.commands.node import BeginNodeRemoval

    place.store.execute(BeginNodeRemoval(node_id=1))
    assert "it was being removed" in place.cli("node", "undrain", "1").out
    assert place.states()[0] == NodeState.JOINED


def test_a_plan_that_empties_the_node_stands_in_the_way(place: Place) -> None:
    plan = place.emptied(1, 2)
    place.store.drain_node(3)
    ran = place.cli("node", "undrain", "3", "1")
    assert (ran.code, ran.out) == (4, "")
    assert f"plan {plan} (decommission) is running and takes everything off node 1" in ran.err
    assert "etcdmeta node undrain 1 --abort" in ran.err
    assert place.states() == ["draining", "draining", "draining", "joined"], "nothing was done by halves"


def test_the_plan_is_aborted_where_that_is_asked_for(place: Place) -> None:
    plan = place.emptied(1, 2)
    undrain = ("node", "undrain", "1", "--abort", "--reason", "it works again")
    asked = place.cli(*undrain)
    assert (asked.code, "add --yes" in asked.err) == (2, True)
    total = place.store.snapshot().plan(plan).moves
    text = f"this aborts plan {plan} (decommission of nodes 1, 2): 0 of {total} moves are done"
    declined = place.cli(*undrain, terminal=True, stdin="n\n")
    assert (declined.code, text in declined.err) == (130, True)
    assert place.store.read_consistent().plan(plan).state == "running"
    ran = place.cli(*undrain, "--yes")
    assert ran.code == 0
    assert f"plan {plan} (decommission) is aborting; it was running: it works again" in ran.out
    assert f"etcdmeta plan abort {plan} watches it" in ran.err
    assert place.store.read_consistent().plan(plan).state == "aborting"
    assert place.states() == ["joined"] * 4


def test_copies_that_are_given_up_are_counted(place: Place) -> None:
    plan = place.emptied(1)
    move = place.store.snapshot().plan_moves(plan)[0]
    source = next(o.node_id for o in place.store.snapshot().shard(move.shard_id).owners)
    place.store.begin_copy(move.shard_id, source, move.to_node)
    asked = place.cli("node", "undrain", "1", "--abort", terminal=True, stdin="n\n")
    assert "1 copy is given up" in asked.err


def test_a_plan_that_has_not_begun_stays(place: Place) -> None:
    plan = place.emptied(1, start=False)
    place.store.drain_node(1)
    assert place.cli("node", "undrain", "1", "--abort").code == 0, "there is nothing to ask about"
    assert place.store.read_consistent().plan(plan).state == "proposed"


def test_a_dry_run_changes_nothing(place: Place) -> None:
    plan = place.emptied(1)
    place.store.drain_node(2)
    before = place.cli("cluster", "revision").out
    assert place.cli("node", "undrain", "1", "--dry-run").code == 4
    ran = place.cli("node", "undrain", "1", "2", "--abort", "--dry-run", "-o", "json")
    assert [item["command"] for item in ran.items] == ["abort plan", "undrain node"]
    assert ran.items[0]["result"]["plan_id"] == plan
    assert place.cli("cluster", "revision").out == before


def test_what_is_wrong(place: Place) -> None:
    assert place.cli("node", "undrain", "9").code == 3
    assert place.cli("node", "undrain").code == 2
    place.store.add_node("e:1")
    place.store.remove_node(5)
    assert place.cli("node", "undrain", "5").code == 3
