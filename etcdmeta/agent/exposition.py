"""The agent's HTTP port for machines that watch it: ``/metrics``, ``/health``, ``/ready``.

Threads of its own, so that it answers while the agent's loop does not, and a handful of them: a scraper needs one.
Whoever comes while all are busy is closed at once, and whoever sends nothing is closed after a while, so that strangers
on the port cost a bounded amount. Nothing here looks up a host name, and nothing is changed through it.
"""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from etcdmeta.errors import ConfigurationInvalid

log = logging.getLogger("etcdmeta.agent")

THREADS = 8
IDLE_SECONDS = 10.0
"""Of a connection that sends nothing, or takes nothing."""
WHOLE_SECONDS = 30.0
"""Of a connection altogether, should something come now and then."""
_POLL_SECONDS = 0.1


class Verdict(NamedTuple):
    """Answered as JSON, with 200 where it is well, else 503."""

    well: bool
    facts: Mapping[str, Any]


class Exposition:
    """From `start` to `stop`."""

    def __init__(
        self,
        address: tuple[str, int],
        registry: CollectorRegistry,
        *,
        health: Callable[[], Verdict],
        ready: Callable[[], Verdict],
    ) -> None:
        """Port 0: any that is free. Raises `ConfigurationInvalid` where the address cannot be had."""
        self._server = _listen(address, registry, {"/health": health, "/ready": ready})
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="etcdmeta-metrics", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Requests that are being answered go on to their end, in threads that end nothing else."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def _listen(
    address: tuple[str, int], registry: CollectorRegistry, verdicts: Mapping[str, Callable[[], Verdict]]
) -> _Server:
    host, port = address
    try:
        family, _, _, _, bound = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return _Server(family, bound, registry, verdicts)
    except OSError as error:
        raise ConfigurationInvalid(
            f"the metrics cannot be served at {host}:{port}: {error.strerror or error}",
            value=f"{host}:{port}",
            remedy="choose another address with --metrics",
        ) from error


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = THREADS

    def __init__(
        self,
        family: int,
        address: Any,
        registry: CollectorRegistry,
        verdicts: Mapping[str, Callable[[], Verdict]],
    ) -> None:
        self.address_family = family
        self.registry = registry
        self.verdicts = verdicts
        self._free = threading.BoundedSemaphore(THREADS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """As its grandparent does: its parent would look up our own name."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread, where one is free."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # the thread could not be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  its parent's signature
        """Of a connection: who left in the middle is no news."""
        log.debug("a request of %s for metrics failed", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = IDLE_SECONDS
    server_version = "etcdmeta"
    sys_version = ""

    def handle(self) -> None:
        """One request; ended from outside where it takes too long."""
        end = threading.Timer(WHOLE_SECONDS, self.server.shutdown_request, (self.request,))
        end.daemon = True
        end.start()
        try:
            super().handle()
        finally:
            end.cancel()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        verdict = self.server.verdicts.get(path)
        if path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, kind, encode(self.server.registry))
        elif verdict is not None:
            well, facts = verdict()
            status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, "application/json", json.dumps(dict(facts), default=str).encode() + b"\n")
        else:
            there = ", ".join(("/metrics", *self.server.verdicts))
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", f"there are {there}\n".encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its parent's signature
        log.debug("metrics: %s", format % args)
