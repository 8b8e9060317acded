"""What a gRPC status means: a definite refusal as a typed error, or the unknown.

The protocol's "Outcomes" is the rule for transactions: invalid argument, permission denied, unauthenticated,
failed precondition, out of range, duplicate key, too many operations, too large, no space and invalid token
are definite. **All else is ambiguous**, whatever it looks like. For calls that may be repeated all else is
`Unavailable`.

The messages are those of etcd's ``api/v3rpc/rpctypes/error.go``; codes of one message changed between
releases, so a known message decides before the code does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import grpc

from etcdmeta.consensus.protocol import Ambiguous, Compacted, FutureRevision
from etcdmeta.errors import (
    CommandTooLarge,
    EtcdMetaError,
    Fenced,
    InvalidInput,
    NoSpace,
    NotEtcd,
    PermissionDenied,
    RecordTooLarge,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Code = grpc.StatusCode

# A part of etcd's message -> class, rule, remedy. Looked for in this order, whatever the code.
_DEFINITE_MESSAGES: tuple[tuple[str, type[EtcdMetaError], str | None, str | None], ...] = (
    (
        "too many operations in txn request",
        CommandTooLarge,
        "etcd takes at most 128 compares and 128 operations in a transaction (--max-txn-ops)",
        "do less in one command or batch",
    ),
    ("duplicate key given in txn request", InvalidInput, "a transaction writes a key once", None),
    ("request is too large", RecordTooLarge, "etcd takes at most 1.5 MiB a request", None),
    ("grpc: received message larger than max", RecordTooLarge, "etcd takes at most 1.5 MiB a request", None),
    (
        "database space exceeded",
        NoSpace,
        "etcd's database has reached its quota (--quota-backend-bytes) and takes no writes",
        "compact and defragment etcd, then `etcdctl alarm disarm`",
    ),
    (
        "authentication failed, invalid user ID or password",
        Unauthenticated,
        "etcd did not accept this user with this password",
        "check --user and the password",
    ),
    ("invalid auth token", Unauthenticated, "etcd did not accept the token", "sign in again"),
    (
        "revision of auth store is old",
        Unauthenticated,
        "etcd's users changed since the sign-in",
        "sign in again",
    ),
    (
        "user name is empty",
        Unauthenticated,
        "this etcd asks for a user",
        "give --user and a password, or a client certificate",
    ),
    (
        "permission denied",
        PermissionDenied,
        "the user's roles in etcd do not allow this key range",
        "`etcdmeta cluster init --print-roles` prints the roles that are needed",
    ),
    ("requested lease not found", Fenced, "the lease of a record in this transaction is gone", None),
    ("too large lease TTL", InvalidInput, "etcd's leases last at most 9,000,000,000 seconds", None),
)

_DEFINITE_CODES: Mapping[Any, type[EtcdMetaError]] = {
    Code.INVALID_ARGUMENT: InvalidInput,
    Code.PERMISSION_DENIED: PermissionDenied,
    Code.UNAUTHENTICATED: Unauthenticated,
    # Not this member, not now (a learner, a member that is not what it was asked to be): nothing was done.
    Code.FAILED_PRECONDITION: Unavailable,
    Code.OUT_OF_RANGE: InvalidInput,
}
# "etcdserver: not supported for learner" came as UNAVAILABLE until 3.4; either way nothing was done, but only
# the code FAILED_PRECONDITION is on the protocol's list, so the older one stays ambiguous.

_NEW_TOKEN = ("invalid auth token", "revision of auth store is old", "user name is empty")
_COULD_NOT_CONNECT = re.compile(r"failed to connect to all addresses|errors resolving|DNS resolution failed")
_OTHER_LANGUAGE = re.compile(r"Failed parsing HTTP/2|http1\.x server|Expected SETTINGS frame|Missing :status")
_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED: ([^:]+)|(Peer name \S+ is not in peer certificate)")


def status(error: grpc.RpcError) -> tuple[Any, str]:
    """Code and message of a failed call."""
    return error.code(), error.details() or ""


def definite(code: Any, message: str, endpoint: str) -> Exception | None:
    """The refusal that is certain to have had no effect; None for every other status."""
    if "required revision has been compacted" in message:
        return Compacted(0)
    if "required revision is a future revision" in message:
        return FutureRevision(message)
    for part, kind, rule, remedy in _DEFINITE_MESSAGES:
        if part in message:
            return kind(f"etcd at {endpoint} refused: {_plain(message)}", value=endpoint, rule=rule, remedy=remedy)
    found = _DEFINITE_CODES.get(code)
    if found is None:
        return None
    return found(f"etcd at {endpoint} refused: {_plain(message) or code.name}", value=endpoint)


def from_transaction(error: grpc.RpcError, endpoint: str) -> Exception:
    """What a transaction that was sent raises: a definite refusal, else `Ambiguous`."""
    code, message = status(error)
    return definite(code, message, endpoint) or Ambiguous(f"{endpoint}: {code.name}: {_plain(message)}")


def from_repeatable(error: grpc.RpcError, endpoint: str) -> Exception:
    """What a call that may be repeated raises: a definite refusal, `NotEtcd`, or `Unavailable`."""
    code, message = status(error)
    return definite(code, message, endpoint) or _unavailable(code, message, endpoint)


def from_cancelled_watch(reason: str, endpoint: str) -> Exception:
    """What a watch raises that etcd ended by a message (whose reason may be empty), not by a status."""
    refused = definite(None, reason, endpoint)
    return refused or Unavailable(
        f"etcd at {endpoint} ended the watch: {_plain(reason) or 'it gave no reason'}", value=endpoint
    )


def wants_new_token(code: Any, message: str) -> bool:
    """Whether signing in again may help. The refused call had no effect, so it may be sent again."""
    return code in {Code.UNAUTHENTICATED, Code.INVALID_ARGUMENT} and any(part in message for part in _NEW_TOKEN)


def could_not_connect(error: grpc.RpcError) -> bool:
    """Whether there was no connection to a member at all."""
    code, message = status(error)
    return code is Code.UNAVAILABLE and _COULD_NOT_CONNECT.search(message) is not None


def untie(error: grpc.RpcError) -> None:
    """Let go of the frames that a broken stream's error was raised in.

    gRPC raises the call itself, which those frames hold: a cycle, and in it the channel. The garbage collector would
    finalise it at any moment and in any thread, within gRPC, too, where that waits for other channels' locks; a whole
    run hung so. Without the frames the channel is gone as soon as it is closed.
    """
    error.with_traceback(None)


def all_failed(reasons: Mapping[str, EtcdMetaError]) -> EtcdMetaError:
    """The error that names each endpoint tried with its last reason; of only one, its own error."""
    if len(reasons) == 1:
        return next(iter(reasons.values()))
    if not reasons:
        return Unavailable("no time was left to ask etcd", rule="the caller's deadline had passed")
    kind = NotEtcd if all(isinstance(error, NotEtcd) for error in reasons.values()) else Unavailable
    remedies = {error.remedy for error in reasons.values() if error.remedy}
    return kind(
        "no etcd member could answer: " + ", ".join(error.message for error in reasons.values()),
        value=",".join(reasons),
        rule="a quorum of etcd's members must be up and reachable",
        remedy=remedies.pop() if len(remedies) == 1 else None,
    )


def _plain(message: str) -> str:
    """etcd's message without the prefixes of its layers."""
    return re.sub(r"^(rpc error: code = \w+ desc = )?(etcdserver: )?(mvcc: )?", "", message)


def _unavailable(code: Any, message: str, endpoint: str) -> Unavailable:
    if code is Code.UNIMPLEMENTED:
        return NotEtcd(
            f"{endpoint} speaks gRPC, but not etcd's v3 protocol ({message})",
            value=endpoint,
            rule="an endpoint is the client address of an etcd member (port 2379 by default)",
            remedy="check host and port of the endpoint",
        )
    if _OTHER_LANGUAGE.search(message):
        what = "an HTTP/1 server" if "http1.x" in message else "something else than etcd"
        return NotEtcd(
            f"{endpoint} answers as {what}",
            value=endpoint,
            rule="an endpoint is the client address of an etcd member (port 2379 by default)",
            remedy="check host and port of the endpoint",
        )
    if "WRONG_VERSION_NUMBER" in message:
        return NotEtcd(
            f"{endpoint} does not speak TLS",
            value=endpoint,
            rule="https:// asks for TLS",
            remedy="write http:// where etcd listens without TLS",
        )
    certificate = _CERTIFICATE.search(message)
    if certificate is not None:
        return Unavailable(
            f"the certificate of {endpoint} was not accepted: {certificate[1] or certificate[2]}",
            value=endpoint,
            rule="etcd's certificate is signed by the authority in --cacert, for the host that was asked",
            remedy="give the right --cacert, or ask by a name that the certificate holds",
        )
    if code is Code.DEADLINE_EXCEEDED:
        return Unavailable(f"{endpoint} did not answer in time", value=endpoint)
    if "Connection refused" in message:
        return Unavailable(f"{endpoint} refused the connection", value=endpoint, remedy="is etcd running there?")
    if _COULD_NOT_CONNECT.search(message) and "Socket closed" in message:
        return Unavailable(
            f"{endpoint} closed the connection at once",
            value=endpoint,
            remedy="give --cert and --key if etcd asks for them, or write http:// if it listens without TLS"
            if endpoint.startswith("https://")
            else "write https:// if etcd listens with TLS",
        )
    reason = message.rpartition("last error: ")[2] or code.name
    return Unavailable(f"{endpoint}: {_plain(reason)}", value=endpoint)
