"""The JSON of `health`, `history` and `watch`; see `etcdmeta.cli.schema` for the rules."""

from __future__ import annotations

from pydantic import BaseModel

from etcdmeta.cli.schema import Id, Item, Time


class EtcdMemberItem(Item):
    """What one endpoint says of itself; ``problem``: why it says nothing. ``dbSize`` in bytes."""

    endpoint: str
    version: str | None
    member_id: Id | None
    leader: bool | None
    revision: int | None
    db_size: int | None
    alarms: list[str]
    problem: str | None


class HistoryItem(Item):
    """One operation. ``void``: proven not to have happened. ``touched``: keys; there were ``touchedCount``.

    ``generation`` null: it became none, or etcd has compacted the revision.
    """

    operation_id: str
    generation: int | None
    revision: int
    time: Time
    actor: str
    command: str
    summary: str
    touched: list[str]
    touched_count: int
    void: bool


class ChangeItem(Item):
    """One record was created, changed or removed. ``seenAt``: by the clock of who watches.

    ``joined``: it was seen late, as the difference of two pictures; others may lie between.
    """

    generation: int
    revision: int
    seen_at: Time
    kind: str
    action: str
    name: str
    message: str
    joined: bool


KINDS: dict[str, type[BaseModel]] = {
    "HealthList": EtcdMemberItem,
    "HistoryList": HistoryItem,
    "ChangeList": ChangeItem,
}
