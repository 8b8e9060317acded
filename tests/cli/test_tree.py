"""The tree of commands is an interface: names, once there, stay. And its help costs no import of what is below."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from etcdmeta.cli.frame import root
from etcdmeta.cli.session import Session
from etcdmeta.cli.tree import ELSEWHERE, TREE

GOLDEN = Path(__file__).parent / "golden" / "tree.txt"


def described() -> list[str]:
    lines = []
    app = root()
    with app.make_context("etcdmeta", [], resilient_parsing=True) as ctx:
        lines.append(f"etcdmeta {flags(app)}")
        for noun in app.list_commands(ctx):
            command = app.get_command(ctx, noun)
            for name, verb in getattr(command, "commands", {"": command}).items():
                lines.append(" ".join(part for part in ("etcdmeta", noun, name, flags(verb)) if part))
    return lines


def flags(command: Any) -> str:
    found = []
    for param in command.params:
        if param.param_type_name == "argument":
            found.append(param.metavar or param.name.upper())
        else:
            found.append(f"[{'|'.join(param.opts)}]")
    return " ".join(found)


def test_names_stay() -> None:
    known = GOLDEN.read_text().splitlines()
    gone = sorted(set(known) - set(described()))
    new = sorted(set(described()) - set(known))
    assert not gone, f"these are an interface: {gone}"
    assert not new, f"add them to {GOLDEN}: {new}"


@pytest.mark.parametrize("branch", TREE, ids=lambda branch: branch.name)
def test_every_noun_has_help(branch: Any, cli: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(branch.name, "--help").code == 0
    assert f"Usage: etcdmeta {branch.name} " in capsys.readouterr().out


def test_every_verb_says_what_it_does() -> None:
    app = root()
    with app.make_context("etcdmeta", [], resilient_parsing=True) as ctx:
        for noun in app.list_commands(ctx):
            command = app.get_command(ctx, noun)
            for name, verb in getattr(command, "commands", {noun: command}).items():
                assert verb.help, (noun, name)
                assert all(param.help for param in verb.params), (noun, name)


def test_help_imports_nothing_of_what_is_below() -> None:
    heavy = ("etcdmeta.store", "etcdmeta.model", "grpc", "pydantic", "rich", "etcd3", "google", "yaml")
    script = (
        "import sys, etcdmeta.cli.main as m; m.main(['--help']); "
        f"print([n for n in sys.modules if n.startswith({heavy!r})], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr == "[]\n"
    assert all(f"  {branch.name} " in ran.stdout for branch in TREE)


def test_global_options_before_and_after(cli: Any) -> None:
    before = cli("-o", "json", "--cluster", "x", "config", "show")
    between = cli("config", "-o", "json", "--cluster", "x", "show")
    after = cli("config", "show", "-o", "json", "--cluster", "x")
    assert before.out == between.out == after.out
    assert cli("--cluster", "y", "config", "show", "-o", "json", "--cluster", "x").out == after.out, "the later counts"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["shrad", "status"], "did you mean shard?"),
        (["db", "lst"], "did you mean list?"),
        (["plan", "replace", "n1", "n2"], "that is `etcdmeta node replace`"),
        (["copy-shard", "1"], "that is `etcdmeta shard copy`"),
        (["db", "create"], "Missing argument"),
        (["db", "list", "--nope"], "--nope"),
        (["db", "create", "a", "b"], "unexpected extra argument"),
        (["config", "show", "-o", "xml"], "one of: table, wide, json"),
    ],
)
def test_usage(cli: Any, arguments: list[str], says: str) -> None:
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


def test_interrupt_is_130(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Session) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "settings", property(interrupt))
    ran = cli("config", "show")
    assert (ran.code, ran.err) == (130, "interrupted\n")


def test_a_defect_is_1_and_asks_to_be_reported(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Session) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(Session, "settings", property(fail))
    ran = cli("config", "show")
    assert ran.code == 1
    assert "unexpected: ZeroDivisionError: by zero" in ran.err
    assert "report it" in ran.err
    assert "Traceback" not in ran.err
    assert "Traceback" in cli("config", "show", "-vv").err


def test_exit_of_a_verb_counts(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(self: Session) -> None:
        raise typer.Exit(11)

    monkeypatch.setattr(Session, "settings", property(leave))
    assert cli("config", "show").code == 11


def test_a_reader_that_leaves_is_no_error() -> None:
    script = "import sys; from etcdmeta.cli.main import main; sys.exit(main(['config', 'show']))"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 0


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_verdict_counts_though_its_reader_leaves(lines: int) -> None:
    """`shard status | head -1` in a script: what was reached before the reader left is the exit code."""
    script = f"""if 1:
        import sys, typer
        from etcdmeta.cli import main
        def invoke(command, session, arguments):
            session.stdout.write("x" * {lines})
            raise typer.Exit(11)
        main._invoke = invoke
        sys.exit(main.main([]))"""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == (11 if lines == 1 else 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_no_defect() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "etcdmeta", "config", "show"],
        stdout=Path("/dev/full").open("w"),  # noqa: SIM115
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "the output cannot be written: No space left on device" in ran.stderr
    assert "report it" not in ran.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(cli: Any, shell: str) -> None:
    ran = cli("completion", shell)
    assert ran.code == 0
    assert "_ETCDMETA_COMPLETE" in ran.out


def test_completion_completes(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import sys; from etcdmeta.cli.main import main; sys.exit(main())"],
        env={
            "COMP_WORDS": "etcdmeta db cr",
            "COMP_CWORD": "2",
            "_ETCDMETA_COMPLETE": "complete_bash",
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.split() == ["create"]


@pytest.mark.parametrize(("typed", "meant"), ELSEWHERE.items())
def test_what_is_called_otherwise_here(typed: str, meant: str) -> None:
    there = [line.split(" [")[0] for line in described()]
    named = meant.partition(" -")[0]
    assert any(line.startswith(f"etcdmeta {named}") for line in there), "what is named has to be there"
    hidden = " " in typed and any(f"{line} ".startswith(f"etcdmeta {typed} ") for line in there)
    assert not hidden, "it is there itself"
