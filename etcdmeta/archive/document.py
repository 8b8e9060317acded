"""The document: everything that the picture shows, as JSON for people and tools; what an import reads again.

Ids are decimal strings, times RFC 3339, durations Go's text beside integer nanoseconds, null is unset. A name that is
not UTF-8 is ``{"base64": "…"}``, since other programs lose the lone surrogates that JSON could spell it with. The same
picture gives the same bytes; each shard group stands on its own line. ``schemas/json/ClusterDocument.json`` has the
schema. Not in it: liveness and progress, plans of moves, imports, and the history (a backup has those).
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import Node, User
from etcdmeta.model.names import to_bytes
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import format_time
from etcdmeta.model.views import DatabaseView, PolicyView
from etcdmeta.records.groups import group_messages
from etcdmeta.records.pb import records_pb2 as pb

API_VERSION: Final = "etcdmeta/v1"
KIND: Final = "ClusterDocument"
_BEGIN: Final = re.compile(rb'\s*\{\s*"apiVersion"\s*:\s*"etcdmeta/')
_PIECES: Final = 4096


def is_document(first_bytes: bytes) -> bool:
    """Whether a file that begins so (100 bytes are enough) is JSON of ours."""
    return _BEGIN.match(first_bytes.removeprefix(b"\xef\xbb\xbf")) is not None


def write_document(
    snapshot: Snapshot,
    *,
    hashes: Mapping[int, bytes],
    counters: Mapping[str, int],
    databases: Collection[str] | None = None,
) -> Iterator[bytes]:
    """The pieces of the file. ``hashes``: user id → bcrypt's; ``counters``: kind → the highest id ever handed out.
    ``databases``: only these, and no rights on others."""
    return _joined(_Writer(hashes, databases).document(snapshot, counters))


class _Writer:
    def __init__(self, hashes: Mapping[int, bytes], databases: Collection[str] | None) -> None:
        self._hashes = hashes
        self._databases = databases
        self._times: dict[int, str] = {}

    def document(self, snapshot: Snapshot, counters: Mapping[str, int]) -> Iterator[str]:
        views = [v for v in snapshot.databases() if self._databases is None or v.name in self._databases]
        head = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "clusterId": str(snapshot.cluster.cluster_id if snapshot.cluster else 0),
            "generation": snapshot.generation,
            "counters": {kind: str(highest) for kind, highest in sorted(counters.items())},
        }
        yield _dumps(head)[:-1] + ',\n "nodes": ['
        yield _listed([self._node(node) for node in snapshot.nodes(include_removed=True)], "  ")
        yield '],\n "databases": ['
        for number, view in enumerate(views):
            yield ("," if number else "") + "\n  "
            yield from self._database(snapshot, view)
        yield '],\n "users": ['
        yield _listed([self._user(snapshot, user) for user in snapshot.users()], "  ")
        yield "]}\n"

    def _node(self, node: Node) -> dict[str, Any]:
        return {
            "id": str(node.id),
            "host": node.host,
            "state": str(node.state),
            "labels": dict(sorted(node.labels.items())),
            "joinedAt": self._time(node.joined_at) if node.joined_at else None,
        }

    def _database(self, snapshot: Snapshot, view: DatabaseView) -> Iterator[str]:
        default = view.default_policy
        about = {
            "id": str(view.id),
            "name": text(view.name),
            "defaultPolicy": None if default is None else text(default.name),
            "queries": [{"name": text(q.name), "query": text(q.query)} for q in view.queries()],
        }
        yield _dumps(about)[:-1] + ', "policies": ['
        for number, policy in enumerate(view.policies()):
            yield ("," if number else "") + "\n   "
            yield from self._policy(snapshot, policy)
        yield "]}"

    def _policy(self, snapshot: Snapshot, view: PolicyView) -> Iterator[str]:
        about = {
            "id": str(view.id),
            "name": text(view.name),
            **_duration("duration", view.duration),
            **_duration("shardGroupDuration", view.group_duration),
            "replicas": view.replicas,
            "subscriptions": [
                {"name": text(s.name), "mode": str(s.mode), "destinations": list(s.destinations)}
                for s in view.subscriptions()
            ],
        }
        yield _dumps(about)[:-1] + ', "groups": ['
        between = "\n    "
        for message in group_messages(snapshot, view.database.id, view.id):
            yield between + _dumps(self._group(message))
            between = ",\n    "
        yield "]}"

    def _group(self, m: pb.ShardGroup) -> dict[str, Any]:
        time = self._time
        return {
            "id": str(m.id),
            "start": time(m.start),
            "end": time(m.end),
            "deletedAt": time(m.deleted_at) if m.HasField("deleted_at") else None,
            "truncatedAt": time(m.truncated_at) if m.HasField("truncated_at") else None,
            "shards": [
                {
                    "id": str(s.id),
                    "lastAttempt": s.last_attempt,
                    "owners": [
                        {
                            "nodeId": str(o.node_id),
                            "status": o.status or OwnerStatus.ACTIVE.value,
                            "source": str(o.source) if o.source else None,
                            "attempt": o.attempt,
                            "since": time(o.since) if o.HasField("since") else None,
                            "reason": o.reason,
                        }
                        for o in s.owners
                    ],
                }
                for s in m.shards
            ],
        }

    def _user(self, snapshot: Snapshot, user: User) -> dict[str, Any]:
        hashed = self._hashes.get(user.id)
        return {
            "id": str(user.id),
            "name": text(user.name),
            "admin": user.admin,
            "hash": None if hashed is None else text(hashed.decode("utf-8", "surrogateescape")),
            "grants": [
                {"database": text(name), "privilege": str(privilege)}
                for name, privilege in snapshot.privileges(user).items()
                if self._databases is None or name in self._databases
            ],
        }

    def _time(self, nanoseconds: int) -> str:
        """Most times are there twice, or several hundred times."""
        known = self._times.get(nanoseconds)
        if known is None:
            known = self._times[nanoseconds] = format_time(nanoseconds)
        return known


def text(name: str) -> str | dict[str, str]:
    """The JSON of a name, of any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return {"base64": b64encode(to_bytes(name)).decode("ascii")}
    return name


def _duration(name: str, duration: Duration) -> dict[str, Any]:
    return {name: str(duration), f"{name}Ns": int(duration)}


def _listed(items: list[dict[str, Any]], indent: str) -> str:
    return "".join(f"{',' if number else ''}\n{indent}{_dumps(item)}" for number, item in enumerate(items))


_dumps = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


def _joined(pieces: Iterator[str]) -> Iterator[bytes]:
    """In larger ones: a call of the file's for each group would cost more than making it."""
    waiting: list[str] = []
    for piece in pieces:
        waiting.append(piece)
        if len(waiting) >= _PIECES:
            yield "".join(waiting).encode()
            waiting.clear()
    yield "".join(waiting).encode()
