"""Watching the watch: a frozen peer says nothing, which looks like peace (danger 7).

When the stream has been silent for a while, the generation is read through the same member. Reads that
fail, or that see a generation which the watch does not deliver, end the stream.

More than the protocol says (no progress for 5 s): a part of a large revision is progress, though nothing can be
published yet, and each stream in a row that was given up for this is followed by one that is given twice the time.
What is committed at once may be larger than the way from a member carries in 5 s: every stream would begin it anew,
and none would come to its end.
"""

from __future__ import annotations

from etcdmeta.replica.config import FollowerConfig

MOST_PATIENT = 16
"""How many times the patience of the first stream a later one has at most."""


class Vigil:
    """Of one stream, from its proof on. Times are seconds; generations are known by their mod revision."""

    def __init__(self, config: FollowerConfig, now: float, patience: float | None = None) -> None:
        """``patience``: what stands in for the ``stalled_after`` of the configuration until something is published."""
        self._config = config
        self._patience = config.stalled_after if patience is None else patience
        self._ran_out = False
        self._next_probe = now
        self._asked_at: float | None = None
        self._failures = 0
        self._target: int | None = None
        self._progress_at = now

    def next(self, now: float) -> Vigil:
        """That of the next stream."""
        most = MOST_PATIENT * self._config.stalled_after
        return Vigil(self._config, now, min(2 * self._patience, most) if self._ran_out else self._patience)

    def heard(self, now: float, *, part: bool = False) -> None:
        """The stream said something. ``part``: of a revision, whose rest is still to come."""
        self._next_probe = now + self._config.probe_after
        if part:
            self._progress_at = now

    def progressed(self, now: float) -> None:
        """A revision was published."""
        self._progress_at = now
        self._patience = self._config.stalled_after

    def asked(self, now: float) -> None:
        """A probe was sent."""
        self._asked_at = now

    def answered(self, now: float, generation: int, published: int) -> None:
        """A probe came back with the generation's mod revision (0: there is none); ``published`` is ours."""
        self._asked_at = None
        self._failures = 0
        self._next_probe = now + self._config.probe_after
        if self._target is None or published >= self._target:
            self._progress_at = now  # behind since now, not since the last thing that happened
        self._target = max(generation, self._target or 0)

    def failed(self, now: float) -> bool:
        """A probe failed; True: that is enough."""
        self._asked_at = None
        self._failures += 1
        self._next_probe = now + self._config.probe_retry
        return self._failures >= self._config.probe_failures

    def is_current(self, published: int) -> bool:
        """Whether everything that a probe has seen is published."""
        return self._target is not None and published >= self._target

    def is_stalled(self, now: float, published: int) -> bool:
        """Whether a later generation has been seen, and nothing comes. The next stream's patience depends on it."""
        behind = self._target is not None and published < self._target
        self._ran_out = behind and now >= self._progress_at + self._patience
        return self._ran_out

    def probe_due(self, now: float) -> bool:
        """Whether to read the generation."""
        return self._asked_at is None and now >= self._next_probe

    def probe_overdue(self, now: float) -> bool:
        """Whether even the driver's deadline did not end a probe."""
        return self._asked_at is not None and now >= self._asked_at + 2 * self._config.probe_timeout

    def wake(self, published: int) -> float:
        """When to look again."""
        asked_at = self._asked_at
        times = [self._next_probe if asked_at is None else asked_at + 2 * self._config.probe_timeout]
        if self._target is not None and published < self._target:
            times.append(self._progress_at + self._patience)
        return min(times)
