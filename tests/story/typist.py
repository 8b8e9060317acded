"""Who types the command lines of the story, what came of each, and whether README tells the same.

Blocks ```` ```console story ```` of README hold lines that were typed, in their order, and what was printed. Ids, times
and what depends on the speed of the machine are made equal; a line ``…`` stands for any lines, as in README's session.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from etcdmeta.cli.frame import PROGRAM
from etcdmeta.cli.main import run
from etcdmeta.cli.session import Session
from etcdmeta.embedded import Cluster
from tests.test_readme import agrees, of, shapes

_ATTRIBUTES = re.compile(r"\x1b\[[0-9;]*m")
_SPEED = (
    (re.compile(r"generation \d+"), "generation N"),
    (re.compile(r"attempt \d+"), "attempt N"),
    (re.compile(r"\d+ %"), "N %"),
    (re.compile(r"copies from n\d+"), "copies from nN"),
    (re.compile(r"\d+ copying( \([^)]*\))?"), "N copying"),
    (re.compile(r"\d+ waiting"), "N waiting"),
    (re.compile(r"(moves done), N copying.*"), r"\1 and more"),
    (re.compile(r"^\d+ metrics\.autogen .*◐.*"), "a shard that is copied"),  # which comes first is up to the planner
    (re.compile(r"^\d+ TIME (db-\d+:8088 )?"), "N TIME "),  # of `history`; which agent leads is nobody's choice
)


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Beside(io.StringIO):
    """What is said besides the data, in between on the same screen: as lines, nothing is drawn in place."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def write(self, text: str) -> int:
        return self._screen.write(text)


class Typed(NamedTuple):
    """One command line, and all that it printed."""

    line: str
    printed: str


@dataclass
class Typist:
    """Types, and keeps what came. The terminal is as wide as ``COLUMNS`` says."""

    environ: dict[str, str]
    typed: list[Typed]

    @classmethod
    def on(cls, cluster: Cluster, prefix: str) -> Typist:
        where = {"ETCDMETA_ENDPOINTS": ",".join(cluster.endpoints), "ETCDMETA_CLUSTER": prefix}
        return cls({**where, "NO_COLOR": "1", "PAGER": "cat"}, [])

    def __call__(self, line: str, *, code: int = 0) -> str:
        """What it printed. ``line`` without the program's name."""
        screen = Screen()
        found = run(Session(self.environ, io.StringIO(), screen, Beside(screen)), shlex.split(line))
        printed = _ATTRIBUTES.sub("", screen.getvalue())
        self.typed.append(Typed(f"{PROGRAM} {line}", printed))
        assert found == code, f"$ {PROGRAM} {line}\n{printed}\nexit {found}"
        return printed

    @property
    def transcript(self) -> str:
        return "\n".join(f"$ {line}\n{printed}" for line, printed in self.typed)


def told() -> list[Typed]:
    """What README tells of the story."""
    steps = [step for block in of("console story") for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]]
    return [Typed(line, printed) for line, _, printed in (step.partition("\n") for step in steps)]


def check(typed: Sequence[Typed]) -> None:
    """Every line of README was typed, in this order, and printed what stands there."""
    rest, lines = iter(typed), told()
    assert lines
    for line, expected in lines:
        printed = next((each.printed for each in rest if each.line == line), None)
        assert printed is not None, f"$ {line}\nwas not typed, or not then"
        fits = agrees(_slow(shapes(expected)), _slow(shapes(printed)))
        assert fits, f"$ {line}\n{printed}\nREADME has:\n{expected}"


def _slow(lines: Sequence[str]) -> list[str]:
    found = list(lines)
    for pattern, word in _SPEED:
        found = [pattern.sub(word, line) for line in found]
    return found
