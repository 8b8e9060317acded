"""What the demo plays on: a real etcd, real commands in processes of their own, and a second one that watches."""

from __future__ import annotations

import os
import queue
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import IO, Self

from etcdmeta.errors import Defect

COMMAND_TIMEOUT = 60.0


class Stage:
    """Prints what is played. ``environment`` is what the commands are run with: where etcd is."""

    def __init__(self, environment: Mapping[str, str], out: IO[str]) -> None:
        self._environment = {**os.environ, **environment, "NO_COLOR": "1"}
        self._out = out
        self._begun = time.monotonic()
        self._mutex = threading.Lock()

    def say(self, text: str) -> None:
        """A sentence of the narrator."""
        with self._mutex:
            print(f"\n# {text}", file=self._out, flush=True)

    def show(self, text: str) -> None:
        with self._mutex:
            print(text, file=self._out, flush=True)

    def run(self, line: str, *, expect: tuple[int, ...] = (0,)) -> str:
        """One command line, as a person would type it; shows it and what it prints. Raises `Defect` where it ends with
        another code than those expected."""
        self.show(f"$ {line}")
        words = shlex.split(line)
        done = subprocess.run(
            self._argv(words[1:]),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )
        self.show(done.stdout.rstrip())
        if done.returncode not in expect:
            raise Defect(f"{line!r} ended with exit code {done.returncode}")
        return done.stdout

    def watch(self) -> Watcher:
        """A process of its own that prints what others change, beside the play."""
        return Watcher(self._argv(["watch"]), self._environment)

    @property
    def seconds(self) -> float:
        """Since the play began."""
        return time.monotonic() - self._begun

    def _argv(self, words: list[str]) -> list[str]:
        return [sys.executable, "-m", "etcdmeta", *words]


class Companion:
    """A process beside the play, whose lines can be waited for. Ends with the block."""

    def __init__(self, argv: list[str], environment: Mapping[str, str]) -> None:
        self._lines: queue.Queue[str] = queue.Queue(maxsize=10_000)
        self._process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, name="demo-companion", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Told to end, and ended where it does not."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(10)

    def kill(self) -> None:
        """As a machine that loses its power."""
        self._process.kill()
        self._process.wait()
        self._reader.join(10)

    def until(self, text: str, timeout: float = 30.0) -> list[str]:
        """The lines up to one that holds the text. Raises `Defect` where it does not come in time."""
        seen: list[str] = []
        deadline = time.monotonic() + timeout
        while True:
            try:
                seen.append(self._lines.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                said = "; ".join(seen[-5:]) or "nothing"
                raise Defect(f"a process did not say {text!r} within {timeout:g} s, but {said}") from None
            if text in seen[-1]:
                return seen

    def so_far(self) -> list[str]:
        """The lines that nobody has waited for."""
        seen: list[str] = []
        while not self._lines.empty():
            seen.append(self._lines.get())
        return seen

    def _read(self) -> None:
        assert self._process.stdout is not None  # asked for above
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._process.stdout.close()


class Watcher(Companion):
    """``etcdmeta watch`` in another process."""

    def __enter__(self) -> Self:
        self.until("watching")  # it says so when it has its picture: what happens from then on, it sees
        return self
