"""A TCP proxy that loses, holds back and cuts what passes, on command: what a network does at its worst.

::

    with Proxy("127.0.0.1:2379") as proxy:
        client = connect(proxy.address)
        proxy.drop_answers()                 # etcd gets the request, the client never the answer
        client.put(…)                        # … runs into its deadline
        proxy.wait_for(lambda seen: seen.dropped_from_server > 0, timeout=5)
        proxy.heal()

Each mode is in force when the call returns: not a byte more passes than it allows. All work is done in one
thread, which alone touches the connections; the methods hand it their orders and may be called from any
thread.
"""

from __future__ import annotations

import queue
import selectors
import socket
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from etcdmeta.testing.link import Link, Policy, reset

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_ORDER_SECONDS = 10.0
_ORDERS = 64


@dataclass(frozen=True)
class Seen:
    """What a proxy has counted since it was made. Connections, and bytes."""

    accepted: int = 0
    refused: int = 0
    to_server: int = 0
    from_server: int = 0
    dropped_to_server: int = 0
    dropped_from_server: int = 0
    cuts: int = 0
    """Connections that the proxy has reset."""


class Proxy:
    """Listens on a free loopback port and passes all on to ``target`` (host:port) until told otherwise."""

    def __init__(self, target: str, *, host: str = "127.0.0.1", port: int = 0) -> None:
        target_host, _, target_port = target.rpartition(":")
        self._target = (target_host.strip("[]"), int(target_port))
        self._listener = socket.create_server((host, port), backlog=128)
        self._listener.setblocking(False)
        name = self._listener.getsockname()
        self.address: str = f"{name[0]}:{name[1]}"
        self._orders: queue.Queue[tuple[Callable[[], None], Future[None]]] = queue.Queue(_ORDERS)
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._changed = threading.Condition()
        self._seen = Seen()
        self._selector = selectors.DefaultSelector()
        self._links: set[Link] = set()
        self._policy = Policy()
        self._running = True
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.address}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def seen(self) -> Seen:
        """The counters, all of one moment."""
        with self._changed:
            return self._seen

    def wait_for(self, condition: Callable[[Seen], bool], timeout: float) -> Seen:
        """Waits at most ``timeout`` seconds until the counters meet the condition. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._seen), timeout):
                raise TimeoutError(f"not within {timeout:g} s; seen so far: {self._seen}")
            return self._seen

    # --- modes ---

    def heal(self) -> None:
        """Everything passes again, what was held back first. Connections that lost bytes are reset."""

        def order() -> None:
            self._policy = Policy()
            for link in [link for link in self._links if link.torn]:
                self._cut(link)

        self._order(order)

    def hold_answers(self) -> None:
        """Nothing from the server passes; it is kept, and passes after ``heal``."""
        self._set(Policy(from_server="hold"))

    def drop_answers(self) -> None:
        """What the server sends is lost, the end of its connection too; requests still arrive."""
        self._set(Policy(from_server="drop"))

    def drop_requests(self) -> None:
        """What clients send is lost; the connections stay open."""
        self._set(Policy(to_server="drop"))

    def pause(self) -> None:
        """Nothing passes either way, nothing is closed, as when a cable is out; it passes after ``heal``."""
        self._set(Policy(to_server="hold", from_server="hold"))

    def cut(self) -> None:
        """Resets all connections, and every new one until ``heal``."""

        def order() -> None:
            self._policy = Policy(refuse=True)
            self._cut_all()

        self._order(order)

    def reset(self) -> None:
        """Resets the connections of now; new ones are welcome."""
        self._order(self._cut_all)

    def cut_after(self, count: int) -> None:
        """Lets ``count`` more bytes of the server pass, then resets the connection in the middle, once."""
        self._set(Policy(cut_after=count))

    def close(self) -> None:
        """Resets everything and ends the thread; more than once does nothing."""
        if not self._thread.is_alive():
            return

        def order() -> None:
            self._cut_all()
            self._running = False

        self._order(order)
        self._thread.join(_ORDER_SECONDS)
        self._selector.close()
        for each in (self._listener, self._wake_receiver, self._wake_sender):
            each.close()

    def _set(self, policy: Policy) -> None:
        def order() -> None:
            self._policy = policy

        self._order(order)

    def _order(self, order: Callable[[], None]) -> None:
        if not self._thread.is_alive():
            raise ValueError("the proxy is closed")
        done: Future[None] = Future()
        self._orders.put((order, done), timeout=_ORDER_SECONDS)
        self._wake_sender.send(b"!")
        done.result(_ORDER_SECONDS)

    # --- the thread ---

    def _run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        while self._running:
            for link in self._links:
                link.watch(self._selector, self._policy)
            for key, events in self._selector.select():
                if key.fileobj is self._wake_receiver:
                    self._wake_receiver.recv(4096)
                elif key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, Link) and key.data in self._links:
                    self._move(key.data, key.fileobj, events)
            while not self._orders.empty():
                order, done = self._orders.get_nowait()
                order()
                done.set_result(None)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # the client has gone already
        if self._policy.refuse:
            reset(client)
            self._count(refused=1)
            return
        self._links.add(Link(client, self._target))
        self._count(accepted=1)

    def _move(self, link: Link, ready: object, events: int) -> None:
        try:
            moved = link.move(ready, events, self._policy)
        except OSError:
            self._cut(link)  # one side has reset it: so does the proxy to the other
            return
        self._count(
            to_server=moved.to_server,
            from_server=moved.from_server,
            dropped_to_server=moved.dropped_to_server,
            dropped_from_server=moved.dropped_from_server,
        )
        if self._policy.cut_after is not None:
            left = self._policy.cut_after - moved.from_server
            self._policy = Policy(cut_after=left) if left > 0 else Policy()
            if left <= 0:
                self._cut(link)
                return
        if link.finished:
            self._links.discard(link)
            link.close(self._selector)

    def _cut_all(self) -> None:
        for link in list(self._links):
            self._cut(link)

    def _cut(self, link: Link) -> None:
        self._links.discard(link)
        link.cut(self._selector)
        self._count(cuts=1)

    def _count(self, **more: int) -> None:
        with self._changed:
            totals = {name: getattr(self._seen, name) + count for name, count in more.items()}
            self._seen = replace(self._seen, **totals)
            self._changed.notify_all()
