"""Every failure's exit code, and what stderr says of it: what was wrong, what was tried, what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from etcdmeta import errors

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session

UNEXPECTED = 1
USAGE = 2
PARTLY_DONE = 8
DEGRADED = 10
UNAVAILABLE = 11
UNKNOWN = 12
INTERRUPTED = 130

# The first class that fits counts, so that what is both refused and invalid is refused.
CODES: tuple[tuple[type[errors.EtcdMetaError], int], ...] = (
    (errors.Defect, UNEXPECTED),
    (errors.StoreClosed, UNEXPECTED),
    (errors.NotFound, 3),
    (errors.NotInitialised, 3),
    (errors.Refused, 4),
    (errors.SchemaTooNew, 7),
    (errors.ClusterProblem, 4),
    (errors.ConflictPersists, 4),
    (errors.Fenced, 4),
    (errors.OperationIdReused, 4),
    (errors.Unavailable, 5),
    (errors.LimitReached, 5),
    (errors.AccessRefused, 6),
    (errors.OutcomeUnknown, 9),
    (errors.WaitTimedOut, 124),
    (errors.InvalidInput, USAGE),
)

_ABOUT_ETCD = (
    errors.Unavailable,
    errors.LimitReached,
    errors.AccessRefused,
    errors.ClusterProblem,
    errors.OutcomeUnknown,
)


class PartlyDone(Exception):
    """Some of it was done, which ``done`` says; ``cause`` stopped the rest."""

    def __init__(self, done: str, cause: BaseException) -> None:
        super().__init__(f"{done}; {cause}")
        self.done = done
        self.cause = cause


def code_of(error: BaseException) -> int:
    """The exit code of the contract; an error that no class fits is a defect of ours."""
    return next((code for kind, code in CODES if isinstance(error, kind)), UNEXPECTED)


def report(session: Session, error: errors.EtcdMetaError, *, code: int | None = None) -> int:
    """Say what happened on stderr; the exit code."""
    code = code_of(error) if code is None else code
    facts: dict[str, Any] = {"reason": error.reason, "value": _plain(error.value), "rule": error.rule}
    if isinstance(error, errors.OutcomeUnknown):
        facts["operation"] = error.operation_id
    if isinstance(error, _ABOUT_ETCD):
        facts["tried"] = session.settings.describe("endpoints", "cluster", "user", "cacert", "cert")
    facts["remedy"] = error.remedy
    _say(session, error.message, facts, code)
    return code


def report_usage(session: Session, usage: str, message: str, help_command: str | None) -> int:
    """A command line that cannot be right."""
    remedy = f"{help_command} --help" if help_command else None
    _say(session, message, {"reason": "USAGE", "usage": usage.removeprefix("Usage: ") or None, "remedy": remedy}, USAGE)
    return USAGE


def report_partly(session: Session, partly: PartlyDone) -> int:
    """What stopped the rest, and that the first ones stand."""
    if isinstance(partly.cause, errors.EtcdMetaError):
        report(session, partly.cause, code=PARTLY_DONE)
    else:
        _say(session, str(partly.cause) or "interrupted", {"reason": "INTERRUPTED"}, PARTLY_DONE)
    session.note(f"{partly.done}; the same command again does the rest", level="error")
    return PARTLY_DONE


def report_unwritten(session: Session, error: OSError) -> int:
    """A full disk, and the like, where the output goes. What was to be changed may be changed."""
    remedy = "make room there; `etcdmeta history` shows what was changed, if anything was to be"
    where = error.filename or "the output"
    _say(session, f"{where} cannot be written: {error.strerror}", {"reason": "OUTPUT", "remedy": remedy}, UNEXPECTED)
    return UNEXPECTED


def report_unexpected(session: Session, error: Exception) -> int:
    """A defect of ours. The trace is for who reports it: with ``-vv``."""
    import traceback

    message = f"{type(error).__name__}: {error}".rstrip(": ")
    remedy = "please report it, with `etcdmeta version` and what the same command prints with -vv"
    _say(session, f"unexpected: {message}", {"reason": "DEFECT", "remedy": remedy}, UNEXPECTED)
    if session.verbosity >= 2:
        session.stderr.write("".join(traceback.format_exception(error)))
    return UNEXPECTED


def _say(session: Session, message: str, facts: dict[str, Any], code: int) -> None:
    facts = {name: value for name, value in facts.items() if value is not None}
    if _wants_json(session):
        line = json.dumps({"level": "error", "message": message, **facts, "exitCode": code}, default=str)
    else:
        shown = ("usage", "rule", "operation", "tried", "remedy")
        told = [f"  {name + ':':<11}{_indented(str(facts[name]))}" for name in shown if name in facts]
        line = "\n".join([f"etcdmeta: {message}", *told])
    session.stderr.write(line + "\n")
    session.stderr.flush()


def _wants_json(session: Session) -> bool:
    """Asked of flag and environment alone: the settings may be what is wrong."""
    return (session.flags.get("log_format") or session.environ.get("ETCDMETA_LOG_FORMAT")) == "json"


def _indented(text: str) -> str:
    return text.strip().replace("\n", "\n" + " " * 13)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
