"""Bytes on a socket, as no client of gRPC would send them: frames of HTTP/2 (RFC 9113) made by hand."""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
END_HEADERS = 4
ENHANCE_YOUR_CALM = 11
# The first bytes of a TLS 1.2 ClientHello record that says it has 200 bytes.
TLS_HELLO = bytes.fromhex("16030100c8010000c40303")


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def opening() -> bytes:
    """What makes a connection one of HTTP/2."""
    return PREFACE + frame(SETTINGS)


def call(method: str, *, stream: int = 1) -> bytes:
    """The head of a call; no body follows yet."""
    return frame(HEADERS, _head(f"/etcdmeta.agent.v1.Metadata/{method}"), flags=END_HEADERS, stream=stream)


def frames(received: bytes) -> list[tuple[int, int, bytes]]:
    """(type, flags, payload) of every complete frame."""
    found = []
    while len(received) >= 9:
        length = int.from_bytes(received[:3], "big")
        found.append((received[3], received[4], received[9 : 9 + length]))
        received = received[9 + length :]
    return found


def connect(port: int, data: bytes = b"") -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port), timeout=30)
    with suppress(ConnectionError):  # refused that quickly: who reads sees the end
        peer.sendall(data)
    peer.setblocking(False)
    return peer


def drip(peers: Iterable[socket.socket], byte: bytes) -> int:
    """One byte more on each; how many took it."""
    taken = 0
    for peer in peers:
        try:
            peer.send(byte)
            taken += 1
        except OSError:  # closed by the server, which the test looks at by itself
            pass
    return taken


def until_closed(peers: Iterable[socket.socket], *, seconds: float) -> list[socket.socket]:
    """Read all of them until the other side ends them; those that it did not end in time."""
    deadline = time.monotonic() + seconds
    left = set(peers)
    with selectors.DefaultSelector() as selector:
        for peer in left:
            selector.register(peer, selectors.EVENT_READ)
        while left and (remaining := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(remaining):
                peer = key.fileobj
                assert isinstance(peer, socket.socket)
                if not _has_more(peer):
                    selector.unregister(peer)
                    left.discard(peer)
    return list(left)


def receive(peer: socket.socket, *, seconds: float, enough: int) -> bytes:
    """What comes until there are so many PING frames, a GOAWAY, or the end."""
    peer.setblocking(True)
    deadline, received = time.monotonic() + seconds, b""
    while (remaining := deadline - time.monotonic()) > 0:
        kinds = [kind for kind, _, _ in frames(received)]
        if kinds.count(PING) >= enough or GOAWAY in kinds:
            break
        peer.settimeout(remaining)
        try:
            more = peer.recv(65536)
        except (TimeoutError, ConnectionError):
            break
        if not more:
            break
        received += more
    peer.setblocking(False)
    return received


def _has_more(peer: socket.socket) -> bool:
    try:
        return bool(peer.recv(65536))
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def _head(path: str) -> bytes:
    """HPACK (RFC 7541), each field literally."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    block = b""
    for name, value in fields.items():
        block += bytes((0, len(name))) + name.encode() + bytes((len(value),)) + value.encode()
    return block
