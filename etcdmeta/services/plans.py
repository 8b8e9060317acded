"""The service ``plans``: carries out the plans of moves that run, and settles those that are aborted."""

from __future__ import annotations

import threading

from etcdmeta.services.applying import Applier
from etcdmeta.services.service import Turn


class Plans:
    """One pass lasts for as long as the lead does: the applier follows the picture."""

    name = "plans"
    every = 0.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._applier: Applier | None = None

    def run(self, turn: Turn) -> str:
        applier = Applier(turn.store, turn.held)
        with self._lock:
            self._applier = applier
            if turn.stopping.is_set():
                return ""
        try:
            applier.run()
        finally:
            with self._lock:
                self._applier = None
        return _told(applier)

    def doing(self) -> str:
        with self._lock:
            return "" if self._applier is None else _told(self._applier)

    def interrupt(self) -> None:
        with self._lock:
            if self._applier is not None:
                self._applier.stop()


def _told(applier: Applier) -> str:
    return f"{applier.steps} steps of plans" if applier.steps else ""
