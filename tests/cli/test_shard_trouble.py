"""What is wrong with many shards, by its causes: what each kind is, and what is counted."""

from __future__ import annotations

import pytest

from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_trouble import trouble_lines, troubles
from etcdmeta.cli.shard_view import status_view
from etcdmeta.model.entities import ShardOwner
from etcdmeta.model.health import ShardStatus
from tests.cli.pictures import NOW, PICTURE, WEEK, Scene, owner


def judged(*shards: list[ShardOwner]) -> list[ShardStatus]:
    """Two owners are wanted; of the nodes 1 to 6, node 5 is down and node 6 removed."""
    scene = Scene()
    for node_id in range(1, 7):
        scene.node(node_id, live=node_id != 5, state="removed" if node_id == 6 else "joined")
    scene.policy("db", "p", replicas=2)
    for number, owners in enumerate(shards, 1):
        scene.group(number, ("db", "p"), NOW - number * WEEK, {number: owners})
    return list(status_view(scene.snapshot(), PICTURE, ShardFilter(), now=NOW).statuses)


@pytest.mark.parametrize(
    ("owners", "kinds"),
    [
        ([owner(1), owner(2)], []),
        ([owner(1), owner(5)], ["down"]),
        ([owner(1), owner(2), owner(6)], ["gone"]),
        ([owner(1), owner(2, "failed", reason="x")], ["failed"]),
        ([owner(1), owner(2, "parked")], ["unknown"]),
        ([owner(5), owner(2, "failed", reason="x")], ["down", "failed"]),
        ([], ["no owners"]),
        ([owner(1)], ["few"]),
        ([owner(1), owner(2, "copying", source=1, attempt=1)], ["copying"]),
        ([owner(1), owner(5), owner(2, "copying", source=1, attempt=1)], ["down"]),
        ([owner(1), owner(2), owner(3)], ["surplus"]),
    ],
)
def test_each_kind(owners: list[ShardOwner], kinds: list[str]) -> None:
    assert [trouble.kind for trouble in troubles(judged(owners))] == kinds


def test_a_shard_counts_once_in_a_kind_and_its_owners_each() -> None:
    lines = trouble_lines(
        judged(
            [owner(1, "failed", reason="a"), owner(2, "failed", reason="a")],
            [owner(1, "failed", reason="b"), owner(2)],
            [owner(3), owner(4, "copying", source=3, attempt=1)],
        ),
        brief=False,
    )
    assert lines == [
        "wrong:   2 shards, failed: n1 (2), n2 (1) – a (and 1 other reason)",
        "         1 shard, not all copied yet: n4 (1)",
        "where:   db (3)",
    ]


def test_what_is_left_out_is_said() -> None:
    statuses = judged([owner(1), owner(5)], [owner(1), owner(2, "failed", reason="x")], [], [owner(1)])
    whole = trouble_lines(statuses, brief=False)
    assert len(whole) == 5
    brief = trouble_lines(statuses, brief=True)
    assert brief == [*whole[:2], "         2 more kinds of trouble"]
