"""A live screen sends what changed, and nothing else."""

from __future__ import annotations

import io
import os

from etcdmeta.cli.live import LiveScreen, live_screen


class Screen:
    """A terminal of a given size; ``sent`` is what the last drawing wrote."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self.size = os.terminal_size((columns, lines))
        self.stream = io.StringIO()
        self.live = LiveScreen(self.stream, lambda: self.size)

    def draw(self, *lines: str) -> str:
        begun = self.stream.tell()
        self.live.draw(lines)
        return self.stream.getvalue()[begun:]


def test_lines_that_stayed_are_not_sent_again() -> None:
    screen = Screen()
    rows = [f"row {number} " + "x" * 60 for number in range(20)]
    assert all(row in screen.draw(*rows) or row in screen.stream.getvalue() for row in rows)
    sent = screen.draw(*rows[:7], "changed", *rows[8:])
    assert "\x1b[8;1Hchanged\x1b[K" in sent
    assert "row" not in sent
    assert len(sent) < 50


def test_what_is_the_same_sends_nothing() -> None:
    screen = Screen()
    screen.draw("a", "b")
    assert screen.draw("a", "b") == ""


def test_a_shorter_screen_clears_what_stood_below() -> None:
    screen = Screen()
    screen.draw("a", "b", "c")
    assert screen.draw("a") == "\x1b[?2026h\x1b[2;1H\x1b[J\x1b[?2026l"


def test_a_longer_one_sends_only_what_is_new() -> None:
    screen = Screen()
    screen.draw("a")
    assert screen.draw("a", "b") == "\x1b[?2026h\x1b[2;1Hb\x1b[K\x1b[?2026l"


def test_another_size_is_drawn_anew() -> None:
    screen = Screen()
    screen.draw("a", "b")
    screen.size = os.terminal_size((100, 24))
    sent = screen.draw("a", "b")
    assert "\x1b[1;1Ha\x1b[K\x1b[2;1Hb\x1b[K" in sent
    assert sent.endswith("\x1b[J\x1b[?2026l")


def test_what_does_not_fit_is_counted() -> None:
    assert "… 8 more lines" in Screen(lines=3).draw(*map(str, range(10)))


def test_it_leaves_a_usable_terminal_with_the_last_picture() -> None:
    stream = io.StringIO()
    with live_screen(stream) as screen:
        screen.draw(["last"])
    assert stream.getvalue().endswith("\x1b[?7h\x1b[?25h\x1b[?1049llast\n")
    assert "\x1b[2J" not in stream.getvalue(), "clearing all of it would flicker"
