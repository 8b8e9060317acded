"""In which order a backup's records are put back, so that lists come as they were: in order of creation.

etcd counts creations anew, so the order of puts becomes the order of creation. It matters for databases, policies,
users, queries and subscriptions, and for the ledger, which goes by its last changes. All of one transaction have one
revision, and come by id or name there: where that is not their order, they may not share a transaction (``apart``).
The same file always gives the same order: who goes on with a restore that was interrupted counts on it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from etcdmeta.archive.backup import BackupReader, Stored, records_at
from etcdmeta.archive.checking import Check, check_backup
from etcdmeta.model.names import from_bytes
from etcdmeta.records import keys
from etcdmeta.records.decoding import parse
from etcdmeta.records.keys import Kind
from etcdmeta.records.pb import records_pb2 as pb

REPLACED: Final = frozenset({keys.CLUSTER, keys.GENERATION})
"""What the last step makes anew."""
_KEPT_BLOCKS: Final = 16


class Load(NamedTuple):
    """``apart``: not in one transaction with what comes before it."""

    key: bytes
    value: bytes
    apart: bool


class _Ordered(NamedTuple):
    """Sorts in order of creation; ``scope``: whose list it stands in, ``tie``: how that is ordered at one revision."""

    revision: int
    scope: bytes
    tie: tuple[int, int | str]
    key: bytes
    value: bytes


class _Entry(NamedTuple):
    revision: int
    key: bytes
    block: int


@dataclass(slots=True)
class Loading:
    """What one reading of the whole file found. ``read`` gives n bytes at an offset of it."""

    read: Callable[[int, int], bytes]
    check: Check
    _ordered: list[_Ordered] = field(default_factory=list)
    _ledger: list[_Entry] = field(default_factory=list)

    @classmethod
    def of(
        cls, read: Callable[[int, int], bytes], report: Callable[[int, int], None] = lambda _records, _size: None
    ) -> Loading:
        """Reads and checks all of it. Raises `ArchiveDamaged`, `ArchiveTooNew`."""
        ordered: list[_Ordered] = []
        ledger: list[_Entry] = []

        def each(offset: int, records: list[Stored]) -> None:
            for record in records:
                if record.key.startswith(b"ledger/"):
                    ledger.append(_Entry(record.mod_revision, record.key, offset))
                elif (placed := _placed(record)) is not None:
                    ordered.append(placed)

        check = check_backup(_Sequential(read), report, each)
        return cls(read, check, sorted(ordered), sorted(ledger))

    @property
    def records(self) -> int:
        """How many `order` gives."""
        return self.check.summary.records - len(REPLACED)

    def order(self) -> Iterator[Load]:
        """All records but the guard and the generation. Raises `ArchiveDamaged` where the file changed meanwhile."""
        last: dict[bytes, tuple[int, int | str]] = {}
        given: set[bytes] = set()
        for one in self._ordered:
            apart = one.scope in last and one.tie <= last[one.scope]
            if apart:
                last.clear()
            last[one.scope] = one.tie
            given.add(one.key)
            yield Load(one.key, one.value, apart)
        for record in BackupReader(_Sequential(self.read)).records():
            if record.key not in given and record.key not in REPLACED and not record.key.startswith(b"ledger/"):
                yield Load(record.key, record.value, False)
        blocks: OrderedDict[int, dict[bytes, bytes]] = OrderedDict()
        before = b""
        for entry in self._ledger:
            block = blocks.get(entry.block)
            if block is None:
                block = blocks[entry.block] = {r.key: r.value for r in records_at(self.read, entry.block)}
                if len(blocks) > _KEPT_BLOCKS:
                    blocks.popitem(last=False)
            yield Load(entry.key, block[entry.key], entry.key < before)
            before = entry.key


def _placed(record: Stored) -> _Ordered | None:
    """None: where it stands in time says nothing."""
    if not record.key.startswith(b"state/"):
        return None
    kind, where = keys.locate(record.key)
    scope = record.key.rpartition(b"/")[0]
    tie: tuple[int, int | str]
    try:
        match kind:
            case Kind.DATABASE | Kind.USER:
                scope, tie = kind.encode(), (0, int(where[0]))
            case Kind.POLICY:
                scope, tie = b"policy/%d" % int(where[0]), (0, int(where[1]))
            case Kind.QUERY:
                query = parse(pb.ContinuousQuery, record.value)
                tie = (query.place, from_bytes(query.name))
            case Kind.SUBSCRIPTION:
                subscription = parse(pb.Subscription, record.value)
                tie = (subscription.place, from_bytes(subscription.name))
            case _:
                return None
    except ValueError:  # unreadable: it stands in no list
        return None
    return _Ordered(record.create_revision, scope, tie, record.key, record.value)


class _Sequential:
    """Reads on and on."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read
        self._at = 0

    def __call__(self, size: int) -> bytes:
        found = self._read(self._at, size)
        self._at += len(found)
        return found
