"""Whose turn it is: the queue in front of the one transaction that a store has in flight.

The first caller leads and takes along what is queued; when its transaction is answered, it hands the lead to the first
that waits. A lone caller leads at once, and no other thread is involved.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from etcdmeta.errors import Defect, OutcomeUnknown, StoreClosed, Unavailable
from etcdmeta.store.requests import Answer, Failed, Request
from etcdmeta.store.waiters import seconds_until

HELD = 30.0
"""Seconds that one whose deadline has passed still waits for the leader that has it in its hands; a leader settles
what it sent within the grace of the longest deadline."""


class Ticket:
    """One request in the queue. ``wake`` is released when it leads, or is answered and due."""

    __slots__ = ("answer", "leads", "request", "wake")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.wake = threading.Lock()
        self.wake.acquire()
        self.leads = False
        self.answer: Answer | None = None

    def settle(self, answer: Answer, leader: Ticket) -> None:
        """Give it its answer, the first one counting, and wake it; the leader is awake."""
        if self.answer is None:
            self.answer = answer
            if self is not leader:
                self.wake.release()


class Turns:
    """Thread-safe."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._queue: deque[Ticket] = deque()
        self._led = False
        self._closed = False

    @property
    def led(self) -> bool:
        """Whether somebody leads just now; a hint, since it may change at once."""
        return self._led

    def take(self, request: Request, lead: Callable[[Ticket], None]) -> Answer:
        """One turn: ``lead`` is called in this thread where it is its turn to lead, and has to settle the ticket.

        Raises `Unavailable` where the deadline passes before anybody took it, `StoreClosed`.
        """
        ticket = Ticket(request)
        with self._mutex:
            if self._closed:
                raise StoreClosed("the store was closed")
            ticket.leads = not self._led
            if ticket.leads:
                self._led = True
            else:
                self._queue.append(ticket)
        if not ticket.leads:
            self._wait(ticket)
        if ticket.leads:
            try:
                lead(ticket)
            finally:
                self._hand_on()
        if ticket.answer is None:
            raise Defect("a turn ended without an answer")
        return ticket.answer

    def join(self, most: int) -> list[Ticket]:
        """For a leader: up to that many who wait, in order."""
        with self._mutex:
            return [self._queue.popleft() for _ in range(min(most, len(self._queue)))]

    def put_back(self, tickets: list[Ticket]) -> None:
        """To the front, in the order they were in."""
        with self._mutex:
            self._queue.extendleft(reversed(tickets))

    def close(self) -> None:
        """Who waits is refused; a leader ends its turn."""
        with self._mutex:
            self._closed = True
            waiting = list(self._queue)
            self._queue.clear()
        for ticket in waiting:
            ticket.answer = Failed(StoreClosed("the store was closed"))
            ticket.wake.release()

    def _wait(self, ticket: Ticket) -> None:
        try:
            woken = ticket.wake.acquire(timeout=seconds_until(ticket.request.deadline))
        except BaseException:
            if not self._leave(ticket) and ticket.leads:
                self._hand_on()  # the lead came in the same moment: nobody else would pass it on
            raise
        if woken:
            return
        if self._leave(ticket):
            raise Unavailable(
                f"{ticket.request.what!r} was not sent in time: other commands were in front of it",
                remedy="try again, or with a longer timeout; nothing was changed",
            )
        if ticket.answer is None and not ticket.wake.acquire(timeout=HELD):
            operation_id = ticket.request.operations[0].id
            raise OutcomeUnknown(f"{ticket.request.what!r} is still being settled", operation_id=operation_id)

    def _leave(self, ticket: Ticket) -> bool:
        """Out of the queue; False where it was taken along, or leads, already."""
        with self._mutex:
            if ticket in self._queue:
                self._queue.remove(ticket)
                return True
        return False

    def _hand_on(self) -> None:
        with self._mutex:
            heir = self._queue.popleft() if self._queue else None
            if heir is not None:
                heir.leads = True
            else:
                self._led = False
        if heir is not None:
            heir.wake.release()
