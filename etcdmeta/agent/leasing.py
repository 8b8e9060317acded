"""Lease and Advise: what a node that does not reach etcd needs for its liveness, passed on."""

from __future__ import annotations

import re

from etcdmeta.agent.call import Call
from etcdmeta.agent.reading import header_to_wire, record_to_wire
from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import InvalidInput, PermissionDenied
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Compare, Counter, Delete, Put, Read, Transaction, Write
from etcdmeta.wire.pb import agent_pb2 as pb

MOST_KEYS = 16
MOST_SECONDS = 86_400
_ADVISORY = (b"state/live/", b"state/progress/")
_GROUP = re.compile(rb"state/db/[^/]+/rp/[^/]+/group/")
"""May be compared, too: a copy's progress is put anew only while its owner stands as its node has seen it."""
_COUNTERS: dict[int, Counter] = {
    pb.Compare.CREATE: Counter.CREATE,
    pb.Compare.MOD: Counter.MOD,
    pb.Compare.VERSION: Counter.VERSION,
}


class Leasing:
    """Of one agent."""

    def __init__(self, strategy: Strategy, keyspace: Keyspace) -> None:
        self._strategy = strategy
        self._keyspace = keyspace

    async def lease(self, call: Call, request: pb.LeaseRequest) -> pb.LeaseResponse:
        deadline = call.before(float("inf"))
        match request.WhichOneof("what"):
            case "grant":
                if not 0 < request.grant <= MOST_SECONDS:
                    raise InvalidInput(
                        f"a lease of {request.grant} s", value=request.grant, rule=f"1 to {MOST_SECONDS} s"
                    )
                granted = await call.in_thread(self._strategy.grant_lease, request.grant, deadline=deadline)
                return pb.LeaseResponse(id=granted, ttl=request.grant)
            case "keep_alive":
                ttl = await call.in_thread(self._strategy.keep_alive, request.keep_alive, deadline=deadline)
                return pb.LeaseResponse(id=request.keep_alive, ttl=ttl)
            case "revoke":
                await call.in_thread(self._strategy.revoke_lease, request.revoke, deadline=deadline)
                return pb.LeaseResponse(id=request.revoke)
        raise InvalidInput("a Lease that says nothing", rule="one of grant, keep_alive, revoke is given")

    async def advise(self, call: Call, request: pb.AdviseRequest) -> pb.AdviseResponse:
        """Raises `Ambiguous` where etcd did not say."""
        if not 0 < len(request.compares) + len(request.writes) + len(request.reads) <= MOST_KEYS:
            raise InvalidInput("an Advise that is too long, or empty", rule=f"1 to {MOST_KEYS} keys in all")
        txn = Transaction(
            tuple(Compare(self._comparable(c.key), _counter(c.counter), c.number) for c in request.compares),
            tuple(self._write(event) for event in request.writes),
            tuple(Read(self._own(key)) for key in request.reads),
        )
        result = await call.in_thread(self._strategy.transact, txn, deadline=call.before(float("inf")))
        found = [pb.AdviseResponse.Found(kvs=[record_to_wire(kv) for kv in kvs]) for kvs in result.reads]
        return pb.AdviseResponse(succeeded=result.succeeded, header=header_to_wire(result.header), reads=found)

    def _write(self, event: pb.Event) -> Write:
        key = self._own(event.kv.key)
        if event.type == pb.Event.DELETE:
            return Delete(key)
        return Put(key, event.kv.value, event.kv.lease)

    def _comparable(self, key: bytes) -> bytes:
        prefix = self._keyspace.prefix
        return key if key.startswith(prefix) and _GROUP.match(key, len(prefix)) else self._own(key)

    def _own(self, key: bytes) -> bytes:
        if not key.startswith(tuple(map(self._keyspace.absolute, _ADVISORY))):
            raise PermissionDenied(
                f"an agent does not write {key.decode('ascii', 'backslashreplace')!r} for others",
                value=key,
                rule="Advise reaches the cluster's state/live/ and state/progress/ alone",
                remedy="send a command: Execute",
            )
        return key


def _counter(wire: int) -> Counter:
    counter = _COUNTERS.get(wire)
    if counter is None:
        raise InvalidInput(f"compare by counter {wire}", value=wire, rule="create, mod or version")
    return counter
