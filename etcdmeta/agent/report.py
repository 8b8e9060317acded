"""What a node says of itself in its sign of life."""

from __future__ import annotations

import math
import secrets

from etcdmeta.agent.comings import Comings
from etcdmeta.model.durations import SECOND
from etcdmeta.model.entities import NEVER_PROVEN, Liveness
from etcdmeta.store import MetaStore


class Report:
    """Makes the record. ``instance`` is this process's nonce; ``ttl`` in seconds, ``lease_seconds`` as granted."""

    def __init__(
        self,
        store: MetaStore,
        node_id: int,
        comings: Comings,
        *,
        host: str,
        version: str,
        agent_address: str,
        ttl: float,
        lease_seconds: int,
    ) -> None:
        self.instance = secrets.randbits(64)
        self.node_id = node_id
        self.host = host
        self._store = store
        self._comings = comings
        self._version = version
        self._agent_address = agent_address
        self._ttl = ttl
        self._lease_seconds = lease_seconds

    def record(self, *, since: int, clock: int, coming: bool = False) -> Liveness:
        """As of now, which is ``clock``. ``coming``: the node becomes live with it."""
        fresh = self._store.freshness()
        return Liveness(
            node_id=self.node_id,
            instance=self.instance,
            since=since,
            version=self._version,
            host=self.host,
            generation=fresh.generation,
            cache_age=self._age(fresh.age),
            agent_address=self._agent_address,
            interruptions=self._comings.interruptions(coming=since if coming else None),
            lease_seconds=self._lease_seconds,
            clock=clock,
        )

    def _age(self, age: float) -> int:
        """In whole seconds, and 0 below the time to live: a picture that is followed is no news each time."""
        if not math.isfinite(age):
            return NEVER_PROVEN
        return 0 if age < self._ttl else int(age) * SECOND
