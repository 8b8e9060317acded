"""``etcdmeta agent run`` in a process of its own, and what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

SECONDS = 30.0


class AgentProcess:
    """Started by the constructor; killed at the end of the block, if it still runs."""

    def __init__(self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._lines: list[dict[str, Any]] = []
        self._ended = False
        self._news = threading.Condition()
        settings = {"HOME": str(folder), "PATH": os.environ.get("PATH", ""), **(env or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "etcdmeta", "--log-format", "json", "agent", "run", *arguments],
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(SECONDS)
        self._reader.join(SECONDS)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self._lines.append(json.loads(line))  # whatever is no JSON ends the reader, and so fails the test
                self._news.notify_all()
        self.process.stderr.close()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def log(self) -> list[dict[str, Any]]:
        with self._news:
            return list(self._lines)

    def says(self, start: str) -> dict[str, Any]:
        """The first line that begins so."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self._lines if line["message"].startswith(start)), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or self._ended, SECONDS)
            line = found()
        assert line is not None, f"{start!r} was not said: {self._lines}"
        return line

    @property
    def address(self) -> str:
        return str(self.says("listening at ")["address"])

    def get(self, path: str) -> tuple[int, str]:
        """From its HTTP port: status and body."""
        port = self.says("metrics at port ")["message"].rpartition(" ")[2]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Told to end; the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code
