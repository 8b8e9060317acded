"""How much an agent has taken on at this moment, and the refusal of more."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from etcdmeta.agent.limits import Limits
from etcdmeta.errors import TooManyRequests, TooManyStreams


class Slot:
    """One request's place. It is free again when the answer is given and no thread works for it any more."""

    def __init__(self, occupancy: Occupancy) -> None:
        self._occupancy = occupancy
        self._mutex = threading.Lock()
        self._holders = 1

    def hold(self) -> None:
        with self._mutex:
            self._holders += 1

    def release(self) -> None:
        with self._mutex:
            self._holders -= 1
            free = self._holders == 0
        if free:
            self._occupancy.leave()


class Occupancy:
    """Streams are counted on the loop; requests by threads, too."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._mutex = threading.Lock()
        self._requests = 0
        self._streams: Counter[str] = Counter()
        self._all_streams = 0
        self.bytes_sent = 0
        """Of our messages, before compression and encryption; counted on the loop."""

    @property
    def requests(self) -> int:
        """In flight."""
        return self._requests

    @property
    def streams(self) -> int:
        """Of all clients."""
        return self._all_streams

    def enter(self) -> Slot:
        """Raises `TooManyRequests`."""
        with self._mutex:
            if self._requests >= self._limits.max_requests:
                raise TooManyRequests(
                    f"{self._requests} requests are in flight at this agent",
                    value=self._limits.max_requests,
                    rule=f"at most {self._limits.max_requests} at a time: none of them waits in a queue",
                    remedy="try again in a moment, or ask another agent",
                )
            self._requests += 1
        return Slot(self)

    def leave(self) -> None:
        with self._mutex:
            self._requests -= 1

    @contextmanager
    def stream(self, client: str) -> Iterator[None]:
        """Counts a stream for as long as the block lasts. Raises `TooManyStreams`."""
        limits = self._limits
        for whose, count, most in (
            ("", self._all_streams, limits.max_streams),
            (f" of {client}", self._streams[client], limits.max_streams_per_client),
        ):
            if count >= most:
                raise TooManyStreams(
                    f"{count} streams{whose} are open at this agent",
                    value=most,
                    rule=f"at most {limits.max_streams} in all, and {limits.max_streams_per_client} of one client",
                    remedy="share one stream in a process, or ask another agent",
                )
        self._all_streams += 1
        self._streams[client] += 1
        try:
            yield
        finally:
            self._all_streams -= 1
            self._streams[client] -= 1
            if not self._streams[client]:
                del self._streams[client]
