"""The hold on a prefix that is being restored: one process at a time, and each step at most once.

``restore/marker`` lasts as long as the restore: it says of which file, and how far. Every step compares its mod
revision and puts it anew, so that of all sendings of a step one at most is taken, also of one whose answer was lost and
that lands late: a step without an answer is simply sent again, or found done. ``restore/holder`` is under a lease:
whoever comes second waits for its end, and is refused while it lasts. And every step compares that there is no guard.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Final

from etcdmeta.consensus.protocol import Ambiguous, Strategy
from etcdmeta.errors import EtcdMetaError, Fenced, PrefixNotEmpty, Refused, Unavailable
from etcdmeta.records import keys
from etcdmeta.records.decoding import parse
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.pb import backup_pb2 as pb
from etcdmeta.records.transaction import Compare, Delete, Put, RawKeyValue, Read, Transaction, Write

LEASE_SECONDS: Final = 5
"""How long a restore that was killed keeps the next one waiting."""
PATIENCE: Final = 30.0
"""Seconds that a step is tried for while etcd does not answer; the same command goes on later."""
_SENDING: Final = 5.0
_LOOK_AGAIN: Final = 0.2


class Hold:
    """Made by `claim`; `step` and `finish` write under it. Raises `Fenced` where it is lost."""

    def __init__(self, strategy: Strategy, keyspace: Keyspace, marker: pb.Restore, *, patience: float) -> None:
        self._strategy = strategy
        self._keyspace = keyspace
        self._marker = marker
        self._patience = patience
        self._lease = 0
        self._renewed = 0.0
        self._marker_mod = 0
        self._holder_create = 0

    @property
    def done(self) -> int:
        """Records that are written."""
        return self._marker.done

    @classmethod
    def claim(
        cls, strategy: Strategy, keyspace: Keyspace, wanted: pb.Restore, *, patience: float = PATIENCE
    ) -> Hold:
        """Take the empty prefix, or go on where the same file's restore stopped.

        Raises `PrefixNotEmpty`; `Refused` where another file is being restored, or another process does it;
        `Unavailable`.
        """
        hold = cls(strategy, keyspace, pb.Restore(), patience=patience)
        hold._marker.CopyFrom(wanted)
        hold._marker.holder = secrets.randbits(64)
        hold._take(time.monotonic() + LEASE_SECONDS + _SENDING)
        return hold

    def step(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Put the records, relative keys, in one transaction: once, whatever becomes of the answers."""
        marker = pb.Restore()
        marker.CopyFrom(self._marker)
        marker.done += len(records)
        put = self._marker_put(marker)
        self._send([*(Put(self._keyspace.absolute(key), value) for key, value in records), put], put.value)
        self._marker = marker

    def finish(self, records: Sequence[tuple[bytes, bytes]], proof: bytes) -> int:
        """The last step: these records appear, and the hold ends with it. ``proof``: the key among them that tells
        whether it happened. The revision."""
        absolute = self._keyspace.absolute
        ends = [Delete(absolute(keys.RESTORE_MARKER)), Delete(absolute(keys.RESTORE_HOLDER))]
        return self._send([*(Put(absolute(key), value) for key, value in records), *ends], None, proof)

    def release(self) -> None:
        """Lets the next one in at once; where etcd does not hear it, the lease's end does."""
        if self._lease:
            lease, self._lease = self._lease, 0
            with contextlib.suppress(EtcdMetaError):
                self._strategy.revoke_lease(lease, deadline=time.monotonic() + _SENDING)

    # --- one transaction, for certain

    def _send(self, writes: Sequence[Write], marker: bytes | None, proof: bytes = b"") -> int:
        absolute = self._keyspace.absolute
        give_up = time.monotonic() + self._patience
        while True:
            self._renew()
            txn = Transaction(
                (
                    Compare.modified(absolute(keys.RESTORE_MARKER), self._marker_mod),
                    Compare.created(absolute(keys.RESTORE_HOLDER), self._holder_create),
                    Compare.absent(absolute(keys.CLUSTER)),
                ),
                tuple(writes),
                (Read(absolute(keys.RESTORE_MARKER)), Read(absolute(proof or keys.CLUSTER))),
            )
            try:
                result = self._strategy.transact(txn, deadline=min(give_up, time.monotonic() + _SENDING))
            except (Ambiguous, Unavailable) as lost:
                if time.monotonic() >= give_up:
                    raise _stopped(lost) from None
                threading.Event().wait(_LOOK_AGAIN)
                continue
            if result.succeeded:
                self._marker_mod = result.header.revision
                return result.header.revision
            found, other = result.reads
            if marker is not None and found and found[0].value == marker:
                self._marker_mod = found[0].mod_revision  # an earlier sending of this very step
                return self._marker_mod
            if marker is None and other:
                return other[0].mod_revision
            if not found or found[0].mod_revision != self._marker_mod or (marker is not None and other):
                raise _lost()
            self._take(give_up)  # only the lease had ended, in a pause of ours, or of etcd

    def _renew(self) -> None:
        """Whether the lease still lives, the compare finds out."""
        if time.monotonic() - self._renewed < LEASE_SECONDS / 3:
            return
        try:
            self._strategy.keep_alive(self._lease, deadline=time.monotonic() + _SENDING)
        except Unavailable:
            return
        self._renewed = time.monotonic()

    # --- taking it

    def _take(self, deadline: float) -> None:
        absolute = self._keyspace.absolute
        while True:
            try:
                if self._try_to_take(deadline):
                    return
            except (Ambiguous, Unavailable) as lost:
                if time.monotonic() >= deadline:
                    raise _stopped(lost) from None
            threading.Event().wait(_LOOK_AGAIN)
            if time.monotonic() >= deadline:
                raise Refused(
                    "another process restores into this cluster's place at this moment",
                    value=absolute(keys.RESTORE_MARKER).decode(),
                    rule="one process restores at a time",
                    remedy="let it finish",
                )

    def _try_to_take(self, deadline: float) -> bool:
        """False: another process has it still. Whatever of this is sent and lost is found at the next try."""
        absolute, until = self._keyspace.absolute, min(deadline, time.monotonic() + _SENDING)
        holder = self._strategy.read(absolute(keys.RESTORE_HOLDER), deadline=until).kvs
        found = self._strategy.read(absolute(keys.RESTORE_MARKER), deadline=until).kvs
        if holder:
            if found and _is_mine(holder[0], self._marker):
                self._held(found[0], holder[0])
                return True
            if not found or parse(pb.Restore, found[0].value).digest == self._marker.digest:
                return False
        compares = [Compare.absent(absolute(keys.RESTORE_HOLDER)), Compare.absent(absolute(keys.CLUSTER))]
        if found:
            self._continue(found[0])
            compares.append(Compare.modified(absolute(keys.RESTORE_MARKER), found[0].mod_revision))
        else:
            if self._marker_mod:
                raise _lost()
            prefix = self._keyspace.prefix
            compares = [Compare.none_in(prefix, keys.prefix_end(prefix))]
        if not self._lease or not self._strategy.keep_alive(self._lease, deadline=until):
            self._lease = self._strategy.grant_lease(LEASE_SECONDS, deadline=until)
        self._renewed = time.monotonic()
        put = self._marker_put(self._marker)
        nonce = b"%016x" % self._marker.holder
        writes = (put, Put(absolute(keys.RESTORE_HOLDER), nonce, lease=self._lease))
        result = self._strategy.transact(Transaction(tuple(compares), writes), deadline=until)
        if result.succeeded:
            self._marker_mod = self._holder_create = result.header.revision
            return True
        if not found and not self._strategy.read(absolute(keys.RESTORE_MARKER), deadline=until).kvs:
            raise not_empty(self._keyspace)
        if self._strategy.read(absolute(keys.CLUSTER), deadline=until).kvs:
            raise _lost() if found else not_empty(self._keyspace)
        return False

    def _continue(self, found: RawKeyValue) -> None:
        """Raises `Refused` where that is another file's."""
        other = parse(pb.Restore, found.value)
        if other.digest != self._marker.digest:
            raise Refused(
                f"another restore is under way here, of {other.source!r}, by {other.author}",
                value=other.source,
                rule="one restore at a time",
                remedy="bring that file to go on with it, or take it back with `etcdmeta restore --abort`",
            )
        self._marker.done, self._marker.started_at = other.done, other.started_at

    def _held(self, marker: RawKeyValue, holder: RawKeyValue) -> None:
        self._continue(marker)
        self._marker_mod, self._holder_create = marker.mod_revision, holder.create_revision

    def _marker_put(self, marker: pb.Restore) -> Put:
        return Put(self._keyspace.absolute(keys.RESTORE_MARKER), marker.SerializeToString(deterministic=True))


def not_empty(keyspace: Keyspace) -> PrefixNotEmpty:
    return PrefixNotEmpty(
        f"there is something under {keyspace.prefix.decode()} already",
        value=keyspace.cluster,
        rule="a backup is restored where nothing is: it brings everything along",
        remedy="name a new --cluster",
    )


def _is_mine(holder: RawKeyValue, marker: pb.Restore) -> bool:
    return holder.value == b"%016x" % marker.holder


def _lost() -> Fenced:
    return Fenced(
        "the restore was ended by somebody else: another process went on with it, or took it back",
        rule="one process restores at a time",
        remedy="look with `etcdmeta cluster info` what is there now",
    )


def _stopped(lost: Exception) -> Unavailable:
    return Unavailable(
        f"etcd does not answer: {lost}",
        rule="nothing of a restore shows before all of it is there",
        remedy="the same command goes on where this one stopped",
    )
