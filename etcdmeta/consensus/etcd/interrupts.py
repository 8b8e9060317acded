"""What an interrupt leaves behind in gRPC, and who gives it back.

Python raises what a signal's handler raises (`KeyboardInterrupt`, mostly) between any two steps of the main thread. A
``with`` over a lock of C's is safe against that; over a `threading.Condition` it is not, whose ``__enter__`` and
``__exit__`` are Python and can be interrupted when the lock was just taken, or before it is given back. gRPC guards
each channel and each call with one. An interrupt at the moment at which a call is sent left it held for ever, several
times in seventy that were aimed at it: every other thread then waits for that channel without end, and so does the
garbage collector, in whatever thread it finds what is left of it.

What is not mended: a stream that the main thread itself opens (a picture from an agent) begins with a thread of gRPC's,
and an interrupt in the microseconds of its start is Python's own affair. Then closing waits, until the next interrupt.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from types import TracebackType

_Reentrant = type(threading.RLock())


class Interruptible:
    """Around a call into gRPC. Where that ends by anything but an error of gRPC's, this thread gives back what the call
    took: outside of gRPC it holds none of gRPC's locks."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, grpc.RpcError):
            _release_conditions(traceback)


def _release_conditions(traceback: TracebackType | None) -> None:
    """Of all steps that the exception ended: those that take or give back a condition are on its way."""
    while traceback is not None:
        condition = traceback.tb_frame.f_locals.get("self")
        if isinstance(condition, threading.Condition):
            for lock in vars(condition).values():
                if isinstance(lock, _Reentrant):
                    _release(lock)
        traceback = traceback.tb_next


def _release(lock: Any) -> None:
    """As often as this thread took it. A lock that can be taken twice knows whose it is: another thread's stays."""
    while True:
        try:
            lock.release()
        except RuntimeError:
            return
