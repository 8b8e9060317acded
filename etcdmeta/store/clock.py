"""What time it is, for plans: they know no clock themselves."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What time it is, for plans."""

    def now(self) -> int:
        """Nanoseconds since 1970."""


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()
