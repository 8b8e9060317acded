"""Shards that are placed on nodes between the making of the plan that empties them and its start."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from etcdmeta.embedded import Cluster
from tests.cli.conftest import Cli
from tests.cli.emptying import HOUR, Place, copies_finish, small_cluster


@pytest.fixture
def place(cli: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[Place]:
    with small_cluster(cli, etcd_cluster, etcd_prefix) as made:

        def call(*arguments: str) -> object:
            return cli(*arguments, env=made.environ)

        yield Place(call, made.store, made.environ, made.shards)  # type: ignore[arg-type]


def something_comes(place: Place) -> None:
    """To each node, since there are as many shards as nodes."""
    for hour in range(100, 103):
        group = place.store.create_shard_group("metrics", "autogen", hour * HOUR)
        place.shards.extend(shard.id for shard in group.shards)


def test_a_plan_that_removes_nodes_takes_what_came_since_it_was_made(place: Place) -> None:
    assert place.cli("plan", "decommission", "1", "2", "--remove", "--reason", "old").code == 0
    before = place.owned(1) | place.owned(2)
    something_comes(place)
    assert (place.owned(1) | place.owned(2)) - before, "it is about them"
    with copies_finish(place):
        ran = place.cli("plan", "apply", "1", "--yes")
    assert ran.code == 0, ran.err
    assert "plan 2 moves" in ran.err
    assert [(plan.state, plan.reason) for plan in place.plans()] == [("done", "old")] * 2
    assert (place.state(1), place.state(2)) == ("removed", "removed")
    place.check_whole()


def test_one_that_somebody_started_without_looking_is_helped_by_the_next_who_applies_it(place: Place) -> None:
    """By the library, say: at its end it waits, and says for what."""
    assert place.cli("plan", "decommission", "1", "--remove").code == 0
    something_comes(place)
    late = place.owned(1) - {move.shard_id for move in place.store.snapshot().plan_moves(1)}
    assert late
    place.store.start_plan(1)
    with copies_finish(place):
        ran = place.cli("plan", "apply", "1", "-o", "json")
        assert ran.code == 0, ran.err
        assert f"plan 2 moves {len(late)} shard" in ran.err
    assert [plan.state for plan in place.plans()] == ["done", "done"]
    assert place.state(1) == "removed"
    place.check_whole()


def test_looked_for_again_nothing_is_found(place: Place) -> None:
    assert place.cli("plan", "decommission", "1").code == 0
    something_comes(place)
    for _ in range(2):
        assert place.cli("plan", "apply", "1", "--detach").code == 0
    assert [plan.id for plan in place.plans()] == [1, 2]
    with copies_finish(place):
        assert place.cli("plan", "apply", "1").code == 0
        assert place.cli("plan", "apply", "2").code == 0
    assert place.owned(1) == set()
    assert place.state(1) == "draining"
    place.check_whole()


def test_what_stays_is_said_at_the_end(place: Place) -> None:
    lost = min(place.owned(1))
    for node_id in place.owners(lost):
        place.store.fail_owner(lost, node_id, "power", force=True)
    with copies_finish(place):
        ran = place.cli("plan", "decommission", "1", "--apply")
    assert ran.code == 0, ran.err
    assert f"node 1 still owns 1 shard: {lost}; etcdmeta shard explain {lost} says why" in ran.err
    with copies_finish(place):
        ran = place.cli("plan", "decommission", "1", "--remove", "--apply", "--yes", "--timeout", "4s")
    assert ran.code == 124
    assert f"plan 2: cannot end: node 1 owns 1 of the live shards: {lost}" in ran.err
    assert f"cannot end: node 1 owns 1 of the live shards: {lost}" in place.cli("plan", "show", "2").out
    typed = re.findall("`etcdmeta ([^`]+)`", place.cli("plan", "show", "2", "-o", "json").items[0]["note"])
    assert typed == [f"shard explain {lost}", f"shard remove-owner {lost} 1"]
    for command in typed:
        assert place.cli(*command.split(), *(["--yes"] if "remove" in command else [])).code == 0
    with copies_finish(place):
        assert place.cli("plan", "apply", "2").code == 0
    assert place.state(1) == "removed"
