"""A real InfluxDB 1.6 on loopback: Debian's packages, a folder of its own, and nothing left of it afterwards."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from etcdmeta.embedded.guard import Guard
from etcdmeta.embedded.ports import PortLease

SECONDS = 60.0
"""For its start, its end and each answer: a bound, hundreds of times what they take."""
HOST = "127.0.0.1"

_CONFIGURATION = """
reporting-disabled = true
bind-address = "{host}:{backup_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "{host}:{http_port}"
  auth-enabled = {auth}
  log-enabled = false
[monitor]
  store-enabled = false
[retention]
  enabled = false
[shard-precreation]
  enabled = false
[continuous_queries]
  enabled = false
[subscriber]
  enabled = false
"""
# Without those services: nothing but what a test says changes the metadata.


def missing() -> str | None:
    """Why these tests cannot run here; None when they can."""
    absent = [name for name in ("influxd", "influx") if shutil.which(name) is None]
    if absent:
        return f"there is no {' and no '.join(absent)}: Debian's packages influxdb and influxdb-client have them"
    version = subprocess.run(["influxd", "version"], capture_output=True, text=True, check=False, timeout=SECONDS)
    if "v1." not in version.stdout:
        return f"influxd is not of 1.x: {version.stdout.strip() or version.stderr.strip()}"
    return None


class Login(NamedTuple):
    """Who asks."""

    user: str
    password: str


class Refused(Exception):
    """The server's own words."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


class DidNotStart(Exception):
    """With its last words."""


def quoted(name: str) -> str:
    """An identifier of InfluxQL."""
    return '"' + name.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"'


def literal(text: str) -> str:
    """A string of InfluxQL."""
    return "'" + text.replace("\\", "\\\\").replace("\n", "\\n").replace("'", "\\'") + "'"


class InfluxServer:
    """One ``influxd``; running from its making to ``stop``, or to the end of the tests, whatever ends them."""

    def __init__(self, folder: Path, guard: Guard, *, meta: bytes | None = None, auth: bool = False) -> None:
        self._guard = guard
        self._lease = PortLease(HOST, 2)
        self.http_port, backup_port = self._lease.ports
        self.backup_address = f"{HOST}:{backup_port}"
        (folder / "meta").mkdir(parents=True)
        if meta is not None:
            (folder / "meta" / "meta.db").write_bytes(meta)
        configuration = folder / "influxdb.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                host=HOST, backup_port=backup_port, http_port=self.http_port, folder=folder, auth=str(auth).lower()
            )
        )
        self._heard = threading.Event()
        self._serving = False
        self._words: list[str] = []
        self._process = subprocess.Popen(
            ["influxd", "run", "-config", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},  # INFLUXDB_… would win over the configuration
        )
        guard.watch_process(self._process.pid)
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()
        if not self._heard.wait(SECONDS) or not self._serving:
            self.stop()
            raise DidNotStart("".join(self._words[-5:]))

    @property
    def pid(self) -> int:
        return self._process.pid

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._words.append(line)
            if "Listening for signals" in line:  # the last of its start
                self._serving = True
                self._heard.set()
        self._heard.set()  # its end, at the latest

    def stop(self) -> None:
        """Ends it and gives its ports back; more than once does nothing."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(SECONDS)
        self._reader.join(SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._guard.forget_process(self._process.pid)
        self._lease.release()

    def influx(self, statements: str, login: Login | None = None) -> list[dict[str, Any]]:
        """The results of some statements as the real client prints them. Raises `Refused`."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        if login is not None:
            environment |= {"INFLUX_USERNAME": login.user, "INFLUX_PASSWORD": login.password}
        done = subprocess.run(
            ["influx", "-host", HOST, "-port", str(self.http_port), "-format", "json", "-execute", statements],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            env=environment,
        )
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            raise Refused(done.stdout + done.stderr, done.returncode) from None
        return _results(answer, done.returncode)

    def query(self, statements: str, login: Login | None = None) -> list[dict[str, Any]]:
        """The same over HTTP, which is quicker. Raises `Refused`."""
        status, answer = self.http("/query", {"q": statements}, login)
        return _results(json.loads(answer), status)

    def write(self, database: str, policy: str, lines: str) -> None:
        """Raises `Refused`."""
        status, answer = self.http("/write?" + urlencode({"db": database, "rp": policy}), lines)
        if status != http.client.NO_CONTENT:
            raise Refused(answer, status)

    def http(self, path: str, body: dict[str, str] | str, login: Login | None = None) -> tuple[int, str]:
        """A POST: status and answer."""
        connection = http.client.HTTPConnection(HOST, self.http_port, timeout=SECONDS)
        content = body if isinstance(body, str) else urlencode(body)
        if login is not None:
            path += "?" + urlencode({"u": login.user, "p": login.password})
        try:
            connection.request("POST", path, content.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def _results(answer: dict[str, Any], status: int) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = answer.get("results", [])
    for part in (answer, *results):
        if "error" in part:
            raise Refused(part["error"], status)
    return results
