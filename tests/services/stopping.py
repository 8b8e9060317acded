"""A process whose service ``retention`` can be stopped in the middle of its first step: what it marks is planned, and
not sent yet. Run with ``python -m tests.services.stopping ENDPOINTS CLUSTER TTL``; at a line on stdin it goes on, and
says what came of the step; at another one, what it did in all.

It does not stop itself: of a process that sends itself SIGSTOP the thread that did may go on for a while."""

from __future__ import annotations

import sys
import threading
from typing import Any

from etcdmeta.records.transaction import Put
from etcdmeta.services.retention import Retention
from etcdmeta.services.runner import ServiceRunner
from etcdmeta.store import MetaStore


def main() -> None:
    endpoints, cluster, ttl = sys.argv[1:]
    with MetaStore.open(endpoints, cluster=cluster) as store:
        transact = store.strategy.transact
        stopped, answered = threading.Event(), threading.Event()

        def stopping(txn: Any, *, deadline: float) -> Any:
            marks = any(isinstance(write, Put) and b"/group/" in write.key for write in txn.writes)
            if not marks or stopped.is_set():
                return transact(txn, deadline=deadline)
            stopped.set()
            print("in the middle", flush=True)
            sys.stdin.readline()
            done = transact(txn, deadline=deadline + 60.0)  # as if it had not slept
            print("committed" if done.succeeded else "refused", flush=True)
            answered.set()
            return done

        store.strategy.transact = stopping  # type: ignore[method-assign]
        runner = ServiceRunner(store, [Retention(every=0.05)], ttl=float(ttl), who="the one that sleeps")
        runner.start()
        answered.wait()
        sys.stdin.readline()
        runner.stop()
        (status,) = runner.status()
        print(status.passes, status.did or "nothing", flush=True)


if __name__ == "__main__":
    main()
