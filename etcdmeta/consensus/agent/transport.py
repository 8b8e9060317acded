"""Calls to the agents: a channel each, a deadline always, and who is asked next.

`call` goes to one agent, once. `ask` is for what may be repeated: one agent after the other, until the deadline; for a
call of another's that is passed on, one round: its caller repeats it.
"""

from __future__ import annotations

import os
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from etcdmeta.consensus.agent import failures
from etcdmeta.consensus.etcd.channel import Tls, open_channel
from etcdmeta.consensus.etcd.interrupts import Interruptible
from etcdmeta.consensus.etcd.picker import Picker
from etcdmeta.errors import EtcdMetaError, ForkedProcess, InvalidAddress, LimitReached, StoreClosed, Unavailable
from etcdmeta.wire.pb.agent_pb2_grpc import MetadataStub
from etcdmeta.wire.via import relayed, spelled, way_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from etcdmeta.consensus.etcd.endpoints import Endpoint

FIRST_PAUSE, LAST_PAUSE = 0.05, 0.5
"""Seconds between two rounds over all agents, doubling; chance decides how much of it is taken."""
SMALL_CALL = 2.0
"""Seconds after which a call that reads little is given up on one agent, where there are others to ask."""
LONGEST_CALL = 600.0
"""Seconds that one call may take, whatever the caller allows: agents refuse deadlines that are far away."""


@dataclass(frozen=True, slots=True)
class Line:
    """The channel to one agent and its methods. ``stamp``: of the certificates' files that it was opened with."""

    channel: Any
    stub: Any
    stamp: tuple[tuple[int, int], ...]


class Transport:
    """The channels to all agents. Thread-safe; of the process that made it alone."""

    def __init__(self, endpoints: Sequence[Endpoint], tls: Tls, own: Callable[[], str] | None = None) -> None:
        """``own``: see `AgentStrategy`."""
        self._endpoints = {endpoint.target: endpoint for endpoint in endpoints}
        self._tls = tls
        self._own = own
        self._troubles: dict[str, EtcdMetaError] = {}  # why each agent failed, until it answers
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._lines: dict[str, Line] = {}
        self._retired: list[Line] = []
        self._closed = threading.Event()
        self.names = tuple(self._endpoints)
        self.picker = Picker(self.names)

    def way_on(self) -> tuple[tuple[str, str], ...]:
        """The metadata of a call that this thread makes."""
        return way_on("" if self._own is None else self._own())

    def order(self) -> tuple[str, ...]:
        """The agents to ask, the likeliest to answer first; for another's call, without those that passed it on.

        They would refuse it, as a circle; where there is nobody else, they are asked, and name the circle.
        """
        best_first = tuple(self.picker.order(time.monotonic()))
        relay = relayed()
        way = () if relay is None else relay.via
        return tuple(name for name in best_first if spelled(name) not in way) or best_first

    def check_usable(self) -> None:
        """Raises `ForkedProcess` in a child of the process that opened this, `StoreClosed` after `close`."""
        if os.getpid() != self._pid:
            raise ForkedProcess(
                "the connection to the agents was opened before this process was forked",
                rule="gRPC's channels do not survive a fork",
                remedy="open a store in the child",
            )
        if self._closed.is_set():
            raise StoreClosed("the connection to the agents is closed")

    def check_endpoint(self, name: str) -> None:
        """Raises `InvalidAddress` for one that was not given at the start."""
        if name not in self._endpoints:
            raise InvalidAddress(
                f"{name} is not one of this connection's agents", value=name, rule=", ".join(self._endpoints)
            )

    def open_line(self, name: str) -> Line:
        """A channel of one's own, to be closed by the caller. Raises `ConfigurationInvalid`, `InvalidAddress`."""
        self.check_endpoint(name)
        stamp = self._tls.stamp()
        channel = open_channel(self._endpoints[name], self._tls)
        return Line(channel, MetadataStub(channel), stamp)  # type: ignore[no-untyped-call]

    def line(self, name: str) -> Line:
        """The channel to an agent, opened at the first call. Raises as `open_line` does, and `StoreClosed`.

        An agent that did not answer gets a new one where the certificates' files have changed.
        """
        with self._lock:
            self.check_usable()
            found = self._lines.get(name)
            if found is not None and found.stamp and self.picker.has_failed(name) and found.stamp != self._tls.stamp():
                # Closed with the rest: calls of other threads may still run on it.
                self._retired.append(self._lines.pop(name))
                found = None
            if found is None:
                found = self._lines[name] = self.open_line(name)
            return found

    def call(
        self,
        name: str,
        method: str,
        request: Any,
        deadline: float,
        *,
        meaning: Callable[[grpc.RpcError, str], Exception] = failures.from_repeatable,
    ) -> Any:
        """One call to one agent, once. ``method`` is an unary one of the service; ``meaning`` makes of a failure what
        is raised. Typed errors of its own say that nothing was sent."""
        try:
            response = self.begin(name, method, request, deadline)
        except grpc.RpcError as error:
            raise self.judge(error, name, meaning) from error
        self.answered(name)
        return response

    def begin(self, name: str, method: str, request: Any, deadline: float) -> Any:
        """The answer of an unary method, or the iterator of a streaming one; raises what gRPC raises."""
        line = self.line(name)
        relay = relayed()
        if relay is not None and relay.deadline is not None:
            deadline = min(deadline, relay.deadline)
        left = deadline - time.monotonic()
        if left <= 0:
            raise failures.no_time(name, self._troubles.get(name))
        try:
            with Interruptible():
                return getattr(line.stub, method)(request, timeout=min(left, LONGEST_CALL), metadata=self.way_on())
        except ValueError as error:  # gRPC's word for a channel that was closed
            self.check_usable()
            raise Unavailable(f"the channel to {name} was closed", value=name) from error

    def judge(
        self,
        error: grpc.RpcError,
        name: str,
        meaning: Callable[[grpc.RpcError, str], Exception] = failures.from_repeatable,
    ) -> Exception:
        """What a failed call means, which is remembered of the agent, too."""
        known = meaning(error, name)
        if isinstance(known, EtcdMetaError) and not isinstance(known, Unavailable | LimitReached):
            self.answered(name)
        else:
            self.picker.mark_failed(name, time.monotonic())
            self._troubles[name] = known if isinstance(known, EtcdMetaError) else Unavailable(str(known), value=name)
        return known

    def answered(self, name: str) -> None:
        """An agent has answered, with whatever."""
        self.picker.mark_good(name, time.monotonic())
        self._troubles.pop(name, None)

    def ask(self, method: str, request: Any, deadline: float, *, small: bool = True) -> Any:
        """A call that may be repeated, to whichever agent answers.

        Raises what an agent refuses with; at the deadline `Unavailable`, with each agent's last reason. ``small``: no
        agent gets more than `SMALL_CALL` seconds where there are others.
        """
        return self.ask_each(lambda name, until: self.call(name, method, request, until), deadline, small=small)

    def ask_each(self, ask: Callable[[str, float], Any], deadline: float, *, small: bool) -> Any:
        """``ask(name, deadline)`` of one agent after the other until it raises nothing of `failures.ELSEWHERE`."""
        reasons: dict[str, EtcdMetaError] = {}
        pause = FIRST_PAUSE
        try:
            while True:
                for name, until in self._shares(self.order(), deadline, small=small):
                    self.check_usable()
                    try:
                        return ask(name, until)
                    except failures.ELSEWHERE as reason:
                        self.check_usable()
                        reasons[name] = reason
                if relayed() is not None or time.monotonic() + pause >= deadline:
                    raise failures.all_failed(reasons or dict(self._troubles))
                self._closed.wait(random.uniform(pause / 2, pause))
                self.check_usable()
                pause = min(2 * pause, LAST_PAUSE)
        finally:
            reasons.clear()  # they hold this frame: see `etcdmeta.consensus.etcd.failures.untie`

    @staticmethod
    def _shares(order: Sequence[str], deadline: float, *, small: bool) -> Iterator[tuple[str, float]]:
        """Those not asked yet get an even share of the time, so that a silent one does not take it all."""
        for position, name in enumerate(order):
            now = time.monotonic()
            if now >= deadline:
                return
            share = (deadline - now) / (len(order) - position)
            yield name, now + (min(share, SMALL_CALL) if small and len(order) > 1 else share)

    def close(self) -> None:
        """Ends every call and closes the channels. In a forked child there is nothing to close."""
        if os.getpid() != self._pid or self._closed.is_set():
            return
        self._closed.set()
        with self._lock:
            lines = [*self._lines.values(), *self._retired]
            self._lines.clear()
            self._retired.clear()
        for line in lines:
            with Interruptible():
                line.channel.close()
        self._troubles.clear()  # their frames hold this transport
