"""Agents in the test's own process: the service on a loopback port, over a store of the test's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc

from etcdmeta.agent.facts import Facts
from etcdmeta.agent.gate import Authorise
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.server import Server
from etcdmeta.agent.service import Membership
from etcdmeta.store import MetaStore
from etcdmeta.testing.stores import DEADLINE

T = TypeVar("T")


class _Loop:
    """One loop in one thread for all agents of this process, while there is any."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def enter(self) -> None:
        with self._mutex:
            self._users += 1
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="etcdmeta-agents", daemon=True)
                self._thread.start()

    def leave(self) -> None:
        with self._mutex:
            self._users -= 1
            if self._users or self._loop is None or self._thread is None:
                return
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(DEADLINE)
            self._loop.close()
            self._loop = self._thread = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)


_LOOP = _Loop()


class Serving:
    """A served store. ``address``: ``127.0.0.1:port``, the same after `stop` and `start`."""

    def __init__(self, store: MetaStore, listen: str, options: dict[str, Any]) -> None:
        self.store = store
        self.address = listen
        self._options = options
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        assert self._server is not None, "it is stopped"
        return self._server

    def start(self) -> None:
        """Serve, at the address that it had before. Does nothing where it serves."""
        if self._server is not None:
            return
        _LOOP.enter()
        try:
            _LOOP.run(self._start())
        except BaseException:
            _LOOP.leave()
            raise

    async def _start(self) -> None:
        server = Server(self.store, listen=self.address, **self._options)
        port = await server.start()
        self._server = server
        self.address = f"{self.address.rpartition(':')[0]}:{port}"
        server.facts.address = self.address

    def stop(self, grace: float = 0.5) -> None:
        """Drain and end; ``grace`` in seconds. Does nothing where it is stopped."""
        server, self._server = self._server, None
        if server is not None:
            try:
                _LOOP.run(server.stop(grace))
            finally:
                _LOOP.leave()


@contextmanager
def serve_agent(
    store: MetaStore,
    *,
    limits: Limits | None = None,
    authorise: Authorise | None = None,
    credentials: grpc.ServerCredentials | None = None,
    joining: Membership | None = None,
    facts: Facts | None = None,
    listen: str = "127.0.0.1:0",
) -> Iterator[Serving]:
    """Serve a store to whoever asks, until the block ends; the store stays the caller's to close. The options are
    `etcdmeta.agent.server.Server`'s own."""
    options = {
        "limits": limits,
        "authorise": authorise,
        "credentials": credentials,
        "joining": joining,
        "facts": facts or Facts(version="test"),
    }
    serving = Serving(store, listen, options)
    serving.start()
    try:
        yield serving
    finally:
        serving.stop()
