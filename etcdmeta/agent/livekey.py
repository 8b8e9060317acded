"""One node's key below ``state/live/``: looked at, created under a lease, put again by the incarnation that made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etcdmeta.consensus.protocol import Strategy
from etcdmeta.model.entities import Liveness
from etcdmeta.records import keys
from etcdmeta.records.decoding import RecordDecoder, check
from etcdmeta.records.encoding import encode
from etcdmeta.records.keys import Keyspace, Kind
from etcdmeta.records.transaction import Compare, Put, RawKeyValue, Read, Transaction


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign of life that stands in etcd. ``record`` None: it cannot be decoded, so it is somebody else's."""

    create_revision: int
    lease: int
    record: Liveness | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a linearizable read found; ``raft_term`` changes with each election of etcd's."""

    sign: Sign | None
    raft_term: int


@dataclass(frozen=True, slots=True)
class Written:
    """The key is as asked; ``create_revision`` is this incarnation's."""

    create_revision: int


class LiveKey:
    """Holds nothing but where the key is. ``deadline`` and errors are those of `Strategy`, `Ambiguous` included;
    `Fenced` where the lease to write under is gone."""

    def __init__(self, strategy: Strategy, keyspace: Keyspace, node_id: int) -> None:
        self._strategy = strategy
        self._node_id = node_id
        self._key = keyspace.absolute(keys.live(node_id))

    def look(self, *, deadline: float) -> Look:
        """Who holds it now."""
        result = self._strategy.read(self._key, deadline=deadline)
        return Look(self._sign(result.kvs), result.header.raft_term)

    def create(self, record: Liveness, lease: int, *, deadline: float) -> Written | Sign | None:
        """Take the key where nobody holds it; else who does. None: it went in that very moment, try again."""
        return self._write(Compare.absent(self._key), record, lease, deadline)

    def put(self, record: Liveness, lease: int, create_revision: int, *, deadline: float) -> Written | Sign | None:
        """Say something new, where that incarnation of the key lives; else who holds it, None for nobody."""
        written = self._write(Compare.created(self._key, create_revision), record, lease, deadline)
        return Written(create_revision) if isinstance(written, Written) else written

    def _write(self, guard: Compare, record: Liveness, lease: int, deadline: float) -> Written | Sign | None:
        txn = Transaction((guard,), (Put(self._key, encode(record), lease),), (Read(self._key),))
        result = self._strategy.transact(txn, deadline=deadline)
        if result.succeeded:
            return Written(result.header.revision)
        return self._sign(result.reads[0] if result.reads else ())

    def _sign(self, kvs: Sequence[RawKeyValue]) -> Sign | None:
        if not kvs:
            return None
        kv = kvs[0]
        try:
            check(Kind.LIVENESS, kv.value)
        except ValueError:
            return Sign(kv.create_revision, kv.lease, None)
        row = (kv.value, kv.mod_revision, kv.create_revision)
        return Sign(kv.create_revision, kv.lease, RecordDecoder().liveness(row, self._node_id))
