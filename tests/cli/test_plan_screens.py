"""The screens of plans as a terminal shows them, as text under golden/plans/. Colours stand there as ``\\e[…m``.
ETCDMETA_GOLDEN=write draws them anew: look at the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from etcdmeta.cli.plan_move_table import SHOWN
from etcdmeta.cli.plan_screen import balance_lines, headline, next_step, plan_lines
from etcdmeta.cli.plan_table import TextColumn, text_table
from etcdmeta.cli.plan_verify import unserved_shards, verdict_of, verify_lines
from etcdmeta.cli.plan_view import PlanView, draft_view, full_view
from etcdmeta.cli.shard_table import Look
from etcdmeta.cli.text import display_width
from etcdmeta.commands.planning import decommission
from etcdmeta.model.moveplans import PlanKind, PlanState
from tests.cli.pictures import PICTURE
from tests.cli.plan_scenes import large, scene_of_all

SCREENS = Path(__file__).parent / "golden" / "plans"
SGR = re.compile(r"\x1b\[[0-9;]*m")
LOOKS = {
    f"{letters}-{width}{'-colour' if colour else ''}": Look(
        width=width, marks=letters == "utf8", ascii=letters == "ascii", colour=colour
    )
    for letters in ("utf8", "ascii")
    for width in (80, 200)
    for colour in (False, True)
} | {"pipe": Look()}


def view_of(name: str) -> PlanView:
    match name:
        case "large":
            snapshot = large()
        case "paused":
            told = {"note": "the disks are slow — 午前 only", "kind": PlanKind.DECOMMISSION, "subjects": (1, 2)}
            snapshot = scene_of_all(PlanState.PAUSED, remove_subjects=True, **told).snapshot()
        case "draft":
            snapshot = scene_of_all().snapshot()
            return draft_view(snapshot, decommission(snapshot, [1], remove=True), reason="it is old")
        case _:
            snapshot = scene_of_all().snapshot()
    return full_view(snapshot, snapshot.plan(3))


def draw(screen: str, look: Look) -> list[str]:
    what, _, name = screen.partition("-")
    view = view_of(name)
    if what == "show":
        return plan_lines(view, look)
    unserved = unserved_shards(view)
    return verify_lines(view, verdict_of(view, unserved, PICTURE, 30.0), unserved, PICTURE, look)


ALL = ["show-running", "show-large", "show-paused", "show-draft", "verify-running", "verify-large"]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("screen", ALL)
def test_screen(screen: str, look: str) -> None:
    drawn = "\n".join(draw(screen, LOOKS[look])).replace("\x1b", "\\e") + "\n"
    path = SCREENS / f"{screen}-{look}.txt"
    if os.environ.get("ETCDMETA_GOLDEN") == "write":
        path.write_text(drawn)
    assert drawn == path.read_text()


@pytest.mark.parametrize("look", [look for look in LOOKS if look != "pipe"])
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


@pytest.mark.parametrize("look", ["utf8-80", "ascii-200", "pipe"])
def test_a_large_plan_is_not_printed_whole(look: str) -> None:
    view = view_of("large")
    lines = plan_lines(view, LOOKS[look])
    assert len(lines) < 100
    (counted,) = [line for line in lines if "more moves: " in line]
    assert counted.startswith(f"{view.plan.moves - SHOWN:,} more moves: ")
    assert "-o wide lists all" in " ".join(lines)
    every = plan_lines(view, LOOKS[look], every=True)
    assert len(every) > view.plan.moves
    assert not any("more moves" in line for line in every)


def test_those_in_trouble_come_first() -> None:
    lines = plan_lines(view_of("large"), Look(width=200))
    begin = next(n for n, line in enumerate(lines) if line.lstrip().startswith("MOVE "))
    assert "blocked" in lines[begin + 1]


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        (PlanState.DRAFTING, "etcdmeta plan abort 3"),
        (PlanState.PROPOSED, "etcdmeta plan apply 3"),
        (PlanState.RUNNING, "etcdmeta shard explain 3"),
        (PlanState.PAUSED, "etcdmeta plan apply 3"),
        (PlanState.ABORTING, "etcdmeta plan abort 3"),
        (PlanState.ABORTED, ""),
        (PlanState.DONE, ""),
    ],
)
def test_the_next_command(state: PlanState, wanted: str) -> None:
    snapshot = scene_of_all(state).snapshot()
    view = full_view(snapshot, snapshot.plan(3))
    assert next_step(view) == wanted
    assert f"plan 3 (rebalance) is {state}: 11 moves" in headline(view)


def test_nothing_reaches_the_terminal_that_it_would_obey() -> None:
    fields = {"reason": "a\x1b[2Jb\u202ec", "note": "\x07\x1b]0;t\x07", "author": "x\ny"}
    snapshot = scene_of_all(**fields).snapshot()
    lines = plan_lines(full_view(snapshot, snapshot.plan(3)), Look(width=200, marks=True))
    assert all(line.isprintable() for line in lines)


def test_a_narrow_terminal_loses_what_matters_least() -> None:
    columns = [
        TextColumn("SHARD", ["1", "2"], right=True),
        TextColumn("NAME", ["a" * 30, "b" * 10], name=True),
        TextColumn("GROUP", ["123456", "7"], rank=2),
        TextColumn("SIZE", ["12 MiB", ""], rank=1),
    ]
    whole = text_table(columns, Look(width=200), ["why", ""], "WHY")
    assert whole[0].split() == ["SHARD", "NAME", "GROUP", "SIZE", "WHY"]
    assert whole[1].endswith("why")
    narrower = text_table(columns, Look(width=46), ["x" * 30, ""], "WHY")
    assert narrower[0].split() == ["SHARD", "NAME", "SIZE"]
    assert narrower[2].strip() == "x" * 30, "the sentence stands below"
    least = text_table(columns, Look(width=20), ["", ""], "WHY")
    assert least[0].split() == ["SHARD", "NAME"]
    assert "…" in least[1]
    assert text_table(columns, Look(), ["x" * 300, ""], "WHY")[1].endswith("x" * 300)


def test_nodes_that_keep_what_they_have_are_counted_not_listed() -> None:
    snapshot = large()
    two_nodes = {41: (0, 5), 42: (5, 0)}
    same = dict.fromkeys(range(1, 41), (7, 7))
    before, after = ({n: pair[side] for n, pair in (same | two_nodes).items()} for side in (0, 1))
    plan = snapshot.plan(3).model_copy(update={"before": before, "after": after})
    lines = balance_lines(full_view(snapshot, plan), Look(width=100))
    assert [line.split()[0] for line in lines[2:5]] == ["n41", "n42", "40"]
    assert lines[4] == "40 more nodes have as many as before (-o wide lists all)"
