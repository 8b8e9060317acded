"""Record ↔ key: the table of the protocol, any name and any id, the order of time, and keys that are not ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdmeta.errors import InvalidName
from etcdmeta.model.names import from_bytes
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace, Kind, Place
from tests.records.strategies import ids, names, times

A, B, C, D = 0xA, 0xB, 0xC, 2**64 - 1
HEX_A, HEX_B, HEX_C, HEX_D = b"000000000000000a", b"000000000000000b", b"000000000000000c", b"ffffffffffffffff"

TABLE: list[tuple[bytes, bytes, Place]] = [
    (keys.CLUSTER, b"state/cluster", (Kind.CLUSTER, ())),
    (keys.GENERATION, b"state/generation", (Kind.GENERATION, ())),
    (keys.database_name("metrics"), b"state/name/db/=metrics", (Kind.DATABASE_NAME, ("metrics",))),
    (keys.user_name("é/a"), b"state/name/user/=%C3%A9%2Fa", (Kind.USER_NAME, ("é/a",))),
    (keys.host_name("db-1:8088"), b"state/name/host/=db-1%3A8088", (Kind.HOST_NAME, ("db-1:8088",))),
    (keys.identity_name("0aff"), b"state/name/identity/=0aff", (Kind.IDENTITY_NAME, ("0aff",))),
    (keys.node(A), b"state/node/" + HEX_A, (Kind.NODE, (A,))),
    (keys.user(D), b"state/user/" + HEX_D, (Kind.USER, (D,))),
    (keys.database_info(A), b"state/db/" + HEX_A + b"/info", (Kind.DATABASE, (A,))),
    (keys.policy_name(A, ""), b"state/db/" + HEX_A + b"/name/=", (Kind.POLICY_NAME, (A, ""))),
    (keys.query(A, "."), b"state/db/" + HEX_A + b"/cq/=%2E", (Kind.QUERY, (A, "."))),
    (keys.grant(A, B), b"state/db/" + HEX_A + b"/grant/" + HEX_B, (Kind.GRANT, (A, B))),
    (keys.policy_info(A, B), b"state/db/" + HEX_A + b"/rp/" + HEX_B + b"/info", (Kind.POLICY, (A, B))),
    (
        keys.subscription(A, B, "\0"),
        b"state/db/" + HEX_A + b"/rp/" + HEX_B + b"/sub/=%00",
        (Kind.SUBSCRIPTION, (A, B, "\0")),
    ),
    (
        keys.group(A, B, 0, C),
        b"state/db/" + HEX_A + b"/rp/" + HEX_B + b"/group/8000000000000000/" + HEX_C,
        (Kind.GROUP, (A, B, 0, C)),
    ),
    (
        keys.group(A, B, -1, C),
        b"state/db/" + HEX_A + b"/rp/" + HEX_B + b"/group/7fffffffffffffff/" + HEX_C,
        (Kind.GROUP, (A, B, -1, C)),
    ),
    (keys.plan(A), b"state/plan/" + HEX_A, (Kind.PLAN, (A,))),
    (keys.plan_moves(A, B), b"state/plan/" + HEX_A + b"/moves/" + HEX_B, (Kind.PLAN_MOVES, (A, B))),
    (keys.import_(A), b"state/import/" + HEX_A, (Kind.IMPORT, (A,))),
    (keys.live(A), b"state/live/" + HEX_A, (Kind.LIVENESS, (A,))),
    (
        keys.progress(A, B, C, D),
        b"state/progress/" + b"/".join([HEX_A, HEX_B, HEX_C, HEX_D]),
        (Kind.PROGRESS, (A, B, C, D)),
    ),
]


@pytest.mark.parametrize(
    ("made", "key", "place"), TABLE, ids=lambda value: value.decode() if type(value) is bytes else ""
)
def test_keys_are_those_of_the_protocol(made: bytes, key: bytes, place: Place) -> None:
    assert made == key
    assert keys.locate(key) == place
    assert keys.render(place) == key


def test_the_table_has_every_kind() -> None:
    assert {place[0] for _, _, place in TABLE} == set(Kind) - {Kind.OTHER}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (keys.ledger("0192-op"), b"ledger/0192-op"),
        (keys.ledger("0192-op", 2), b"ledger/0192-op/2"),
        (keys.ids("shard"), b"ids/shard"),
        (keys.lead("retention"), b"lead/retention"),
        (keys.secret(A), b"secret/" + HEX_A),
    ],
)
def test_what_no_cache_reads_lies_beside_state(key: bytes, expected: bytes) -> None:
    assert key == expected
    assert not key.startswith(keys.STATE)
    assert keys.locate(key) == (Kind.OTHER, ())


places: st.SearchStrategy[Place] = st.one_of(
    st.sampled_from([(Kind.CLUSTER, ()), (Kind.GENERATION, ())]),
    st.tuples(
        st.sampled_from([Kind.DATABASE_NAME, Kind.USER_NAME, Kind.HOST_NAME, Kind.IDENTITY_NAME]), st.tuples(names)
    ),
    st.tuples(st.sampled_from([Kind.NODE, Kind.USER, Kind.DATABASE, Kind.PLAN, Kind.LIVENESS]), st.tuples(ids)),
    st.tuples(st.sampled_from([Kind.POLICY_NAME, Kind.QUERY]), st.tuples(ids, names)),
    st.tuples(st.sampled_from([Kind.GRANT, Kind.POLICY, Kind.PLAN_MOVES]), st.tuples(ids, ids)),
    st.tuples(st.just(Kind.SUBSCRIPTION), st.tuples(ids, ids, names)),
    st.tuples(st.just(Kind.GROUP), st.tuples(ids, ids, times, ids)),
    st.tuples(st.just(Kind.PROGRESS), st.tuples(ids, ids, ids, ids)),
)


@given(places)
def test_locate_is_the_inverse_of_render(place: Place) -> None:
    key = keys.render(place)
    assert key.startswith(keys.STATE)
    assert keys.locate(key) == place


@given(st.binary(max_size=300).map(from_bytes))
def test_any_name_survives_the_trip_through_a_key(name: str) -> None:
    encoded = keys.encode_name(name)
    assert encoded.isascii()
    assert b"/" not in encoded
    assert keys.decode_name(encoded) == name


@given(names, names)
def test_two_names_never_share_a_key(one: str, other: str) -> None:
    assert (keys.encode_name(one) == keys.encode_name(other)) == (one == other)


@given(times, times, ids, ids)
def test_groups_sort_by_time_before_1970_too(one: int, other: int, first: int, second: int) -> None:
    a, b = keys.group(1, 1, one, first), keys.group(1, 1, other, second)
    assert (a < b) == ((one, first) < (other, second))


@given(st.binary(max_size=4), st.binary(max_size=4))
def test_nothing_of_a_prefix_lies_outside_of_its_range(prefix: bytes, more: bytes) -> None:
    end = keys.prefix_end(prefix)
    if end != b"\0":
        assert prefix <= prefix + more < end
        assert not end.startswith(prefix)
    else:
        assert set(prefix) <= {0xFF}


SPANS: dict[str, tuple[tuple[bytes, bytes], Callable[[Place], bool]]] = {
    "nodes": (keys.NODES_SPAN, lambda place: place[0] is Kind.NODE),
    "database": (
        keys.database_span(A),
        lambda place: key_of(place).startswith(b"state/db/" + HEX_A + b"/"),
    ),
    "policy": (
        keys.policy_span(A, B),
        lambda place: place[0] in {Kind.POLICY, Kind.SUBSCRIPTION, Kind.GROUP} and place[1][:2] == (A, B),
    ),
    "groups": (keys.groups_span(A, B), lambda place: place[0] is Kind.GROUP and place[1][:2] == (A, B)),
    "groups from -5 to 5": (
        keys.group_range(A, B, -5, 5),
        lambda place: place[0] is Kind.GROUP and place[1][:2] == (A, B) and -5 <= int(place[1][2]) < 5,
    ),
    "moves of a plan": (
        keys.plan_moves_span(A),
        lambda place: place[0] is Kind.PLAN_MOVES and place[1][0] == A,
    ),
    "progress of a database": (
        keys.progress_span(A),
        lambda place: place[0] is Kind.PROGRESS and place[1][0] == A,
    ),
    "progress of a policy": (
        keys.progress_span(A, B),
        lambda place: place[0] is Kind.PROGRESS and place[1][:2] == (A, B),
    ),
}

near = st.sampled_from([0, 9, A, B, 16, 2**64 - 1])
near_places: st.SearchStrategy[Place] = st.one_of(
    st.tuples(st.sampled_from([Kind.NODE, Kind.USER, Kind.DATABASE, Kind.LIVENESS]), st.tuples(near)),
    st.tuples(st.sampled_from([Kind.POLICY_NAME, Kind.QUERY]), st.tuples(near, names)),
    st.tuples(st.sampled_from([Kind.GRANT, Kind.POLICY]), st.tuples(near, near)),
    st.tuples(st.just(Kind.SUBSCRIPTION), st.tuples(near, near, names)),
    st.tuples(st.just(Kind.GROUP), st.tuples(near, near, st.integers(-9, 9), near)),
    st.tuples(st.just(Kind.PROGRESS), st.tuples(near, near, near, near)),
    places,
)


def key_of(place: Place) -> bytes:
    return keys.render(place)


@pytest.mark.parametrize("span", SPANS)
@given(place=near_places)
def test_a_span_holds_what_it_says_and_nothing_else(span: str, place: Place) -> None:
    (start, end), belongs = SPANS[span]
    assert (start <= keys.render(place) < end) == belongs(place)


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"state/",
        b"state/cluster/",
        b"state/clusters",
        b"lead/cluster",  # the word alone is not the place
        b"/etcdmeta/default/state/cluster",
        b"state/plan/" + HEX_A + b"/steps",  # of a later version
        b"state/plan/" + HEX_A + b"/moves",
        b"state/db/" + HEX_A + b"/rp/" + HEX_B + b"/stats",
        b"state/node/a",  # too short
        b"state/node/000000000000000A",  # upper case
        b"state/node/0x0000000000000a",  # Python's own ways to write a number
        b"state/node/00000000000_000a",
        b"state/node/+00000000000000a",
        b"state/node/ 00000000000000a",
        b"state/node/-00000000000000a",
        b"state/node/0000000000000000a",  # over 64 bits
        b"state/node/",
        b"state/name/db/metrics",  # no =
        b"state/name/db/=a/b",
        b"state/name/db/=%2f",  # lower case
        b"state/name/db/=%41",  # encoded without need
        b"state/name/db/=%",
        b"state/name/db/=\xff",
    ],
)
def test_foreign_keys_are_other(key: bytes) -> None:
    assert keys.locate(key) == (Kind.OTHER, ())


@given(places, st.data())
def test_no_other_key_is_taken_for_a_place(place: Place, data: st.DataObject) -> None:
    """One byte more, less or another: it is another place, or none, and never the same one."""
    key = keys.render(place)
    at = data.draw(st.integers(0, len(key)))
    byte = bytes([data.draw(st.integers(0, 255))])
    changed = data.draw(
        st.sampled_from([key[:at] + byte + key[at:], key[:at] + key[at + 1 :], key[:at] + byte + key[at + 1 :]])
    )
    found = keys.locate(changed)
    assert found == (Kind.OTHER, ()) or keys.render(found) == changed


@pytest.mark.parametrize("name", ["default", "prod", "a", "_", "a.b-c_D9", "x" * 63])
def test_cluster_names(name: str) -> None:
    space = Keyspace(name)
    assert space.prefix == f"/etcdmeta/{name}/".encode()
    assert space.absolute(keys.CLUSTER) == space.prefix + b"state/cluster"
    assert space.relative(space.absolute(keys.node(3))) == keys.node(3)
    start, end = space.state_range
    assert start <= space.absolute(keys.node(3)) < end
    assert not start <= space.absolute(keys.secret(3)) < end


@pytest.mark.parametrize("name", ["", ".", "-a", "a/b", "a b", "é", "x" * 64, "a\n", "a\0"])
def test_no_cluster_lies_inside_another(name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        Keyspace(name)
    assert caught.value.value == name
    assert caught.value.rule
    assert caught.value.remedy
