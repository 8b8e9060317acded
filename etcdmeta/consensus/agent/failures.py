"""What a failed call to an agent means: the agent's own typed error, or that it is away, or the unknown.

An agent answers with the error itself (`etcdmeta.wire.failures`): raised here as if the store had raised it. What comes
without that was not said by an agent: gRPC gave up, or something else listens there. A call that may be repeated is
`Unavailable` then. An execution is `Ambiguous`, unless there was no connection to send it on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from etcdmeta.consensus.etcd.failures import could_not_connect
from etcdmeta.consensus.protocol import Ambiguous, Compacted, FutureRevision
from etcdmeta.errors import (
    EtcdMetaError,
    LimitReached,
    MessageTooLarge,
    PermissionDenied,
    StoreClosed,
    Unauthenticated,
    Unavailable,
    UnsupportedVersion,
    WaitTimedOut,
)
from etcdmeta.wire.failures import DETAILS_KEY, from_status

if TYPE_CHECKING:
    from collections.abc import Mapping

Code = grpc.StatusCode

ELSEWHERE = (Unavailable, LimitReached, WaitTimedOut)
"""What another agent may know better."""
_RULE = "an endpoint of agent:// is where `etcdmeta agent run` listens (port 8188 by default)"
_REMEDY = "check host and port, and that the agent's version fits"
_OTHER_LANGUAGE = re.compile(r"Failed parsing HTTP/2|http1\.x server|Expected SETTINGS frame|Missing :status")
_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED: ([^:]+)|(Peer name \S+ is not in peer certificate)")


def answered(error: grpc.RpcError, endpoint: str) -> Exception | None:
    """What the agent itself said; None where the failure has no details of ours."""
    details = next((value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY), None)
    if details is None:
        return None
    status = status_pb2.Status()
    try:
        status.ParseFromString(details)
    except DecodeError:  # something between us has mangled it
        return None
    among_strategies = _among_strategies(status, endpoint)
    if among_strategies is not None:
        return among_strategies
    known = from_status(status)
    if isinstance(known, StoreClosed):  # the agent's, not ours
        return Unavailable(f"{endpoint} is going down", value=endpoint)
    return known


def _among_strategies(status: Any, endpoint: str) -> Exception | None:
    """`Compacted`, `FutureRevision` and `Ambiguous` are no errors of the tree."""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
            if info.reason == "COMPACTED":
                text = info.metadata.get("compactRevision", "")
                return Compacted(int(text) if text.isdecimal() else 0)
            if info.reason == "FUTURE_REVISION":
                return FutureRevision(status.message)
            if info.reason == "AMBIGUOUS":
                return Ambiguous(f"{endpoint}: {status.message}")
    return None


def from_repeatable(error: grpc.RpcError, endpoint: str) -> Exception:
    """What a call that may be repeated raises."""
    known = answered(error, endpoint)
    if isinstance(known, Ambiguous):
        return Unavailable(str(known), value=endpoint)
    return known or _definite(error, endpoint) or _unavailable(error, endpoint)


def from_execution(error: grpc.RpcError, endpoint: str) -> Exception:
    """What an execution raises that was, or was not, sent."""
    known = answered(error, endpoint) or _definite(error, endpoint)
    if known is not None:
        return known
    if could_not_connect(error):
        return _unavailable(error, endpoint)
    return Ambiguous(f"{endpoint}: {error.code().name}: {error.details()}")


def all_failed(reasons: Mapping[str, EtcdMetaError]) -> EtcdMetaError:
    """The error that names each agent tried with its last reason; of only one, its own error."""
    if len(reasons) == 1:
        return next(iter(reasons.values()))
    if not reasons:
        return no_time("an agent", None)
    return Unavailable(
        "no agent could answer: " + ", ".join(error.message for error in reasons.values()),
        value=",".join(reasons),
        remedy="see `etcdmeta agent status`",
    )


def no_time(whom: str, trouble: EtcdMetaError | None) -> Unavailable:
    """Nothing was sent: the deadline had passed. ``trouble``: why that agent did not answer the last time."""
    return Unavailable(
        f"no time was left to ask {whom}" + (f"; before, {trouble.message}" if trouble else ""),
        value=whom,
        rule="the caller's deadline had passed",
        remedy=(trouble.remedy if trouble else None) or "give more time: --timeout; see `etcdmeta agent status`",
    )


def _definite(error: grpc.RpcError, endpoint: str) -> EtcdMetaError | None:
    """Refusals by gRPC itself, or by what stands between: the agent has seen nothing of the call."""
    code, message = error.code(), error.details() or ""
    if code is Code.UNIMPLEMENTED:
        return UnsupportedVersion(
            f"{endpoint} speaks gRPC, but not as an agent of this version ({message})",
            value=endpoint,
            rule=_RULE,
            remedy=_REMEDY,
        )
    if code is Code.RESOURCE_EXHAUSTED and "larger than max" in message:
        return MessageTooLarge(f"{endpoint} does not take a message as large as this one", value=endpoint)
    if code is Code.UNAUTHENTICATED:
        return Unauthenticated(f"{endpoint} does not know who asks: {message}", value=endpoint)
    if code is Code.PERMISSION_DENIED:
        return PermissionDenied(f"{endpoint} refused: {message}", value=endpoint)
    if _OTHER_LANGUAGE.search(message):
        what = "an HTTP/1 server" if "http1.x" in message else "something else than an agent"
        return UnsupportedVersion(f"{endpoint} answers as {what}", value=endpoint, rule=_RULE, remedy=_REMEDY)
    return None


def _unavailable(error: grpc.RpcError, endpoint: str) -> Unavailable:
    code, message = error.code(), error.details() or ""
    certificate = _CERTIFICATE.search(message)
    if certificate is not None:
        return Unavailable(
            f"the certificate of the agent at {endpoint} was not accepted: {certificate[1] or certificate[2]}",
            value=endpoint,
            rule="an agent's certificate is signed by the authority in --cacert, for the host that was asked",
            remedy="give the right --cacert, or ask by a name that the certificate holds",
        )
    if "WRONG_VERSION_NUMBER" in message:
        return Unavailable(
            f"the agent at {endpoint} does not speak TLS",
            value=endpoint,
            rule="agents://, https:// and --cacert ask for TLS",
            remedy="write agent:// where the agent listens without TLS",
        )
    if code is Code.DEADLINE_EXCEEDED:
        return Unavailable(f"the agent at {endpoint} did not answer in time", value=endpoint)
    if "Connection refused" in message:
        return Unavailable(
            f"the agent at {endpoint} refused the connection", value=endpoint, remedy="is an agent running there?"
        )
    if could_not_connect(error) and ("Socket closed" in message or "SSL" in message or "handshake" in message.lower()):
        return Unavailable(
            f"the agent at {endpoint} closed the connection at once",
            value=endpoint,
            rule="an agent with TLS may ask for a certificate, which its authority has signed and which is not expired",
            remedy="give --cacert, --cert and --key as the agent asks for them, or write agent:// if it has no TLS",
        )
    if "before receiving SETTINGS" in message:  # the kernel took the connection, and nobody reads from it
        return Unavailable(
            f"the agent at {endpoint} accepts connections and does not answer: is it paused or overloaded?",
            value=endpoint,
            remedy="look at its process, or ask another agent",
        )
    reason = message.rpartition("last error: ")[2] or code.name
    return Unavailable(f"the agent at {endpoint}: {reason}", value=endpoint)
