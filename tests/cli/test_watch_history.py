"""`watch` and `history` on a real etcd: what others did, as it happens and afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from etcdmeta.embedded import Cluster
from etcdmeta.store import MetaStore
from tests.cli.conftest import Cli, validate
from tests.cli.processes import Process

NOON = 1_795_435_200 * 10**9


@pytest.fixture
def environ_of(etcd_cluster: Cluster, etcd_prefix: str) -> dict[str, str]:
    return {"ETCDMETA_ENDPOINTS": ",".join(etcd_cluster.endpoints), "ETCDMETA_CLUSTER": etcd_prefix}


@pytest.fixture
def store(etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[MetaStore]:
    with MetaStore.open(etcd_cluster.endpoints, cluster=etcd_prefix, actor="tester@here") as opened:
        yield opened


def play(store: MetaStore) -> None:
    """One of everything; the last is a database named ``end``."""
    for host in ("a:8088", "b:8088"):
        store.add_node(host)
    store.create_database("metrics", duration="30d")
    shard, _ = store.create_shard_group("metrics", "autogen", NOON).shards
    (owner,) = shard.owners
    other = 3 - owner.node_id
    store.begin_copy(shard.id, owner.node_id, other)
    store.finish_copy(shard.id, other, store.snapshot().shard(shard.id).last_attempt)
    store.fail_owner(shard.id, owner.node_id, "disk full")
    store.alter_policy("metrics", "autogen", duration="60d", replicas=2)
    store.create_user("ann", "a very secret one")
    store.set_password("ann", "another secret one")
    store.grant("ann", "metrics", "read")
    store.create_continuous_query("metrics", "cq", "SELECT mean(x) INTO y FROM z GROUP BY time(1m)")
    store.create_subscription("metrics", "autogen", "sub", "ALL", ["udp://h:9090"])
    store.truncate_shard_groups(NOON + 10**9)
    store.drop_database("metrics")
    store.create_database("end")


SENTENCES = [
    "database metrics created",
    "shard group 1 created: shards 1 on n",
    " new, copying from n",
    " copying → active",
    " active → failed (disk full)",
    "policy metrics.autogen: replicas 1 → 2, duration 30d → 60d",
    "user ann created",
    "continuous query metrics cq created",
    "subscription metrics.autogen sub created",
    "truncated at 2026-11-23T12:00:01Z",
    "database metrics removed",
    "database end created",
]


def test_watch_tells_each_change_in_order(environ_of: dict[str, str], store: MetaStore) -> None:
    with Process("watch", env=environ_of) as watching:
        assert watching.process.stderr is not None
        assert b"watching" in watching.process.stderr.readline()
        play(store)
        watching.read_until("database end created.*\n")
        assert watching.end() == 130
    position = 0
    for sentence in SENTENCES:
        position = watching.out.index(sentence, position) + len(sentence)
    assert "secret one" not in watching.out


def test_watch_as_json(environ_of: dict[str, str], store: MetaStore) -> None:
    with Process("watch", "--kind", "database", "-o", "json", env=environ_of) as watching:
        assert watching.process.stderr is not None
        watching.process.stderr.readline()
        play(store)
        watching.read_until('"name": "end".*\n')
        assert watching.end() == 130
    documents = [json.loads(line) for line in watching.out.splitlines()]
    for document in documents:
        validate(document)
    items = [item for document in documents for item in document["items"]]
    assert [(item["action"], item["name"]) for item in items] == [
        ("created", "metrics"),
        ("removed", "metrics"),
        ("created", "end"),
    ]
    assert {item["kind"] for item in items} == {"database"}
    assert items[0]["generation"] < items[1]["generation"] < items[2]["generation"]


def test_watch_refuses(prod: Cli) -> None:
    assert prod("watch", "--kind", "weather").code == 2
    assert prod("watch", "-o", "csv").code == 2


def test_history(prod: Cli, store: MetaStore) -> None:
    play(store)
    ran = prod("history", "-o", "json")
    assert ran.items[0]["command"] == "create database"
    assert ran.items[0]["actor"] == "tester@here"
    assert [item["generation"] for item in ran.items] == list(range(len(ran.items), 0, -1))
    assert "secret one" not in ran.out
    assert [item["summary"] for item in prod("history", "-n", "2", "-o", "json").items] == [
        item["summary"] for item in ran.items[:2]
    ]
    (one,) = prod("history", "--operation", ran.items[3]["operationId"], "-o", "json").items
    assert one == ran.items[3]
    assert prod("history", "--actor", "nobody", "-o", "json").items == []
    assert len(prod("history", "--actor", "tester@here", "-o", "json", "-n", "500").items) == len(ran.items)
    assert prod("history", "--since", "now+1h", "-o", "json").items == []
    assert len(prod("history", "--since", "now-1h", "-o", "name", "-n", "500").lines) == len(ran.items)
    table = prod("history").lines
    assert table[0].split() == ["GENERATION", "TIME", "ACTOR", "WHAT"]
    assert "tester@here" in table[1]
