"""What changed from one published picture to the next, record by record.

Before and after are decoded when asked for. A `Change` holds the two snapshots it lies between; they share all that did
not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Literal, Protocol, overload

from etcdmeta.model.entities import Record
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Kind, Place

Action = Literal["created", "changed", "removed"]

INDEXES = frozenset(
    {
        Kind.GENERATION,
        Kind.DATABASE_NAME,
        Kind.USER_NAME,
        Kind.HOST_NAME,
        Kind.IDENTITY_NAME,
        Kind.POLICY_NAME,
        Kind.PLAN_MOVES,
        Kind.OTHER,
    }
)
"""Kinds that only help to find others, or that this version does not know: no news for a listener."""


_BELOW = frozenset(
    {Kind.POLICY_NAME, Kind.POLICY, Kind.QUERY, Kind.GRANT, Kind.SUBSCRIPTION, Kind.GROUP, Kind.PROGRESS}
)


class Change:
    """One record was created, changed or removed.

    ``joined``: the step spans several revisions (the watch had to be joined by a new listing), so what lies between
    is not known; ``revision`` and ``generation`` are then those of the later picture.
    """

    __slots__ = ("_after", "_before", "_new", "_old", "joined", "place")

    def __init__(self, place: Place, before: Any, after: Any, old: Snapshot, new: Snapshot, joined: bool) -> None:
        self.place = place
        self._before = before
        self._after = after
        self._old = old
        self._new = new
        self.joined = joined

    def __repr__(self) -> str:
        return f"<{self.kind} {self.where} {self.action} at generation {self.generation}>"

    @property
    def kind(self) -> str:
        return self.place[0].value

    @property
    def is_index(self) -> bool:
        return self.place[0] in INDEXES

    @property
    def is_hidden(self) -> bool:
        """Whether it lies below a database that neither picture shows: an import that is loading, or is taken back.
        When such a database shows, its own creation is the news, and all that is below it is there already."""
        if self.place[0] not in _BELOW:
            return False
        tables = (s.tables.databases.get(int(self.place[1][0])) for s in (self._old, self._new))
        return not any(table is not None and table.info is not None for table in tables)

    @property
    def action(self) -> Action:
        if self._before is None:
            return "created"
        return "removed" if self._after is None else "changed"

    @property
    def revision(self) -> int:
        return self._new.revision

    @property
    def generation(self) -> int:
        return self._new.generation

    @property
    def snapshot(self) -> Snapshot:
        """The picture after the change."""
        return self._new

    @property
    def rows(self) -> tuple[Any, Any]:
        """The stored rows before and after; None where there is none."""
        return self._before, self._after

    @property
    def before(self) -> Record | None:
        """None where it was created, is an index, or cannot be decoded."""
        return self._decode(self._old, self._before)

    @property
    def after(self) -> Record | None:
        """None where it was removed, is an index, or cannot be decoded."""
        return self._decode(self._new, self._after)

    @property
    def where(self) -> str:
        """The name that people use: ``metrics``, ``metrics.autogen``, a host, a group's id."""
        return name_of(self.place, self._new if self._after is not None else self._old)

    def _decode(self, snapshot: Snapshot, row: Any) -> Record | None:
        decode = _DECODERS.get(self.place[0])
        return None if row is None or decode is None else decode(snapshot, row, self.place[1])


Fact = tuple[Place, Any, Any]
"""What a `Change` is made of: where, the row before, the row after."""


class Facts(Protocol):
    """Some of them, in order: a list, or what makes them when asked."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Fact]: ...


class Changes(Sequence[Change]):
    """What one revision changed, in its order, where that is much: each is made when it is looked at, since hardly
    anybody looks at the hundred groups of a page of an import."""

    __slots__ = ("_facts", "_joined", "_new", "_old")

    def __init__(self, facts: Sequence[Facts], old: Snapshot, new: Snapshot, *, joined: bool) -> None:
        self._facts = facts
        self._old = old
        self._new = new
        self._joined = joined

    def __len__(self) -> int:
        return sum(map(len, self._facts))

    def __iter__(self) -> Iterator[Change]:
        old, new, joined = self._old, self._new, self._joined
        for place, before, after in chain.from_iterable(self._facts):
            yield Change(place, before, after, old, new, joined)

    @overload
    def __getitem__(self, index: int) -> Change: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Change, ...]: ...
    def __getitem__(self, index: int | slice) -> Change | tuple[Change, ...]:
        return tuple(self)[index]

    def news(self) -> Changes:
        """Without those of which `Change.is_index` is true; no group is one."""
        facts: list[Facts] = [
            [fact for fact in part if fact[0][0] not in INDEXES] if isinstance(part, list) else part
            for part in self._facts
        ]
        return Changes(facts, self._old, self._new, joined=self._joined)


def news_of(changes: Sequence[Change]) -> Sequence[Change]:
    """What of the changes is news for a listener."""
    if isinstance(changes, Changes):
        return changes.news()
    return tuple([change for change in changes if not change.is_index])


class Lagged:
    """The listener was too slow: changes were dropped. ``snapshot`` is the picture to go on from."""

    __slots__ = ("snapshot",)

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def __repr__(self) -> str:
        return f"<Lagged, go on from {self.snapshot!r}>"


_DECODERS: dict[Kind, Callable[[Snapshot, Any, Any], Record]] = {
    Kind.CLUSTER: lambda s, row, _: s.decoder.cluster(row),
    Kind.NODE: lambda s, row, _: s.decoder.node(row),
    Kind.USER: lambda s, row, _: s.decoder.user(row),
    Kind.DATABASE: lambda s, row, _: s.decoder.database(row),
    Kind.POLICY: lambda s, row, w: s.decoder.policy(row, w[0]),
    Kind.QUERY: lambda s, row, w: s.decoder.query(row, w[0]),
    Kind.GRANT: lambda s, row, w: s.decoder.grant(row, w[0], w[1]),
    Kind.SUBSCRIPTION: lambda s, row, w: s.decoder.subscription(row, w[0], w[1]),
    Kind.GROUP: lambda s, row, _: s.decoder.group(row),
    Kind.PLAN: lambda s, row, _: s.decoder.plan(row),
    Kind.IMPORT: lambda s, row, _: s.decoder.imported(row),
    Kind.LIVENESS: lambda s, row, w: s.decoder.liveness(row, w[0]),
    Kind.PROGRESS: lambda s, row, w: s.decoder.progress(row, w[2], w[3]),
}


def name_of(place: Place, snapshot: Snapshot) -> str:
    """What people call the thing at a place; ids stand in where a name is not known."""
    kind, where = place
    match kind, where:
        case Kind.CLUSTER | Kind.GENERATION, _:
            return "cluster"
        case Kind.DATABASE, (int(d),):
            return _database(snapshot, d)
        case Kind.POLICY, (int(d), int(p)):
            return _policy(snapshot, d, p)
        case Kind.GROUP, (int(d), int(p), _, g):
            return f"{_policy(snapshot, d, p)} group {g}"
        case Kind.SUBSCRIPTION, (int(d), int(p), name):
            return f"{_policy(snapshot, d, p)} {name}"
        case ((Kind.QUERY | Kind.POLICY_NAME), (int(d), name)):
            return f"{_database(snapshot, d)} {name}"
        case Kind.GRANT, (int(d), int(u)):
            return f"{_user(snapshot, u)} on {_database(snapshot, d)}"
        case Kind.USER, (int(u),):
            return _user(snapshot, u)
        case ((Kind.NODE | Kind.LIVENESS), (int(n),)):
            return _node(snapshot, n)
        case (Kind.PLAN | Kind.IMPORT), (i,):
            return f"{kind} {i}"
        case Kind.PROGRESS, (_, _, s, int(n)):
            return f"shard {s} on {_node(snapshot, n)}"
        case _:
            return " ".join(str(part) for part in where)


def _database(snapshot: Snapshot, database_id: int) -> str:
    table = snapshot.tables.databases.get(database_id)
    if table is None or table.info is None:
        return f"database {database_id}"
    return snapshot.decoder.database(table.info).name


def _policy(snapshot: Snapshot, database_id: int, policy_id: int) -> str:
    database = _database(snapshot, database_id)
    table = snapshot.tables.policy(database_id, policy_id)
    if table is None or table.info is None:
        return f"{database}.{policy_id}"
    return f"{database}.{snapshot.decoder.policy(table.info, database_id).name}"


def _user(snapshot: Snapshot, user_id: int) -> str:
    user = snapshot.user_by_id(user_id)
    return f"user {user_id}" if user is None else user.name


def _node(snapshot: Snapshot, node_id: int) -> str:
    node = snapshot.find_node(node_id)
    return f"n{node_id}" if node is None else f"n{node_id} {node.host}"
