"""Which member to ask next: the last good one first, those that failed lately last.

Pure but for a lock: time is an argument, and nothing is sent from here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_BACKOFF = 0.5
LAST_BACKOFF = 30.0
PROOF_LASTS = 2.0
"""Seconds for which a member that answered is taken to be reachable still."""


@dataclass(slots=True)
class _Health:
    failures: int = 0
    retry_at: float = 0.0
    answered_at: float = float("-inf")


class Picker:
    """Orders endpoints by what was learnt of them. Thread-safe.

    A failure puts a member behind the others for 0.5 s, doubling up to 30 s; while all are in that state the
    one that may be tried soonest comes first, so that there is always a member to try.
    """

    def __init__(self, endpoints: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._health = {endpoint: _Health() for endpoint in endpoints}
        self._last_good = endpoints[0]

    def order(self, now: float) -> list[str]:
        """All endpoints, best first; ``now`` in seconds of any clock that the other calls use, too."""
        with self._lock:
            health, last_good = self._health, self._last_good
            return sorted(health, key=lambda name: (max(0.0, health[name].retry_at - now), name != last_good))

    def proven(self, now: float) -> str | None:
        """The last good member, if it answered within `PROOF_LASTS` seconds with no failure since."""
        with self._lock:
            good = self._last_good
            return good if now - self._health[good].answered_at < PROOF_LASTS else None

    def has_failed(self, endpoint: str) -> bool:
        """Whether the member's last call failed."""
        with self._lock:
            return self._health[endpoint].failures > 0

    def mark_good(self, endpoint: str, now: float) -> None:
        """The member answered, with whatever."""
        with self._lock:
            health = self._health[endpoint]
            health.failures, health.retry_at, health.answered_at = 0, 0.0, now
            self._last_good = endpoint

    def mark_failed(self, endpoint: str, now: float) -> None:
        """The member did not answer, or said that it cannot."""
        with self._lock:
            health = self._health[endpoint]
            backoff = min(LAST_BACKOFF, FIRST_BACKOFF * 2 ** min(health.failures, 10))
            health.failures += 1
            health.retry_at, health.answered_at = now + backoff, float("-inf")
