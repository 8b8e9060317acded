"""When this node became live: what tells whether it is flapping, kept over restarts in a small file."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path

log = logging.getLogger("etcdmeta.agent")

KEPT = 16
"""Interruptions that are remembered; flapping is fewer within its window."""


class Comings:
    """Times in nanoseconds since 1970. Every one but the first is an interruption that ended.

    With a file they outlive the process. A file that cannot be read, or written, is logged and no reason not to live:
    the times of this process are counted all the same.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._times = [] if path is None else _read(path)

    def interruptions(self, *, coming: int | None = None) -> tuple[int, ...]:
        """The latest `KEPT`, oldest first; as they would be with one more ``coming``."""
        times = self._times if coming is None else [*self._times, coming]
        return tuple(times[1:][-KEPT:])

    def add(self, time: int) -> None:
        """The node became live."""
        self._times = [*self._times, time][-KEPT - 1 :]
        if self._path is not None:
            try:
                _write(self._path, self._times)
            except OSError as error:
                log.warning("the times this node became live could not be kept in %s: %s", self._path, error)


def _read(path: Path) -> list[int]:
    try:
        times = json.loads(path.read_text(encoding="utf-8"))["becameLive"]
        return sorted(int(time) for time in times)[-KEPT - 1 :]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        log.warning("%s cannot be read (%s): counting begins anew", path, error)
        return []


def _write(path: Path, times: list[int]) -> None:
    """By atomic rename; readable by the owner alone, as all of the data directory."""
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "becameLive": [str(time) for time in times]}, file)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
