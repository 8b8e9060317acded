"""Failures ↔ ``google.rpc.Status`` with one ``google.rpc.ErrorInfo``, for the whole tree of errors.

The status has the gRPC code and the sentence; the details have the class (``reason``), ``value``, ``rule``, ``remedy``,
``operationId`` of an unknown outcome, and the ``incident`` under which the agent's log has more. A caller of any
language can act on the code alone; who knows the tree gets the very class back. A class that the reading side does not
know becomes the nearest meaning that the code has.

All of it travels in HTTP/2 trailers, of which gRPC takes 8 KiB by default, the message twice (percent-encoded and in
base64): so every text is cut, and what is not UTF-8 is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from etcdmeta import errors
from etcdmeta.errors import EtcdMetaError

DOMAIN: Final = "etcdmeta"
DETAILS_KEY: Final = "grpc-status-details-bin"
"""The trailer that holds the serialized status."""

LONGEST: Final = {"message": 768, "value": 512, "rule": 768, "remedy": 768, "operationId": 64, "incident": 64}
"""Bytes of UTF-8. The worst case, a message that is percent-encoded to three times its size, stays below 8 KiB."""

# The first class that fits counts: what is both refused and invalid is an argument that no picture would allow.
_CODES: Final[tuple[tuple[type[EtcdMetaError], int], ...]] = (
    (errors.InvalidInput, code_pb2.INVALID_ARGUMENT),
    (errors.NotFound, code_pb2.NOT_FOUND),
    (errors.AlreadyExists, code_pb2.ALREADY_EXISTS),
    (errors.Refused, code_pb2.FAILED_PRECONDITION),
    (errors.UnsupportedVersion, code_pb2.UNIMPLEMENTED),
    (errors.ClusterProblem, code_pb2.FAILED_PRECONDITION),
    (errors.Unavailable, code_pb2.UNAVAILABLE),
    (errors.Unauthenticated, code_pb2.UNAUTHENTICATED),
    (errors.AccessRefused, code_pb2.PERMISSION_DENIED),
    (errors.LimitReached, code_pb2.RESOURCE_EXHAUSTED),
    (errors.ConflictPersists, code_pb2.ABORTED),
    (errors.Fenced, code_pb2.ABORTED),
    (errors.OperationIdReused, code_pb2.FAILED_PRECONDITION),
    (errors.OutcomeUnknown, code_pb2.UNKNOWN),
    (errors.WaitTimedOut, code_pb2.DEADLINE_EXCEEDED),
    (errors.StoreClosed, code_pb2.UNAVAILABLE),  # the agent stops: another one serves
    (EtcdMetaError, code_pb2.INTERNAL),
)

# What a class of a newer version most probably means. Codes that are not here say nothing: a defect.
_NEAREST: Final[dict[int, type[EtcdMetaError]]] = {
    code_pb2.INVALID_ARGUMENT: errors.InvalidInput,
    code_pb2.NOT_FOUND: errors.NotFound,
    code_pb2.ALREADY_EXISTS: errors.AlreadyExists,
    code_pb2.FAILED_PRECONDITION: errors.Refused,
    code_pb2.UNIMPLEMENTED: errors.UnsupportedVersion,
    code_pb2.UNAVAILABLE: errors.Unavailable,
    code_pb2.UNAUTHENTICATED: errors.Unauthenticated,
    code_pb2.PERMISSION_DENIED: errors.PermissionDenied,
    code_pb2.RESOURCE_EXHAUSTED: errors.LimitReached,
    code_pb2.ABORTED: errors.ConflictPersists,
    code_pb2.UNKNOWN: errors.OutcomeUnknown,
    code_pb2.DEADLINE_EXCEEDED: errors.WaitTimedOut,
}
_INTEGER: Final = "integer"


def to_status(error: BaseException, *, incident: str = "", operation_id: str = "") -> status_pb2.Status:
    """What is answered. An error that is none of the tree becomes a `Defect` without any detail: what it says was not
    written for callers. ``operation_id`` is of the request, where the error names none itself.
    """
    if not isinstance(error, EtcdMetaError):
        error = _defect(incident)
    metadata = {
        "value": None if error.value is None else _text(error.value),
        "rule": error.rule,
        "remedy": error.remedy,
        "operationId": getattr(error, "operation_id", "") or operation_id,
        "incident": incident,
    }
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    for name, text in metadata.items():
        # An empty value is one (the empty name); an empty id is none.
        if text or (text is not None and name in {"value", "rule", "remedy"}):
            info.metadata[name] = _cut(text, LONGEST[name])
    if _is_integer(error.value):
        info.metadata["valueType"] = _INTEGER
    status = status_pb2.Status(code=code_of(error), message=_cut(error.message, LONGEST["message"]))
    status.details.add().Pack(info)
    return status


def from_status(status: status_pb2.Status) -> EtcdMetaError:
    """The error that was answered: class, message, value (text, or int where it was one), rule, remedy, operation id.

    The incident becomes a note, which a stack trace shows.
    """
    info = _info(status)
    metadata = info.metadata if info is not None else {}
    operation_id = metadata.get("operationId", "")
    kind = (_class_of(info.reason) if info is not None else None) or _nearest(status.code, operation_id)
    more: dict[str, str] = {"operation_id": operation_id} if issubclass(kind, errors.OutcomeUnknown) else {}
    error = kind(
        status.message,
        value=_value(metadata.get("value"), metadata.get("valueType")),
        rule=metadata.get("rule"),
        remedy=metadata.get("remedy"),
        **more,
    )
    if incident := incident_of(status):
        error.add_note(f"incident {incident} in the agent's log")
    return error


def incident_of(status: status_pb2.Status) -> str:
    """Under which the agent's log has more; empty: nowhere."""
    info = _info(status)
    return info.metadata.get("incident", "") if info is not None else ""


def code_of(error: EtcdMetaError) -> int:
    """The gRPC code, as a number of ``google.rpc.Code``."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def error_tree(root: type[EtcdMetaError] = EtcdMetaError) -> Iterator[type[EtcdMetaError]]:
    """Every class of the tree that this process knows, parents first; one with two parents comes twice."""
    yield root
    for child in root.__subclasses__():
        yield from error_tree(child)


def _class_of(reason: str) -> type[EtcdMetaError] | None:
    return next((kind for kind in error_tree() if kind.reason == reason), None)


def _nearest(code: int, operation_id: str) -> type[EtcdMetaError]:
    kind = _NEAREST.get(code, errors.Defect)
    # An unknown outcome that nobody can ask for is nothing to act on.
    return errors.Defect if kind is errors.OutcomeUnknown and not operation_id else kind


def _info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo | None:
    """Ours among the details; None where there is none, or it cannot be read."""
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if not detail.Is(info.DESCRIPTOR):
            continue
        try:
            info.ParseFromString(detail.value)
        except DecodeError:
            continue
        if info.domain == DOMAIN:
            return info
    return None


def _defect(incident: str) -> errors.Defect:
    return errors.Defect(
        "the agent met an error of its own",
        remedy=f"incident {incident} in the agent's log has the details; please report it" if incident else None,
    )


def _is_integer(value: object) -> bool:
    """Whether its text gives the same value back."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**64) < value < 2**64


def _value(text: str | None, kind: str | None) -> object:
    if text is None or kind != _INTEGER:
        return text
    try:
        return int(text)
    except ValueError:
        return text


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    # Ints of a type of their own, as durations, have words that no int is read from.
    return str(int(value)) if isinstance(value, int) and _is_integer(value) else str(value)


def _cut(text: str, longest: int) -> str:
    """At most ``longest`` bytes of UTF-8; what protobuf's strings cannot hold is shown escaped."""
    encoded = text[: longest + 1].encode("utf-8", "backslashreplace")
    if len(encoded) <= longest and len(text) <= longest:
        return encoded.decode()
    return encoded[: longest - 3].decode("utf-8", "ignore") + "…"
