"""The command line as a process of its own: for what streams, draws on a terminal, or is interrupted."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

PROGRAM = [sys.executable, "-c", "import sys; from etcdmeta.cli.main import main; sys.exit(main())"]
DEADLINE = 30.0


class Process:
    """One run. ``terminal``: (columns, lines) of a terminal that stdout is; else stdout is a pipe."""

    def __init__(self, *arguments: str, env: Mapping[str, str], terminal: tuple[int, int] | None = None) -> None:
        environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", "TERM": "xterm", **env}
        if terminal is None:
            self._reader, writer = os.pipe()
        else:
            self._reader, writer = pty.openpty()
            fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", terminal[1], terminal[0], 0, 0))
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, env=environ
        )
        os.close(writer)
        self.out = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a read may end within a letter

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._reader)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def read_until(self, pattern: str, *, since: int = 0) -> re.Match[str]:
        """Read stdout until the pattern stands in it, from ``since`` on."""
        deadline = time.monotonic() + DEADLINE
        while (found := re.search(pattern, self.out[since:], re.DOTALL)) is None:
            if not self._read(deadline):
                raise AssertionError(f"no {pattern!r} in {self.out!r}; stderr: {self._errors()}")
        return found

    def end(self, signal_number: int | None = signal.SIGINT) -> int:
        """Interrupt it, or just let it end; everything it wrote stands in ``out``. The exit code."""
        if signal_number is not None:
            self.process.send_signal(signal_number)
        deadline = time.monotonic() + DEADLINE
        while self._read(deadline):
            pass
        return self.process.wait(DEADLINE)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._reader, 65536)
        except OSError:  # how Linux says that the other side of a terminal is gone
            return False
        self.out += self._decoder.decode(data)
        return bool(data)

    def _errors(self) -> str:
        self.process.kill()
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()
