"""Every error has its exit code, and says on stderr what a person can act on."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from etcdmeta import errors
from etcdmeta.cli import exits
from etcdmeta.cli.asking import Declined, confirm
from etcdmeta.cli.session import Session

CODES = {
    "DatabaseNotFound": 3, "PolicyNotFound": 3, "GroupNotFound": 3, "ShardNotFound": 3, "OwnerNotFound": 3,
    "NodeNotFound": 3, "QueryNotFound": 3, "SubscriptionNotFound": 3, "UserNotFound": 3, "NotInitialised": 3,
    "DatabaseExists": 4, "PolicyExists": 4, "QueryExists": 4, "SubscriptionExists": 4, "UserExists": 4,
    "NodeExists": 4, "OwnerExists": 4, "NodesRequired": 4, "ReplicationFactorTooLow": 4, "DurationTooLow": 4,
    "IncompatibleDurations": 4, "PolicyIsDefault": 4, "TransitionRefused": 4, "StaleAttempt": 4,
    "ServiceWouldEnd": 4, "NodeUnavailable": 4, "NodeOwnsShards": 4, "CommandTooLarge": 4, "RecordUnreadable": 4,
    "ReadOnly": 4, "PrefixNotEmpty": 4, "ClusterDestroyed": 4, "ClusterRestored": 4, "ConflictPersists": 4,
    "Fenced": 4, "OperationIdReused": 4, "NodeIdentityRefused": 4, "NodeRemoved": 4, "NodeAlreadyRunning": 4,
    "WrongCluster": 4, "UnsupportedVersion": 4, "AlreadyExists": 4, "Refused": 4, "ClusterProblem": 4, "NotFound": 3,
    "InvalidName": 2, "InvalidDuration": 2, "InvalidTime": 2, "InvalidAddress": 2, "RecordTooLarge": 2,
    "ConfigurationInvalid": 2, "InvalidInput": 2, "UnreadableRequest": 2, "UnknownCommand": 2, "MessageTooLarge": 2,
    "DeadlineInvalid": 2,
    "Unavailable": 5, "NotEtcd": 5, "NoSpace": 5, "TooStale": 5, "AgentBehind": 5, "LimitReached": 5,
    "TooManyStreams": 5, "TooManyRequests": 5,
    "AccessRefused": 6, "Unauthenticated": 6, "PermissionDenied": 6,
    "CopyCancelled": 4, "HistoryCompacted": 4, "MoveBlocked": 4, "PlanConflict": 4, "PlanNotFound": 3,
    "ImportConflict": 4, "ImportNotFound": 3,
    "SchemaTooNew": 7, "OutcomeUnknown": 9, "WaitTimedOut": 124,
    "StoreClosed": 1, "ForkedProcess": 1, "Defect": 1,
}  # fmt: skip


def below(kind: type[errors.EtcdMetaError]) -> Iterator[type[errors.EtcdMetaError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from below(child)


def made(kind: type[errors.EtcdMetaError]) -> errors.EtcdMetaError:
    if issubclass(kind, errors.OutcomeUnknown):
        return kind("nobody knows", operation_id="0190-id")
    return kind("it is so", value=7, rule="the rule", remedy="the way out")


def test_every_error_has_the_code_of_the_contract() -> None:
    found = {kind.__name__: exits.code_of(made(kind)) for kind in below(errors.EtcdMetaError)}
    assert found == CODES


def session(environ: dict[str, str], **flags: object) -> Session:
    made = Session(environ, io.StringIO(), io.StringIO(), io.StringIO())
    made.flags.update(flags)
    return made


def said(session: Session) -> str:
    assert isinstance(session.stderr, io.StringIO)
    return session.stderr.getvalue()


def test_an_error_about_etcd_says_what_was_tried_and_where_that_came_from(environ: dict[str, str]) -> None:
    run = session(environ | {"ETCDCTL_ENDPOINTS": "a:1,b:1"})
    assert exits.report(run, errors.Unavailable("no answer", remedy="start it")) == 5
    assert said(run).splitlines() == [
        "etcdmeta: no answer",
        "  tried:     endpoints a:1,b:1 (ETCDCTL_ENDPOINTS), cluster default (default)",
        "  remedy:    start it",
    ]


def test_an_unknown_outcome_says_what_to_ask_by(environ: dict[str, str]) -> None:
    run = session(environ)
    assert exits.report(run, errors.OutcomeUnknown("no answer", operation_id="0190-id")) == 9
    assert "  operation: 0190-id\n" in said(run)


def test_as_json(environ: dict[str, str]) -> None:
    run = session(environ, log_format="json")
    exits.report(run, errors.DatabaseNotFound("database 'x' is not there", value="x", remedy="look"))
    assert json.loads(said(run)) == {
        "level": "error",
        "message": "database 'x' is not there",
        "reason": "DATABASE_NOT_FOUND",
        "value": "x",
        "remedy": "look",
        "exitCode": 3,
    }


def test_partly_done(environ: dict[str, str]) -> None:
    run = session(environ)
    assert exits.report_partly(run, exits.PartlyDone("2 of 3 were done", errors.Unavailable("gone"))) == 8
    assert "gone" in said(run)
    assert "2 of 3 were done" in said(run)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["y\n", "Y\n", "yes\n", " YES \n"])
def test_consent(environ: dict[str, str], answer: str) -> None:
    run = Session(environ, Terminal(answer), io.StringIO(), Terminal())
    confirm(run, "this drops all", yes=False)
    assert said(run) == "this drops all.\nGo on? [y/N] "


@pytest.mark.parametrize("answer", ["\n", "n\n", "no\n", "", "yesterday\n"])
def test_no_consent(environ: dict[str, str], answer: str) -> None:
    run = Session(environ, Terminal(answer), io.StringIO(), Terminal())
    with pytest.raises(Declined):
        confirm(run, "this drops all", yes=False)


def test_nobody_to_ask(environ: dict[str, str]) -> None:
    run = session(environ)
    with pytest.raises(errors.InvalidInput, match="add --yes"):
        confirm(run, "this drops all", yes=False)
    confirm(run, "this drops all", yes=True)
    assert said(run) == ""
