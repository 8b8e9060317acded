"""The value of ``lead/<service>``: who leads. What fences is the key's create revision, never this."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from etcdmeta.records.pb import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Leader:
    """``who``: for people; ``nonce``: tells one standing from another of the same name; ``since``: nanoseconds."""

    who: str
    nonce: int
    since: int


def encode_leader(leader: Leader) -> bytes:
    return pb.Leader(who=leader.who, nonce=leader.nonce, since=leader.since).SerializeToString(deterministic=True)


def decode_leader(value: bytes) -> Leader | None:
    """None where it cannot be read."""
    try:
        message = pb.Leader.FromString(value)
    except DecodeError:
        return None
    return Leader(message.who, message.nonce, message.since)
