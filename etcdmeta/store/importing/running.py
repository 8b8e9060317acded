"""The steps of an import, from wherever it stands."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Final, NamedTuple, Protocol

from etcdmeta.commands.importing.aborting import AbortImport
from etcdmeta.commands.importing.beginning import BeginImport, another_import
from etcdmeta.commands.importing.incoming import Incoming
from etcdmeta.commands.importing.loading import LoadImport, PublishImport
from etcdmeta.commands.importing.shipment import PAGE_BYTES, PAGE_RECORDS, Page, Pair, Shipment
from etcdmeta.commands.importing.written import page_is_written, roots_written
from etcdmeta.commands.plan import Command
from etcdmeta.consensus.protocol import Delegate, Strategy
from etcdmeta.errors import ImportConflict, InvalidInput
from etcdmeta.model.imports import Import, ImportState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.store.ids import IdReserver
from etcdmeta.store.importing.assigning import Findings, Intake, assign, assignment, count_records
from etcdmeta.store.restore import read_counters
from etcdmeta.store.shortcuts.basis import Executes, all_steps

AT_ONCE: Final = 3
"""Pages under way: while one is committed, the next are made and planned."""


class ImportProgress(NamedTuple):
    """Of records: those below databases, and the roots. ``bytes``: of keys and values written by this call."""

    done: int
    total: int
    bytes: int


class Importer(Executes, Protocol):
    """What of a `MetaStore` an import needs."""

    _actor: str

    @property
    def strategy(self) -> Strategy: ...
    @property
    def keyspace(self) -> Keyspace: ...
    def read_consistent(self, timeout: float | None = None) -> Snapshot: ...
    def deadline(self, timeout: float | None) -> float: ...


Report = Callable[[ImportProgress], None]


class Preview(NamedTuple):
    """What an import would do. ``record`` as it would be stored, with ids that would come next; none is taken.
    ``resumes``: that import is under way, and the call would go on with it; ``stands``: it is done, and all there.
    ``steps``: transactions."""

    record: Import
    incoming: Incoming
    findings: Findings
    resumes: bool
    stands: bool
    steps: int


def preview_import(store: Importer, intake: Intake, *, now: int, timeout: float | None = None) -> Preview:
    """Nothing is written. ``now``: nanoseconds since 1970. Raises what the source raises; `ImportConflict` where
    another import is under way; `Unavailable`."""
    snapshot = _looked_at(store, timeout)
    begun = _under_way(snapshot, intake) or done_before(snapshot, intake)
    if begun is not None:
        stands = begun.state == ImportState.DONE
        return Preview(begun, intake.make(begun.planned_at), Findings((), ()), not stands, stands, 0)
    incoming = intake.make(now)
    record, findings, _ = _proposed(store, snapshot, intake, incoming, now, timeout, take=False)
    shipment = Shipment(incoming, record)
    pages = [sum(1 for _ in part) for part in (shipment.frame(), shipment.groups_of_all(), shipment.roots())]
    steps = 1 if _fits(record) else 1 + pages[0] + pages[1] + max(1, pages[2])
    return Preview(record, incoming, findings, False, False, steps)


def run_import(
    store: Importer,
    intake: Intake,
    *,
    now: int,
    timeout: float | None = None,
    report: Report = lambda _: None,
) -> Import:
    """Import it, or go on with it; its record, done. ``now``: nanoseconds since 1970; ``timeout``: seconds for each of
    the steps. Interrupted at any point, the same call goes on; done before, and still there, nothing changes.

    Raises `ImportConflict` where another import is under way, or what it brings is there already; what the source
    raises; `InvalidInput` over agents; and what `MetaStore.execute` raises, the steps before which stand.
    """
    snapshot = _looked_at(store, timeout)
    record = _under_way(snapshot, intake)
    if record is not None:
        return _go_on(store, Shipment(intake.make(record.planned_at), record), timeout, report)
    standing = done_before(snapshot, intake)
    if standing is not None:
        return standing
    incoming = intake.make(now)
    record, findings, command = _proposed(store, snapshot, intake, incoming, now, timeout, take=True)
    findings.raise_first()
    shipment = Shipment(incoming, record)
    if _fits(record):
        commands = [command, *_all_at_once(shipment)]
        if sum(_size(c) for c in commands) <= PAGE_BYTES:
            begun = store.execute_all(commands, timeout=timeout)[0]
            total = _total(record)
            report(ImportProgress(total, total, sum(_size(c) for c in commands)))
            return store.snapshot().imported(int(begun.result["import_id"]))
    # By somebody else, where two began the same at once.
    import_id = int(store.execute(command, timeout=timeout).result["import_id"])
    record = store.snapshot().imported(import_id)
    if record.planned_at != now:
        incoming = intake.make(record.planned_at)
    return _go_on(store, Shipment(incoming, record), timeout, report)


def take_back(store: Importer, reason: str = "") -> tuple[Import, tuple[str, ...]]:
    """Abort the import that is under way: its record, and what of it was visible. Raises `ImportConflict` where there
    is none."""
    record = store.read_consistent().import_under_way()
    if record is None:
        raise ImportConflict(
            "no import is under way", rule="what is done stays", remedy="`etcdmeta import --list` shows what there was"
        )
    outcomes = all_steps(store, AbortImport(import_id=record.id, reason=reason))
    notices = tuple(notice for outcome in outcomes for notice in outcome.notices)
    return store.snapshot().imported(record.id), notices


# --- before anything is written


def done_before(snapshot: Snapshot, intake: Intake) -> Import | None:
    """The same import, done, of which every database and user still stands."""
    for record in reversed(snapshot.imports()):
        if record.digest == intake.digest and record.state == ImportState.DONE:
            wanted = record.databases + record.users + len(record.new_nodes)
            return record if wanted and roots_written(snapshot, record) == wanted else None
    return None


def _looked_at(store: Importer, timeout: float | None) -> Snapshot:
    if isinstance(store.strategy, Delegate):
        raise InvalidInput(
            "an import does not go through agents",
            value=store.strategy.endpoints,
            rule="it raises the counters of ids, which agents do not show",
            remedy="give etcd's own --endpoints",
        )
    return store.read_consistent(timeout)


def _under_way(snapshot: Snapshot, intake: Intake) -> Import | None:
    """The import to go on with. Raises `ImportConflict` where it is another one."""
    record = snapshot.import_under_way()
    if record is not None and (record.digest != intake.digest or record.state == ImportState.ABORTING):
        raise another_import(record)
    return record


def _proposed(
    store: Importer,
    snapshot: Snapshot,
    intake: Intake,
    incoming: Incoming,
    now: int,
    timeout: float | None,
    *,
    take: bool,
) -> tuple[Import, Findings, BeginImport]:
    deadline = store.deadline(timeout)
    counters = read_counters(store.strategy, store.keyspace, deadline)
    wanted = assignment(snapshot, incoming, counters)
    keep_nodes = not snapshot.tables.nodes and (not counters["node"][0] or "node" in wanted.raised)
    nodes, new_nodes, findings = assign(snapshot, incoming, intake.nodes, keep_nodes=keep_nodes)
    new = {kind: count for kind, count in wanted.new.items() if count}
    if new_nodes and not keep_nodes:
        new["node"] = len(new_nodes)
    # Of its own, so that a block is without gaps.
    reserver = IdReserver(store.strategy, store.keyspace)
    reserve = reserver.reserve if take and not findings.conflicts else reserver.peek
    first = {kind: ids[0] for kind, ids in reserve(new, deadline=deadline).items()}
    for number, theirs in enumerate(new_nodes if not keep_nodes else ()):
        nodes[theirs] = first["node"] + number
    records, groups = count_records(incoming)
    command = BeginImport(
        import_id=first["import"],
        source=intake.source,
        digest=intake.digest,
        author=store._actor,  # noqa: SLF001 - who its commands name; not part of the public face
        planned_at=now,
        **{f"first_{kind}": first.get(kind, 0) for kind in ("database", "policy", "user", "group", "shard")},
        databases=wanted.new["database"],
        policies=wanted.new["policy"],
        users=wanted.new["user"],
        groups=groups,
        records=records,
        nodes={str(theirs): ours for theirs, ours in nodes.items()},
        new_nodes=tuple(nodes[theirs] for theirs in new_nodes),
        raised=dict(wanted.raised),
        counters={kind: counters[kind][1] for kind in wanted.raised},
        cluster_id=incoming.cluster_id or secrets.randbits(63) + 1,
        epoch=secrets.randbits(63) + 1,
    )
    return command.record(now), findings, command


def _fits(record: Import) -> bool:
    """Whether one transaction may hold all of it: some operations are for its own record and the counters."""
    roots = 2 * record.databases + 3 * record.users + 2 * len(record.new_nodes)
    return record.records + roots <= PAGE_RECORDS - 10


def _total(record: Import) -> int:
    return record.records + record.databases + record.users + len(record.new_nodes)


def _all_at_once(shipment: Shipment) -> Iterator[Command]:
    import_id = shipment.record.id
    for page in chain(shipment.frame(), shipment.groups_of_all()):
        yield LoadImport.of_shipment(import_id, page)
    for page in [*shipment.roots()] or [Page(())]:
        yield _publish(import_id, page)


def _publish(import_id: int, page: Page) -> PublishImport:
    return PublishImport(import_id=import_id, records=page.records, secrets=page.secrets)


def _size(command: Command) -> int:
    match command:
        case LoadImport():
            return _bytes(command.records)
        case PublishImport():
            return _bytes(command.records) + _bytes(command.secrets)
        case _:
            return 1_000


def _bytes(pairs: Iterable[Pair]) -> int:
    return sum(len(key) + len(value) for key, value in pairs)


# --- step by step


def _go_on(store: Importer, shipment: Shipment, timeout: float | None, report: Report) -> Import:
    record = shipment.record
    tally = _Tally(record, report)
    if record.state == ImportState.LOADING:
        for page in shipment.frame():
            store.execute(LoadImport.of_shipment(record.id, page), timeout=timeout)
            tally.add(page)
        _load_groups(store, shipment, timeout, tally)
    for page in [*shipment.roots()] or [Page(())]:
        snapshot = store.snapshot()
        if snapshot.imported(record.id).state == ImportState.DONE:
            break
        store.execute(_publish(record.id, page), timeout=timeout)
        tally.add(page)
    return store.snapshot().imported(record.id)


def _load_groups(store: Importer, shipment: Shipment, timeout: float | None, tally: _Tally) -> None:
    """Pages in any order, a few at a time; the first failure ends it, when those under way have ended."""
    import_id = shipment.record.id
    snapshot = store.snapshot()
    under_way: deque[tuple[Future[object], Page]] = deque()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="etcdmeta-import") as threads:
        try:
            for page in shipment.groups_of_all():
                if page_is_written(snapshot, page.records):
                    tally.add(page, written=False, all_count=True)
                    continue
                if len(under_way) > AT_ONCE:
                    _ended(under_way, tally)
                command = LoadImport.of_shipment(import_id, page)
                under_way.append((threads.submit(store.execute, command, timeout=timeout), page))
            while under_way:
                _ended(under_way, tally)
        except BaseException:
            for future, _ in under_way:
                future.cancel()
            raise


def _ended(under_way: deque[tuple[Future[object], Page]], tally: _Tally) -> None:
    future, page = under_way.popleft()
    future.result()
    tally.add(page, all_count=True)


class _Tally:
    def __init__(self, record: Import, report: Report) -> None:
        self._total = _total(record)
        self._report = report
        self._done = 0
        self._bytes = 0

    def add(self, page: Page, *, written: bool = True, all_count: bool = False) -> None:
        self._done += len(page.records) if all_count else sum([_counts(key) for key, _ in page.records])
        self._bytes += page.size if written else 0
        self._report(ImportProgress(min(self._done, self._total), self._total, self._bytes))


def _counts(key: bytes) -> bool:
    return key.startswith(keys.STATE) and not key.startswith(b"state/name/")
