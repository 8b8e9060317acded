"""Read: what etcd holds of this cluster, for who does not reach etcd. Never the passwords' hashes."""

from __future__ import annotations

from etcdmeta.agent.call import Call
from etcdmeta.agent.feed import Feed
from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import InvalidInput, PermissionDenied
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import RawHeader, RawKeyValue
from etcdmeta.wire.pb import agent_pb2 as pb

MOST_KEYS = 10_000
MOST_BYTES = 3 * 2**20
"""Of one answer: gRPC's clients take 4 MiB by default. A single record may be larger."""
_SECRETS = (b"secret/", b"secret0")


class Reading:
    """Of one agent."""

    def __init__(self, strategy: Strategy, keyspace: Keyspace, feed: Feed) -> None:
        self._strategy = strategy
        self._keyspace = keyspace
        self._feed = feed

    async def read(self, call: Call, request: pb.ReadRequest) -> pb.ReadResponse:
        """Raises `Compacted`, `FutureRevision`, `PermissionDenied`, and what the strategy raises."""
        self._check(request.key, request.range_end)
        if request.revision < 0 or request.limit < 0:
            raise InvalidInput("a revision, or a limit, below 0", rule="0 means: now, and: as many as fit")
        if request.revision and request.key == self._keyspace.absolute(keys.GENERATION) and not request.range_end:
            remembered = self._remembered(request.revision)
            if remembered is not None:
                return remembered
        limit = min(request.limit or MOST_KEYS, MOST_KEYS)
        result = await call.in_thread(
            self._strategy.read,
            request.key,
            deadline=call.before(float("inf")),
            range_end=request.range_end or None,
            revision=request.revision,
            limit=limit,
            keys_only=request.keys_only,
        )
        answer = pb.ReadResponse(header=header_to_wire(result.header), more=result.more)
        size = 0
        for kv in result.kvs:
            size += len(kv.key) + len(kv.value)
            if size > MOST_BYTES and answer.kvs:
                answer.more = True
                break
            answer.kvs.append(record_to_wire(kv))
        return answer

    def _remembered(self, revision: int) -> pb.ReadResponse | None:
        """The generation's record of a recent revision, from memory: so followers prove the continuity of what they
        have while etcd is away."""
        known, mark = self._feed.log.mark_at(revision)
        tip = self._feed.log.tip
        if not known or tip is None:
            return None
        header = pb.Header(cluster_id=1, member_id=1, revision=tip.snapshot.revision, raft_term=1)
        if mark is None:
            return pb.ReadResponse(header=header)
        record = pb.Record(
            key=self._keyspace.absolute(keys.GENERATION),
            value=mark.value,
            create_revision=mark.create_revision,
            mod_revision=mark.mod_revision,
            version=mark.version,
        )
        return pb.ReadResponse(header=header, kvs=[record])

    def _check(self, key: bytes, range_end: bytes) -> None:
        end = range_end or key + b"\0"
        inside = key.startswith(self._keyspace.prefix) and key < end <= keys.prefix_end(self._keyspace.prefix)
        first, last = map(self._keyspace.absolute, _SECRETS)
        if not inside or (key < last and end > first):
            raise PermissionDenied(
                f"an agent does not read {key.decode('ascii', 'backslashreplace')!r}"
                + (f" to {range_end.decode('ascii', 'backslashreplace')!r}" if range_end else ""),
                value=key,
                rule=f"a read stays below {self._keyspace.prefix.decode()}, and away from secret/",
            )


def header_to_wire(header: RawHeader) -> pb.Header:
    return pb.Header(
        cluster_id=header.cluster_id,
        member_id=header.member_id,
        revision=header.revision,
        raft_term=header.raft_term,
    )


def record_to_wire(kv: RawKeyValue) -> pb.Record:
    return pb.Record(
        key=kv.key,
        value=kv.value,
        create_revision=kv.create_revision,
        mod_revision=kv.mod_revision,
        version=kv.version,
        lease=kv.lease,
    )
