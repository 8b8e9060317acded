"""One etcd process: started, watched until it serves, hurt, and ended."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from etcdmeta.embedded.errors import MemberDidNotStart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etcdmeta.embedded.configuration import Place, Tls
    from etcdmeta.embedded.guard import Guard

_END_SECONDS = 15.0
_HEALTH_SECONDS = 3.0
_LAST_WORDS = 4


class Member:
    """One member of a Cluster, which makes it. Not for two threads at once."""

    def __init__(self, place: Place, directory: Path, tls: Tls | None) -> None:
        self.place = place
        self.directory = directory
        self._tls = tls
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None
        self._notices: _Notices | None = None
        self._frozen = False
        self._log_start = 0

    def __repr__(self) -> str:
        return f"<Member {self.place.name} {self.endpoint} {self.state}>"

    @property
    def name(self) -> str:
        """As etcd knows it."""
        return self.place.name

    @property
    def endpoint(self) -> str:
        """``host:port`` for clients."""
        return self.place.endpoint

    @property
    def data(self) -> Path:
        """etcd's data directory."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What the process writes, over all its starts."""
        return self.directory / "log"

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def state(self) -> str:
        """``running``, ``frozen`` or ``down``."""
        if self.pid is None:
            return "down"
        return "frozen" if self._frozen else "running"

    def start(self, command: Sequence[str], guard: Guard) -> None:
        """Starts the process and returns at once; ``wait_until_serving`` says when it is of use."""
        if self.pid is not None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._notices is not None:
            self._notices.close()
        self._notices = notices = _Notices()
        self._frozen = False
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = notices.spawn(command, log)
        self._guard = guard
        guard.watch_process(self._process.pid)

    def wait_until_serving(self, deadline: float) -> None:
        """Until a linearizable read succeeds: joined, a leader known, a majority there.

        ``deadline`` is of time.monotonic(). Raises MemberDidNotStart.
        """
        if self._notices is not None:
            self._notices.wait(deadline)
        while self.pid is not None and time.monotonic() < deadline:
            if self.serves(min(_HEALTH_SECONDS, deadline - time.monotonic())):
                if self._notices is not None:
                    self._notices.close()
                    self._notices = None
                return
            time.sleep(0.05)  # no election yet; etcd has no event for it
        what = "did not serve in time" if self.pid is not None else "ended while starting"
        raise MemberDidNotStart(f"{self.name} {what}: {self.last_words()}", value=self.endpoint)

    def serves(self, timeout: float) -> bool:
        """Whether it answers a linearizable read (etcd's /health makes one) within so many seconds."""
        place = self.place
        connection: http.client.HTTPConnection
        if self._tls is not None:
            connection = http.client.HTTPSConnection(
                place.host, place.client_port, timeout=max(timeout, 0.01), context=self._tls.client_context()
            )
        else:
            connection = http.client.HTTPConnection(place.host, place.client_port, timeout=max(timeout, 0.01))
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            return answer.status == http.HTTPStatus.OK and json.loads(answer.read()).get("health") == "true"
        except (OSError, http.client.HTTPException, ValueError):
            return False  # refused, reset, too late, not etcd: each is the answer "no"
        finally:
            connection.close()

    def kill(self) -> None:
        """SIGKILL, and waits for the end. What it had fsynced is there at the next start."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and waits for the end; a frozen or hanging one is killed."""
        self._end(signal.SIGKILL if self._frozen else signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered. Returns when all its threads stand still.

        Raises ProcessLookupError when it is down.
        """
        self._signal_running(signal.SIGSTOP)
        self._frozen = True
        if self._process is not None and hasattr(os, "waitid"):
            # On a busy machine its other threads go on for milliseconds after the signal: long enough to answer a
            # request that comes after it. WNOWAIT leaves what is seen here, its end too, to whom it concerns.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was, with what is queued in it."""
        self._signal_running(signal.SIGCONT)
        self._frozen = False

    def release(self) -> int | None:
        """Lets the process go on without its guard; returns its id. The caller ends it."""
        pid = self.pid
        self._process = None
        return pid

    def last_words(self) -> str:
        """The last warnings and errors since this start, for an error message."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_start)
                lines = log.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return "it wrote nothing"
        serious = [line for line in lines if re.match(r'\{"level":"(warn|error|panic|fatal)"', line)]
        # A flag that it does not take is complained about first, without a level, before pages of usage.
        words = serious[-_LAST_WORDS:] or lines[:1]
        return " | ".join(line[:400] for line in words) or "it wrote nothing"

    def _signal_running(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            raise ProcessLookupError(f"{self.name} does not run")
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
        self._reap()

    def _reap(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_SECONDS)
        if self._guard is not None:
            self._guard.forget_process(process.pid)
        if self._notices is not None:
            self._notices.close()
            self._notices = None
        self._process = None
        self._frozen = False


class _Notices:
    """Wakes the starter when etcd serves (it says READY=1, systemd's notification), or has ended."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket_directory: str | None = None
        if sys.platform == "linux":
            self._address = f"@etcdmeta-{secrets.token_hex(8)}"
            self._socket.bind("\0" + self._address[1:])
        else:
            # Not in the data directory: a socket's path has hardly a hundred characters.
            self._socket_directory = tempfile.mkdtemp(prefix="etcdmeta-")
            self._address = os.path.join(self._socket_directory, "ready")
            self._socket.bind(self._address)
        self._ended = -1

    def spawn(self, command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Starts it in a session of its own (Ctrl-C is for the owner), with none of our ETCD_ variables."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
        environment["NOTIFY_SOCKET"] = self._address
        # The child holds the writing end: it closes, whatever the child dies of.
        self._ended, writing_end = os.pipe()
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                pass_fds=(writing_end,),
            )
        finally:
            os.close(writing_end)

    def wait(self, deadline: float) -> None:
        """Until ready, ended, or late: the caller looks which."""
        select.select([self._socket.fileno(), self._ended], [], [], max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Gives the descriptors back; more than once does nothing."""
        self._socket.close()
        if self._ended >= 0:
            os.close(self._ended)
            self._ended = -1
        if self._socket_directory is not None:
            for file in Path(self._socket_directory).iterdir():
                file.unlink()
            Path(self._socket_directory).rmdir()
            self._socket_directory = None
