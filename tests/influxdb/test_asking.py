"""A server asked for its metadata: what else may answer at that port is named, and nobody waits for it.

The real server is in tests/influxdb_server.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from etcdmeta.errors import EtcdMetaError, InvalidAddress, Unavailable
from etcdmeta.influxdb import InfluxDataTooLarge, SourceKind, SourceUnreadable, detect
from etcdmeta.influxdb.asking import ask_server, with_port
from etcdmeta.influxdb.limits import MAX_BYTES
from tests.influxdb.worlds import FIXTURES

BACKUP = (FIXTURES / "v1.6" / "backup-legacy" / "meta.00").read_bytes()
LONG = 30.0
"""No test waits for it."""
SHORT = 0.2
"""For those whose subject is that time runs out."""


class Server:
    """On loopback; ``answers`` with one function for each connection, one after the other."""

    def __init__(self, *answers: Callable[[socket.socket], None], host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._answers = answers
        self._thread = threading.Thread(target=self._serve)
        self.asked: list[bytes] = []
        port = self._listener.getsockname()[1]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # the test is over
            with connection:
                connection.settimeout(LONG)
                self.asked.append(connection.recv(100))
                try:
                    answer(connection)
                except OSError:
                    continue  # the asker had enough

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Wakes accept, which close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(LONG)
        self._listener.close()


def says(*pieces: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return answer


def closes(connection: socket.socket) -> None:
    return


def then_silence(piece: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(piece)
        connection.recv(1)  # until the asker goes

    return answer


def for_ever(piece: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        while True:
            connection.sendall(piece)

    return answer


def head(size: int) -> bytes:
    return BACKUP[:8] + size.to_bytes(8, "big")


def test_the_answer_is_a_legacy_backup() -> None:
    with Server(says(*(BACKUP[at : at + 999] for at in range(0, len(BACKUP), 999)))) as server:
        blob = ask_server(server.address, timeout=LONG)
    assert blob == BACKUP
    assert detect(blob).kind is SourceKind.LEGACY_BACKUP
    assert server.asked == [b'\x03\x01{"Type":1}\n']


def test_an_early_version_is_asked_in_its_own_form() -> None:
    with Server(closes, says(BACKUP)) as server:
        assert ask_server(server.address, timeout=LONG) == BACKUP
    assert server.asked[1:] == [b'\x03{"Type":1}\n']


def test_what_comes_after_the_answer_is_not_waited_for() -> None:
    with Server(then_silence(BACKUP)) as server:
        assert ask_server(server.address, timeout=LONG) == BACKUP
    with Server(for_ever(BACKUP)) as server:
        assert ask_server(server.address, timeout=LONG) == BACKUP


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6_stands_in_brackets() -> None:
    try:
        server = Server(says(BACKUP), host="::1")
    except OSError as no_loopback:
        pytest.skip(f"no IPv6 on loopback: {no_loopback}")
    with server:
        assert ask_server(server.address, timeout=LONG) == BACKUP


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((closes, closes), "closed the connection without an answer"),
        ((says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),), "answers in HTTP"),
        ((says(b"SSH-2.0-OpenSSH_9.2\r\n"),), "no backup of metadata"),
        ((says(b"\0\0"),), "no backup of metadata"),
        ((for_ever(b"\xff" * 9999),), "no backup of metadata"),
        ((says(b"\0\0\0\0\x59\x59\x01\x02" + BACKUP[8:]),), "no backup of metadata"),
    ],
    ids=["closes", "HTTP", "SSH", "two bytes", "endless", "another version"],
)
def test_what_is_no_influxdb(answers: tuple[Callable[[socket.socket], None], ...], words: str) -> None:
    with Server(*answers) as server, pytest.raises(SourceUnreadable, match=words) as caught:
        ask_server(server.address, timeout=LONG)
    assert server.address in caught.value.message
    assert "8088" in str(caught.value.remedy)


@pytest.mark.parametrize("size", [8, 9, 15, 16, 17, *(len(BACKUP) - left for left in (14, 13, 6, 1))])
def test_an_answer_that_ends_midway_is_no_answer(size: int) -> None:
    with Server(says(BACKUP[:size])) as server, pytest.raises(Unavailable, match=f"after {size} bytes") as caught:
        ask_server(server.address, timeout=LONG)
    assert server.address in caught.value.message


@pytest.mark.parametrize("begin", [b"", BACKUP[:3], BACKUP[:20], BACKUP[:-1]], ids=len)
def test_silence_ends_with_the_deadline(begin: bytes) -> None:
    with Server(then_silence(begin)) as server, pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
        ask_server(server.address, timeout=SHORT)


def test_a_drip_does_not_move_the_deadline() -> None:
    def drips(connection: socket.socket) -> None:
        connection.sendall(head(1 << 20))
        connection.settimeout(0.02)
        while True:
            connection.sendall(b"x")
            try:
                connection.recv(1)
            except TimeoutError:
                continue
            return

    with Server(drips) as server, pytest.raises(Unavailable, match="did not answer within"):
        ask_server(server.address, timeout=SHORT)


@pytest.mark.parametrize(
    ("answer", "offset"),
    [
        (head(MAX_BYTES + 1), 8),
        (head(2**64 - 1), 8),
        (BACKUP[:-13] + b"\xff" * 8, len(BACKUP) - 13),
    ],
    ids=["one byte too many", "2^64", "of node.json"],
)
def test_huge_lengths_are_refused_before_a_byte_of_it_is_read(answer: bytes, offset: int) -> None:
    with Server(for_ever(answer)) as server, pytest.raises(InfluxDataTooLarge) as caught:
        ask_server(server.address, timeout=LONG)
    assert caught.value.offset == offset
    assert server.address in str(caught.value)


@contextmanager
def nobody() -> Iterator[str]:
    """A port that is taken, and at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_where_nobody_listens() -> None:
    with nobody() as address, pytest.raises(Unavailable, match=r"Connection refused") as caught:
        ask_server(address, timeout=LONG)
    assert address in caught.value.message
    assert "meta.db" in str(caught.value.remedy)


def test_no_time_left_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="within 0 s"):
        ask_server("127.0.0.1:1", timeout=0)
    never = threading.Event()

    def hangs(*_: object, **__: object) -> list[object]:
        never.wait(LONG)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    try:
        with pytest.raises(Unavailable, match="within"):
            ask_server("a-resolver-that-hangs.invalid", timeout=SHORT)
    finally:
        never.set()


def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unavailable, match=r"db\.invalid:8088 cannot be asked: Name or service not known"):
        ask_server("db.invalid", timeout=LONG)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("h", "h:8088"), ("h:1", "h:1"), ("h:1/", "h:1"), ("[::1]", "[::1]:8088"), ("[::1]:99", "[::1]:99")],
)
def test_the_port_may_be_left_out(written: str, meant: str) -> None:
    assert with_port(written) == meant


@pytest.mark.parametrize("address", ["", "::1", "h:", "h:0", "h:65536", "h:x", "u:p@h:8088", "h:8088/db", "[::1"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(InvalidAddress):
        ask_server(address, timeout=LONG)


def test_no_error_shows_what_was_read() -> None:
    def told(answer: bytes) -> str:
        with Server(says(answer)) as server, pytest.raises(EtcdMetaError) as caught:
            ask_server(server.address, timeout=LONG)
        return repr(caught.value)

    assert "$2a$" in BACKUP.decode(errors="replace")
    for answer in (BACKUP[:-1], b"$2a$10$secret", head(2**60) + BACKUP[16:]):
        assert "$2a$" not in told(answer)
