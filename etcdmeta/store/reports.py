"""How loudly a follower's report is logged: while etcd is away every attempt is one, for ever."""

from __future__ import annotations

import logging

from etcdmeta.errors import EtcdMetaError
from etcdmeta.replica.states import FollowerState


class Reports:
    """Of one follower; called under its lock."""

    def __init__(self) -> None:
        self._before: tuple[FollowerState, type[EtcdMetaError | None]] | None = None

    def level(self, state: FollowerState, problem: EtcdMetaError | None) -> int:
        """Info where the state, or the kind of problem, is another than in the report before; else debug.

        Without a picture, attempts make it syncing and cold by turns: with a problem, that is one state here.
        """
        trying = state is FollowerState.SYNCING and problem is not None
        told = (FollowerState.COLD if trying else state, type(problem))
        before, self._before = self._before, told
        return logging.DEBUG if told == before else logging.INFO
