"""The key ``lead/<service>``: read, and created under a lease where nobody holds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from etcdmeta.consensus.protocol import Strategy
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.leaders import Leader, decode_leader, encode_leader
from etcdmeta.records.transaction import Compare, Put, RawKeyValue, Read, Transaction


class Standing(NamedTuple):
    """What stands at the key: ``create_revision`` is the fence; ``leader`` None: its value cannot be read."""

    create_revision: int
    leader: Leader | None


class LeadKey:
    """Of one service. ``deadline`` and errors are those of `Strategy`, `Ambiguous` included."""

    def __init__(self, strategy: Strategy, keyspace: Keyspace, service: str) -> None:
        self.relative = keys.lead(service)
        self._strategy = strategy
        self._key = keyspace.absolute(self.relative)

    def read(self, *, deadline: float) -> Standing | None:
        """A linearizable read; None: nobody leads."""
        return _standing(self._strategy.read(self._key, deadline=deadline).kvs)

    def create(self, leader: Leader, lease: int, *, deadline: float) -> Standing | None:
        """Take the lead where nobody has it; what stands there then. None: the other's went in that very moment.

        `Fenced` where the lease is gone.
        """
        put = Put(self._key, encode_leader(leader), lease)
        txn = Transaction((Compare.absent(self._key),), (put,), (Read(self._key),))
        result = self._strategy.transact(txn, deadline=deadline)
        if result.succeeded:
            return Standing(result.header.revision, leader)
        return _standing(result.reads[0] if result.reads else ())


def _standing(kvs: Sequence[RawKeyValue]) -> Standing | None:
    return Standing(kvs[0].create_revision, decode_leader(kvs[0].value)) if kvs else None
