"""The agent as a process of its own: signals, systemd, and an end that takes at most five seconds."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading

from etcdmeta.agent.assembly import Assembly
from etcdmeta.agent.config import AgentConfig
from etcdmeta.agent.hardening import raise_open_files
from etcdmeta.agent.systemd import Notifier

log = logging.getLogger("etcdmeta.agent")

END_SECONDS = 4.8
"""From the signal to the end of the process, whatever hangs."""


def run(config: AgentConfig) -> None:
    """Until SIGTERM or SIGINT, which are the ordinary end. SIGHUP reads the certificates anew.

    Raises what `Agent.run` raises. Of the main thread.
    """
    raise_open_files()
    asyncio.run(_run(config))


async def _run(config: AgentConfig) -> None:
    agent = Assembly(config)
    notifier = agent.vitals.notifier = Notifier.from_environ()
    loop = asyncio.get_running_loop()
    reloading: set[asyncio.Task[None]] = set()

    def stop(number: signal.Signals) -> None:
        log.info("%s: ending", number.name)
        notifier.stopping()
        guard = threading.Timer(END_SECONDS, _give_up)
        guard.daemon = True
        guard.start()
        agent.end()

    def reload() -> None:
        log.info("SIGHUP: reading the certificates anew")
        task = asyncio.ensure_future(agent.reload())
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, reload)
    notifier.status("starting")
    await agent.serve(on_ready=lambda: notifier.ready(agent.vitals.line()))


def _give_up() -> None:
    """Something hangs: what has not ended by now is ended with the process. The lease ends by itself."""
    log.error("not ended after %g s: giving up what hangs", END_SECONDS)
    sys.stderr.flush()
    os._exit(0)
