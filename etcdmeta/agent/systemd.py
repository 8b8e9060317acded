"""What systemd is told of a service with ``Type=notify``: that it is ready, that it stops, and that it still answers.

The protocol is one datagram of ``NAME=value`` lines to the socket that ``NOTIFY_SOCKET`` names, a path or, with ``@``
in front, a name in Linux's abstract space (sd_notify(3), sd_watchdog_enabled(3)). Without the variable nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger("etcdmeta.agent")

_SEND_SECONDS = 1.0


class Notifier:
    """Thread-safe. Telling nobody is no error: an agent that serves is not ended for want of a listener."""

    def __init__(self, address: str | None = None, *, watchdog: float | None = None) -> None:
        """``watchdog``: seconds after which systemd ends a service that was not heard of; None: it does not watch."""
        self._address = address
        self.watchdog = watchdog

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """As systemd says it. ``WATCHDOG_PID`` names another process where a parent of ours is watched."""
        microseconds = environ.get("WATCHDOG_USEC", "")
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        seconds = int(microseconds) / 1e6 if microseconds.isdecimal() and watched else 0.0
        return cls(environ.get("NOTIFY_SOCKET") or None, watchdog=seconds or None)

    def ready(self, status: str) -> None:
        self._send(READY="1", STATUS=status)

    def status(self, text: str) -> None:
        """The line that ``systemctl status`` shows."""
        self._send(STATUS=text)

    def stopping(self) -> None:
        self._send(STOPPING="1", STATUS="stopping")

    def alive(self) -> None:
        """To be said at least once per ``watchdog``; twice is the custom."""
        self._send(WATCHDOG="1")

    def _send(self, **lines: str) -> None:
        if self._address is None:
            return
        text = "\n".join(f"{name}={value.splitlines()[0] if value else ''}" for name, value in lines.items())
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
                speaker.settimeout(_SEND_SECONDS)
                speaker.sendto(text.encode("utf-8", "replace"), address)
        except OSError as error:
            log.warning("systemd could not be told %s: %s", ", ".join(lines), error)
