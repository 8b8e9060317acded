"""SOURCE of ``etcdmeta import``: what it is, found out by its bytes; read within bounds, from wherever it is."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from etcdmeta.archive import is_backup, is_document, read_backup, read_document
from etcdmeta.commands.importing.incoming import Incoming
from etcdmeta.commands.importing.selecting import select
from etcdmeta.errors import ImportConflict
from etcdmeta.influxdb import Oddity, Source, SourceUnreadable, arrive, detect, encoding_notes, hand_on
from etcdmeta.influxdb.sources import check_manifest, check_snapshot, find_in_folder, newest_snapshot

if TYPE_CHECKING:
    from etcdmeta.influxdb.data import Data

SERVER = "influxdb://"
OUR_BACKUP, OUR_DOCUMENT = "a backup of etcdmeta's", "a JSON document of etcdmeta's"
_SOURCES = "SOURCE is a file, a folder, - for standard input, or influxdb://HOST:8088"
OWN_BYTES = 1 << 30
"""Of a document or backup of our own: 100,000 groups are 25 to 100 MB."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something odd in the source, and what is done about it. ``count``: how many of the rule there are in all."""

    rule: str
    treatment: str
    path: str
    what: str
    done: str
    count: int


@dataclass(slots=True)
class Reading:
    """A source that was read. ``kind``: what it is, for people; ``digest``: SHA-256 of its content; ``owner``: the id
    in it that stands for the node that is to own what nobody does; ``odd`` is filled by `make`, which gives the
    metadata with repairs as of a time (ns)."""

    name: str
    kind: str
    digest: bytes
    _make: Callable[[int, list[Found]], Incoming]
    strict: bool = False
    databases: Mapping[str, str] = field(default_factory=dict)
    owner: int | None = None
    odd: list[Found] = field(default_factory=list)
    _made: tuple[int, Incoming] | None = None

    def make(self, now: int) -> Incoming:
        """Raises what reading and `select` raise."""
        if self._made is None or self._made[0] != now:
            self.odd.clear()
            incoming = self._make(now, self.odd)
            if self.databases:
                self.odd[:] = _of_databases(self.odd, incoming, self.databases)
                incoming = select(incoming, self.databases)
            self._made = now, incoming
        return self._made[1]

    @property
    def refused(self) -> list[Found]:
        """Why it cannot be imported; with ``strict`` whatever is odd."""
        return [found for found in self.odd if self.strict or found.treatment == "refused"]

    def check(self) -> None:
        """Raises `ImportConflict` where something of it is refused."""
        if refused := self.refused:
            shown = "; ".join(f"{f.path}: {f.what} ({f.rule})" for f in refused[:5])
            more = f"; and {len(refused) - 5} more" if len(refused) > 5 else ""
            raise ImportConflict(
                f"{self.kind} cannot be imported as it is: {shown}{more}",
                value=tuple(f.path for f in refused),
                rule=refused[0].done if refused[0].treatment == "refused" else "--strict refuses whatever is odd",
                remedy="--dry-run lists all of it" + ("; leave --strict out to have it repaired" * self.strict),
            )


def _of_databases(odd: list[Found], incoming: Incoming, names: Mapping[str, str]) -> list[Found]:
    """What concerns the databases that are taken, and nodes, which may own something of them."""
    taken = [f"Databases[{place}]" for place, database in enumerate(incoming.databases) if database.name in names]
    kept = [found for found in odd if found.path.startswith((*taken, "Nodes[", "DataNodes["))]
    counts = Counter(found.rule for found in kept)
    return [replace(found, count=counts[found.rule]) for found in kept]


def read_source(text: str, stdin: BinaryIO, *, owner: bool, timeout: float) -> Reading:
    """``owner``: whether some node is to own the shards that have none. Raises `SourceUnreadable`, `InfluxDataInvalid`,
    `Unavailable` for a server, `InvalidInput`."""
    if text.startswith(SERVER):
        from etcdmeta.influxdb.asking import ask_server

        blob = ask_server(text.removeprefix(SERVER), timeout=timeout)
        return _of_influxdb(text, detect(blob), f"the InfluxDB server at {text.removeprefix(SERVER)}", owner)
    if "://" in text:
        scheme = text.partition("://")[0]
        raise SourceUnreadable(
            f"nothing can be imported over {scheme}://",  # what stands behind it may hold a password
            value=scheme,
            rule=_SOURCES,
            remedy="a running InfluxDB 1.x is asked as influxdb://HOST:8088",
        )
    if text == "-":
        return _of_blob("standard input", _bounded(stdin, text), owner)
    path = Path(text)
    try:
        if path.is_dir():
            return _of_folder(path, owner)
        with path.open("rb") as file:
            blob = _bounded(file, text)
        source = None
        if path.suffix == ".manifest":
            source = _portable(path.with_suffix(".meta"), blob)
        if source is not None:
            return _of_influxdb(text, source, source.kind, owner)
        return _of_blob(text, blob, owner)
    except OSError as error:
        raise SourceUnreadable(
            f"{text} cannot be read: {error.strerror}",
            value=text,
            rule=_SOURCES,
        ) from None


def _of_folder(path: Path, owner: bool) -> Reading:
    names = {entry.name for entry in path.iterdir()}
    if (path / "snapshots").is_dir():
        path, names = path / "snapshots", {entry.name for entry in (path / "snapshots").iterdir()}
    newest = newest_snapshot(names)
    if newest is not None and "state.bin" not in names:
        path = path / newest
        names = {entry.name for entry in path.iterdir()}
    found = find_in_folder(names)
    name = str(path / found.name)
    with (path / found.name).open("rb") as file:
        blob = _bounded(file, name)
    beside = None
    if found.beside is not None:
        with (path / found.beside).open("rb") as file:
            beside = _bounded(file, str(path / found.beside))
    if beside is not None and found.beside == "meta.json":
        source = check_snapshot(blob, beside)
    else:
        source = detect(blob)
        source = source if beside is None else check_manifest(source, beside)
    return _of_influxdb(name, source, source.kind, owner)


def _portable(path: Path, manifest: bytes) -> Source:
    with path.open("rb") as file:
        return check_manifest(detect(_bounded(file, str(path))), manifest)


def _of_blob(name: str, blob: bytes, owner: bool) -> Reading:
    own = {OUR_BACKUP: (is_backup, read_backup), OUR_DOCUMENT: (is_document, read_document)}
    for kind, (is_it, read) in own.items():
        if is_it(blob[:128]):
            return _of_our_own(name, kind, blob, read(blob))
    source = detect(blob)
    return _of_influxdb(name, source, source.kind, owner)


def _of_our_own(name: str, kind: str, blob: bytes, incoming: Incoming) -> Reading:
    """Nothing of it is odd, and nothing repaired: what is wrong is refused where it is read."""

    def make(_now: int, _odd: list[Found]) -> Incoming:
        return incoming

    return Reading(name, kind, hashlib.sha256(blob).digest(), make)


def _of_influxdb(name: str, source: Source, kind: str, owner: bool) -> Reading:
    data: Data = source.decode()
    named = owner_id(data) if owner else None

    def make(now: int, odd: list[Found]) -> Incoming:
        arrival = arrive(data, now=now, owner=named)
        counts = arrival.oddities.counts
        odd += [_odd(oddity, counts[oddity.rule]) for oddity in arrival.oddities.listed]
        notes = encoding_notes(source.data, base=source.offset)
        count = len(notes.notes) + notes.unlisted
        odd += [
            Found("odd-encoding", "repaired", note.path, f"{note.what} (byte {note.offset})", _AS_PROTOBUF, count)
            for note in notes.notes
        ]
        return hand_on(arrival)

    return Reading(name, str(kind), hashlib.sha256(source.data).digest(), make, owner=named)


_AS_PROTOBUF = "read as protobuf's own reader does, which leaves out what it does not know"


def owner_id(data: Data) -> int:
    """An id in the source that no node of it has: for the node that is to own shards without owners."""
    used = {node.id for listed in (data.nodes, data.data_nodes, data.meta_nodes) for node in listed}
    owners = (
        owner
        for database in data.databases
        for policy in database.retention_policies
        for group in policy.shard_groups
        for shard in group.shards
        for owner in shard.effective_owners
    )
    return max((*used, *owners, data.max_node_id), default=0) % (2**63) + 1


def _odd(oddity: Oddity, count: int) -> Found:
    return Found(str(oddity.rule), str(oddity.treatment), oddity.path, oddity.what, oddity.done, count)


def _bounded(file: BinaryIO, name: str, most: int = OWN_BYTES) -> bytes:
    blob = file.read(most + 1)
    if len(blob) > most:
        raise SourceUnreadable(
            f"{name} is larger than {most} bytes",
            value=name,
            rule=f"at most {most} bytes are read",
            remedy="is it metadata?",
        )
    return blob


def digest_of(reading: Reading, options: Mapping[str, Any]) -> bytes:
    """Of the content and of all that was asked of it: whoever resumes an import brings the same."""
    asked = json.dumps(options, sort_keys=True).encode()
    return hashlib.sha256(reading.digest + asked).digest()
