"""Positions over the wire."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etcdmeta.errors import UnreadableRequest
from etcdmeta.model.snapshot import Position
from etcdmeta.wire.positions import decode_position, encode_position

positions = st.builds(Position, st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))


@given(st.none() | positions)
def test_round_trip(position: Position | None) -> None:
    assert decode_position(encode_position(position)) == position


def test_the_form_is_the_one_that_older_callers_hold() -> None:
    assert encode_position(Position(2**63 + 5, 77)).hex() == "01" + "8000000000000005" + "000000000000004d"
    assert encode_position(None) == b""


@given(st.binary())
@example(b"\x01" + b"\xff" * 16)
@example(b"\x02" + b"\0" * 16)
def test_garbage_is_refused_or_a_position(encoded: bytes) -> None:
    try:
        position = decode_position(encoded)
    except UnreadableRequest:
        return
    assert encode_position(position) == encoded


@pytest.mark.parametrize("encoded", [b"\0", b"\x01", b"\x02" + b"\0" * 16, b"\x01" + b"\0" * 17])
def test_other_forms(encoded: bytes) -> None:
    with pytest.raises(UnreadableRequest, match="no position") as unreadable:
        decode_position(encoded)
    assert unreadable.value.rule
    assert unreadable.value.remedy
    assert len(str(unreadable.value.value)) <= 34
