"""Served stores, and the proof that nothing went wrong behind the answers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.store import MetaStore
from etcdmeta.testing import local_store
from etcdmeta.testing.agents import Serving, serve_agent
from tests.agent.talking import Client

_LOGGERS = ("etcdmeta.agent", "asyncio", "grpc", "concurrent.futures")


class Agents:
    """Agents over one cluster in memory. `links` are the ways of their stores to it, `clients` of tests to them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.cluster = LocalCluster()
        self.links: list[LocalStrategy] = []
        self.stores: list[MetaStore] = []
        self.served: list[Serving] = []

    def add(self, *, max_age: float | None = None, **options: Any) -> Client:
        """One more agent; a client of it."""
        link = LocalStrategy(self.cluster)
        store = self._stack.enter_context(local_store(link, init=not self.stores, max_age=max_age))
        serving = self._stack.enter_context(serve_agent(store, **options))
        self.links.append(link)
        self.stores.append(store)
        self.served.append(serving)
        return self.client(len(self.served) - 1)

    def client(self, agent: int = 0, **options: Any) -> Client:
        return self._stack.enter_context(Client(self.served[agent].address, **options))


class Incidents(logging.Handler):
    """What the agents' log says, and what it says too much."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.expected = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, incident: str) -> logging.LogRecord:
        return next(r for r in self.records if incident in r.getMessage())

    def errors(self) -> list[str]:
        return [record.getMessage() for record in self.records if record.levelno >= logging.ERROR]


@contextmanager
def watched_log() -> Iterator[Incidents]:
    incidents = Incidents()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(incidents)
    loggers[0].setLevel(logging.INFO)
    try:
        yield incidents
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(incidents)
            logger.setLevel(level)


@pytest.fixture
def incidents() -> Iterator[Incidents]:
    """The agents' log. A test that makes a defect says how many it ``expected``; any other fails it."""
    with watched_log() as found:
        yield found
    assert len(found.errors()) == found.expected, found.errors()


@pytest.fixture
def agents(incidents: Incidents) -> Iterator[Agents]:
    with ExitStack() as stack:
        yield Agents(stack)


@pytest.fixture
def client(agents: Agents) -> Client:
    """Of one agent over a new cluster."""
    return agents.add()
