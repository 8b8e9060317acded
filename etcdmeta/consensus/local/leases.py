"""Leases: which keys end with which, and when. Plain data; time is an argument, in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from etcdmeta.errors import Fenced

SHORTEST_TTL = 2
"""etcd's with its default election time-out: asked for less, it grants this."""


@dataclass(slots=True)
class _Lease:
    ttl: int
    ends: float
    keys: set[bytes] = field(default_factory=set)


class Leases:
    """Not thread-safe; see `etcdmeta.consensus.local.cluster.LocalCluster`."""

    def __init__(self) -> None:
        self._leases: dict[int, _Lease] = {}
        self._of_key: dict[bytes, int] = {}
        self._last_id = 0

    def grant(self, ttl: int, now: float) -> int:
        """A new lease's id."""
        self._last_id += 1
        granted = max(ttl, SHORTEST_TTL)
        self._leases[self._last_id] = _Lease(granted, now + granted)
        return self._last_id

    def keep_alive(self, lease: int, now: float) -> int:
        """Renews; the seconds granted, 0 where it is gone."""
        found = self._leases.get(lease)
        if found is None:
            return 0
        found.ends = now + found.ttl
        return found.ttl

    def check(self, lease: int) -> None:
        """Raises `Fenced` where the lease that a put asks for is gone."""
        if lease and lease not in self._leases:
            raise Fenced(
                f"the lease {lease:x} is gone",
                value=lease,
                rule="a record's lease must live when it is written",
            )

    def attach(self, key: bytes, lease: int) -> None:
        """The key ends with this lease from now on, and with no other; with none for 0."""
        before = self._of_key.pop(key, 0)
        if before:
            self._leases[before].keys.discard(key)
        if lease:
            self._leases[lease].keys.add(key)
            self._of_key[key] = lease

    def end(self, lease: int) -> list[bytes]:
        """Forgets the lease; its keys, sorted, which the caller deletes."""
        found = self._leases.pop(lease, None)
        keys = sorted(found.keys) if found else []
        for key in keys:
            del self._of_key[key]
        return keys

    def due(self, now: float) -> list[int]:
        """The leases whose time is over."""
        return [lease for lease, each in self._leases.items() if each.ends <= now]

    def next_end(self) -> float | None:
        """When the next lease will be due, if it is not renewed."""
        return min((each.ends for each in self._leases.values()), default=None)
