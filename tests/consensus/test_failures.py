"""The table of outcomes, for every status of gRPC and every message of etcd that matters."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from etcdmeta import errors
from etcdmeta.consensus.etcd import failures
from etcdmeta.consensus.protocol import Ambiguous, Compacted, FutureRevision

Code = grpc.StatusCode


class Status(grpc.RpcError):
    def __init__(self, code: Any, message: str | None = "") -> None:
        super().__init__()
        self._code, self._message = code, message

    def code(self) -> Any:
        return self._code

    def details(self) -> str | None:
        return self._message


BARE_CODES = {
    Code.INVALID_ARGUMENT: errors.InvalidInput,
    Code.PERMISSION_DENIED: errors.PermissionDenied,
    Code.UNAUTHENTICATED: errors.Unauthenticated,
    Code.FAILED_PRECONDITION: errors.Unavailable,
    Code.OUT_OF_RANGE: errors.InvalidInput,
}


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
@pytest.mark.parametrize("message", ["", None, "something that nobody has seen before"])
def test_a_transaction_is_ambiguous_but_for_the_codes_on_the_list(code: Any, message: str | None) -> None:
    expected = BARE_CODES.get(code, Ambiguous)
    assert type(failures.from_transaction(Status(code, message), "h:1")) is expected


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
def test_what_may_be_repeated_is_never_ambiguous(code: Any) -> None:
    expected = BARE_CODES.get(code, errors.NotEtcd if code is Code.UNIMPLEMENTED else errors.Unavailable)
    assert type(failures.from_repeatable(Status(code, ""), "h:1")) is expected


DEFINITE = [
    (Code.INVALID_ARGUMENT, "etcdserver: too many operations in txn request", errors.CommandTooLarge),
    (Code.INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request", errors.InvalidInput),
    (Code.INVALID_ARGUMENT, "etcdserver: request is too large", errors.RecordTooLarge),
    (
        Code.RESOURCE_EXHAUSTED,
        "grpc: received message larger than max (3000019 vs. 2097152)",
        errors.RecordTooLarge,
    ),
    (Code.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", errors.NoSpace),
    (
        Code.INVALID_ARGUMENT,
        "etcdserver: authentication failed, invalid user ID or password",
        errors.Unauthenticated,
    ),
    (Code.UNAUTHENTICATED, "etcdserver: invalid auth token", errors.Unauthenticated),
    (Code.INVALID_ARGUMENT, "etcdserver: revision of auth store is old", errors.Unauthenticated),
    (Code.INVALID_ARGUMENT, "etcdserver: user name is empty", errors.Unauthenticated),
    (Code.PERMISSION_DENIED, "etcdserver: permission denied", errors.PermissionDenied),
    (Code.NOT_FOUND, "etcdserver: requested lease not found", errors.Fenced),
    (Code.OUT_OF_RANGE, "etcdserver: too large lease TTL", errors.InvalidInput),
    (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted", Compacted),
    (Code.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision", FutureRevision),
    (Code.FAILED_PRECONDITION, "etcdserver: not leader", errors.Unavailable),
    (Code.INVALID_ARGUMENT, "etcdserver: key is not provided", errors.InvalidInput),
]


@pytest.mark.parametrize(("code", "message", "expected"), DEFINITE)
def test_a_definite_refusal_is_the_same_for_all_calls(code: Any, message: str, expected: type) -> None:
    for made in (failures.from_transaction, failures.from_repeatable):
        found = made(Status(code, message), "h:1")
        assert type(found) is expected
        if isinstance(found, errors.EtcdMetaError):
            assert "h:1" in found.message
            assert "etcdserver" not in str(found)


AMBIGUOUS = [
    (Code.UNAVAILABLE, "etcdserver: no leader"),
    (Code.UNAVAILABLE, "etcdserver: leader changed"),
    (Code.UNAVAILABLE, "etcdserver: request timed out"),
    (Code.UNAVAILABLE, "etcdserver: request timed out, possibly due to previous leader failure"),
    (Code.UNAVAILABLE, "etcdserver: request timed out, possibly due to connection lost"),
    (Code.UNAVAILABLE, "etcdserver: server stopped"),
    (Code.UNAVAILABLE, "etcdserver: unhealthy cluster"),
    (Code.UNAVAILABLE, "failed to connect to all addresses; last error: Connection refused"),
    (Code.UNAVAILABLE, "Socket closed"),
    (Code.RESOURCE_EXHAUSTED, "etcdserver: too many requests"),
    (Code.RESOURCE_EXHAUSTED, "CLIENT: Received message larger than max (5 vs. 4)"),
    (Code.DATA_LOSS, "etcdserver: corrupt cluster"),
    (Code.CANCELLED, "Channel closed!"),
    (Code.UNKNOWN, "Stream removed"),
    (Code.INTERNAL, "Received RST_STREAM with error code 2"),
    (Code.UNIMPLEMENTED, "unknown service etcdserverpb.KV"),
    (Code.DEADLINE_EXCEEDED, "Deadline Exceeded"),
]


@pytest.mark.parametrize(("code", "message"), AMBIGUOUS)
def test_all_else_is_ambiguous_for_a_transaction(code: Any, message: str) -> None:
    assert type(failures.from_transaction(Status(code, message), "h:1")) is Ambiguous
    found = failures.from_repeatable(Status(code, message), "h:1")
    assert isinstance(found, errors.Unavailable)
    assert found.value == "h:1"
    assert "h:1" in found.message


CONNECT = "failed to connect to all addresses; last error: "
SENTENCES = [
    (
        f"{CONNECT}INTERNAL: ipv4:127.0.0.1:1: Failed parsing HTTP/2 "
        "(Expected SETTINGS frame as the first frame, got frame type 80) "
        "(Trying to connect an http1.x server (HTTP status 400))",
        errors.NotEtcd,
        "h:1 answers as an HTTP/1 server",
    ),
    (
        f"{CONNECT}UNAVAILABLE: ipv4:127.0.0.1:1: Failed parsing HTTP/2 "
        "(Expected SETTINGS frame as the first frame, got frame type 241)",
        errors.NotEtcd,
        "h:1 answers as something else than etcd",
    ),
    (
        f"{CONNECT}UNKNOWN: ipv4:127.0.0.1:1: Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: "
        "error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER: Invalid certificate",
        errors.NotEtcd,
        "h:1 does not speak TLS",
    ),
    (
        f"{CONNECT}UNKNOWN: ipv4:127.0.0.1:1: Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: "
        "error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: self signed certificate: OK",
        errors.Unavailable,
        "the certificate of h:1 was not accepted: self signed certificate",
    ),
    (
        f"{CONNECT}UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused",
        errors.Unavailable,
        "h:1 refused the connection",
    ),
    (f"{CONNECT}UNAVAILABLE: Socket closed", errors.Unavailable, "h:1 closed the connection at once"),
    ("etcdserver: no leader", errors.Unavailable, "h:1: no leader"),
]


@pytest.mark.parametrize(("message", "kind", "sentence"), SENTENCES)
def test_what_went_wrong_is_said_in_a_sentence(message: str, kind: type, sentence: str) -> None:
    found = failures.from_repeatable(Status(Code.UNAVAILABLE, message), "h:1")
    assert type(found) is kind
    assert isinstance(found, errors.EtcdMetaError)
    assert found.message == sentence


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("", errors.Unavailable),
        ("etcdserver: permission denied", errors.PermissionDenied),
        ("rpc error: code = PermissionDenied desc = etcdserver: permission denied", errors.PermissionDenied),
        ("etcdserver: invalid auth token", errors.Unauthenticated),
        ("etcdserver: no leader", errors.Unavailable),
    ],
)
def test_no_cancelled_watch_is_without_an_error(reason: str, expected: type) -> None:
    assert type(failures.from_cancelled_watch(reason, "h:1")) is expected


def test_a_new_token_is_taken_where_it_can_help() -> None:
    assert failures.wants_new_token(Code.UNAUTHENTICATED, "etcdserver: invalid auth token")
    assert failures.wants_new_token(Code.INVALID_ARGUMENT, "etcdserver: revision of auth store is old")
    assert failures.wants_new_token(Code.INVALID_ARGUMENT, "etcdserver: user name is empty")
    assert not failures.wants_new_token(Code.INVALID_ARGUMENT, "etcdserver: authentication failed")
    assert not failures.wants_new_token(Code.PERMISSION_DENIED, "etcdserver: permission denied")
    assert not failures.wants_new_token(Code.UNAVAILABLE, "etcdserver: invalid auth token")


def test_all_failed_names_each_member_and_its_reason() -> None:
    found = failures.all_failed(
        {
            "a:1": errors.Unavailable("a:1: no leader", value="a:1"),
            "b:2": errors.NotEtcd("b:2 answers as an HTTP/1 server", value="b:2"),
        }
    )
    assert type(found) is errors.Unavailable
    assert found.value == "a:1,b:2"
    assert "a:1: no leader" in found.message
    assert "b:2 answers as an HTTP/1 server" in found.message


def test_where_no_member_is_etcd_that_is_the_error() -> None:
    reasons: dict[str, errors.EtcdMetaError] = {name: errors.NotEtcd(name) for name in ("a:1", "b:2")}
    assert type(failures.all_failed(reasons)) is errors.NotEtcd
    assert failures.all_failed({"a:1": reasons["a:1"]}) is reasons["a:1"]
