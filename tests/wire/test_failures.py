"""The whole tree of errors over ``google.rpc.Status`` and back."""

from __future__ import annotations

import base64
import inspect
from typing import Any
from urllib.parse import quote

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import example, given
from hypothesis import strategies as st

from etcdmeta import errors
from etcdmeta.errors import EtcdMetaError
from etcdmeta.model.durations import Duration
from etcdmeta.wire.failures import DOMAIN, LONGEST, code_of, error_tree, from_status, incident_of, to_status

ID = "0190a5b0-0000-7000-8000-000000000001"
TREE = sorted({kind for kind in error_tree() if kind.__module__ == errors.__name__}, key=lambda kind: kind.__name__)


def _made(kind: type[EtcdMetaError], message: str = "it is so", **more: Any) -> EtcdMetaError:
    if issubclass(kind, errors.OutcomeUnknown):
        more["operation_id"] = ID
    return kind(message, **more)


def _over(error: BaseException, **more: str) -> EtcdMetaError:
    """As it arrives: the bytes, read anew."""
    return from_status(status_pb2.Status.FromString(to_status(error, **more).SerializeToString()))


def test_the_tree_is_walked_whole() -> None:
    named = {
        thing
        for _, thing in inspect.getmembers(errors, inspect.isclass)
        if issubclass(thing, EtcdMetaError) and thing.__module__ == errors.__name__
    }
    assert set(TREE) == named
    assert len(TREE) > 60


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_class_crosses_the_wire(kind: type[EtcdMetaError]) -> None:
    error = _made(kind, value="n1", rule="no two have it", remedy="take another")

    arrived = _over(error)

    assert type(arrived) is kind
    assert (arrived.message, arrived.value, arrived.rule, arrived.remedy) == (
        "it is so",
        "n1",
        "no two have it",
        "take another",
    )
    assert str(arrived) == str(error)
    assert arrived.reason == error.reason
    assert getattr(arrived, "operation_id", None) == getattr(error, "operation_id", None)


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_nothing_that_is_not_said_is_invented(kind: type[EtcdMetaError]) -> None:
    arrived = _over(_made(kind))
    assert (arrived.value, arrived.rule, arrived.remedy) == (None, None, None)


def test_reasons_are_unique() -> None:
    reasons = [kind.reason for kind in TREE]
    assert len(reasons) == len(set(reasons))


CODES = {
    "InvalidName": "INVALID_ARGUMENT",
    "DurationTooLow": "INVALID_ARGUMENT",
    "UnreadableRequest": "INVALID_ARGUMENT",
    "DatabaseNotFound": "NOT_FOUND",
    "DatabaseExists": "ALREADY_EXISTS",
    "ServiceWouldEnd": "FAILED_PRECONDITION",
    "NodeRemoved": "FAILED_PRECONDITION",
    "ClusterRestored": "FAILED_PRECONDITION",
    "UnsupportedVersion": "UNIMPLEMENTED",
    "Unavailable": "UNAVAILABLE",
    "AgentBehind": "UNAVAILABLE",
    "StoreClosed": "UNAVAILABLE",
    "Unauthenticated": "UNAUTHENTICATED",
    "PermissionDenied": "PERMISSION_DENIED",
    "TooManyStreams": "RESOURCE_EXHAUSTED",
    "ConflictPersists": "ABORTED",
    "Fenced": "ABORTED",
    "OutcomeUnknown": "UNKNOWN",
    "WaitTimedOut": "DEADLINE_EXCEEDED",
    "Defect": "INTERNAL",
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_codes(name: str, code: str) -> None:
    assert code_pb2.Code.Name(to_status(_made(getattr(errors, name))).code) == code


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_a_class_of_a_newer_version_means_what_its_parents_do(kind: type[EtcdMetaError]) -> None:
    """Who knows the reason gets the class; who does not gets what its code says, with the same words."""
    status = to_status(_made(kind, value=7, rule="a rule", remedy="a way out"))
    info = _info(status)
    info.reason = "NEVER_HEARD_OF"
    _replace(status, info)

    arrived = from_status(status)

    assert code_of(arrived) == status.code or status.code == code_pb2.UNKNOWN
    assert (arrived.message, arrived.value, arrived.rule, arrived.remedy) == ("it is so", 7, "a rule", "a way out")


@pytest.mark.parametrize("code", code_pb2.Code.values())
def test_a_status_without_our_details(code: int) -> None:
    arrived = from_status(status_pb2.Status(code=code, message="somebody else's"))
    assert isinstance(arrived, EtcdMetaError)
    assert arrived.message == "somebody else's"
    assert not isinstance(arrived, errors.OutcomeUnknown)


def test_an_unknown_outcome_can_be_asked_for() -> None:
    status = status_pb2.Status(code=code_pb2.UNKNOWN, message="who knows")
    info = error_details_pb2.ErrorInfo(reason="MAYBE", domain=DOMAIN, metadata={"operationId": ID})
    status.details.add().Pack(info)
    arrived = from_status(status)
    assert isinstance(arrived, errors.OutcomeUnknown)
    assert arrived.operation_id == ID


def test_details_of_others_and_garbage_are_passed_over() -> None:
    status = to_status(errors.DatabaseNotFound("no database"))
    ours = status.details[0]
    other = error_details_pb2.ErrorInfo(reason="USER_EXISTS", domain="other")
    status.ClearField("details")
    status.details.add().Pack(other)
    status.details.add(type_url=ours.type_url, value=b"\xff\xff")
    status.details.append(ours)
    assert type(from_status(status)) is errors.DatabaseNotFound


@pytest.mark.parametrize(
    ("value", "arrived"),
    [
        (0, 0),
        (-1, -1),
        (2**64 - 1, 2**64 - 1),
        (Duration.parse("1h"), 3_600_000_000_000),
        ("", ""),
        ("17", "17"),
        (True, "True"),
        (2**70, str(2**70)),
        (b"state/db/\xff", "state/db/\\xff"),
        ("caf\udce9", "caf\\udce9"),
        ((1, 2), "(1, 2)"),
        (None, None),
    ],
)
def test_values(value: object, arrived: object) -> None:
    got = _over(errors.Refused("no", value=value)).value
    assert got == arrived
    assert type(got) is type(arrived)


def test_the_operation_of_the_request_is_told() -> None:
    assert _info(to_status(errors.Refused("no"), operation_id=ID)).metadata["operationId"] == ID


def test_a_stranger_becomes_a_defect_without_its_words() -> None:
    status = to_status(RuntimeError("password=hunter2 at line 7"), incident="f00d")
    assert b"hunter2" not in status.SerializeToString()
    assert b"RuntimeError" not in status.SerializeToString()
    arrived = from_status(status)
    assert type(arrived) is errors.Defect
    assert "f00d" in str(arrived)
    assert incident_of(status) == "f00d"
    assert arrived.__notes__ == ["incident f00d in the agent's log"]


@pytest.mark.parametrize("stranger", [KeyboardInterrupt(), SystemExit(3), TimeoutError("x"), ValueError()], ids=repr)
def test_any_stranger(stranger: BaseException) -> None:
    assert type(_over(stranger)) is errors.Defect


LONG = ["ü" * 4000, "\udcff" * 4000, "🦀" * 4000, "%" * 9000]
TEXTS = st.text(st.characters(), max_size=3000) | st.sampled_from(LONG)


@given(message=TEXTS, value=st.none() | TEXTS | st.integers() | st.binary(max_size=4000), rule=TEXTS, remedy=TEXTS)
@example(message="🦀" * 4000, value="🦀" * 4000, rule="🦀" * 4000, remedy="🦀" * 4000)
def test_it_fits_into_the_trailers(message: str, value: object, rule: str, remedy: str) -> None:
    status = to_status(
        errors.OutcomeUnknown(message, operation_id=ID, value=value, rule=rule, remedy=remedy), incident="0" * 32
    )
    details = len(base64.b64encode(status.SerializeToString()))
    sent = details + len(quote(status.message)) + len("grpc-status-details-bin" "grpc-message" "grpc-status") + 3 * 32
    assert sent < 8 * 1024
    arrived = from_status(status)
    assert isinstance(arrived, errors.OutcomeUnknown)
    assert len(arrived.message.encode()) <= LONGEST["message"]
    if len(message.encode("utf-8", "backslashreplace")) <= LONGEST["message"]:
        assert arrived.message == message.encode("utf-8", "backslashreplace").decode()
    else:
        assert arrived.message.endswith("…")


def _info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


def _replace(status: status_pb2.Status, info: error_details_pb2.ErrorInfo) -> None:
    status.ClearField("details")
    status.details.add().Pack(info)
