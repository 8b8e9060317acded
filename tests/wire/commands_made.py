"""Any command that could be sent: what Hypothesis makes commands of, from the fields' own types."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin

from hypothesis import strategies as st

from etcdmeta.commands.plan import Command
from etcdmeta.model.durations import Duration
from etcdmeta.model.names import from_bytes
from etcdmeta.model.times import MAX_TIME, MIN_TIME
from etcdmeta.wire.commands import TIMES

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    st.binary(max_size=20).map(from_bytes),  # names of old imports
    st.sampled_from(["", "\0", "INF", "now", "12", "null", "base64", "QUJD", "עברית", "🦀", "x" * 300]),
)
KEYS = st.text(st.characters(exclude_categories=("Cs",)), max_size=10) | st.just("base64")
INTS = st.integers(-(2**63), 2**64 - 1) | st.sampled_from([0, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1])


def any_of(kind: type[Command]) -> st.SearchStrategy[Command]:
    """Commands of that class: each field left out, where it may be, or anything that its type takes."""
    required, optional = {}, {}
    for name, field in kind.model_fields.items():
        made = st.integers(MIN_TIME, MAX_TIME) if name in TIMES else _values(field.annotation)
        if name in TIMES and not field.is_required():
            made = st.none() | made
        (required if field.is_required() else optional)[name] = made
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: kind(**fields))


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return st.one_of([_values(part) for part in get_args(annotation)])
    if origin is tuple:
        first, *rest = get_args(annotation)
        if rest != [...]:
            return st.tuples(_values(first), *map(_values, rest))
        return st.lists(_values(first), max_size=4).map(tuple)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return st.dictionaries(KEYS, _values(get_args(annotation)[1]), max_size=4)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return st.sampled_from(annotation)
    return {
        bool: st.booleans(),
        bytes: st.binary(max_size=70),
        int: INTS,
        str: TEXTS,
        Duration: st.integers(0, 2**63 - 1).map(Duration),
        type(None): st.none(),
    }[annotation]
