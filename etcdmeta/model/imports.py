"""An import of metadata from outside, as it is stored: what it brings, under which ids, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from pydantic import Field

from etcdmeta.errors import ImportNotFound
from etcdmeta.model.decoded import DecodedCache
from etcdmeta.model.entities import Id, Record

if TYPE_CHECKING:
    from etcdmeta.model.tables import Decoder, Tables


class ImportState(StrEnum):
    """loading → publishing → done; aborting → aborted from any but done."""

    LOADING = "loading"
    PUBLISHING = "publishing"
    DONE = "done"
    ABORTING = "aborting"
    ABORTED = "aborted"


ENDED = frozenset({ImportState.DONE, ImportState.ABORTED})


class Import(Record):
    """One import. Its databases have the ids ``first_database`` … in the source's order; likewise policies and users.

    ``digest``: of the source and of how it is taken: who resumes brings the same. ``groups``, ``records``: how many
    there are in all. ``first_group``, ``first_shard``: 0 where ids are kept; else they are given anew from there on,
    in order of the source's. ``nodes``: id in the source → ours; ``new_nodes``: ours that it makes. ``raised``: kind →
    what the counter of ids was raised to, where ids are kept. ``shown``: something of it was visible, or is.
    ``planned_at``: nanoseconds since 1970; the time that repairs of the source go by.
    """

    id: Id
    state: ImportState | str
    digest: bytes = Field(repr=False)
    source: str
    author: str = ""
    started_at: int = 0
    changed_at: int = 0
    planned_at: int = 0
    first_database: Id = 0
    databases: int = 0
    first_policy: Id = 0
    policies: int = 0
    first_user: Id = 0
    users: int = 0
    first_group: Id = 0
    first_shard: Id = 0
    groups: int = 0
    records: int = 0
    nodes: Mapping[int, int] = Field(default_factory=dict)
    new_nodes: tuple[int, ...] = ()
    raised: Mapping[str, int] = Field(default_factory=dict)
    shown: bool = False

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    def holds_database(self, database_id: int) -> bool:
        """Whether that id is one of its databases'."""
        return self.first_database <= database_id < self.first_database + self.databases

    def holds_user(self, user_id: int) -> bool:
        """Whether that id is one of its users'."""
        return self.first_user <= user_id < self.first_user + self.users


class Pictures(Protocol):
    """What of a `Snapshot` these queries need."""

    tables: Tables
    decoder: Decoder

    @property
    def cache(self) -> DecodedCache: ...
    def imports(self) -> tuple[Import, ...]: ...
    def require_readable(self, what: str, kind: str, *where: int | str) -> None: ...


class ImportQueries:
    """Part of a `Snapshot`."""

    __slots__ = ()

    def imports(self: Pictures) -> tuple[Import, ...]:
        """In order of id, which is the order of beginning; those that have ended, too, until they are forgotten."""
        cache, decode = self.cache, self.decoder.imported
        return tuple(cache.get(("import", i), row, decode) for i, row in sorted(self.tables.imports.items()))

    def import_under_way(self: Pictures) -> Import | None:
        """The one that has not ended: there is at most one."""
        return next((found for found in self.imports() if not found.has_ended), None)

    def find_import(self: Pictures, import_id: int) -> Import | None:
        row = self.tables.imports.get(import_id)
        return None if row is None else self.cache.get(("import", import_id), row, self.decoder.imported)

    def imported(self: Pictures, import_id: int) -> Import:
        """Raises `ImportNotFound`, `RecordUnreadable`."""
        row = self.tables.imports.get(import_id)
        if row is None:
            self.require_readable(f"import {import_id}", "import", import_id)
            raise ImportNotFound(
                f"import {import_id} is not there",
                value=import_id,
                remedy="`etcdmeta import --list` shows those that are",
            )
        return self.cache.get(("import", import_id), row, self.decoder.imported)
