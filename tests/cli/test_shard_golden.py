"""The screens of `shard status`, as text under golden/. ETCDMETA_GOLDEN=write draws them anew: look at the diff."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_screen import status_screen
from etcdmeta.cli.shard_table import Look
from etcdmeta.cli.shard_view import StatusView, status_view
from etcdmeta.cli.text import display_width
from tests.cli.pictures import DAY, NOW, PICTURE, Scene, contract_scene, owner

GOLDEN = Path(__file__).parent / "golden"
SGR = re.compile(r"\x1b\[[0-9;]*m")

LOOKS = {
    "utf8-200": Look(width=200, marks=True),
    "utf8-80": Look(width=80, marks=True),
    "ascii-200": Look(width=200, ascii=True),
    "ascii-80": Look(width=80, ascii=True),
    "utf8-40": Look(width=40, marks=True),
    "pipe": Look(),
    "pipe-wide": Look(wide=True),
    "quiet": Look(quiet=True),
}


def contract() -> StatusView:
    return status_view(contract_scene().snapshot(), PICTURE, ShardFilter(), now=NOW, down_since={3: NOW - 360 * 10**9})


def odd() -> StatusView:
    """What is rare: names that need quotes or escapes, removed nodes, unknown words, deleted and ownerless shards."""
    scene = Scene()
    scene.node(1, live=None)
    scene.node(2, live=None, state="removed")
    scene.policy("dotted.name", 'say "hi"', replicas=1, duration="7d", group_duration="1d")
    scene.policy("日本\u202e", "autogen", replicas=1)
    path = ("dotted.name", 'say "hi"')
    scene.group(1, path, "2026-11-25", {1: [owner(1), owner(2)], 2: []}, length=DAY)
    scene.group(2, path, "2026-11-17", {3: [owner(1, "parked"), owner(7)]}, length=DAY)
    scene.group(3, path, "2026-11-10", {4: [owner(1)]}, length=DAY, deleted_at=NOW - DAY)
    scene.group(
        4,
        ("日本\u202e", "autogen"),
        "2026-11-24T06:00:00Z",
        {5: [owner(1)]},
        length=6 * 3600 * 10**9,
        truncated_at=NOW - DAY,
    )
    return status_view(scene.snapshot(), PICTURE, ShardFilter(deleted=True), now=NOW)


def stale() -> StatusView:
    picture = type(PICTURE)(PICTURE.cluster_id, PICTURE.generation, PICTURE.revision, NOW - 95 * 10**9, 95.0)
    snapshot = contract_scene().snapshot()
    return status_view(
        snapshot, picture, ShardFilter(shards=(17, 18)), now=NOW, max_age=30.0, problem="no member answers"
    )


def empty() -> StatusView:
    scene = Scene()
    scene.node(1, live=None)
    return status_view(scene.snapshot(), PICTURE, ShardFilter(), now=NOW)


VIEWS = {"contract": contract, "odd": odd, "stale": stale, "empty": empty}
SCREENS = [("contract", look) for look in LOOKS]
SCREENS += [(view, look) for view in ("odd", "stale", "empty") for look in ("utf8-200", "ascii-80", "pipe")]


@pytest.mark.parametrize(("view", "look"), SCREENS)
def test_screen(view: str, look: str) -> None:
    drawn = "\n".join(status_screen(VIEWS[view](), LOOKS[look])) + "\n"
    path = GOLDEN / f"status-{view}-{look}.txt"
    if os.environ.get("ETCDMETA_GOLDEN") == "write":
        path.write_text(drawn)
    assert drawn == path.read_text()


@pytest.mark.parametrize("look", ["utf8-200", "utf8-80", "ascii-200", "ascii-80"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_line_is_wider_than_the_terminal(view: str, look: str) -> None:
    for line in status_screen(VIEWS[view](), LOOKS[look]):
        assert display_width(line) <= LOOKS[look].width or line.startswith("Next:"), line


@pytest.mark.parametrize("view", VIEWS)
def test_ascii_is_ascii_and_says_words(view: str) -> None:
    text = "\n".join(status_screen(VIEWS[view](), LOOKS["ascii-200"]))
    assert text.isascii()
    assert all(mark not in text for mark in "●◐◑✖○⊘")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", [None, 80, 200])
def test_colour_adds_nothing_but_colour(view: str, width: int | None) -> None:
    plain = Look(width=width, marks=width is not None)
    painted = Look(width=width, marks=width is not None, colour=True)
    coloured = status_screen(VIEWS[view](), painted)
    assert [SGR.sub("", line) for line in coloured] == status_screen(VIEWS[view](), plain)
    assert any(SGR.search(line) for line in coloured)


def test_nothing_reaches_the_terminal_that_it_would_obey() -> None:
    scene = Scene()
    scene.node(1)
    scene.policy("a\x1b[2Jb\u202ec", "x\ny", replicas=1)
    scene.group(1, ("a\x1b[2Jb\u202ec", "x\ny"), "2026-11-23", {1: [owner(1, "failed", reason="\x07\x1b]0;t\x07")]})
    lines = status_screen(status_view(scene.snapshot(), PICTURE, ShardFilter(), now=NOW), LOOKS["utf8-200"])
    assert all(line.isprintable() for line in lines)


def test_a_pipe_cuts_nothing() -> None:
    scene = Scene()
    scene.node(1)
    scene.policy("d" * 200, "p" * 200, replicas=1)
    scene.group(1, ("d" * 200, "p" * 200), "2026-11-23", {1: [owner(1, "failed", reason="r" * 500)]})
    view = status_view(scene.snapshot(), PICTURE, ShardFilter(), now=NOW)
    piped = "\n".join(status_screen(view, Look()))
    assert "d" * 200 in piped
    assert "r" * 500 in piped
    assert "…" in "\n".join(status_screen(view, LOOKS["utf8-80"]))
