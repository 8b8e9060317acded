"""A request to commit, what one turn can make of it, and the transaction that several become."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from etcdmeta.commands.plan import Ids, Plan
from etcdmeta.errors import EtcdMetaError, RecordUnreadable
from etcdmeta.model.snapshot import Position, Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Compare, Delete, DeleteRange, Put, Read, Transaction, Write
from etcdmeta.store.ledger import encode_entry, encode_generation
from etcdmeta.store.merging import Footprint, merge, sequence
from etcdmeta.store.operations import Fence, Operation, Outcome


@dataclass(slots=True, eq=False)
class Request:
    """Operations that commit together or not at all: one command, or a batch. ``deadline``: monotonic seconds."""

    operations: tuple[Operation, ...]
    deadline: float
    ids: dict[str, list[int]] = field(default_factory=dict)
    proven: Position | None = None
    """A position that was current at some time after the request began; refusals on an older picture are not final."""
    alone: bool = False
    conflicts: int = 0
    voids: list[tuple[int, ...]] = field(default_factory=list)
    """The earlier attempts that were settled as void: the create revision of each operation's entry."""
    prepared: Proposal | None = None
    """Planned while waiting for a turn; see `etcdmeta.store.leader.Leader.prepare`."""

    @property
    def attempt(self) -> int:
        return len(self.voids)

    @property
    def repairs(self) -> bool:
        """Allowed while other writes are refused."""
        return all(operation.command.REPAIRS for operation in self.operations)

    @property
    def what(self) -> str:
        if len(self.operations) == 1:
            return self.operations[0].command.NAME
        return " + ".join(operation.command.NAME for operation in self.operations)

    @property
    def fences(self) -> tuple[Fence, ...]:
        """What has to stand still, each once."""
        return tuple(dict.fromkeys(o.fence for o in self.operations if o.fence is not None))

    def ledger_keys(self) -> list[bytes]:
        """Of this attempt, one an operation."""
        return [keys.ledger(operation.id, self.attempt) for operation in self.operations]

    def is_final_on(self, snapshot: Snapshot) -> bool:
        """Whether a refusal on that picture is final: it was current after the request began."""
        proven, position = self.proven, snapshot.position
        return proven is not None and proven.epoch == position.epoch and position.revision >= proven.revision


@dataclass(frozen=True, slots=True)
class Proposal:
    """A request's plans on one picture, ready to be committed."""

    request: Request
    planned_on: Snapshot
    plans: Sequence[Plan]
    compares: tuple[Compare, ...]
    writes: tuple[Write, ...]
    footprint: Footprint
    """Of these compares and writes."""

    @property
    def acts(self) -> bool:
        """Whether any plan writes records; else the commands find their work done."""
        return any(plan.changed for plan in self.plans)

    @property
    def changes(self) -> bool:
        """Repeatable operations are recorded even where they find their work done, on a picture proven current: asked
        again, after the thing was dropped, they must not do it then."""
        return self.acts or any(o.repeatable for o in self.request.operations)


def propose(request: Request, snapshot: Snapshot, now: int) -> Proposal:
    """Plan a request. Raises `IdsWanted`, and every refusal of its commands."""
    commands = [operation.command for operation in request.operations]
    plans = sequence(snapshot, commands, now, Ids(request.ids))
    compares, writes = merge(plans, request.what)
    if snapshot.unreadable:
        refuse_unreadable(snapshot.unreadable, compares, writes, request.what)
    return Proposal(request, snapshot, plans, compares, writes, Footprint(compares, writes))


def refuse_unreadable(
    unreadable: Mapping[bytes, str], compares: Sequence[Compare], writes: Sequence[Write], what: str
) -> None:
    """Danger 13: a command that reads a quarantined record, by range too, is refused; deleting one is not."""
    for key, why in unreadable.items():
        written = any(isinstance(w, Put) and w.key == key for w in writes)
        if written or any(compare.covers(key) for compare in compares):
            raise RecordUnreadable(
                f"{what} relies on {key.decode('ascii', 'backslashreplace')}, which cannot be decoded ({why})",
                value=key,
                remedy="use a newer etcdmeta, or mend the record",
            )


def compose(proposals: Sequence[Proposal], snapshot: Snapshot, keyspace: Keyspace) -> Transaction:
    """The one transaction of several proposals, with guard, generation and ledger. Keys become absolute."""
    absolute = keyspace.absolute
    guard = absolute(keys.CLUSTER)
    compares: dict[Compare, None] = {}
    if snapshot.cluster is not None:
        compares[Compare.modified(guard, snapshot.cluster.mod_revision)] = None
    writes: list[Write] = []
    ledger: list[Put] = []
    for fence in (fence for proposal in proposals for fence in proposal.request.fences):
        compares[Compare.created(absolute(fence.key), fence.create_revision)] = None
    for proposal in proposals:
        request = proposal.request
        for position, key in enumerate(request.ledger_keys()):
            operation = request.operations[position]
            compares[Compare.absent(absolute(key))] = None
            for attempt, revisions in enumerate(request.voids):
                void = absolute(keys.ledger(operation.id, attempt))
                compares[Compare.created(void, revisions[position])] = None
            ledger.append(Put(absolute(key), encode_entry(operation, proposal.plans[position])))
        for compare in proposal.compares:
            compares[_absolute_compare(compare, keyspace)] = None
        writes += _absolute_writes(proposal.writes, keyspace)
    # As in the ledger's keys: the follower finds the entry of the last generation by them (danger 9).
    operation_ids = [key.removeprefix(b"ledger/").decode() for p in proposals for key in p.request.ledger_keys()]
    generation = encode_generation(secrets.randbits(64), operation_ids)
    writes.append(Put(absolute(keys.GENERATION), generation, return_previous=True))
    writes += ledger
    reads = [Read(absolute(keys.GENERATION)), Read(guard), *(Read(put.key) for put in ledger)]
    known = {read.key for read in reads}
    reads += [
        Read(compare.key, compare.range_end, keys_only=True)
        for compare in compares
        if compare.range_end is not None or compare.key not in known
    ]
    return Transaction(tuple(compares), tuple(writes), tuple(reads[:MAX_READS]))


MAX_READS = 120
"""etcd counts the operations of the longer branch: 128."""


def _absolute_compare(compare: Compare, keyspace: Keyspace) -> Compare:
    end = None if compare.range_end is None else keyspace.absolute(compare.range_end)
    return Compare(keyspace.absolute(compare.key), compare.counter, compare.number, compare.less, end)


def _absolute_writes(writes: Sequence[Write], keyspace: Keyspace) -> list[Write]:
    prefix = keyspace.prefix
    made: list[Write] = []
    for write in writes:
        if isinstance(write, Put):  # nearly all
            made.append(Put(prefix + write.key, write.value, write.lease))
        elif isinstance(write, Delete):
            made.append(Delete(prefix + write.key))
        else:
            made.append(DeleteRange(keyspace.absolute(write.start), keyspace.absolute(write.end)))
    return made


# --- what a turn can end with


@dataclass(frozen=True, slots=True)
class Settled:
    """Committed at ``revision``; the caller returns when its own cache is there."""

    outcomes: tuple[Outcome, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class NeedsIds:
    """Ids have to be reserved, kind → how many in all, before it can be planned."""

    wanted: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RefusedOn:
    """Refused on that picture; final only where it is proven current."""

    error: EtcdMetaError
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """The same thing is there in that picture; final only where it is proven current."""

    plans: Sequence[Plan]
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Conflicted:
    """A compare failed. ``revision``: of the newest commit seen in the answer. ``planned_on``: where we stood."""

    revision: int
    planned_on: Snapshot


@dataclass(frozen=True, slots=True)
class Behind:
    """The plan touches what a commit of this store wrote that its own cache does not show yet."""

    revision: int


@dataclass(frozen=True, slots=True)
class Voided:
    """The attempt is proven not committed, for ever; ``revisions`` are those of the void entries."""

    revisions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """Final: raised to the caller as it is."""

    error: BaseException


Answer = Settled | NeedsIds | RefusedOn | NothingToDo | Conflicted | Behind | Voided | Failed
