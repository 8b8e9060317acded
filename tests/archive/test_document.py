"""The JSON document: complete, the same each time, read again to the same; and what is wrong with one is said where."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etcdmeta.archive import DocumentInvalid, incoming_of, is_document, read_document, reading, write_document
from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import (
    Cluster,
    ContinuousQuery,
    Database,
    Grant,
    Node,
    RetentionPolicy,
    Shard,
    ShardGroup,
    ShardOwner,
    Subscription,
    User,
)
from etcdmeta.model.times import MAX_TIME, MIN_TIME
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import KeyValue
from etcdmeta.replica.loader import Loader
from etcdmeta.store.exporting import read_whole
from etcdmeta.testing import local_store
from tests.archive.worlds import fill

if TYPE_CHECKING:
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore

SCHEMA = Path(__file__).parents[2] / "schemas" / "json" / "ClusterDocument.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


@pytest.fixture(scope="module")
def store() -> Iterator[MetaStore]:
    with local_store() as made:
        fill(made)
        yield made


@pytest.fixture(scope="module")
def blob(store: MetaStore) -> bytes:
    whole = read_whole(store)
    return b"".join(write_document(whole.snapshot, hashes=whole.hashes, counters=whole.counters))


def test_it_is_complete_and_comes_back(store: MetaStore, blob: bytes) -> None:
    whole = read_whole(store)
    assert b"".join(write_document(whole.snapshot, hashes=whole.hashes, counters=whole.counters)) == blob
    assert read_document(blob) == incoming_of(whole.snapshot, whole.hashes, whole.counters)
    VALIDATOR.validate(json.loads(blob))
    assert is_document(blob[:100])
    assert is_document(json.dumps(json.loads(blob), indent=4, sort_keys=True).encode()[:100])
    assert not is_document(b"{}")


NAMES = st.binary(min_size=1, max_size=8).map(lambda raw: raw.decode("utf-8", "surrogateescape")) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
TIMES = st.integers(MIN_TIME, MAX_TIME)
IDS = st.integers(1, 2**63 - 1)
OWNERS = st.builds(
    ShardOwner,
    node_id=st.integers(1, 4),
    status=st.sampled_from(["active", "copying", "leaving", "failed", "dozing"]),
    source=st.none() | IDS,
    attempt=st.integers(0, 9),
    since=st.none() | TIMES,
    reason=TEXTS,
)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[Snapshot, dict[int, bytes], dict[str, int]]:
    """Anything that a cluster can hold, rules or not."""
    kvs: list[KeyValue] = []

    def put(key: bytes, value: bytes) -> None:
        kvs.append(KeyValue(key, value, len(kvs) + 2, len(kvs) + 2))

    put(keys.CLUSTER, encode(Cluster(cluster_id=draw(IDS), epoch=1)))
    put(keys.GENERATION, b"")
    for number in range(1, 5):
        labels = draw(st.dictionaries(TEXTS, TEXTS, max_size=2))
        state = draw(st.sampled_from(["joined", "draining", "removing", "removed"]))
        put(keys.node(number), encode(Node(id=number, host=f"h{number}:1", labels=labels, state=state, joined_at=1)))
    users = draw(st.lists(NAMES, max_size=3, unique=True))
    for number, name in enumerate(users, 1):
        put(keys.user(number), encode(User(id=number, name=name, admin=draw(st.booleans()))))
    shards = iter(draw(st.lists(IDS, min_size=40, max_size=40, unique=True)))
    groups = iter(draw(st.lists(IDS, min_size=20, max_size=20, unique=True)))
    for d, name in enumerate(draw(st.lists(NAMES, max_size=2, unique=True)), 1):
        policies = draw(st.lists(NAMES, max_size=2, unique=True))
        default = draw(st.integers(0, len(policies)))
        default_id = 10 * d + default if default else 0
        put(keys.database_info(d), encode(Database(id=d, name=name, default_policy_id=default_id)))
        for query in draw(st.lists(NAMES, max_size=2, unique=True)):
            put(keys.query(d, query), encode(ContinuousQuery(database_id=d, name=query, query=draw(NAMES))))
        for number in range(1, len(users) + 1):
            grant = Grant(database_id=d, user_id=number, privilege=draw(st.sampled_from(["none", "read", "later"])))
            put(keys.grant(d, number), encode(grant))
        for p, policy in enumerate(policies, 1):
            p += 10 * d  # noqa: PLW2901 - ids of policies are unique
            record = RetentionPolicy(
                id=p, database_id=d, name=policy, replicas=draw(st.integers(1, 9)),
                duration=Duration(draw(st.integers(0, MAX_TIME))),
                group_duration=Duration(draw(st.integers(1, MAX_TIME))),
            )  # fmt: skip
            put(keys.policy_info(d, p), encode(record))
            for sub_name in draw(st.lists(NAMES, max_size=2, unique=True)):
                destinations = tuple(draw(st.lists(TEXTS, max_size=2)))
                sub = Subscription(database_id=d, policy_id=p, name=sub_name, mode="ALL", destinations=destinations)
                put(keys.subscription(d, p, sub_name), encode(sub))
            edges = sorted(draw(st.lists(TIMES, max_size=8, unique=True)))
            for start, end in zip(edges[::2], edges[1::2], strict=False):
                made = tuple(
                    Shard(id=next(shards), last_attempt=draw(st.integers(0, 9)), owners=tuple(draw(
                        st.lists(OWNERS, max_size=3, unique_by=lambda owner: owner.node_id))))
                    for _ in range(draw(st.integers(0, 2)))
                )  # fmt: skip
                group = ShardGroup(
                    id=next(groups), database_id=d, policy_id=p, start=start, end=end, shards=made,
                    deleted_at=draw(st.none() | TIMES), truncated_at=draw(st.none() | st.integers(start, end)),
                )  # fmt: skip
                put(keys.group(d, p, start, group.id), encode(group))
    loader = Loader(0)
    loader.add(kvs)
    snapshot = loader.finish(len(kvs) + 9)
    assert not snapshot.unreadable
    hashes = {number: draw(st.binary(max_size=9)) for number in range(1, len(users) + 1)}
    return snapshot, hashes, draw(st.dictionaries(st.sampled_from(["node", "group", "plan"]), st.integers(0, 2**60)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pictures())
def test_any_picture_comes_back(made: tuple[Snapshot, dict[int, bytes], dict[str, int]]) -> None:
    snapshot, hashes, counters = made
    blob = b"".join(write_document(snapshot, hashes=hashes, counters=counters))
    assert read_document(blob) == incoming_of(snapshot, hashes, counters)
    json.dumps(json.loads(blob)).encode("ascii")  # no lone surrogates, which other programs lose
    VALIDATOR.validate(json.loads(blob))


def change(path: str, value: Any) -> Callable[[Any], None]:
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]

    def apply(document: Any) -> None:
        for step in steps:
            document = document[step]
        if value is ...:
            del document[last]
        else:
            document[last] = value

    return apply


GROUP = "databases.0.policies.0.groups.0"
THERE = "databases[0].policies[0].groups[0]"


@pytest.mark.parametrize(
    ("path", "value", "where", "why"),
    [
        ("apiVersion", "etcdmeta/v2", "apiVersion", "is not 'etcdmeta/v1'"),
        ("kind", "DatabaseList", "kind", "is not 'ClusterDocument'"),
        ("nodes", ..., "nodes", "it is missing"),
        ("news", 1, "news", "perhaps a later version"),
        ("clusterId", "-1", "clusterId", "no cluster id"),
        ("generation", True, "generation", "no whole number"),
        ("counters.cats", "1", "counters.cats", "no such kind"),
        ("counters.node", "x", "counters.node", "no id"),
        ("nodes.1.id", "1", "nodes[1].id", "there already"),
        ("nodes.1.host", "h1:8088", "nodes[1].host", "there already"),
        ("nodes.1.labels", [], "nodes[1].labels", "it is a list"),
        ("databases.1.name", "metrics", "databases[1].name", "there already"),
        ("databases.1.name", {"base64": "?"}, "databases[1].name.base64", "no base64"),
        ("databases.0.defaultPolicy", "nope", "databases[0].defaultPolicy", "no policy 'nope'"),
        ("databases.0.queries.0.query", None, "databases[0].queries[0].query", "it is null"),
        ("databases.0.policies.0.durationNs", 5, "databases[0].policies[0].duration", "is not 5 ns"),
        ("databases.0.policies.0.replicas", 0, "databases[0].policies[0].replicas", "from 1 on"),
        ("databases.0.policies.0.subscriptions.1.name", "z", "databases[0].policies[0].subscriptions[1].name", "there"),
        (f"{GROUP}.id", "0", "databases[0].policies[0].groups[0].id", "no id"),
        (f"{GROUP}.end", "yesterday", "databases[0].policies[0].groups[0].end", "no time"),
        (f"{GROUP}.end", "2026-13-01T00:00:00Z", "databases[0].policies[0].groups[0].end", "no time"),
        (f"{GROUP}.end", "2000-01-01T00:00:00Z", "databases[0].policies[0].groups[0].end", "ends before it starts"),
        (f"{GROUP}.end", "2027-01-01T00:00:00Z", "databases[0].policies[0].groups[2].start", "overlaps"),
        (f"{GROUP}.shards", {}, "databases[0].policies[0].groups[0].shards", "it is an object"),
        (f"{GROUP}.shards.0.owners.0.nodeId", "99", f"{THERE}.shards[0].owners[0].nodeId", "no node 99"),
        (f"{GROUP}.shards.0.owners.1.since", 5, f"{THERE}.shards[0].owners[1].since", "no time"),
        ("users.0.hash", None, "users[0].hash", "missing"),
        ("users.1.grants.0.database", "nope", "users[1].grants[0].database", "no database 'nope'"),
        ("users.1.admin", "yes", "users[1].admin", "it is a string"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_path(blob: bytes, path: str, value: Any, where: str, why: str) -> None:
    document = json.loads(blob)
    change(path, value)(document)
    with pytest.raises(DocumentInvalid) as caught:
        read_document(json.dumps(document).encode())
    assert caught.value.path == where
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (b"", "no JSON"),
        (b'{"apiVersion": "etcdmeta/v1"', "no JSON"),
        (b"[]", "it is a list"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' * 100_000, "nested too deeply"),
        (b'{"kind": 1, "kind": 1}', "twice in one object"),
        (b'{"generation": NaN}', "no number of JSON's"),
        (b"\xff\xfe\x00", "no JSON"),
    ],
)
def test_what_is_no_document(blob: bytes, why: str) -> None:
    with pytest.raises(DocumentInvalid, match=why):
        read_document(blob)


def test_bombs_are_refused_before_they_cost_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_VALUES", 1_000)
    with pytest.raises(DocumentInvalid, match="values are too many"):
        read_document(b"[" + b"[]," * 1_000 + b"[]]")
    monkeypatch.setattr(reading, "MAX_BYTES", 1_000)
    with pytest.raises(DocumentInvalid, match="bytes are too many"):
        read_document(b" " * 1_001)


def test_bits_flipped_anywhere_are_typed_errors_or_another_document(blob: bytes, rng: Any) -> None:
    for _ in range(2_000):
        damaged = bytearray(blob)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(blob))] ^= 1 << rng.randrange(8)
        try:
            read_document(bytes(damaged[: rng.choice([len(blob), rng.randrange(len(blob))])]))
        except DocumentInvalid:
            continue
