"""The value of ``grace/repair/seen``: which revision the picture had at which times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from google.protobuf.message import DecodeError

from etcdmeta.records.pb import records_pb2 as pb


class Mark(NamedTuple):
    """``time``: nanoseconds since 1970."""

    time: int
    revision: int


def encode_marks(marks: Sequence[Mark]) -> bytes:
    return pb.RevisionsSeen(
        marks=[pb.RevisionsSeen.Mark(time=mark.time, revision=mark.revision) for mark in marks]
    ).SerializeToString()


def decode_marks(value: bytes) -> list[Mark]:
    """None where it cannot be read: then it is looked at anew."""
    try:
        message = pb.RevisionsSeen.FromString(value)
    except DecodeError:
        return []
    return [Mark(mark.time, mark.revision) for mark in message.marks]
