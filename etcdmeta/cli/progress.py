"""How far long work is: one line on stderr that is redrawn, where that is a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etcdmeta.cli.shard_cells import size_text
from etcdmeta.cli.text import display_width
from etcdmeta.model.health import span_text

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session

_CLEAR = "\r\x1b[K"
_EVERY = 0.5
_SILENT = 1.0


class Progress:
    """What is done of what there is; ``None`` where nobody knows. The rate is that since the begin of the step.

    Any thread may report; whoever draws reads what came last.
    """

    def __init__(self, what: str, *, records: int | None = None, size: int | None = None) -> None:
        self._what = what
        self._records = records
        self._size = size
        self._done: tuple[int, int | None] = (0, None)
        self._begun = time.monotonic()

    def step(self, what: str, *, records: int | None = None, size: int | None = None) -> None:
        """Another kind of work begins, and counts from 0."""
        self._what, self._records, self._size = what, records, size
        self._done, self._begun = (0, None), time.monotonic()

    def report(self, records: int, size: int | None = None, *, of: int | None = None) -> None:
        """So many records and bytes are done now. ``of``: how many records there are, where that is known only now."""
        if of is not None:
            self._records = of
        self._done = (records, size)

    def text(self, now: float) -> str:
        """``loading: 1,200 of 5,000 records, 1.5 MiB of 6 MiB, 400 records/s, 10 s left``."""
        records, size = self._done
        parts = [_of(f"{records:,}", None if self._records is None else f"{self._records:,}") + " records"]
        if size is not None:
            parts.append(_of(size_text(size), None if self._size is None else size_text(self._size)))
        elapsed = now - self._begun
        if records and elapsed > 0:
            rate = records / elapsed
            parts.append(f"{rate:,.0f} records/s")
            if self._records is not None:
                parts.append(f"{span_text(max(0.0, (self._records - records) / rate))} left")
        return f"{self._what}: {', '.join(parts)}"


@contextmanager
def progress(
    session: Session, what: str, *, records: int | None = None, size: int | None = None
) -> Iterator[Progress]:
    """While the block runs, from the first second on: a line of how far it is; gone when it ends.

    Nothing where stderr is no terminal, and with ``-q`` or ``-v``.
    """
    shown = Progress(what, records=records, size=size)
    if session.quiet or session.verbosity or not session.stderr.isatty():
        yield shown
        return
    done = threading.Event()

    def draw() -> None:
        drawn = False
        wait = _SILENT
        while not done.wait(wait):
            session.stderr.write(_CLEAR + _fitted(shown.text(time.monotonic())))
            session.stderr.flush()
            drawn, wait = True, _EVERY
        if drawn:
            session.stderr.write(_CLEAR)
            session.stderr.flush()

    drawer = threading.Thread(target=draw, name="etcdmeta-progress", daemon=True)
    drawer.start()
    try:
        yield shown
    finally:
        done.set()
        drawer.join()


def _of(done: str, whole: str | None) -> str:
    return done if whole is None else f"{done} of {whole}"


def _fitted(text: str) -> str:
    """One line of the terminal: a longer one would not be overdrawn."""
    from shutil import get_terminal_size

    width = get_terminal_size().columns - 1
    while text and display_width(text) > width:
        text = text[:-1]
    return text
