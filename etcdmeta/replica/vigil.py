"""Watching the watch: a frozen peer says nothing, which looks like peace (danger 7).

When the stream has been silent for a while, the generation is read through the same member. Reads that
fail, or that see a generation which the watch does not deliver, end the stream.
"""

from __future__ import annotations

from etcdmeta.replica.config import FollowerConfig


class Vigil:
    """Of one stream, from its proof on. Times are seconds; generations are known by their mod revision."""

    def __init__(self, config: FollowerConfig, now: float) -> None:
        self._config = config
        self._next_probe = now
        self._asked_at: float | None = None
        self._failures = 0
        self._target: int | None = None
        self._progress_at = now

    def heard(self, now: float) -> None:
        """The stream said something."""
        self._next_probe = now + self._config.probe_after

    def progressed(self, now: float) -> None:
        """A revision was published."""
        self._progress_at = now

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
        """Whether a later generation has been seen, and nothing comes."""
        behind = self._target is not None and published < self._target
        return behind and now >= self._progress_at + self._config.stalled_after

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
            times.append(self._progress_at + self._config.stalled_after)
        return min(times)
