"""Free ports that stay ours until they are given back, also against other processes of this kind.

A port from the kernel (bind to 0, close, tell etcd) can be lost to whoever binds it before etcd does, and,
as it lies in the ephemeral range, to any outgoing connection while a killed member is down. So ports are
taken from below that range, and each is held by a lock that the kernel drops with the process: an abstract
Unix socket of its name, which like the port belongs to the network namespace. Where there are none (macOS),
only the bind is tried.
"""

from __future__ import annotations

import secrets
import socket
import sys

from etcdmeta.embedded.errors import PortsTaken

# Below every system's ephemeral range (Linux 32768, others 49152), above what well-known services use.
_FIRST, _LAST = 20_000, 31_999
_TRIES = 500


class PortLease:
    """Some ports on one host; ``release`` (or the end of the process) gives them back."""

    def __init__(self, host: str, count: int) -> None:
        """Raises PortsTaken when no free ones are found."""
        self._locks: list[socket.socket] = []
        self.ports: tuple[int, ...] = ()
        ports: list[int] = []
        for _ in range(_TRIES):
            if len(ports) == count:
                break
            port = _FIRST + secrets.randbelow(_LAST - _FIRST + 1)
            if port not in ports and self._lock(port):
                if is_free(host, port):
                    ports.append(port)
                else:
                    self._locks.pop().close()
        else:
            self.release()
            raise PortsTaken(f"no {count} free ports between {_FIRST} and {_LAST} on {host}", value=host)
        self.ports = tuple(ports)

    def _lock(self, port: int) -> bool:
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if sys.platform == "linux":
            try:
                lock.bind(f"\0etcdmeta-port-{port}")
            except OSError:
                lock.close()
                return False
        self._locks.append(lock)
        return True

    def release(self) -> None:
        """Gives the ports back; more than once does nothing."""
        while self._locks:
            self._locks.pop().close()


def is_free(host: str, port: int) -> bool:
    """Whether a listener could be bound there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As Go's net package does: connections in TIME_WAIT do not hinder a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
