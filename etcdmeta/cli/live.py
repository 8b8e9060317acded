"""A screen that is drawn again in place, without flicker, and left usable however it ends.

Only the lines that changed are sent: over a slow line, and in a recording, a quiet screen is quiet.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the alternate screen, cursor off, no wrapping: a line is a row
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_BEGIN = "\x1b[?2026h"  # drawn as one piece by terminals that can
_END = "\x1b[?2026l"
_REST_OF_LINE, _REST_OF_SCREEN = "\x1b[K", "\x1b[J"

Size = Callable[[], os.terminal_size]


class LiveScreen:
    """Draws whole screens; see `live_screen`."""

    def __init__(self, stream: TextIO, size: Size = shutil.get_terminal_size) -> None:
        self._stream = stream
        self._size = size
        self._last: Sequence[str] = ()
        self._rows: list[str] = []
        self._drawn_for: os.terminal_size | None = None

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, as many as fit; what stands there already is not sent again."""
        self._last = lines
        size = self._size()
        rows = list(lines[: size.lines])
        if len(lines) > size.lines:
            rows[-1] = f"… {len(lines) - size.lines + 1} more lines"
        before = self._rows if size == self._drawn_for else None  # another size: who knows what stands there now
        if rows == before:
            return
        sent = [
            f"\x1b[{place + 1};1H{row}{_REST_OF_LINE}"
            for place, row in enumerate(rows)
            if before is None or place >= len(before) or before[place] != row
        ]
        if before is None or len(rows) < len(before):
            sent.append(f"\x1b[{len(rows) + 1};1H{_REST_OF_SCREEN}" if len(rows) < size.lines else "")
        self._rows, self._drawn_for = rows, size
        self._stream.write(_BEGIN + "".join(sent) + _END)
        self._stream.flush()

    @property
    def last(self) -> Sequence[str]:
        """What stood there last."""
        return self._last


@contextmanager
def live_screen(stream: TextIO) -> Iterator[LiveScreen]:
    """The alternate screen while it lasts; then the one before, with the last picture printed below."""
    screen = LiveScreen(stream)
    stream.write(_ENTER)
    stream.flush()
    try:
        yield screen
    finally:
        stream.write(_LEAVE)
        stream.writelines(line + "\n" for line in screen.last)
        stream.flush()
