"""What takes over a second says so on stderr, when that is a terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session

_CLEAR = "\r\x1b[K"


@contextmanager
def waiting(session: Session, what: str) -> Iterator[None]:
    """While the block runs: ``what`` and the seconds so far, from the first second on; gone when it ends."""
    if session.quiet or session.verbosity or not session.stderr.isatty():  # -v tells more than that, line by line
        yield
        return
    done = threading.Event()

    def tick() -> None:
        seconds = 0
        while not done.wait(1.0):
            seconds += 1
            session.stderr.write(f"{_CLEAR}{what} ({seconds} s)")
            session.stderr.flush()
        if seconds:
            session.stderr.write(_CLEAR)
            session.stderr.flush()

    ticker = threading.Thread(target=tick, name="etcdmeta-waiting", daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
