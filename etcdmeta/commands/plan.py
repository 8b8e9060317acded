"""What a command would check and write: a pure function of the snapshot, the time and the ids it was given.

Plans speak in keys relative to the cluster's prefix. Guard, generation and ledger are not theirs: whoever commits adds
them to every transaction. Law 3: what a plan relies on is in a compare; what it only prefers is not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from etcdmeta.errors import CommandTooLarge, EtcdMetaError, InvalidInput
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.transaction import Compare, Delete, DeleteRange, Put, Write

MAX_COMPARES = 100
MAX_OPERATIONS = 100
MAX_BYTES = 1 << 20
"""Law 5: etcd's own limits are 128, 128 and 1.5 MiB; the rest is for guard, generation and ledger."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``changed`` False: the same thing is there already. ``more``: another step of the workflow is left. ``lasting``:
    its ledger entry is kept as that of a `Command.lasting`, for what it does to this picture."""

    compares: tuple[Compare, ...]
    writes: tuple[Write, ...]
    result: Mapping[str, Any]
    summary: str
    changed: bool = True
    more: bool = False
    notices: tuple[str, ...] = ()
    lasting: bool = False


class IdsWanted(Exception):
    """A plan needs ids that were not reserved yet; reserve them and plan anew."""

    def __init__(self, wanted: Mapping[str, int]) -> None:
        super().__init__(", ".join(f"{n} {kind}" for kind, n in wanted.items()))
        self.wanted = wanted


class Ids:
    """The ids reserved for one plan, handed out in order.

    Ids are an input of the plan, so that it stays pure: planned again on the same snapshot, it takes the same ones.
    Kinds: database, policy, group, shard, node, user, plan.
    """

    def __init__(self, reserved: Mapping[str, Sequence[int]] | None = None) -> None:
        self._reserved = reserved or {}
        self._taken: dict[str, int] = {}

    def take(self, **wanted: int) -> dict[str, tuple[int, ...]]:
        """``take(group=1, shard=3)``; all kinds in one call, so that one reservation serves them.

        Raises `IdsWanted` with the whole need of the plan so far.
        """
        need = {kind: self._taken.get(kind, 0) + n for kind, n in wanted.items()}
        if any(len(self._reserved.get(kind, ())) < n for kind, n in need.items()):
            raise IdsWanted({**self._taken, **need})
        taken = {}
        for kind, n in wanted.items():
            begin = self._taken.get(kind, 0)
            taken[kind] = tuple(self._reserved[kind][begin : begin + n])
            self._taken[kind] = begin + n
        return taken


@dataclass(frozen=True, slots=True)
class Context:
    """All that a plan may look at. ``now`` is nanoseconds since 1970."""

    snapshot: Snapshot
    now: int
    ids: Ids = field(default_factory=Ids)


_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class Command(BaseModel):
    """An intent. Frozen; comparable by `fingerprint`, which leaves out what is secret."""

    # hide_input_in_errors: an error of pydantic's own would show a secret.
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    NAME: ClassVar[str]
    REPAIRS: ClassVar[bool] = False
    """Allowed while the cluster is read-only, or restored and not accepted yet."""

    @property
    def lasting(self) -> bool:
        """Whether its ledger entry is kept for ever: where a rule was broken by force, the last serving owner could go,
        or something was dropped for good, people ask years later."""
        return bool(getattr(self, "force", False) or getattr(self, "allow_last", False)) or self.REPAIRS

    SECRET: ClassVar[frozenset[str]] = frozenset()
    """Fields that no log, ledger, error or fingerprint may hold; declare them with ``Field(repr=False)``."""

    def __init__(self, **fields: Any) -> None:
        """Raises the typed error of the field's own type (`InvalidDuration` …), else `InvalidInput`."""
        try:
            super().__init__(**fields)
        except ValidationError as invalid:
            raise _typed(invalid, self.NAME) from None

    def plan(self, context: Context) -> Plan:
        raise NotImplementedError

    def following(self, result: Mapping[str, Any]) -> Command:  # noqa: ARG002 -- for those who pass something on
        """The next step of a workflow, after a plan that says ``more`` and gave this result."""
        return self

    def public(self) -> dict[str, Any]:
        """The fields as JSON, without the secret ones."""
        return self.model_dump(mode="json", exclude=set(self.SECRET))

    def fingerprint(self) -> bytes:
        """SHA-256 over name and public fields: whether two commands under one operation id are the same."""
        text = _SORTED.encode([self.NAME, self.public()])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _typed(invalid: ValidationError, command: str) -> EtcdMetaError:
    """The first of pydantic's complaints, without the value: it may be secret."""
    first = invalid.errors(include_url=False, include_input=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, EtcdMetaError):
        return cause
    field = ".".join(str(part) for part in first["loc"])
    return InvalidInput(f"{command}: {field} cannot be that", value=field, rule=first["msg"])


class PlanBuilder:
    """Collects compares and writes; the last write of a key counts, and the same compare is kept once."""

    def __init__(self) -> None:
        self._compares: dict[Compare, None] = {}
        self._puts: dict[bytes, Put | Delete] = {}
        self._ranges: list[DeleteRange] = []

    def require_absent(self, key: bytes) -> PlanBuilder:
        return self._require(Compare.absent(key))

    def require_created(self, key: bytes, revision: int) -> PlanBuilder:
        """The parent's incarnation lives (law 2)."""
        return self._require(Compare.created(key, revision))

    def require_modified(self, key: bytes, revision: int) -> PlanBuilder:
        """A field of it was read."""
        return self._require(Compare.modified(key, revision))

    def require_none(self, start: bytes, end: bytes) -> PlanBuilder:
        return self._require(Compare.none_in(start, end))

    def require_unchanged(self, start: bytes, end: bytes, revision: int) -> PlanBuilder:
        return self._require(Compare.unchanged_in(start, end, revision))

    def put(self, key: bytes, value: bytes) -> PlanBuilder:
        self._puts[key] = Put(key, value)
        return self

    def put_all(self, pairs: Iterable[tuple[bytes, bytes]]) -> PlanBuilder:
        """Many keys with their values."""
        self._puts.update({key: Put(key, value) for key, value in pairs})
        return self

    def delete(self, key: bytes) -> PlanBuilder:
        self._puts[key] = Delete(key)
        return self

    def delete_range(self, start: bytes, end: bytes) -> PlanBuilder:
        self._ranges.append(DeleteRange(start, end))
        return self

    def build(
        self,
        summary: str,
        result: Mapping[str, Any] | None = None,
        *,
        more: bool = False,
        notices: Sequence[str] = (),
    ) -> Plan:
        """Raises `CommandTooLarge` past law 5."""
        compares = tuple(self._compares)
        writes = (*self._ranges, *self._puts.values())
        check_size(compares, writes, summary)
        return Plan(compares, writes, dict(result or {}), summary, more=more, notices=tuple(notices))

    def _require(self, compare: Compare) -> PlanBuilder:
        self._compares[compare] = None
        return self


def unchanged(summary: str, result: Mapping[str, Any] | None = None, notices: Sequence[str] = ()) -> Plan:
    """The plan of a command that finds its work done."""
    return Plan((), (), dict(result or {}), summary, changed=False, notices=tuple(notices))


def check_size(compares: Sequence[Compare], writes: Sequence[Write], what: str) -> None:
    """Law 5. Raises `CommandTooLarge`."""
    size = sum(len(c.key) + len(c.range_end or b"") for c in compares)
    for write in writes:
        if isinstance(write, Put):  # nearly all
            size += len(write.key) + len(write.value)
        else:
            size += len(write.start) + len(write.end) if isinstance(write, DeleteRange) else len(write.key)
    if len(compares) > MAX_COMPARES or len(writes) > MAX_OPERATIONS or size > MAX_BYTES:
        raise CommandTooLarge(
            f"{what}: {len(compares)} compares, {len(writes)} operations, {size} bytes",
            value=what,
            rule=f"at most {MAX_COMPARES} compares, {MAX_OPERATIONS} operations and {MAX_BYTES} bytes a transaction",
            remedy="split it into several commands",
        )
