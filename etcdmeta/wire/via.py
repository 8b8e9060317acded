"""The way of a call from agent to agent, so that no call goes in a circle.

An agent that passes a call on adds its own address to those that the call came with, in the metadata `KEY`. What is
done for a call of another's knows so by `relayed`: it makes one round, and ends with its caller's deadline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

KEY = "etcdmeta-via"
MOST_HOPS = 2
"""Agents that may pass one call on, before the one that serves it."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A call of another's, which this thread works for. ``via``: the agents that passed it on, first to last; empty: it
    came from its client. ``deadline``: monotonic seconds; None: the caller has none."""

    via: tuple[str, ...]
    deadline: float | None


_relay: ContextVar[Relay | None] = ContextVar("etcdmeta-relay", default=None)


def relayed() -> Relay | None:
    """The call that this thread works for; None: it works for its own process."""
    return _relay.get()


@contextmanager
def relaying(relay: Relay) -> Iterator[None]:
    """While the block lasts, this thread works for that call."""
    token = _relay.set(relay)
    try:
        yield
    finally:
        _relay.reset(token)


def read_way(metadata: Iterable[tuple[str, str | bytes]] | None) -> tuple[str, ...]:
    """Who passed a call on. Of a way that is far too long, as much as shows that."""
    for key, value in metadata or ():
        if key == KEY and isinstance(value, str):
            return tuple(filter(None, (part.strip() for part in value.split(",", MOST_HOPS + 1))))
    return ()


def way_on(own: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call that this thread makes. ``own``: this agent's address; empty: it is none, or has none
    yet."""
    relay = relayed()
    way = (*(() if relay is None else relay.via), *([spelled(own)] if own else []))
    return ((KEY, ",".join(way)),) if way else ()


def spelled(address: str) -> str:
    """As metadata can carry it."""
    return address.encode("ascii", "backslashreplace").decode("ascii")
