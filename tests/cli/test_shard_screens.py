"""The screens of shards as a terminal shows them, as text under golden/screens/: `status` of a small and of a large
cluster, `explain`, `map`, `timeline`. Colours stand there as ``\\e[…m``. ETCDMETA_GOLDEN=write draws them anew.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from etcdmeta.cli.shard_band import timeline_lines
from etcdmeta.cli.shard_explain import story_lines
from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_grid import map_lines, node_rows
from etcdmeta.cli.shard_past import Past
from etcdmeta.cli.shard_plans import PlannedMove
from etcdmeta.cli.shard_screen import status_screen
from etcdmeta.cli.shard_story import explain
from etcdmeta.cli.shard_table import Look
from etcdmeta.cli.shard_view import StatusView, status_view
from etcdmeta.cli.text import display_width
from etcdmeta.model.entities import Node, ShardOwner
from etcdmeta.model.health import Health
from etcdmeta.model.moveplans import Move, MovePlan, PlanKind, PlanState
from etcdmeta.model.moves import MoveState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from tests.cli.pictures import DAY, MIB, NOW, PICTURE, Scene, at, contract_scene, owner
from tests.cli.plan_scenes import plan_record, put_plan

SCREENS = Path(__file__).parent / "golden" / "screens"
SGR = re.compile(r"\x1b\[[0-9;]*m")
HEIGHT = 50
LOOKS = {
    f"{letters}-{width}{'-colour' if colour else ''}": Look(
        width=width, marks=letters == "utf8", ascii=letters == "ascii", colour=colour, height=HEIGHT
    )
    for letters in ("utf8", "ascii")
    for width in (80, 200)
    for colour in (False, True)
}


class Happened(NamedTuple):
    """An `Event`, made by hand."""

    time: int
    command: str
    summary: str
    owners: tuple[ShardOwner, ...] | None
    actor: str = "ana@ops"
    generation: int | None = 7
    revision: int = 70
    operation_id: str = "0"
    shard_id: int = 0
    node_id: int = 0


def small() -> tuple[Snapshot, StatusView]:
    snapshot = contract_scene().snapshot()
    down_since = {3: NOW - 360 * 10**9}
    return snapshot, status_view(snapshot, PICTURE, ShardFilter(), now=NOW, down_since=down_since)


@cache
def large() -> tuple[Snapshot, StatusView]:
    """10,000 shards on 50 nodes in three zones; two nodes are down, some copies run, some failed. A plan takes the
    shards of one of those that are down to others."""
    scene, chance = Scene(), random.Random(5)
    for node_id in range(1, 51):
        scene.node(node_id, live=node_id not in (7, 31))
        zone = {"zone": "abc"[node_id % 3]}
        record = Node(id=node_id, host=f"db-{node_id}.example:8088", labels=zone, state="joined", reports_liveness=True)
        scene.put(keys.node(node_id), record)
    paths = [(f"db{number}", "autogen") for number in range(10)]
    for path in paths:
        scene.policy(*path, group_duration="1d")
    moves: list[Move] = []
    for shard in range(1, 10_001):
        path, place = paths[shard % 10], shard // 10
        owners = [owner(node) for node in chance.sample(range(1, 51), 2)]
        start = at("2026-11-25") - place * DAY
        if shard % 1999 == 0:
            owners[0] = owner(owners[0].node_id, "failed", reason="disk full", attempt=1)
        elif shard % 1500 == 0:
            owners[1] = owner(owners[1].node_id, "copying", source=owners[0].node_id, attempt=1)
            progress = {"done": 10 * MIB, "total": 40 * MIB, "rate": MIB, "updated": NOW}
            scene.progress(path, shard, owners[1].node_id, attempt=1, **progress)
            moves.append(Move(shard, 0, owners[1].node_id, owners[0].node_id, 40 * MIB))
        elif 7 in (owners[0].node_id, owners[1].node_id):
            moves.append(Move(shard, 7, next(node for node in range(8, 50) if owner(node) not in owners)))
        scene.group(shard, path, start, {shard: owners}, length=DAY)
    put_plan(scene, plan_record(id=4, kind=PlanKind.REPAIR, reason="n7 is lost"), moves)
    put_plan(scene, plan_record(id=5, state=PlanState.PAUSED), [])
    snapshot = scene.snapshot()
    return snapshot, status_view(snapshot, PICTURE, ShardFilter(), now=NOW)


def past() -> Past:
    """Of shard 18 in the contract's scene; what came before its second event is compacted."""
    begun = at("2026-11-23")
    events = [
        Happened(begun, "create group", "shard group 10 created", None, generation=None),
        Happened(begun + DAY // 2, "remove owner", "node 4 owns shard 18 no more; it was active", (owner(1),)),
        Happened(
            begun + DAY,
            "begin copy",
            "node 2 copies shard 18 from node 1, attempt 1",
            (owner(1), owner(2, "copying", source=1, attempt=1)),
        ),
        Happened(
            begun + DAY + DAY // 4,
            "fail owner",
            "node 2 failed at shard 18: no room",
            (owner(1), owner(2, "failed", attempt=1, reason="no room")),
            actor="n2",
        ),
        Happened(
            NOW - 300 * 10**9,
            "begin copy",
            "node 2 copies shard 18 from node 1, attempt 2",
            (owner(1), owner(2, "copying", source=1, attempt=2)),
        ),
    ]
    return Past(events, "etcd has compacted how the owners were after 1 of 5 changes")


def plans() -> list[PlannedMove]:
    plan = MovePlan(id=3, kind=PlanKind.REPAIR, state=PlanState.RUNNING, moves=1, pages=1)
    return [PlannedMove(plan, Move(18, 0, 2), MoveState.COPYING)]


def draw(screen: str, look: Look) -> list[str]:
    snapshot, view = large() if screen.endswith("large") else small()
    match screen.split("-", maxsplit=1)[0]:
        case "status":
            return status_screen(view, look)
        case "map":
            return map_lines(view.statuses, node_rows(snapshot, view.statuses, every=True), look)
        case "timeline":
            return timeline_lines(18, past(), NOW, look)
    status = next(status for status in view.statuses if status.shard_id == (21 if screen == "explain-lost" else 18))
    nodes = {node.id: node for node in snapshot.nodes()}
    known = screen == "explain-copying"
    story = explain(
        status, past() if known else Past((), "it is not kept any more"), nodes, plans() if known else (), NOW
    )
    return story_lines(story, look)


ALL = ["status-small", "status-large", "map-small", "map-large", "timeline", "explain-copying", "explain-lost"]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("screen", ALL)
def test_screen(screen: str, look: str) -> None:
    drawn = "\n".join(draw(screen, LOOKS[look])).replace("\x1b", "\\e") + "\n"
    path = SCREENS / f"{screen}-{look}.txt"
    if os.environ.get("ETCDMETA_GOLDEN") == "write":
        path.write_text(drawn)
    assert drawn == path.read_text()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("screen", ALL)
def test_it_fits_the_width_and_colour_says_nothing_of_its_own(screen: str, look: str) -> None:
    lines = draw(screen, LOOKS[look])
    width = LOOKS[look].width
    assert width is not None
    bare = [SGR.sub("", line) for line in lines]
    assert [line for line in bare if display_width(line) > width] == []
    assert bare == [SGR.sub("", line) for line in draw(screen, LOOKS[look.removesuffix("-colour")])]
    if look.startswith("ascii"):
        assert "".join(bare).isascii()


@pytest.mark.parametrize("look", LOOKS)
def test_ten_thousand_shards_are_one_page(look: str) -> None:
    lines = [SGR.sub("", line) for line in draw("status-large", LOOKS[look])]
    _, view = large()
    assert len(lines) < HEIGHT, "the shell's prompt needs a line"
    ok = view.summary.by_health[Health.OK]
    assert f"{ok:,} ok" in "\n".join(lines[:4])
    assert any(line.startswith("wrong:   ") and "node down: n7 (" in line for line in lines)
    assert any(line.startswith("where:   db2 (") for line in lines)
    assert any(line.startswith("moving:  plan 4 (repair, running): 0 of ") for line in lines)
    assert any(re.search("n[0-9]+ copies 1 from n[0-9]+;", line) for line in lines), "who moves what"
    (others,) = [line for line in lines if re.match(r"[0-9,]+ more: ", line)]
    assert f"{ok:,} ok" in others
    begin = next(place for place, line in enumerate(lines) if line.startswith("Next: etcdmeta shard explain "))
    steps = [line.strip().partition("  (")[0] for line in lines[begin + 1 :]]
    assert steps == ["etcdmeta node show 7", "etcdmeta shard repair --dry-run", "etcdmeta plan apply 5"]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("height", [24, 30, 50, 80])
def test_a_page_is_used_and_not_overrun(look: str, height: int) -> None:
    lines = draw("status-large", replace(LOOKS[look], height=height))
    assert height - 4 <= len(lines) < height


@pytest.mark.parametrize(
    ("wide", "wanted"), [(True, ShardFilter()), (False, ShardFilter(databases=tuple(f"db{n}" for n in range(10))))]
)
def test_who_asks_for_all_gets_all(wide: bool, wanted: ShardFilter) -> None:
    snapshot, _ = large()
    view = status_view(snapshot, PICTURE, wanted, now=NOW)
    assert len(status_screen(view, Look(width=200, height=HEIGHT, wide=wide))) > 10_000
    assert len(status_screen(large()[1], Look())) > 10_000, "and so does a pipe"


def test_only_ok_ones_are_left_out() -> None:
    scene = Scene()
    scene.node(1)
    scene.policy("a", "p", replicas=1)
    for shard in range(1, 101):
        scene.group(shard, ("a", "p"), NOW - shard * 7 * DAY, {shard: [owner(1)]})
    lines = status_screen(status_view(scene.snapshot(), PICTURE, ShardFilter(), now=NOW), Look(width=100, height=30))
    assert len(lines) < 30
    shown = sum("a.p" in line for line in lines)
    assert f"{100 - shown} more are ok (-o wide, or a filter such as --health ok, lists them)" in lines
    assert not any(line.startswith(("wrong: ", "where: ", "moving: ")) for line in lines)


def columns(lines: Sequence[str], node: str) -> str:
    (row,) = [line for line in lines if line.startswith(node + " ")]
    return row.split()[-1]


def test_the_map_shows_the_worst_of_a_column() -> None:
    snapshot, view = large()
    lines = map_lines(view.statuses, node_rows(snapshot, view.statuses, every=True), Look(width=80))
    assert set(columns(lines, "n7")) <= set("D."), "it is down"
    failed = [s for s in view.statuses for o in s.owners if o.status == "failed" and o.node_id not in (7, 31)]
    assert sum("F" in columns(lines, f"n{node}") for node in range(1, 51)) == len(
        {o.node_id for s in failed for o in s.owners if o.status == "failed"}
    )


def test_a_pipe_has_a_column_for_each_shard() -> None:
    snapshot, view = large()
    lines = map_lines(view.statuses, node_rows(snapshot, view.statuses, every=True), Look())
    assert len(columns(lines, "n1")) == 10_000


def test_what_is_short_is_not_lost_in_a_timeline() -> None:
    events = [
        Happened(NOW - 100 * DAY, "create group", "created", (owner(1),)),
        Happened(NOW - 50 * DAY, "fail owner", "failed", (owner(1, "failed", reason="x"),)),
        Happened(NOW - 50 * DAY + 1, "set owner status", "back", (owner(1),)),
    ]
    row = timeline_lines(1, Past(events), NOW, Look(width=60))[1]
    assert row.count("F") == 1
    assert set(row.split()[1]) == {"a", "F"}


@pytest.mark.parametrize(
    ("state", "blocked", "said"),
    [
        (MoveState.WAITING, "", "may have to wait its turn"),
        (MoveState.WAITING, "node 2 is down", "it cannot go on now: node 2 is down"),
        (MoveState.COPYING, "", "n2 copies"),
        (MoveState.COPIED, "", "n1 goes next"),
        (MoveState.DONE, "", "that is done"),
        (MoveState.VOID, "", "there is nothing left of that to do"),
    ],
)
def test_explain_says_how_far_a_plan_is_with_the_shard(state: MoveState, blocked: str, said: str) -> None:
    snapshot, view = small()
    status = next(status for status in view.statuses if status.shard_id == 18)
    plan = MovePlan(id=3, kind=PlanKind.REBALANCE, state=PlanState.RUNNING, moves=1, pages=1)
    each = PlannedMove(plan, Move(18, 1, 2), state, blocked)
    story = explain(status, past(), {node.id: node for node in snapshot.nodes()}, [each], NOW)
    assert said in story.plans[0]
    assert ("etcdmeta plan show 3" in story.commands) is not each.is_settled
