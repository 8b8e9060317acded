"""A screen that is drawn again in place, without flicker, and left usable however it ends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

_ENTER = "\x1b[?1049h\x1b[?25l"  # the alternate screen, cursor off
_LEAVE = "\x1b[?25h\x1b[?1049l"
_BEGIN = "\x1b[?2026h\x1b[H"  # drawn as one piece by terminals that can, from the top left
_END = "\x1b[J\x1b[?2026l"  # nothing of an earlier, longer screen stays below


class LiveScreen:
    """Draws whole screens; see `live_screen`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: Sequence[str] = ()

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, as many as fit; what is the same already is not sent again."""
        if lines == self._last:
            return
        self._last = lines
        height = shutil.get_terminal_size().lines
        shown = list(lines[:height])
        if len(lines) > height:
            shown[-1] = f"… {len(lines) - height + 1} more lines"
        body = "\x1b[K\r\n".join(shown) + "\x1b[K"
        self._stream.write(_BEGIN + body + _END)
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
