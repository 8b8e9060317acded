"""`node replace` and `node remove`, with what the node owns, on a real etcd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etcdmeta.embedded import Cluster
from tests.cli.conftest import Cli
from tests.cli.emptying import Place, copies_finish, small_cluster


@pytest.fixture
def place(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[Place]:
    with small_cluster(prod, etcd_cluster, etcd_prefix) as place:
        yield place


# --- replace


def test_one_takes_the_place_of_another(place: Place) -> None:
    had = place.owned(1)
    asked = place.cli("node", "replace", "db-1:1", "db-5:1")
    assert (asked.code, asked.out) == (2, "")
    wanted = f"this removes node 1 (db-1:1) for good, after {len(had)} shards are moved to node 5 (db-5:1)"
    assert wanted in asked.err
    assert place.cli("node", "replace", "1", "5", terminal=True, stdin="n\n").code == 130
    assert (place.plans(), place.state(1)) == ([], "joined")
    with copies_finish(place):
        ran = place.cli("node", "replace", "1", "5", "--yes", "--reason", "disk lost")
    assert ran.code == 0, ran.err
    assert (place.state(1), place.owned(5)) == ("removed", had)
    (plan,) = place.plans()
    assert (plan.kind, plan.state, plan.reason, plan.replacement) == ("replace", "done", "disk lost", 5)
    place.check_whole()
    again = place.cli("node", "replace", "1", "5", "--yes")
    assert (again.code, "node 1 (db-1:1) is removed already; nothing changed" in again.out) == (0, True)


def test_what_the_new_one_owns_already_goes_elsewhere(place: Place) -> None:
    shared = place.owned(1) & place.owned(2)
    asked = place.cli("node", "replace", "1", "2")
    assert (asked.code, bool(shared)) == (2, True)
    with copies_finish(place):
        ran = place.cli("node", "replace", "1", "2", "--yes", "-o", "json")
    assert (ran.code, ran.json["kind"], ran.items[0]["state"]) == (0, "MovePlanList", "done")
    place.check_whole()


def test_a_dead_node_is_replaced_from_the_other_owners(place: Place) -> None:
    """Its owners are known to be lost, as a database node says of a disk."""
    for shard_id in place.owned(1):
        place.store.fail_owner(shard_id, 1, "disk lost")
    with copies_finish(place):
        ran = place.cli("node", "replace", "1", "5", "--yes")
    assert ran.code == 0, ran.err
    assert place.state(1) == "removed"
    place.check_whole()


def test_what_nobody_serves_is_named_and_nothing_begins(place: Place) -> None:
    for shard_id in place.owned(1):
        for node_id in place.owners(shard_id):
            place.store.fail_owner(shard_id, node_id, "power", force=True)
    ran = place.cli("node", "replace", "1", "5", "--yes")
    assert (ran.code, ran.out) == (4, "")
    assert "nobody serves it on a node that is up" in ran.err
    assert "--allow-last" in ran.err
    assert (place.plans(), place.state(1)) == ([], "joined")


def test_what_stays_is_said_before(place: Place) -> None:
    lost = min(place.owned(1))
    for node_id in place.owners(lost):
        place.store.fail_owner(lost, node_id, "power", force=True)
    asked = place.cli("node", "replace", "1", "5")
    assert f"1 shard cannot be moved: shard {lost}: nobody serves it" in asked.err
    assert "node 1 goes when nothing of it is left" in asked.err
    ran = place.cli("node", "replace", "1", "5", "--yes", "--detach")
    assert ran.code == 0
    assert place.state(1) == "removing"


def test_detached_it_only_begins(place: Place) -> None:
    ran = place.cli("node", "replace", "1", "5", "--yes", "--detach", "-o", "json")
    assert (ran.code, ran.items[0]["state"], place.state(1)) == (0, "running", "removing")
    planned = place.cli("node", "replace", "1", "5", "--dry-run", "-o", "json")
    assert (planned.code, planned.items[0]["id"]) == (0, ran.items[0]["id"])
    with copies_finish(place):
        again = place.cli("node", "replace", "1", "5")
    assert again.code == 0, again.err
    assert "does that already" in again.err
    assert (place.state(1), len(place.plans())) == ("removed", 1)


@pytest.mark.parametrize(
    "verb", [("replace", "1", "5"), ("remove", "1"), ("drain", "1")], ids=lambda verb: str(verb[0])
)
def test_a_dry_run_changes_nothing(place: Place, verb: tuple[str, ...]) -> None:
    before = place.revision()
    ran = place.cli("node", *verb, "--dry-run", "-o", "json")
    assert (ran.code, ran.json["kind"], ran.items[0]["subjects"]) == (0, "MovePlanList", ["1"])
    assert "dry run: nothing was written" in place.cli("node", *verb, "--dry-run").err
    assert (place.revision(), place.plans()) == (before, [])


def test_what_is_wrong(place: Place) -> None:
    place.store.drain_node(5)
    wrong = [(("1", "5"), 4), (("1", "1"), 2), (("9", "5"), 3), (("1", "9"), 3), (("1",), 2)]
    for arguments, code in wrong:
        ran = place.cli("node", "replace", *arguments, "--yes")
        assert (ran.code, ran.out) == (code, ""), arguments
    assert place.plans() == []


# --- remove


def test_what_it_owns_moves_before_it_is_removed(place: Place) -> None:
    had = place.owned(1)
    asked = place.cli("node", "remove", "1")
    assert asked.code == 2
    wanted = f"this removes node 1 (db-1:1) for good, after {len(had)} shards are moved to other nodes"
    assert wanted in asked.err
    with copies_finish(place):
        ran = place.cli("node", "remove", "1", "--yes", "--reason", "sold")
    assert ran.code == 0, ran.err
    assert (place.state(1), place.plans()[0].reason) == ("removed", "sold")
    place.check_whole()
    assert "nothing changed" in place.cli("node", "remove", "1", "--yes").out


def test_one_without_shards_goes_at_once(place: Place) -> None:
    ran = place.cli("node", "remove", "5", "--yes")
    assert (ran.code, place.plans(), place.state(5)) == (0, [], "removed")


def test_a_removal_is_called_off_and_begun_again(place: Place) -> None:
    assert place.cli("node", "remove", "1", "--yes", "--detach").code == 0
    assert place.state(1) == "removing"
    assert place.cli("node", "undrain", "1").code == 4
    assert place.cli("node", "undrain", "1", "--abort", "--yes").code == 0
    assert place.state(1) == "joined"
    with copies_finish(place):
        assert place.cli("plan", "abort", "1").code == 0, "what was begun is settled"
        assert place.cli("node", "remove", "1", "--yes").code == 0
    assert [plan.state for plan in place.plans()] == ["aborted", "done"]
    assert place.state(1) == "removed"
    place.check_whole()


def test_what_cannot_move_keeps_it(place: Place) -> None:
    lost = min(place.owned(1))
    for node_id in place.owners(lost):
        place.store.fail_owner(lost, node_id, "power", force=True)
    ran = place.cli("node", "remove", "1", "--yes")
    assert (ran.code, ran.out) == (4, "")
    assert f"node 1 (db-1:1) cannot be removed: 1 shard cannot be moved: shard {lost}: nobody serves it" in ran.err
    assert (place.plans(), place.state(1)) == ([], "joined")
