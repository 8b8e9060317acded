"""A running InfluxDB 1.x asked for its metadata, over the protocol that its own ``backup`` command speaks.

::

    → 03                    the port serves several things; 3 is backups
    → 01 {"Type": 1}          metadata are wanted. Early 1.x had no byte in front of the JSON.
    ← a legacy backup, as `sources` describes it; then the server closes

A server says nothing of what it does not understand: it closes. So one that closes without a byte is asked once more,
in the early form. The only module of this package that does I/O; it keeps one connection at a time.
"""

from __future__ import annotations

import socket
import time
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

from etcdmeta.errors import EtcdMetaError, Unavailable
from etcdmeta.influxdb.errors import SourceUnreadable
from etcdmeta.influxdb.limits import MAX_BYTES
from etcdmeta.influxdb.sources import LEGACY_MAGIC
from etcdmeta.influxdb.walking import too_large
from etcdmeta.model.names import check_host

DEFAULT_PORT: Final = 8088

_REQUEST: Final = b'\x03\x01{"Type":1}\n'
_EARLY_REQUEST: Final = b'\x03{"Type":1}\n'
_CHUNK: Final = 1 << 18
_MAX_NODE_JSON: Final = 64 << 10  # a node's id and addresses
_PORTS: Final = "give the bind-address for backups (port 8088 unless configured), not the one for HTTP (8086)"


def with_port(address: str) -> str:
    """``host:port`` of what stands behind ``influxdb://``; without a port, 8088. Raises `InvalidAddress`."""
    address = address.removesuffix("/")
    bare = address.endswith("]") or ":" not in address
    return check_host(f"{address}:{DEFAULT_PORT}" if bare else address)


def ask_server(address: str, *, timeout: float) -> bytes:
    """The server's metadata as a legacy backup, for `detect`. ``address``: host, host:port or [IPv6]:port.

    ``timeout``: seconds for all of it, from looking up the name to the last byte. Raises `InvalidAddress`;
    `Unavailable` for a server that cannot be reached, or not read to the end in time; `SourceUnreadable` for one that
    is no InfluxDB 1.x; `InfluxDataTooLarge`.
    """
    place = with_port(address)
    deadline = time.monotonic() + timeout
    host, _, port = place.rpartition(":")
    for request in (_REQUEST, _EARLY_REQUEST):
        try:
            with _connected(host.strip("[]"), int(port), deadline) as connection:
                if blob := _Answer(connection, place, deadline).to(request):
                    return blob
        except TimeoutError:
            raise _unavailable(f"{place} did not answer within {timeout:g} s") from None
        except OSError as why:
            raise _unavailable(f"{place} cannot be asked: {why.strerror or why}") from why
    raise _no_influxdb(f"{place} closed the connection without an answer")


def _connected(host: str, port: int, deadline: float) -> socket.socket:
    """To the first of the host's addresses that takes it; raises what the last one failed with."""
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, place in _addresses(host, port, deadline):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_left(deadline))
            connection.connect(place)
        except OSError as why:
            connection.close()
            failure = why
        else:
            return connection
    raise failure


def _addresses(host: str, port: int, deadline: float) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    # In a thread, since the system's resolver knows no deadline; what comes too late, nobody waits for.
    found: SimpleQueue[list[tuple[int, int, int, str, tuple[object, ...]]] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            found.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as why:
            found.put(why)
        except UnicodeError:
            found.put(OSError(f"{host!r} is no name of a host"))

    Thread(target=look_up, name="etcdmeta-look-up", daemon=True).start()
    try:
        answer = found.get(timeout=_left(deadline))
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer


class _Answer:
    """Read piece by piece, none of them longer than it may be."""

    def __init__(self, connection: socket.socket, place: str, deadline: float) -> None:
        self._connection = connection
        self._place = place
        self._deadline = deadline
        self._blob = bytearray()

    def to(self, request: bytes) -> bytes:
        """The whole answer; empty where the server closed without a byte of it."""
        try:
            self._send(request)
            self._take(len(LEGACY_MAGIC))
        except _Ended:
            if not self._blob:
                return b""
        if self._blob != LEGACY_MAGIC:
            raise self._refusal()
        try:
            size = self._number("of metadata", MAX_BYTES)
            self._take(size)
            self._take(self._number("of its node.json", _MAX_NODE_JSON))
        except _Ended:
            raise _unavailable(
                f"{self._place} ended the connection after {len(self._blob)} bytes of its answer"
            ) from None
        return bytes(self._blob)

    def _send(self, request: bytes) -> None:
        self._connection.settimeout(_left(self._deadline))
        try:
            self._connection.sendall(request)
        except ConnectionError:
            raise _Ended from None

    def _take(self, size: int) -> None:
        """Raises `_Ended`, TimeoutError."""
        end = len(self._blob) + size
        while (missing := end - len(self._blob)) > 0:
            self._connection.settimeout(_left(self._deadline))
            try:
                piece = self._connection.recv(min(missing, _CHUNK))
            except ConnectionError:
                piece = b""  # reset, as by a server that did not read all of the question
            if not piece:
                raise _Ended
            self._blob += piece

    def _number(self, what: str, most: int) -> int:
        at = len(self._blob)
        self._take(8)
        number = int.from_bytes(self._blob[at:], "big")
        if number > most:
            raise too_large(at, "", f"{number} bytes {what}", f"at most {most} are read from {self._place}")
        return number

    def _refusal(self) -> EtcdMetaError:
        if self._blob.startswith(b"HTTP/"):
            return _no_influxdb(f"{self._place} answers in HTTP")
        return _no_influxdb(f"{self._place} answers with what is no backup of metadata")


class _Ended(Exception):
    """The server sends no more."""


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _unavailable(message: str) -> Unavailable:
    return Unavailable(
        f"{message}; no metadata of InfluxDB were read",
        rule="the server answers at its bind-address for backups",
        remedy=f"check that influxd runs there and may be reached (its default is 127.0.0.1:{DEFAULT_PORT}), or give "
        "its meta.db, or a backup",
    )


def _no_influxdb(message: str) -> SourceUnreadable:
    return SourceUnreadable(message, rule="a server of InfluxDB 1.x answers with its metadata", remedy=_PORTS)
