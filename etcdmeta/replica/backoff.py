"""How long to wait before the next attempt: exponential, with full jitter (danger 11)."""

from __future__ import annotations

from collections.abc import Callable

from etcdmeta.replica.config import FollowerConfig


class Backoff:
    """The first ``free`` failures in a row wait at most ``first`` seconds; later ones between 0 and
    ``base``, doubled with each, up to ``cap``.

    Full jitter, and not a wait around the middle: when a member dies, its followers all leave it at the
    same moment.
    """

    def __init__(self, *, free: int, first: float, base: float, cap: float) -> None:
        self._free = free
        self._first = first
        self._base = base
        self._cap = cap
        self._failures = 0

    def forget(self) -> None:
        """Begin anew."""
        self._failures = 0

    def failed(self, jitter: float) -> float:
        """Count a failure; the seconds to wait. ``jitter`` is a random number in [0, 1)."""
        self._failures += 1
        doublings = self._failures - self._free - 1
        if doublings < 0:
            return jitter * self._first
        # No further than needed: 2.0 ** doublings overflows after a thousand failures.
        return jitter * min(self._cap, self._base * 2.0 ** min(doublings, 30))


class Pauses:
    """A follower's two back-offs: between members, each of which is tried once without a real wait, and between
    lists, of which the first is free. Following without trouble for a while makes both forget.
    """

    def __init__(self, config: FollowerConfig, members: int, random: Callable[[], float]) -> None:
        base, cap = config.backoff_base, config.backoff_cap
        self._members = Backoff(free=members - 1, first=config.first_jitter, base=base, cap=cap)
        self._lists = Backoff(free=1, first=0.0, base=base, cap=cap)
        self._reset = config.backoff_reset
        self._random = random
        self._healthy_since: float | None = None

    def healthy(self, now: float) -> None:
        """All is well since now."""
        self._healthy_since = now

    def before_next_member(self, now: float) -> float:
        """Seconds to wait, after trouble with a member."""
        self._end_health(now)
        return self._members.failed(self._random())

    def before_next_list(self, now: float) -> float:
        """Seconds to wait, after trouble with the picture."""
        self._end_health(now)
        return self._lists.failed(self._random())

    def _end_health(self, now: float) -> None:
        if self._healthy_since is not None and now - self._healthy_since >= self._reset:
            self._members.forget()
            self._lists.forget()
        self._healthy_since = None
