"""Reads, transactions and news as the agents' messages, and back. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etcdmeta.errors import Defect
from etcdmeta.records.transaction import Counter, Delete, Header, Put, ReadResult, Relayed, TxnResult
from etcdmeta.wire.pb import agent_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etcdmeta.records.transaction import RawEvent, Transaction, Write

_CLUSTER = re.compile(rb"/etcdmeta/([^/]+)/")
_ADVISORY = re.compile(rb"/etcdmeta/[^/]+/state/(live|progress)/")
_GROUP = re.compile(rb"/etcdmeta/[^/]+/state/db/[^/]+/rp/[^/]+/group/")
"""May be compared: whoever says how far a copy is may have to say that it is still wanted."""
_STATE = re.compile(rb"/etcdmeta/[^/]+/state/")
_COUNTERS = {
    Counter.CREATE: pb.Compare.CREATE,
    Counter.MOD: pb.Compare.MOD,
    Counter.VERSION: pb.Compare.VERSION,
}


@dataclass(frozen=True, slots=True)
class AgentMemberStatus:
    """What an agent says of itself; `etcdmeta.consensus.protocol.MemberStatus` says what the fields are.

    Agents do not vote: "the leader" is there while the agent follows etcd; what is wrong with its picture is an alarm.
    """

    endpoint: str
    version: str
    leader: int
    member_id: int
    revision: int
    alarms: tuple[str, ...]
    db_size: int = 0
    is_leader: bool = False

    @classmethod
    def from_response(cls, endpoint: str, said: pb.StatusResponse) -> AgentMemberStatus:
        """``member_id`` is the node's."""
        alarms = (said.problem,) if said.problem else ()
        return cls(endpoint, said.version, int(said.freshness.live), said.node_id, said.revision, alarms)


def cluster_of(key: bytes) -> str:
    """The cluster that a key is of: the agent refuses another's. Empty for a key of no cluster."""
    found = _CLUSTER.match(key)
    return "" if found is None else found[1].decode("ascii", "replace")


def is_picture(start: bytes, end: bytes) -> bool:
    """Whether a range is all that a follower lists, and so what an agent has in memory."""
    found = _STATE.fullmatch(start)
    return found is not None and end == start[:-1] + b"0"


def header(revision: int) -> Header:
    """Of whatever an agent answers. Agents are no members: their followers prove the history by its records, and are
    not to be alarmed by another cluster id or term when the next agent speaks."""
    return Header(revision)


def age_of(freshness: pb.Freshness) -> float | None:
    """Seconds since the agent's picture was last proven current; None: it never was."""
    return freshness.age if freshness.HasField("age") else None


def decode_read(response: pb.ReadResponse) -> ReadResult:
    return ReadResult(header(response.header.revision), response.kvs, response.more)


def decode_piece(message: pb.FetchResponse, first: pb.FetchResponse) -> ReadResult:
    """A piece of the picture as a page of a list. Only the first message says where and how old the picture is."""
    freshness = first.freshness
    return ReadResult(header(first.revision), message.records, age=age_of(freshness), live=freshness.live)


class News:
    """The messages of one watch as a follower's input. ``revision``: up to there the follower has everything.

    No header goes below what the follower has: an agent's own picture may stand at an older revision, between which and
    ours nothing happened that it follows. Where it stands at a later one, as after a new listing, it has told all that
    lies between, and an empty joined step takes the follower there.
    """

    def __init__(self, revision: int) -> None:
        self._at = revision

    def decode(self, message: pb.WatchResponse) -> Iterator[Relayed]:
        """What one message brings, in order; the last one says where the agent stands.

        Revisions in a row are one answer, as etcd gives them; a joined one stands alone.
        """
        age, live = age_of(message.freshness), message.freshness.live
        if message.opened:
            self._at = self._at or message.revision
            yield Relayed(header(self._at), age, live, created=True)
        run: list[RawEvent] = []
        for revision in message.revisions:
            if revision.joined and run:
                yield Relayed(header(self._at), age, live, run)
                run = []
            self._at = max(self._at, revision.revision)
            if revision.joined:
                yield Relayed(header(revision.revision), age, live, revision.events, joined=True)
            else:
                run.extend(revision.events)
        if run:
            yield Relayed(header(self._at), age, live, run)
        if message.opened:
            return  # what it says of the revision may be where it stands, not what it has told
        if message.revision > self._at:
            self._at = message.revision
            yield Relayed(header(self._at), age, live, joined=True)
        elif not message.revisions:
            yield Relayed(header(self._at), age, live)


def encode_advice(txn: Transaction) -> pb.AdviseRequest:
    """Raises `Defect` for what agents do not commit for others: all but liveness and progress, key by key, with
    compares of groups besides."""
    reached = [read.key for read in txn.reads]
    reached += [write.start if not isinstance(write, Put | Delete) else write.key for write in txn.writes]
    compared = [compare.key for compare in txn.compares]
    own = all(map(_ADVISORY.match, reached)) and all(_ADVISORY.match(key) or _GROUP.match(key) for key in compared)
    ranged = [each.range_end for each in txn.compares] + [each.range_end for each in txn.reads]
    if any(ranged) or any(compare.less for compare in txn.compares) or not own:
        raise Defect("a transaction on more than liveness and progress was to go through an agent")
    keys = compared + reached
    return pb.AdviseRequest(
        cluster=cluster_of(keys[0]) if keys else "",
        compares=[pb.Compare(key=c.key, counter=_COUNTERS[c.counter], number=c.number) for c in txn.compares],
        writes=[_event(write) for write in txn.writes],
        reads=[read.key for read in txn.reads],
    )


def _event(write: Write) -> pb.Event:
    if isinstance(write, Put):
        return pb.Event(type=pb.Event.PUT, kv=pb.Record(key=write.key, value=write.value, lease=write.lease))
    if isinstance(write, Delete):
        return pb.Event(type=pb.Event.DELETE, kv=pb.Record(key=write.key))
    raise Defect("a range was to be deleted through an agent")


def decode_advice(response: pb.AdviseResponse) -> TxnResult:
    reads = tuple(found.kvs for found in response.reads)
    return TxnResult(response.succeeded, header(response.header.revision), {}, reads)
