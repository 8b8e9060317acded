"""The follower's numbers. All times are seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FollowerConfig:
    """Defaults are the protocol's, where it names a number."""

    reader_version: int = 1
    """The newest schema that this program reads (danger 18's neighbour: an older reader stops)."""
    last_resorts: int = 0
    """So many endpoints at the end of the list are never the first to be asked."""
    page_timeout: float = 30.0
    request_timeout: float = 5.0
    open_timeout: float = 5.0
    """From opening a watch to its created answer."""
    probe_after: float = 3.0
    """Of silence on the stream, before the generation is read."""
    probe_timeout: float = 2.0
    probe_retry: float = 0.5
    """From a failed probe to the next."""
    probe_failures: int = 3
    """In a row, until another member is asked."""
    stalled_after: float = 5.0
    """Without progress while a probe has seen a later generation, until another member is asked; twice as long for
    each time in a row."""
    advisory_every: float = 60.0
    """Between two comparisons of ``live/`` and ``progress/`` with a list: no gap detector covers them."""
    first_jitter: float = 0.05
    """The longest delay before a member that was not yet tried in this round."""
    backoff_base: float = 0.5
    backoff_cap: float = 30.0
    backoff_reset: float = 120.0
    """Of following without trouble, after which the back-off begins anew."""
    held_events: int = 100_000
    """How many events may wait for the proof that they continue the picture, until it is listed instead."""
