"""The value of ``grace/repair/down``: since when which nodes were seen to be down, and when somebody looked last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from etcdmeta.records.pb import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class NodesDown:
    """Nanoseconds since 1970; ``since`` by node id."""

    seen: int = 0
    since: Mapping[int, int] = field(default_factory=dict)


def encode_down(down: NodesDown) -> bytes:
    return pb.NodesDown(seen=down.seen, since=down.since).SerializeToString(deterministic=True)


def decode_down(value: bytes) -> NodesDown:
    """Nothing where it cannot be read: then it is looked at anew."""
    try:
        message = pb.NodesDown.FromString(value)
    except DecodeError:
        return NodesDown()
    return NodesDown(message.seen, dict(message.since))
