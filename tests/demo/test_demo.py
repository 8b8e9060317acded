"""``etcdmeta demo`` as a stranger runs it: what it shows, and that nothing of it is left, however it ends."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Self

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by /proc"),
]

SECONDS = 110.0
"""The demo has to end within two minutes."""


class Demo:
    """One run in a process group of its own. All that it starts inherits its mark, and its folder for the temporary."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        # Not of etcd's name: what begins so is kept from the members.
        self._mark = f"DEMO_UNDER_TEST={secrets.token_hex(8)}"
        name, _, value = self._mark.partition("=")
        settings = {"HOME": str(folder), "TMPDIR": str(self.temporary), name: value}
        for variable in ("PATH", "LANG"):
            if variable in os.environ:
                settings[variable] = os.environ[variable]
        self._said: list[str] = []
        self._open = 2
        self._news = threading.Condition()  # reentrant: `text` takes it, too
        self.process = subprocess.Popen(
            [sys.executable, "-m", "etcdmeta", "demo", *arguments],
            env=settings,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self.process.stdout, self.process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever the test found: nothing of it goes on."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has ended by itself
        self.process.wait(SECONDS)
        for reader in self._readers:
            reader.join(SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None  # asked for above
            stream.close()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._news:
                self._said.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._open -= 1
            self._news.notify_all()

    @property
    def text(self) -> str:
        with self._news:
            return "\n".join(self._said)

    def until(self, text: str) -> None:
        """Waits for a line with the text; fails where the demo ends without it."""
        with self._news:
            self._news.wait_for(lambda: text in self.text or not self._open, SECONDS)
        assert text in self.text, f"{text!r} did not come:\n{self.text}"

    def wait(self) -> int:
        code = self.process.wait(SECONDS)
        for reader in self._readers:
            reader.join(SECONDS)
        return code

    def processes(self) -> list[int]:
        """Everything that inherited the mark and still runs, as far as we may look."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    environment = (entry / "environ").read_bytes()
                except OSError:
                    continue  # it has just ended, or is somebody else's
                if self._mark.encode() in environment.split(b"\0"):
                    found.append(int(entry.name))
        return found

    def left(self) -> tuple[list[int], list[str]]:
        return self.processes(), sorted(path.name for path in self.temporary.iterdir())


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    running: list[Demo] = []

    def start(*arguments: str) -> Demo:
        running.append(Demo(tmp_path, *arguments))
        return running[-1]

    yield start
    for each in running:
        each.__exit__()


def check_nothing_is_left(run: Demo) -> None:
    """What was told to end may need a moment to be gone."""
    deadline, pause = time.monotonic() + 15, threading.Event()
    while run.left() != ([], []) and time.monotonic() < deadline:
        pause.wait(0.05)
    assert run.left() == ([], [])


def check_the_main_job(run: Demo) -> None:
    verdicts = re.findall(r"^\$ etcdmeta shard status\n(\w+)", run.text, re.MULTILINE)
    assert verdicts == ["OK", "OK", "OK"], "before the plan, after it, and without a member of etcd"
    assert re.findall(r"^(\w+) .* of 3 endpoints answer", run.text, re.MULTILINE) == ["DEGRADED", "OK"]
    assert re.search(r"n4:copying:\d+%:down", run.text), "killed in the middle of its copies"
    assert "[db-4] copies shard" in run.text
    # Without ", 3 done" where the agents, on a busy machine, were done before `plan apply` came to watch.
    assert re.search(r"^plan 1 \(rebalance\) is done; 3 moves(, 3 done)? \(generation \d+\)$", run.text, re.MULTILINE)
    assert "12 copies of 6 shards on 4 nodes: all checksums are as they were written" in run.text
    watched = "\n".join(line for line in run.text.splitlines() if line.startswith("[watch]"))
    for news in ("database metrics created", "shard group 1 created", "copying → active"):
        assert news in watched, watched
    assert "none lost" in run.text
    assert "kill -9" in run.text
    assert run.text.count("joined the cluster as db-") == 4
    assert "node 4 is down for everybody" in run.text
    assert "node 4 came back to the cluster as db-4" in run.text
    assert re.search(r"^ +n2 +127\.0\.0\.1:\d+ +live ", run.text, re.MULTILINE), "agent status"
    assert "$ etcdmeta --endpoints agent://" in run.text


@pytest.mark.parametrize(
    ("moment", "whom"),
    [
        ("starting three members", "the terminal's processes"),
        ("[watch]", "the demo alone"),
    ],
)
def test_ctrl_c_leaves_nothing(demo: Callable[..., Demo], moment: str, whom: str) -> None:
    run = demo()
    run.until(moment)
    if whom == "the demo alone":
        run.process.send_signal(signal.SIGINT)
    else:
        os.killpg(run.process.pid, signal.SIGINT)
    assert run.wait() == 130, run.text
    check_nothing_is_left(run)
    assert "Traceback" not in run.text


def test_being_told_to_end_leaves_nothing(demo: Callable[..., Demo]) -> None:
    run = demo()
    run.until("joined the cluster as db-1")
    run.process.send_signal(signal.SIGTERM)
    assert run.wait() == 130, run.text
    check_nothing_is_left(run)


def test_it_shows_the_main_job_and_kept_runs_until_ctrl_c(demo: Callable[..., Demo]) -> None:
    """One whole play, since it takes half a minute; CI also runs it without ``--keep``."""
    run = demo("--keep")
    run.until("it runs on")
    run.until("export ETCDMETA_CLUSTER=demo")  # by another pipe, so it may come later
    check_the_main_job(run)
    exports = dict(
        shlex.split(line.removeprefix("export "))[0].split("=", 1)
        for line in run.text.splitlines()
        if line.startswith("export ")
    )
    assert set(exports) == {"ETCDMETA_ENDPOINTS", "ETCDMETA_CLUSTER"}
    # Pasted into another shell they lead there.
    done = subprocess.run(
        [sys.executable, "-m", "etcdmeta", "shard", "status"],
        env={"HOME": os.environ.get("HOME", "/"), "PATH": os.environ.get("PATH", ""), **exports},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stdout[:2]) == (0, "OK"), done.stdout + done.stderr
    assert run.process.poll() is None
    run.process.send_signal(signal.SIGINT)
    assert run.wait() == 130, run.text
    check_nothing_is_left(run)
