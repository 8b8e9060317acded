"""Nothing of a cluster outlives the process that started it, however that one ended.

A small process of its own waits for the end of its standard input, which only the starter holds open; then
it kills what it was told to. PR_SET_PDEATHSIG would not do: it follows the *thread* that started the child,
and only Linux has it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_END_SECONDS = 10.0


class Guard:
    """Told by the owner what is running; acts only when the owner is gone."""

    def __init__(self) -> None:
        # A session of its own: Ctrl-C in the terminal goes to the owner, who cleans up in order.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            bufsize=1,
        )

    def watch_process(self, pid: int) -> None:
        """Kill this one when the owner is gone."""
        self._tell("process", pid)

    def forget_process(self, pid: int) -> None:
        """It has ended: its number may soon be another's."""
        self._tell("ended", pid)

    def watch_directory(self, directory: Path) -> None:
        """Remove this one, after the processes, when the owner is gone."""
        self._tell("directory", directory)

    def dismiss(self) -> None:
        """Ends the guard without it doing anything; more than once does nothing."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        self._tell("dismiss", "")
        self._process.stdin.close()
        self._process.wait(_END_SECONDS)

    def _tell(self, word: str, what: object) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise ValueError("the guard was dismissed")
        try:
            stdin.write(f"{word} {what}\n")
            stdin.flush()
        except BrokenPipeError:
            # Somebody killed the guard: what it guards goes on, and an orderly end still cleans up.
            return


def main() -> None:
    """Collects until the owner is gone, then kills and removes."""
    processes: set[int] = set()
    directories: list[str] = []
    for line in sys.stdin:
        word, _, what = line.rstrip("\n").partition(" ")
        if word == "process":
            processes.add(int(what))
        elif word == "ended":
            processes.discard(int(what))
        elif word == "directory":
            directories.append(what)
        elif word == "dismiss":
            return
    for pid in processes:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # ended by itself in the meantime
    for directory in directories:
        remove(directory)


def remove(directory: str) -> None:
    """Removes a directory whose writers were just killed, and may still be writing for a moment."""
    end = time.monotonic() + _END_SECONDS
    while os.path.exists(directory) and time.monotonic() < end:
        shutil.rmtree(directory, ignore_errors=True)
        time.sleep(0.02)


if __name__ == "__main__":
    main()
