"""The JSON of imports."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from etcdmeta.cli.schema import Id, Item, Time


class OddityItem(Item):
    """``treatment``: repaired, kept or refused. ``count``: how many of the rule there are; ``items`` may list fewer."""

    rule: str
    treatment: str
    path: str
    what: str
    done: str
    count: int


class IdRunItem(Item):
    """``count`` ids from ``theirs`` on became those from ``ours`` on. ``kind``: node, group, shard."""

    kind: str
    theirs: Id
    ours: Id
    count: int


class ImportItem(Item):
    """``state``: loading, publishing, done, aborting, aborted; null where it was not begun (``--dry-run``).

    ``idsKept``: kinds whose ids are those of the source. ``nodes``: id in the source → ours; ``newNodes``: those of
    ours that it makes. What only reading the source tells is null elsewhere: ``sourceKind``, ``names`` (databases),
    ``conflicts`` (what is there is in the way), ``notices`` and ``oddities``; and ``idMap``, the runs of ids that were
    given anew, where it was imported just now.
    ``steps``: transactions; 1: all of it at once.
    """

    id: Id | None
    state: str | None
    source: str
    source_kind: str | None
    digest: str
    author: str
    started_at: Time | None
    changed_at: Time | None
    databases: int
    policies: int
    users: int
    shard_groups: int
    records: int
    ids_kept: list[str]
    nodes: Mapping[str, str]
    new_nodes: list[Id]
    names: list[str] | None = None
    steps: int | None = None
    resumes: bool | None = None
    conflicts: list[str] | None = None
    notices: list[str] | None = None
    oddities: list[OddityItem] | None = None
    id_map: list[IdRunItem] | None = None


KINDS: dict[str, type[BaseModel]] = {"ImportList": ImportItem, "IdRunList": IdRunItem}
