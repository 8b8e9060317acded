"""The JSON of `health`, `agent status`, `history` and `watch`; see `etcdmeta.cli.schema` for the rules."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from etcdmeta.cli.schema import Id, Item, Time


class EtcdMemberItem(Item):
    """What one endpoint says of itself; ``problem``: why it says nothing. ``dbSize`` in bytes.

    An agent has a version and a revision, ``leader`` and ``dbSize`` are null, and ``problem`` may be its picture's.
    """

    endpoint: str
    version: str | None
    member_id: Id | None
    leader: bool | None
    revision: int | None
    db_size: int | None
    alarms: list[str]
    problem: str | None


class ServiceNoteItem(Item):
    """What waits for a person: a sentence that says what to type, and how many things it is about."""

    text: str
    things: int


class ServiceItem(Item):
    """A service of the cluster, as an agent that stands for it sees it.

    ``leads``: it runs there, now. ``leader``, ``since``: who ran it when that agent looked last, itself or another;
    null: nobody. ``everySeconds``: between two passes; null: one lasts for as long as the lead. All else is of that
    agent's own passes since its start, null where there was none: ``did`` what the last one did that did something
    (``didAt`` null: it is under way), ``problem`` why the last one that failed did, ``failing`` that this was the very
    last one, ``notes`` what the last one left to people.
    """

    name: str
    leads: bool
    leader: str | None
    since: Time | None
    every_seconds: float | None
    passes: int
    failures: int
    pass_began: Time | None
    pass_ended: Time | None
    did: str | None
    did_at: Time | None
    problem: str | None
    problem_at: Time | None
    failing: bool
    notes: list[ServiceNoteItem]


class AgentItem(Item):
    """What one agent says of itself. ``answers`` false: ``problem`` says why, and all but the address is null (but
    for ``state`` "busy": it is there and takes nothing more on); else ``problem`` is what is wrong with its picture.
    ``source``: where that comes from: etcd, agent, cache or unknown.

    ``nodeId`` null: it is no node's. ``ageSeconds`` null: its picture was never proven current. ``live``: it follows at
    this moment. ``participates``: it commits to etcd itself. ``counters``: what it met since it was started.
    ``services``: of the cluster, those that it stands for.
    """

    address: str
    answers: bool
    node_id: Id | None
    host: str | None
    cluster: str | None
    cluster_id: Id | None
    state: str | None
    generation: int | None
    revision: int | None
    age_seconds: float | None
    live: bool | None
    source: str | None
    source_address: str | None
    streams: int | None
    requests: int | None
    quarantined: int | None
    version: str | None
    started: Time | None
    participates: bool | None
    etcd_endpoints: list[str]
    agents: list[str]
    counters: Mapping[str, int]
    problem: str | None
    services: list[ServiceItem]


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
    "AgentList": AgentItem,
    "HistoryList": HistoryItem,
    "ChangeList": ChangeItem,
}
