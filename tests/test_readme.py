"""README.md is true: its examples run, what it names exists, its tables are those of the code.

```python blocks are executed, ``localhost:2379`` and the cluster's name being replaced by the test's own.
```console blocks are one session on one new cluster: each ``$ etcdmeta …`` runs, and what it prints has to be what
stands below it, once ids, times and the like are made equal; a line ``…`` stands for any lines.
"""

from __future__ import annotations

import ast
import io
import re
import shlex
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import copyfile
from typing import Any, NamedTuple

import pytest
from google.rpc import error_details_pb2

import etcdmeta
from etcdmeta import MetaStore, errors, testing
from etcdmeta.cli import exits
from etcdmeta.cli.frame import PROGRAM, root
from etcdmeta.cli.main import run
from etcdmeta.cli.session import Session
from etcdmeta.cli.settings import FILE_KEYS, Settings
from etcdmeta.embedded import Cluster
from etcdmeta.model.durations import DAY
from etcdmeta.services import copying
from etcdmeta.testing import plugin
from etcdmeta.wire.pb import agent_pb2

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COLUMNS = 120

# Run on and on, or are about processes of their own: they have tests of their own, and are only parsed here.
NOT_RUN = {"demo", "etcd run", "agent run", "node leave"}


class Block(NamedTuple):
    """A fenced block: its language, the line of the file that it begins at, the heading above it, its text."""

    language: str
    line: int
    heading: str
    text: str


def blocks_of(text: str) -> Iterator[Block]:
    heading, begun = "", None
    inside: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if begun is None and line.startswith("```"):
            begun, inside = (line[3:], number), []
        elif line == "```":
            assert begun is not None
            yield Block(*begun, heading, "\n".join(inside))
            begun = None
        elif begun is not None:
            inside.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")


BLOCKS = tuple(blocks_of(README))


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def table_below(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    text = README[README.index(f"\n{heading}\n") :]
    rows = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert rows is not None, heading
    return [re.split(r"\s*\|\s*", row)[1:-1] for row in rows[0].splitlines()[2:]]


def verbs() -> dict[str, Any]:
    """``"db create"`` → its command, for the whole tree."""
    app, found = root(), {}
    with app.make_context(PROGRAM, [], resilient_parsing=True) as ctx:
        for noun in app.list_commands(ctx):
            command = app.get_command(ctx, noun)
            for name, verb in getattr(command, "commands", {"": command}).items():
                found[f"{noun} {name}".strip()] = verb
    return found


VERBS = verbs()


def named(words: list[str]) -> str:
    """Which verb a command line is about. Options in front of the noun are written here as ``--x VALUE``."""
    rest = list(words)
    while rest[0].startswith("-"):
        del rest[:2]
    two = " ".join(rest[:2])
    return two if two in VERBS else rest[0]


# --- examples


@pytest.mark.parametrize("block", of("python"), ids=lambda block: f"line {block.line}")
def test_python(block: Block, etcd_cluster: Cluster, etcd_prefix: str) -> None:
    text = block.text.replace("localhost:2379", ",".join(etcd_cluster.endpoints)).replace('"prod"', f'"{etcd_prefix}"')
    exec(compile("\n" * block.line + text, str(ROOT / "README.md"), "exec"), {"__name__": "__main__"})


_ATTRIBUTES = re.compile(r"\x1b\[[0-9;]*m")  # bold heads of columns: NO_COLOR is about colours


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon when a session begins: a group of "now" is not of now any more for one that goes on at midnight."""
    now = time.time_ns
    ahead = DAY // 2 - now() % DAY
    monkeypatch.setattr(time, "time_ns", lambda: now() + ahead)


class Typist:
    """Types command lines at a terminal of `COLUMNS`; each is run in this process."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.code = 0

    def type(self, line: str) -> str:
        """What a person would see of it. ``$?`` is the code of the one before."""
        if line == "echo $?":
            return f"{self.code}\n"
        words = shlex.split(line, comments=True)
        assert words[0] == PROGRAM, line
        screen = Terminal()
        self.code = run(Session(self._environ, Terminal(), screen, screen), words[1:])
        return _ATTRIBUTES.sub("", screen.getvalue())


@pytest.fixture
def typist(
    etcd_cluster: Cluster, etcd_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Typist:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    at_noon(monkeypatch)
    copyfile(ROOT / "tests" / "influxdb" / "fixtures" / "v0.9.6" / "small.bin", tmp_path / "state.bin")
    password = tmp_path / "pw"
    password.write_text("correct horse\n")
    password.chmod(0o600)
    return Typist(
        {
            "HOME": str(tmp_path),
            "NO_COLOR": "1",
            "PAGER": "cat",
            "ETCDMETA_ENDPOINTS": ",".join(etcd_cluster.endpoints),
            "ETCDMETA_CLUSTER": etcd_prefix,
        }
    )


_SHAPES = (
    (re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "DATE"),
    (re.compile(r"cluster \d+"), "cluster ID"),
    (re.compile(r"\d+\.\d s behind"), "N s behind"),
    (re.compile(r"(uid \d+|[\w.-]+)@[\w.-]+"), "ACTOR"),
    (re.compile(r"equals \d+"), "equals REVISION"),
    (re.compile(r"\d+ bytes"), "N bytes"),
    (re.compile(r"\s+"), " "),  # columns are as wide as what stands in them
)


def shape(line: str) -> str:
    for pattern, word in _SHAPES:
        line = pattern.sub(word, line)
    return line.strip()


def agrees(expected: list[str], printed: list[str]) -> bool:
    """Line by line, empty ones aside; ``…`` in the expected ones stands for any, and for none."""
    if not expected:
        return not printed
    if expected[0] == "…":
        return any(agrees(expected[1:], printed[count:]) for count in range(len(printed) + 1))
    return bool(printed) and expected[0] == printed[0] and agrees(expected[1:], printed[1:])


def shapes(text: str) -> list[str]:
    return [shape(line) for line in text.splitlines() if line.strip()]


def test_console(typist: Typist) -> None:
    for block in of("console"):
        for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            line, _, expected = step.partition("\n")
            printed = typist.type(line)
            assert agrees(shapes(expected), shapes(printed)), f"$ {line}\n{printed}\nREADME has:\n{expected}"


@pytest.mark.parametrize(
    ("expected", "printed", "fits"),
    [
        ("a\nb", "a\nb", True),
        ("a\n…\nc", "a\nb\nb\nc", True),
        ("a\n…", "a", True),
        ("a\nb", "a", False),
        ("a\n…\nc", "a\nb", False),
        ("made 2026-11-23T10:00:00Z, generation 1", "made 2031-01-01T00:00:00.5Z, generation 1", True),
        ("generation 1", "generation 2", False),
    ],
)
def test_what_agrees(expected: str, printed: str, fits: bool) -> None:
    assert agrees(shapes(expected), shapes(printed)) is fits


def every_command() -> list[str]:
    (block,) = (block for block in of("sh") if block.heading == "Every command")
    return block.text.splitlines()


def test_every_command_runs(typist: Typist) -> None:
    for line in every_command():
        if named(shlex.split(line, comments=True)[1:]) not in NOT_RUN:
            printed = typist.type(line)
            wanted = {0, 10} if re.search("shard status|plan verify", line) else {0}
            assert typist.code in wanted, f"$ {line}\n{printed}"


def test_every_command_is_every_command() -> None:
    assert {named(shlex.split(line, comments=True)[1:]) for line in every_command()} == set(VERBS)


def command_lines() -> list[str]:
    """Those that no other test runs: in the text, in shell blocks, in the demo's output."""
    typed = [line for block in of("sh") for line in block.text.splitlines()]
    typed += [line[2:] for block in of("text") for line in block.text.splitlines() if line.startswith("$ ")]
    quoted = re.findall(r"`(etcdmeta [^`…]+)`", README)
    return [line for line in [*typed, *quoted] if line.startswith("etcdmeta ") and line != "etcdmeta --help"]


@pytest.mark.parametrize("line", dict.fromkeys(command_lines()))
def test_command_lines_can_be_typed(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    name = named(words)
    assert name in VERBS, line
    verb = VERBS[name]
    while words[0].startswith("-"):
        del words[:2]
    rest = words[len(name.split()) :]
    with root().make_context(PROGRAM, [], resilient_parsing=True) as parent:
        parent.obj = Session({})
        # Resilient where only the verb is named: its arguments are not the point then.
        verb.make_context(name, rest, parent=parent, resilient_parsing=not rest)


# --- what is named


def test_named_tests_exist() -> None:
    ids = re.findall(r"`(tests/[\w/.-]+\.py)::(\w+)`", README)
    assert len(ids) > 20
    for path, function in ids:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (path, function)


def test_every_guarantee_has_its_test() -> None:
    for row in table_below("## What it guarantees"):
        assert "`tests/" in row[-1], row[0]


def test_named_paths_exist() -> None:
    words = re.findall(r"`((?:scripts|tests|etcdmeta|schemas|\.ci)/[\w./-]+)", README)
    words += [word for block in of("sh") for word in re.findall(r"^(scripts/\S+)", block.text, re.MULTILINE)]
    words += re.findall(r"`(pyproject\.toml|docker-compose\.yml)`", README)
    words += re.findall(r"\]\(([^#)]+)\)", README)
    for word in words:
        assert (ROOT / word).exists(), word


def test_links_lead_to_headings() -> None:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", README, flags=re.DOTALL), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]+)\)", README)
    assert set(links) <= anchors


def test_named_parts_of_the_library_exist() -> None:
    for name in re.findall(r"`store\.(\w+)", README):
        assert hasattr(MetaStore, name), name
    for name in re.findall(r"`((?:etcd|meta|proxy|local)_\w+)`", README):
        assert hasattr(plugin, name) or hasattr(testing, name), name
    calls = agent_pb2.DESCRIPTOR.services_by_name["Metadata"].methods_by_name
    for name in re.findall(r"`([A-Z][a-z]\w+)`", README):
        places = (errors, etcdmeta, copying, error_details_pb2)
        assert name in calls or any(hasattr(place, name) for place in places), name


# --- tables


def test_exit_codes_are_those_of_the_code() -> None:
    told = {int(code): set(re.findall(r"`(\w+)`", names)) for code, _, names in table_below("### Exit codes")}
    alone = (0, exits.PARTLY_DONE, exits.DEGRADED, exits.UNAVAILABLE, exits.UNKNOWN, exits.INTERRUPTED)
    coded: dict[int, set[str]] = {code: set() for code in alone}
    for kind, code in exits.CODES:
        coded.setdefault(code, set()).add(kind.__name__)
    assert told == coded


def test_settings_are_those_of_the_code() -> None:
    rows = {row[0]: row for row in table_below("## Configuration")}
    assert set(rows) == {*FILE_KEYS, "password"}
    for name, (_, flag, variables, _) in rows.items():
        for variable in re.findall(r"`(\w+)`", variables) if name != "password" else ():
            both = {variable, variable.replace("CERT", "KEY"), variable.replace("KEY", "CERT")}  # one needs the other
            value = "json" if name in ("output", "log-format") else "x"
            assert Settings({}, dict.fromkeys(both, value))[name].source == variable
        if flag.startswith("`--"):
            assert flag.strip("`") == f"--{name}"


def test_the_settings_file_can_be_used(tmp_path: Path) -> None:
    (block,) = of("toml")
    file = tmp_path / "config.toml"
    file.write_text(block.text)
    for context in tomllib.loads(block.text)["contexts"]:
        assert Settings({"config": str(file), "context": context}, {}).file.context == context


def test_what_is_not_yet_there_is_not_there_yet() -> None:
    for row in table_below("## Coming from InfluxDB"):
        absent = re.findall(r"not yet \(`([^`]+)`\)", row[1])
        assert not [name for name in absent if name in VERBS], row
        for name in re.findall(r"`([^`]+)`", re.sub(r"not yet \([^)]*\)", "", row[1])):
            if not name.startswith(("store.", "-")) and name != "active":
                assert named(name.split()) in VERBS, row


def test_the_demo_says_what_is_told_of_it() -> None:
    play = (ROOT / "etcdmeta" / "demo" / "play.py").read_text(encoding="utf-8")
    (told,) = (block.text for block in of("text") if "[watch]" in block.text)
    narrated = [line[2:].partition(".")[0] for line in told.splitlines() if line.startswith("# ")]
    assert narrated
    for sentence in narrated:
        assert sentence.replace("db-4:8088", "{victim.host}") in play, sentence


def test_the_numbers_have_their_place() -> None:
    _, _, rest = README.partition("<!-- bench:begin -->\n")
    numbers, end, _ = rest.partition("<!-- bench:end -->")
    assert end
    assert numbers.strip()
