"""One connection through the proxy: a client's socket, a server's, and the bytes on their way."""

from __future__ import annotations

import selectors
import socket
import struct
from dataclasses import dataclass
from typing import Literal

_CHUNK = 64 * 1024
_IN_PROGRESS = (0, 115, 36, 10035)  # connect_ex: done, or on its way (Linux, macOS, Windows)

Way = Literal["pass", "hold", "drop"]


@dataclass(frozen=True)
class Policy:
    """What is done with the bytes of each direction, and with new connections."""

    to_server: Way = "pass"
    from_server: Way = "pass"
    refuse: bool = False
    cut_after: int | None = None
    """So many bytes of the server still pass."""


@dataclass(frozen=True)
class Moved:
    """Bytes: handed on, and thrown away."""

    to_server: int = 0
    from_server: int = 0
    dropped_to_server: int = 0
    dropped_from_server: int = 0


class Direction:
    """From one socket to the other: at most one chunk is on its way, the rest waits in the kernel."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.pending = b""
        self.source_ended = False
        self.sink_ended = False
        self.dropped = False
        """Bytes, or the end, were thrown away: what follows would make no sense to the receiver."""

    def wants_read(self, way: Way) -> bool:
        """Whether to wait for the source."""
        return way != "hold" and not self.source_ended and not self.pending

    def wants_write(self, way: Way) -> bool:
        """Whether to wait for the sink."""
        return way == "pass" and not self.dropped and bool(self.pending)

    def read(self) -> None:
        """Takes a chunk, or the end, from the source."""
        data = self.source.recv(_CHUNK)
        self.pending = data
        self.source_ended = not data

    def drop(self) -> int:
        """Throws away what is on its way; returns how many bytes."""
        count = len(self.pending)
        self.pending = b""
        self.dropped = self.dropped or count > 0 or (self.source_ended and not self.sink_ended)
        return count

    def write(self, limit: int | None) -> int:
        """Hands on what the receiver takes, at most ``limit`` bytes; returns how many."""
        try:
            count = self.sink.send(self.pending[:limit])
        except BlockingIOError:
            return 0
        self.pending = self.pending[count:]
        return count

    def pass_end(self) -> None:
        """Once all is handed on, the receiver learns that the sender has ended."""
        if self.source_ended and not self.pending and not self.sink_ended and not self.dropped:
            self.sink_ended = True
            self.sink.shutdown(socket.SHUT_WR)


class Link:
    """Made when a client was accepted; connects to the server by itself. For the proxy's thread only."""

    def __init__(self, client: socket.socket, target: tuple[str, int]) -> None:
        self.client = client
        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        self.server = socket.socket(family, socket.SOCK_STREAM)
        for each in (self.client, self.server):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connected = False
        self._refused = self.server.connect_ex(target) not in _IN_PROGRESS
        self.up = Direction(self.client, self.server)
        self.down = Direction(self.server, self.client)

    @property
    def torn(self) -> bool:
        """Whether bytes were lost: no protocol can go on over it."""
        return self.up.dropped or self.down.dropped

    @property
    def finished(self) -> bool:
        """Both sides have ended, and nothing is on its way."""
        return all(each.source_ended and not each.pending for each in (self.up, self.down))

    def watch(self, selector: selectors.BaseSelector, policy: Policy) -> None:
        """Registers what can be done now, and nothing else: what is held back stays in the kernel."""
        client = server = 0
        if not self._connected:
            server |= selectors.EVENT_WRITE
        else:
            client |= selectors.EVENT_READ if self.up.wants_read(policy.to_server) else 0
            server |= selectors.EVENT_READ if self.down.wants_read(policy.from_server) else 0
            server |= selectors.EVENT_WRITE if self.up.wants_write(policy.to_server) else 0
            client |= selectors.EVENT_WRITE if self.down.wants_write(policy.from_server) else 0
        for each, events in ((self.client, client), (self.server, server)):
            self._register(selector, each, events)

    def _register(self, selector: selectors.BaseSelector, each: socket.socket, events: int) -> None:
        known = selector.get_map().get(each)
        if known is None and events:
            selector.register(each, events, self)
        elif known is not None and not events:
            selector.unregister(each)
        elif known is not None and known.events != events:
            selector.modify(each, events, self)

    def move(self, ready: object, events: int, policy: Policy) -> Moved:
        """Does what the sockets are ready for. Raises OSError when a side has reset its connection."""
        if not self._connected:
            error = self.server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error or self._refused:
                raise ConnectionRefusedError(error, "the server refused")
            self._connected = True
            return Moved()
        sent_up, dropped_up = self._advance(self.up, policy.to_server, ready, events, None)
        limit = policy.cut_after
        sent_down, dropped_down = self._advance(self.down, policy.from_server, ready, events, limit)
        return Moved(sent_up, sent_down, dropped_up, dropped_down)

    def _advance(
        self, direction: Direction, way: Way, ready: object, events: int, limit: int | None
    ) -> tuple[int, int]:
        sent = dropped = 0
        if ready is direction.source and events & selectors.EVENT_READ and direction.wants_read(way):
            direction.read()
        if way == "drop" or direction.dropped:
            dropped = direction.drop()
        elif way == "pass":
            if direction.pending:
                sent = direction.write(limit)
            direction.pass_end()
        return sent, dropped

    def cut(self, selector: selectors.BaseSelector) -> None:
        """Resets both sides."""
        self._unregister(selector)
        reset(self.client)
        reset(self.server)

    def close(self, selector: selectors.BaseSelector) -> None:
        """Closes both sides in order."""
        self._unregister(selector)
        self.client.close()
        self.server.close()

    def _unregister(self, selector: selectors.BaseSelector) -> None:
        for each in (self.client, self.server):
            self._register(selector, each, 0)


def reset(connection: socket.socket) -> None:
    """Closes with RST: the other side sees an error, not an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
