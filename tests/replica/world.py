"""A tiny model of what etcd remembers: every revision, so that any can be listed, watched, compacted or restored.

It is the other side of the follower's conversation, with names for the things that etcdmeta and others write. Keys in
its words are relative to the cluster's prefix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count

from etcdmeta.model.entities import Cluster, Database, Liveness, Progress
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_name_ref
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import DELETE_EVENT, PUT_EVENT, Event, Header, KeyValue

KEYSPACE = Keyspace("test")
PREFIX = KEYSPACE.prefix
START, END = KEYSPACE.state_range


class RevisionCompacted(Exception):
    pass


class RevisionAhead(Exception):
    pass


class World:
    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        self.cluster_id = 7
        self.term = 3
        self.states: dict[int, dict[bytes, KeyValue]] = {1: {}}
        self.events: dict[int, tuple[Event, ...]] = {1: ()}
        self.databases: dict[str, int] = {}
        self._nonces = count(1)

    # --- what is written

    def apply(self, text: str) -> None:
        """One line, as ``database metrics``; the words are the methods that follow."""
        word, *arguments = text.split()
        getattr(self, f"do_{word}")(*arguments)

    def do_init(self, *settings: str) -> None:
        self.commit({keys.CLUSTER: self._guard(settings)})

    def do_database(self, name: str) -> None:
        number = self.databases[name] = len(self.states)
        self.commit(
            {
                keys.database_name(name): encode_name_ref(number),
                keys.database_info(number): encode(Database(id=number, name=name, default_policy_id=0)),
            }
        )

    def do_drop(self, name: str) -> None:
        number = self.databases.pop(name)
        self.commit({}, [keys.database_name(name), keys.database_info(number)])

    def do_touch(self) -> None:
        """A commit that changes no record of the picture, as a new password."""
        self.commit({})

    def do_live(self, node: str) -> None:
        value = encode(Liveness(node_id=int(node), instance=next(self._nonces), since=0, host=f"n{node}:1"))
        self.write({keys.live(int(node)): value}, lease=99)

    def do_dead(self, node: str) -> None:
        self.write({}, [keys.live(int(node))])

    def do_progress(self, shard: str, done: str) -> None:
        record = Progress(database_id=1, policy_id=1, shard_id=int(shard), node_id=1, attempt=1, bytes_done=int(done))
        self.write({keys.progress(1, 1, int(shard), 1): encode(record)})

    def do_elsewhere(self) -> None:
        """A write outside of ``state/``: only the revision moves."""
        self.write({keys.ids("node"): b"1"})

    def do_guard(self, *settings: str) -> None:
        self.commit({keys.CLUSTER: self._guard(settings)})

    def do_put(self, key: str, *options: str) -> None:
        """By somebody else: ``put state/db/x``, ``put state/x leased``, ``put state/x committed`` (with a commit)."""
        value = {key.encode(): b"\xff"}
        lease = 99 if "leased" in options else 0
        if "committed" in options:
            self.commit(value, lease=lease)
        else:
            self.write(value, lease=lease)

    def do_delete(self, *names: str) -> None:
        self.write({}, [name.encode() for name in names])

    def do_term(self, term: str) -> None:
        self.term = int(term)

    def do_identity(self, cluster_id: str) -> None:
        self.cluster_id = int(cluster_id)

    def do_compact(self, revision: str) -> None:
        self.compacted = int(revision)

    def do_restore(self, revision: str) -> None:
        """Back to an older revision; cluster id and term stay, as `etcdctl snapshot restore` leaves them."""
        self._before_restore = self.revision, dict(self.states), dict(self.events)
        self.revision = int(revision)
        for later in [r for r in self.states if r > self.revision]:
            del self.states[later], self.events[later]

    def do_undo(self) -> None:
        """The restore was a mistake: the members come back with what they had before it."""
        self.revision, self.states, self.events = self._before_restore

    def commit(self, puts: Mapping[bytes, bytes], deletes: list[bytes] | None = None, *, lease: int = 0) -> None:
        """As etcdmeta does: guard, generation and ledger."""
        nonce = next(self._nonces)
        operation = f"op-{nonce}"
        generation = pb.Generation(nonce=nonce, operation_ids=[operation]).SerializeToString()
        ledger = keys.ledger(operation)
        self.write({**puts, keys.GENERATION: generation, ledger: b"outcome"}, deletes, lease=lease)

    def write(self, puts: Mapping[bytes, bytes], deletes: list[bytes] | None = None, *, lease: int = 0) -> None:
        self.revision += 1
        state = dict(self.states[self.revision - 1])
        events = [
            Event(DELETE_EVENT, KeyValue(PREFIX + key, b"", 0, self.revision, 0))
            for key in deletes or []
            if state.pop(PREFIX + key, None) is not None
        ]
        for key, value in puts.items():
            old = state.get(PREFIX + key)
            created, version = (old.create_revision, old.version + 1) if old else (self.revision, 1)
            kv = KeyValue(PREFIX + key, value, created, self.revision, version, lease)
            state[kv.key] = kv
            events.append(Event(PUT_EVENT, kv))
        self.states[self.revision] = state
        self.events[self.revision] = tuple(events)

    def _guard(self, settings: tuple[str, ...]) -> bytes:
        given = dict(setting.split("=") for setting in settings)
        return encode(Cluster(**{"cluster_id": 1, "epoch": 1, **{k: int(v) for k, v in given.items()}}))

    # --- what etcd answers

    @property
    def header(self) -> Header:
        return Header(self.revision, self.cluster_id, 1, self.term)

    def read(self, key: bytes, range_end: bytes | None = None, revision: int = 0) -> list[KeyValue]:
        """Raises `RevisionCompacted` and `RevisionAhead`, as etcd does."""
        if revision > self.revision:
            raise RevisionAhead
        if revision and revision < self.compacted:
            raise RevisionCompacted
        end = key + b"\0" if range_end is None else range_end
        state = self.states[revision or self.revision]
        return [state[k] for k in sorted(state) if key <= k < end]

    def watched(self, first: int, last: int) -> Iterator[Event]:
        """The events below ``state/`` of some revisions."""
        for revision in range(first, min(last, self.revision) + 1):
            yield from (e for e in self.events[revision] if START <= e.kv.key < END)

    def rows(self, revision: int) -> list[tuple[bytes, bytes, int, int]]:
        """As `etcdmeta.replica.listing` has them: what a picture of that revision must hold, compacted or not."""
        return sorted(
            (KEYSPACE.relative(kv.key), kv.value, kv.mod_revision, kv.create_revision)
            for kv in self.states[revision].values()
            if START <= kv.key < END
        )
