"""What only a real etcd does to us: silence, lost answers, no quorum; and ports where something else listens."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from concurrent import futures
from typing import TYPE_CHECKING

import grpc
import pytest

from etcdmeta import errors
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.records.transaction import Put, Transaction
from tests.consensus.conftest import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etcdmeta.embedded import Cluster
    from etcdmeta.testing.plugin import ClusterFactory
    from etcdmeta.testing.proxy import Proxy
    from tests.consensus.conftest import Client

    Open = Callable[[EtcdStrategy], Client]
    MakeProxy = Callable[[str], Proxy]


@pytest.fixture
def proxied(
    etcd_cluster: Cluster, proxy_factory: MakeProxy, open_client: Open
) -> Iterator[tuple[Client, Proxy, Client]]:
    """A client whose one member is behind a proxy, the proxy, and a client that is not."""
    direct = open_client(EtcdStrategy(etcd_cluster.endpoints))
    proxy = proxy_factory(etcd_cluster.endpoints[0])
    yield open_client(EtcdStrategy(proxy.address)), proxy, direct
    proxy.heal()


# --- lost requests and answers

LARGE = b"v" * 20_000


def wait_for_request(proxy: Proxy, sent: int) -> None:
    """Until a `LARGE` one passes, by bytes: what HTTP/2 says of its own accord is not taken for it."""
    proxy.wait_for(lambda now: now.to_server > sent + len(LARGE) // 2, SECONDS)


def test_a_swallowed_answer_is_ambiguous_and_was_applied(proxied: tuple[Client, Proxy, Client]) -> None:
    client, proxy, direct = proxied
    client.put("first")
    proxy.drop_answers()
    with pytest.raises(Ambiguous):
        client.strategy.transact(Transaction((), (Put(client.key("a"), b""),)), deadline=client.soon(1))
    direct.prefix = client.prefix
    assert "a" in direct.names()


def test_a_swallowed_request_is_ambiguous_and_was_not_applied(proxied: tuple[Client, Proxy, Client]) -> None:
    client, proxy, direct = proxied
    client.put("first")
    proxy.drop_requests()
    with pytest.raises(Ambiguous):
        client.strategy.transact(Transaction((), (Put(client.key("a"), b""),)), deadline=client.soon(1))
    assert direct.names() == ["first"]


def test_a_cut_connection_is_ambiguous_only_where_something_was_sent(
    proxied: tuple[Client, Proxy, Client],
) -> None:
    client, proxy, _ = proxied
    client.put("first")
    proxy.hold_answers()
    sent = proxy.seen.to_server
    threading.Thread(target=lambda: (wait_for_request(proxy, sent), proxy.cut())).start()
    with pytest.raises(Ambiguous):
        client.put("a", LARGE)
    # Now that the member is known not to answer, nothing is sent, and that is certain.
    with pytest.raises(errors.Unavailable):
        client.put("b")


def test_an_interrupt_after_sending_is_ambiguous(proxied: tuple[Client, Proxy, Client]) -> None:
    client, proxy, _ = proxied
    client.put("first")
    proxy.hold_answers()
    sent = proxy.seen.to_server

    def interrupt() -> None:
        wait_for_request(proxy, sent)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(Ambiguous) as caught:
        client.put("a", LARGE)
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)


def test_a_watch_that_is_cut_off_says_so(
    etcd_cluster: Cluster, proxy_factory: MakeProxy, open_client: Open
) -> None:
    proxy = proxy_factory(etcd_cluster.endpoints[0])
    client = open_client(EtcdStrategy(proxy.address))
    revision = client.put("a")
    reader = client.watch(revision).created()
    reader.events(1)
    proxy.cut()
    assert isinstance(reader.end(), errors.Unavailable)
    proxy.heal()
    assert [event.kv.key for event in client.watch(revision).events(1)] == [client.key("a")]


def test_a_watch_tells_and_is_cancelled(etcd_cluster: Cluster, open_client: Open) -> None:
    client = open_client(EtcdStrategy(etcd_cluster.endpoints))
    reader = client.watch(client.put("a")).created()
    client.put("b")
    assert [event.kv.key for event in reader.events(2)] == [client.key("a"), client.key("b")]
    reader.cancel()


def test_a_large_revision_comes_in_fragments(etcd_cluster: Cluster, open_client: Open) -> None:
    client = open_client(EtcdStrategy(etcd_cluster.endpoints))
    reader = client.watch(client.put("a") + 1).created()
    for n in range(3):
        client.commit(*(Put(client.key(f"{n}-{m}"), b"x" * 100_000) for m in range(14)))
    again = client.watch(reader.events(1)[0].kv.mod_revision)
    again.events(42)
    responses = [each for each in again.until(bool) if each.events]
    assert any(each.fragment for each in responses)
    assert not responses[-1].fragment


# --- members that are gone, frozen or alone


def test_reads_and_writes_go_to_another_member(etcd_cluster_factory: ClusterFactory, open_client: Open) -> None:
    cluster = etcd_cluster_factory(3)
    client = open_client(EtcdStrategy(cluster.endpoints))
    client.put("a")
    cluster.kill(0)
    assert client.names() == ["a"]
    client.put("b")
    with pytest.raises(errors.Unavailable, match=cluster.endpoints[0]):
        client.strategy.read(b"x", endpoint=cluster.endpoints[0], deadline=client.soon(2))
    # The rest of a list goes on at another member, at the same revision.
    pages = client.strategy.list(*client.span, page=1, deadline=client.soon())
    first = next(pages)
    index = next(n for n, each in enumerate(cluster.endpoints) if n and _answered(client, each, first))
    cluster.restart(0)
    cluster.kill(index)
    assert [kv.key for page in pages for kv in page.kvs] == [client.key("b")]


def _answered(client: Client, endpoint: str, page: object) -> bool:
    member = client.strategy.status(endpoint, deadline=client.soon()).member_id
    return bool(member == page.header.member_id)  # type: ignore[attr-defined]


def test_a_frozen_member(etcd_cluster_factory: ClusterFactory, open_client: Open) -> None:
    cluster = etcd_cluster_factory(3)
    client = open_client(EtcdStrategy(cluster.endpoints))
    reader = client.watch(client.put("a")).created()
    reader.events(1)
    cluster.freeze(0)
    start = time.monotonic()
    with pytest.raises(Ambiguous):
        client.strategy.transact(Transaction((), (Put(client.key("queued"), b""),)), deadline=client.soon(1))
    with pytest.raises(errors.Unavailable, match=r"did not answer in time"):
        client.strategy.read(b"x", endpoint=cluster.endpoints[0], deadline=client.soon(0.2))
    assert "a" in client.names()
    client.put("b")
    # The pings notice it: without grpc.http2.ping_timeout_ms this takes over a minute.
    assert isinstance(reader.end(), errors.Unavailable)
    assert time.monotonic() - start < 15
    cluster.thaw(0)


def test_without_quorum(etcd_cluster_factory: ClusterFactory, open_client: Open) -> None:
    cluster = etcd_cluster_factory(3)
    client = open_client(EtcdStrategy(cluster.endpoints))
    revision = client.put("a")
    watched = client.watch(revision, cluster.endpoints[0]).created()
    watched.events(1)
    cluster.kill(1)
    cluster.kill(2)
    # `hasleader`: without it this watch, and a new one, would be silent for ever.
    assert isinstance(watched.end(), errors.Unavailable)
    alone = client.watch(revision, cluster.endpoints[0])
    assert isinstance(alone.end(), errors.Unavailable)
    assert "no leader" in str(alone.error)
    status = client.strategy.status(cluster.endpoints[0], deadline=client.soon())
    assert (status.leader, status.is_leader) == (0, False)
    for call in (
        lambda: client.strategy.read(b"x", deadline=client.soon(1)),
        lambda: client.strategy.transact(Transaction((), (Put(client.key("b"), b""),)), deadline=client.soon(1)),
    ):
        with pytest.raises(errors.Unavailable) as caught:
            call()
        assert "no leader" in str(caught.value)
        assert all(endpoint in str(caught.value) for endpoint in cluster.endpoints)
    cluster.restart(1)
    assert client.names() == ["a"]


def test_etcd_away_is_said_at_once_to_writers(etcd_cluster_factory: ClusterFactory, open_client: Open) -> None:
    cluster = etcd_cluster_factory(1)
    client = open_client(EtcdStrategy(cluster.endpoints))
    client.put("a")
    cluster.kill(0)
    with pytest.raises(errors.Unavailable):
        client.strategy.read(b"x", deadline=client.soon(0.1))
    with pytest.raises(errors.Unavailable, match="refused the connection"):
        client.strategy.transact(Transaction((), (Put(client.key("b"), b""),)), deadline=client.soon(600))
    cluster.restart(0)
    assert client.names() == ["a"]
    client.put("b")


def test_a_full_etcd(etcd_cluster_factory: ClusterFactory, open_client: Open) -> None:
    cluster = etcd_cluster_factory(1, quota_bytes=1_000_000)
    client = open_client(EtcdStrategy(cluster.endpoints))

    # etcd learns of its backend's size when it commits there, each 100 ms: on a fast machine many puts
    # over the quota pass before. So: until it refuses, at most as much as no loopback writes in 100 ms.
    def fill() -> None:
        for n in range(5_000):
            client.put(f"{n % 100}", b"x" * 100_000)

    with pytest.raises(errors.NoSpace):
        fill()
    assert client.strategy.status(cluster.endpoints[0], deadline=client.soon()).alarms == ("NOSPACE",)
    assert client.names()


# --- where something else listens


@pytest.fixture
def talker() -> Iterator[Callable[[bytes], str]]:
    """Makes a server that says one thing to everybody; its address."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def make(words: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(words)
                    connection.shutdown(socket.SHUT_WR)
                    try:
                        while connection.recv(4096):
                            pass
                    except ConnectionError:
                        continue

        listeners.append(listener)
        threads.append(threading.Thread(target=serve, name="peer"))
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
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nhello",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        bytes(range(255, 55, -1)),
    ],
)
def test_an_endpoint_that_speaks_something_else(
    talker: Callable[[bytes], str], open_client: Open, words: bytes
) -> None:
    client = open_client(EtcdStrategy(talker(words)))
    with pytest.raises(errors.NotEtcd) as caught:
        client.strategy.read(b"x", deadline=client.soon(2))
    assert client.strategy.endpoints[0] in str(caught.value)
    with pytest.raises(errors.NotEtcd):
        client.put("a")
    assert isinstance(client.watch(1).end(), errors.NotEtcd)
    with pytest.raises(errors.NotEtcd):
        client.strategy.status(client.strategy.endpoints[0], deadline=client.soon(2))


def test_an_endpoint_that_closes_at_once(talker: Callable[[bytes], str], open_client: Open) -> None:
    client = open_client(EtcdStrategy(talker(b"")))
    with pytest.raises(errors.Unavailable):
        client.strategy.read(b"x", deadline=client.soon(1))


def test_another_grpc_server_is_not_etcd(open_client: Open) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        client = open_client(EtcdStrategy(f"127.0.0.1:{port}"))
        with pytest.raises(errors.NotEtcd):
            client.strategy.read(b"x", deadline=client.soon(1))
    finally:
        server.stop(None).wait(10)


def test_a_host_that_does_not_exist(open_client: Open) -> None:
    client = open_client(EtcdStrategy("no-such-host.invalid:2379"))
    with pytest.raises(errors.Unavailable, match=r"no-such-host\.invalid"):
        client.strategy.read(b"x", deadline=client.soon(1))


def test_a_good_member_makes_up_for_a_bad_endpoint(
    etcd_cluster: Cluster, talker: Callable[[bytes], str], open_client: Open
) -> None:
    client = open_client(EtcdStrategy([talker(b"HTTP/1.1 200 OK\r\n\r\n"), *etcd_cluster.endpoints]))
    client.put("a")
    assert client.names() == ["a"]


def test_who_stops_reading_a_watch_is_not_held_up(
    etcd_cluster_factory: ClusterFactory, open_client: Open
) -> None:
    """Closing a channel waits until all events of its calls are read, and the reader is who would read them."""
    cluster = etcd_cluster_factory(1)
    client = open_client(EtcdStrategy(cluster.endpoints))
    stream = client.strategy.watch(b"a", b"b", from_revision=1, endpoint=cluster.endpoints[0])
    done = threading.Event()

    def read_one() -> None:
        answers = iter(stream)
        assert next(answers).created
        answers.close()  # type: ignore[attr-defined]
        done.set()

    reader = threading.Thread(target=read_one, daemon=True)
    reader.start()
    assert done.wait(10), "closing the channel waits for ever"
    reader.join(10)
