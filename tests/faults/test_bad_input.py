"""What people and machines get wrong: a typed error with value, rule and a way out, and nothing written."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from etcdmeta import MetaStore, errors
from etcdmeta.commands.query import CreateContinuousQuery
from tests.store.invariants import check_cache
from tests.store.worlds import World, etcd_world, wait_live, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etcdmeta.embedded import Cluster
    from etcdmeta.testing.plugin import ClusterFactory
    from tests.faults.conftest import Site

LONGEST = "ü" * 127 + "x"
"""255 bytes of UTF-8."""

GOOD_NAMES = {
    "plain": "metrics",
    "spaces": "two words",
    "percent": "%2F=%00",
    "255 bytes": LONGEST,
    "right to left": "\u05d0\u05d1\u05d2",
    "emoji": "\U0001f4c8\U0001f680",
    "dots within": "a.b..c",
}
BAD_NAMES = {
    "empty": "",
    "slash": "a/b",
    "backslash": "a\\b",
    "dot": ".",
    "dots": "..",
    "NUL": "a\0b",
    "newline": "a\nb",
    "not UTF-8": os.fsdecode(b"\xff\xfe"),
    "half a surrogate pair": "\ud83d",
    "256 bytes": LONGEST + "x",
    "an override of direction": "a\u202eb",
    "no-break space": "a\u00a0b",
}


@pytest.fixture
def world(etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[World]:
    world = etcd_world(etcd_cluster, etcd_prefix)
    yield world
    world.close()


@pytest.fixture
def store(world: World) -> MetaStore:
    store = world.open()
    store.add_node("a:1")
    store.create_database("metrics")
    store.create_user("bob", "secret")
    return store


def refused(
    world: World, kind: type[errors.EtcdMetaError], call: Callable[[], Any], *, remedy: bool = False
) -> errors.EtcdMetaError:
    """The error, which is of that kind, says what is wrong, and has left no record and no ledger entry."""
    before = world.records(), world.ledger()
    with pytest.raises(kind) as caught:
        call()
    assert (world.records(), world.ledger()) == before
    error = caught.value
    assert error.message
    assert error.rule is not None
    assert error.remedy is not None or not remedy
    str(error).encode("utf-8", "surrogateescape")
    return error


# --- names


@pytest.mark.parametrize("name", GOOD_NAMES.values(), ids=GOOD_NAMES)
def test_names_of_any_script_are_kept_as_they_are(world: World, store: MetaStore, name: str) -> None:
    if name != "metrics":
        store.create_database(name)
    store.create_policy(name, name, duration="1d")
    store.create_continuous_query(name, name, f"select {name}")
    store.create_subscription(name, name, name, "ALL", ["udp://h:1"])
    store.create_user(name, "secret")
    store.grant(name, name, "read")
    other = world.open()
    snapshot = other.snapshot()
    assert name in [database.name for database in snapshot.databases()]
    assert snapshot.policy(name, name).subscription(name).name == name
    assert snapshot.database(name).query(name).query == f"select {name}"
    assert snapshot.privileges(snapshot.user(name)) == {name: "read"}
    assert name in store.history(limit=2)[0].summary or not name.isascii() or "%" in name
    check_cache(world, other)
    store.drop_database(name)
    check_cache(world, store)


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_names_that_influxdb_refuses(world: World, store: MetaStore, name: str) -> None:
    for call in (
        lambda: store.create_database(name),
        lambda: store.create_policy("metrics", name, duration="1d"),
        lambda: store.alter_policy("metrics", "autogen", new_name=name),
    ):
        error = refused(world, errors.InvalidName, call)
        assert error.value == name


@pytest.mark.parametrize("name", ["", "a\0b", os.fsdecode(b"\xff"), "\ud83d", LONGEST + "x"])
def test_names_of_what_lies_in_a_database(world: World, store: MetaStore, name: str) -> None:
    for call in (
        lambda: store.create_continuous_query("metrics", name, "select 1"),
        lambda: store.create_subscription("metrics", "autogen", name, "ALL", ["udp://h:1"]),
        lambda: store.create_user(name, "secret"),
    ):
        refused(world, errors.InvalidName, call)


@pytest.mark.parametrize("name", [*BAD_NAMES.values(), "none"], ids=[*BAD_NAMES, "unknown"])
def test_asking_for_a_name_that_cannot_be_is_not_found(world: World, store: MetaStore, name: str) -> None:
    before = world.records(), world.ledger()
    for call in (
        lambda: store.drop_database(name),
        lambda: store.drop_user(name),
        lambda: store.drop_continuous_query("metrics", name),
        lambda: store.snapshot().database(name),
    ):
        with pytest.raises((errors.NotFound, errors.InvalidName)):
            call()
    assert (world.records(), world.ledger()) == before


@pytest.mark.parametrize("cluster", ["a/b", "", "/", "..", "-x", "a b", "x" * 64, "ü", "prod/", "\0"])
def test_no_cluster_lies_inside_another(etcd_cluster: Cluster, cluster: str) -> None:
    before = etcd_cluster.revision()
    with pytest.raises(errors.InvalidName) as caught:
        MetaStore.open(etcd_cluster.endpoints, cluster=cluster)
    assert caught.value.value == cluster
    assert caught.value.rule is not None
    assert caught.value.remedy is not None
    assert etcd_cluster.revision() == before


# --- durations, times, numbers, addresses


@pytest.mark.parametrize(
    "duration",
    ["106752d", "9223372036854775808ns", "99999999999999999999w", "-1h", "h", "", "1 h", "1y", "1.5", 2**63, -1],
)
def test_durations_that_cannot_be(world: World, store: MetaStore, duration: str | int) -> None:
    for call in (
        lambda: store.create_database("new", duration=duration),
        lambda: store.create_policy("metrics", "p", duration=duration),
        lambda: store.alter_policy("metrics", "autogen", group_duration=duration),
    ):
        refused(world, errors.InvalidDuration, call)


@pytest.mark.parametrize(
    "at", [-(2**63), 2**63 - 1, 2**63, -(2**80), 2**200], ids=["1677", "2262", "overflow", "far past", "far future"]
)
def test_times_that_no_group_can_hold(world: World, store: MetaStore, at: int) -> None:
    for call in (
        lambda: store.create_shard_group("metrics", "", at=at),
        lambda: store.truncate_shard_groups(at),
        lambda: store.precreate_shard_groups(at),
        lambda: store.prune_shard_groups(at),
    ):
        assert refused(world, errors.InvalidTime, call).value == at


@pytest.mark.parametrize("at", [-(2**63) + 2, 2**63 - 3], ids=["first", "last"])
def test_the_first_and_the_last_instant_have_groups(world: World, store: MetaStore, at: int) -> None:
    assert store.create_shard_group("metrics", "", at=at).contains(at)
    check_cache(world, store)
    # A group's end is no part of it, and no time lies behind the last one.
    refused(world, errors.InvalidTime, lambda: store.create_shard_group("metrics", "", at=2**63 - 2))


def test_other_numbers_and_texts_that_cannot_be(world: World, store: MetaStore) -> None:
    cases: list[tuple[type[errors.EtcdMetaError], Callable[[], Any]]] = [
        (errors.ReplicationFactorTooLow, lambda: store.create_database("new", replicas=0)),
        (errors.InvalidInput, lambda: store.create_database("new", replicas=2**32)),
        (errors.InvalidInput, lambda: store.create_database("new", replicas="two")),  # type: ignore[arg-type]
        (errors.InvalidAddress, lambda: store.add_node("")),
        (errors.InvalidAddress, lambda: store.add_node("a:99999")),
        (errors.InvalidAddress, lambda: store.add_node("a b:1")),
        (errors.InvalidInput, lambda: store.add_node("b:1", {"": "x"})),
        (errors.InvalidInput, lambda: store.add_node("b:1", {"rack": "x" * 300})),
        (errors.InvalidInput, lambda: store.add_node("b:1", {"rack": "\ud83d"})),
        (errors.InvalidAddress, lambda: store.create_subscription("metrics", "autogen", "s", "ALL", ["gopher://h:1"])),
        (errors.InvalidInput, lambda: store.create_subscription("metrics", "autogen", "s", "ALL", [])),
        (errors.InvalidInput, lambda: store.create_subscription("metrics", "autogen", "s", "SOME", ["udp://h:1"])),
        (errors.InvalidInput, lambda: store.create_continuous_query("metrics", "q", " ")),
        (errors.InvalidInput, lambda: store.create_continuous_query("metrics", "q", "\ud83d")),
        (errors.InvalidInput, lambda: store.create_user("new", "")),
        (errors.InvalidInput, lambda: store.create_user("new", "x" * 73)),
        (errors.InvalidInput, lambda: store.create_user("new", "a\0b")),
        (errors.InvalidInput, lambda: store.grant("bob", "metrics", "everything")),
    ]
    for kind, call in cases:
        refused(world, kind, call)


def test_a_record_that_is_too_large(world: World, store: MetaStore) -> None:
    for size in (1 << 20, 5 << 20):
        refused(
            world,
            errors.EtcdMetaError,
            lambda size=size: store.create_continuous_query("metrics", "q", "x" * size),
            remedy=True,
        )
    with pytest.raises((errors.RecordTooLarge, errors.CommandTooLarge)):
        store.create_continuous_query("metrics", "q", "x" * (2 << 20))
    store.create_continuous_query("metrics", "q", "x" * 900_000)
    check_cache(world, store)


def test_no_error_shows_a_password(world: World, store: MetaStore) -> None:
    secret = "correct horse" + "x" * 70
    for call in (
        lambda: store.create_user("new", secret),
        lambda: store.set_password("bob", secret),
        lambda: store.set_password("nobody", "correct horse"),
    ):
        with pytest.raises(errors.EtcdMetaError) as caught:
            call()
        assert "correct horse" not in f"{caught.value} {caught.value!r} {caught.value.value!r}"


# --- endpoints


@pytest.fixture
def talker() -> Iterator[Callable[[bytes], str]]:
    """Makes servers that say one thing to everybody; gives their address."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(listener: socket.socket, words: bytes) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    connection.sendall(words)
                    while connection.recv(4096):
                        pass
                except OSError:
                    continue

    def make(words: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threads.append(threading.Thread(target=serve, args=(listener, words)))
        threads[-1].start()
        return "{}:{}".format(*listener.getsockname())

    yield make
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize(
    "words",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"SSH-2.0-OpenSSH_9.2\r\n", bytes(range(255, 0, -1)) * 4],
    ids=["http", "ssh", "noise"],
)
def test_an_endpoint_that_speaks_something_else(talker: Callable[[bytes], str], words: bytes) -> None:
    address = talker(words)
    with pytest.raises(errors.NotEtcd) as caught:
        MetaStore.open(address, timeout=2.0)
    assert address in str(caught.value)
    assert caught.value.remedy is not None


@pytest.mark.parametrize("endpoints", ["", ",", "a b:1", "host:port", "ftp://h:1", "agent://", "h:99999", []])
def test_endpoints_that_cannot_be(endpoints: str | list[str]) -> None:
    with pytest.raises((errors.InvalidAddress, errors.ConfigurationInvalid)) as caught:
        MetaStore.open(endpoints, timeout=1.0)
    assert caught.value.rule is not None or caught.value.remedy is not None


def test_nobody_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
    with pytest.raises(errors.Unavailable) as caught:
        MetaStore.open(address, timeout=1.0)
    assert address in str(caught.value)
    assert caught.value.remedy is not None


# --- etcd that is there and does not help


def test_an_etcd_without_quorum(site: Site) -> None:
    store = site.writer()
    site.cluster.kill(1)
    site.cluster.kill(2)
    wait_until(lambda: store.freshness().state.value == "stale", "the store says that it is stale")
    with pytest.raises(errors.Unavailable) as caught:
        store.create_database("metrics", policy="p")
    assert type(caught.value) is errors.Unavailable
    assert caught.value.rule or caught.value.remedy
    with pytest.raises(errors.Unavailable) as caught:
        MetaStore.open(site.cluster.endpoints, cluster=site.world.cluster, timeout=2.0)
    assert caught.value.remedy is not None
    assert store.snapshot().cluster is not None, "what is known is still told"
    site.mend()
    wait_live(store)
    assert store.read_consistent().find_database("metrics") is None
    assert store.create_database("metrics").name == "metrics"


def test_who_may_not(etcd_cluster_factory: ClusterFactory) -> None:
    cluster = etcd_cluster_factory(1)
    cluster.etcdctl("user", "add", "eve", "--interactive=false", stdin="pw\n")
    cluster.enable_auth("rootpw")
    with MetaStore.open(cluster.endpoints, user="root", password="rootpw") as store:
        store.init_cluster()
        store.create_user("bob", "secret")
    cases: list[tuple[type[errors.EtcdMetaError], dict[str, Any]]] = [
        (errors.Unauthenticated, {"user": "root", "password": "wrong horse"}),
        (errors.Unauthenticated, {"user": "nobody", "password": "rootpw"}),
        (errors.AccessRefused, {}),
        (errors.PermissionDenied, {"user": "eve", "password": "pw"}),
        (errors.ConfigurationInvalid, {"user": "root"}),
    ]
    before = cluster.revision()
    for kind, credentials in cases:
        with pytest.raises(kind) as caught:
            MetaStore.open(cluster.endpoints, timeout=5.0, **credentials)
        assert caught.value.remedy is not None, credentials
        assert "wrong horse" not in f"{caught.value!r}{caught.value.value!r}"
    assert cluster.revision() == before


def test_a_reader_may_read_and_not_write(etcd_cluster_factory: ClusterFactory) -> None:
    cluster = etcd_cluster_factory(1)
    cluster.etcdctl("role", "add", "reader")
    for prefix in ("state/", "ledger/"):
        cluster.etcdctl("role", "grant-permission", "reader", "read", "--prefix", f"/etcdmeta/default/{prefix}")
    cluster.etcdctl("user", "add", "ann", "--interactive=false", stdin="pw\n")
    cluster.etcdctl("user", "grant-role", "ann", "reader")
    cluster.enable_auth("rootpw")
    with (
        MetaStore.open(cluster.endpoints, user="root", password="rootpw") as writer,
        MetaStore.open(cluster.endpoints, user="ann", password="pw") as reader,
    ):
        writer.init_cluster()
        writer.create_database("metrics")
        assert reader.read_consistent().database("metrics").name == "metrics"
        assert len(reader.history()) == 2
        before = cluster.revision()
        for command in (
            CreateContinuousQuery(database="metrics", name="q", query="select 1"),
            CreateContinuousQuery(database="metrics", name="r", query="select 1"),
        ):
            with pytest.raises(errors.PermissionDenied) as caught:
                reader.execute(command)
            assert caught.value.remedy is not None
        assert cluster.revision() == before
