"""The proxy against a plain echo server: what passes, what is lost, what is cut, and that nothing is left."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from etcdmeta.testing import Proxy

DEADLINE = 10.0


class EchoServer:
    """Sends back what it gets; keeps what it got."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.received = b""
        self.ends: list[str] = []
        self.changed = threading.Condition()
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._threads.append(threading.Thread(target=self._echo, args=(connection,)))
            self._threads[-1].start()

    def _echo(self, connection: socket.socket) -> None:
        end = "end"
        try:
            while data := connection.recv(65536):
                with self.changed:
                    self.received += data
                    self.changed.notify_all()
                connection.sendall(data)
        except OSError:
            end = "reset"
        connection.close()
        with self.changed:
            self.ends.append(end)
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, DEADLINE), (self.received, self.ends)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed by its own thread
        for thread in self._threads:
            thread.join(DEADLINE)
            assert not thread.is_alive()


@pytest.fixture
def server() -> Iterator[EchoServer]:
    echo = EchoServer()
    yield echo
    echo.close()


@pytest.fixture
def proxy(server: EchoServer, proxy_factory: Callable[[str], Proxy]) -> Proxy:
    return proxy_factory(server.address)


def connect(proxy: Proxy) -> socket.socket:
    host, _, port = proxy.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=DEADLINE)


def receive(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (chunk := client.recv(count - len(data))):
        data += chunk
    return data


def is_silent(client: socket.socket) -> bool:
    """Nothing has arrived: asked only where the proxy has already counted what it did with the bytes."""
    client.setblocking(False)
    try:
        return client.recv(1) is None
    except BlockingIOError:
        return True
    finally:
        client.settimeout(DEADLINE)


def assert_reset(client: socket.socket) -> None:
    with pytest.raises(ConnectionResetError):
        receive(client, 1_000_000)


def assert_refused(proxy: Proxy) -> None:
    """The reset comes while connecting, or just after."""
    with pytest.raises(ConnectionResetError), connect(proxy) as client:
        receive(client, 1)


def test_forwards_both_ways_and_counts(proxy: Proxy, server: EchoServer) -> None:
    data = bytes(range(256)) * 4096
    with connect(proxy) as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        assert receive(client, len(data)) == data
        sender.join(DEADLINE)
    assert server.received == data
    seen = proxy.wait_for(lambda s: s.from_server == len(data), DEADLINE)
    assert (seen.accepted, seen.to_server, seen.dropped_from_server, seen.cuts) == (1, len(data), 0, 0)


def test_the_end_of_one_side_reaches_the_other(proxy: Proxy, server: EchoServer) -> None:
    with connect(proxy) as client:
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        assert receive(client, 100) == b"last words"
    server.wait_for(lambda: server.ends == ["end"])


def test_dropped_answers_reached_the_server_and_never_the_client(proxy: Proxy, server: EchoServer) -> None:
    with connect(proxy) as client:
        proxy.drop_answers()
        client.sendall(b"put")
        proxy.wait_for(lambda s: s.dropped_from_server == 3, DEADLINE)
        assert server.received == b"put"
        assert is_silent(client)
        proxy.heal()
        assert_reset(client)
    with connect(proxy) as client:
        client.sendall(b"again")
        assert receive(client, 5) == b"again"


def test_dropped_requests_never_reach_the_server(proxy: Proxy, server: EchoServer) -> None:
    with connect(proxy) as client:
        proxy.drop_requests()
        client.sendall(b"put")
        proxy.wait_for(lambda s: s.dropped_to_server == 3, DEADLINE)
        proxy.heal()
        assert_reset(client)
    server.wait_for(lambda: server.ends == ["reset"])
    assert server.received == b""


def test_held_answers_pass_after_healing(proxy: Proxy, server: EchoServer) -> None:
    with connect(proxy) as client:
        proxy.hold_answers()
        client.sendall(b"put")
        server.wait_for(lambda: server.received == b"put")
        assert proxy.seen.from_server == 0
        assert is_silent(client)
        proxy.heal()
        assert receive(client, 3) == b"put"


def test_a_pause_holds_both_ways_and_closes_nothing(proxy: Proxy, server: EchoServer) -> None:
    with connect(proxy) as client:
        client.sendall(b"before")
        assert receive(client, 6) == b"before"
        proxy.pause()
        client.sendall(b"while")
        with connect(proxy) as second:  # the kernel accepts; nothing comes of it
            second.sendall(b"second")
            proxy.wait_for(lambda s: s.accepted == 2, DEADLINE)
            assert server.received == b"before"
            proxy.heal()
            assert receive(client, 5) == b"while"
            assert receive(second, 6) == b"second"


def test_cut_resets_now_and_refuses_until_healed(proxy: Proxy, server: EchoServer) -> None:
    with connect(proxy) as client:
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
        proxy.cut()
        assert_reset(client)
    server.wait_for(lambda: server.ends == ["reset"])
    assert_refused(proxy)
    proxy.wait_for(lambda s: s.refused == 1, DEADLINE)
    proxy.heal()
    with connect(proxy) as client:
        client.sendall(b"y")
        assert receive(client, 1) == b"y"


def test_reset_cuts_what_is_there_and_welcomes_the_next(proxy: Proxy) -> None:
    with connect(proxy) as client, connect(proxy) as other:
        proxy.wait_for(lambda s: s.accepted == 2, DEADLINE)
        proxy.reset()
        assert_reset(client)
        assert_reset(other)
    with connect(proxy) as client:
        client.sendall(b"y")
        assert receive(client, 1) == b"y"


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_cut_after_some_bytes_of_the_server_once(proxy: Proxy, count: int) -> None:
    with connect(proxy) as client:
        proxy.cut_after(count)
        client.sendall(b"z" * 1001)
        proxy.wait_for(lambda s: s.cuts == 1, DEADLINE)
        # A reset may overtake what was sent before it, but never can there be more.
        assert proxy.seen.from_server == count
    with connect(proxy) as client:
        client.sendall(b"whole")
        assert receive(client, 5) == b"whole"


def test_a_server_that_refuses_resets_the_client(proxy_factory: Callable[[str], Proxy]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    assert_refused(proxy_factory(address))


def test_close_resets_leaves_no_thread_and_can_be_repeated(server: EchoServer) -> None:
    before = set(threading.enumerate())
    proxy = Proxy(server.address)
    with connect(proxy) as client:
        proxy.wait_for(lambda s: s.accepted == 1, DEADLINE)
        proxy.close()
        proxy.close()
        assert_reset(client)
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("proxy-")]
    with pytest.raises(ValueError, match="closed"):
        proxy.heal()


def test_waiting_for_what_does_not_come_ends_and_says_what_was_seen(proxy: Proxy) -> None:
    with pytest.raises(TimeoutError, match="accepted=0"):
        proxy.wait_for(lambda s: s.accepted > 0, 0.01)
