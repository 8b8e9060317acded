"""``etcdmeta``: parse, run, and turn whatever happens into the exit code of the contract."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from typer.exceptions import TyperException

from etcdmeta.cli.frame import COMPLETE_VARIABLE, PROGRAM, root
from etcdmeta.cli.session import Session

if TYPE_CHECKING:
    from typer.core import TyperGroup


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code. Standard streams are flushed, or given up where the reader left.

    A verdict that was reached counts, whether somebody read it or not.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # else gRPC itself writes on stderr what we say better
    session = Session()
    code = 0
    try:
        if COMPLETE_VARIABLE in os.environ:
            return _complete()
        code = run(session, list(sys.argv[1:] if arguments is None else arguments))
        session.stdout.flush()
    except BrokenPipeError:
        _give_up(session)  # the reader has seen enough, as `| head` does
    except OSError as error:
        code = _failed(session, error)
        _give_up(session)
    return code


def _give_up(session: Session) -> None:
    """What is still buffered must not fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), session.stdout.fileno())


def run(session: Session, arguments: list[str]) -> int:
    """`main` without the process: streams and environment are the session's."""
    command = root()
    try:
        return _invoke(command, session, arguments)
    except typer.Exit as exit_:
        return exit_.exit_code
    except BrokenPipeError:
        raise
    except TyperException as error:
        return _usage(session, error)
    except (KeyboardInterrupt, typer.Abort, EOFError):
        return _interrupted(session)
    except Exception as error:  # noqa: BLE001  every error has its exit code
        return _failed(session, error)


def _complete() -> int:
    """What a shell's completion script asks: the words that may stand here."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()
    root().main(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE)
    return 0


def _invoke(command: TyperGroup, session: Session, arguments: list[str]) -> int:
    with command.make_context(PROGRAM, arguments, obj=session) as ctx:
        command.invoke(ctx)
    return 0


def _usage(session: Session, error: TyperException) -> int:
    from etcdmeta.cli import exits

    ctx = getattr(error, "ctx", None)
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        session.stderr.write(message + "\n")
        return exits.USAGE
    usage = ctx.get_usage() if ctx is not None else ""
    return exits.report_usage(session, usage, message, ctx.command_path if ctx is not None else None)


def _interrupted(session: Session) -> int:
    from etcdmeta.cli import exits

    if session.stderr.isatty():
        session.stderr.write("\x1b[0m\x1b[?25h\n")  # colours off, cursor on: whatever was being drawn
    session.stderr.write("interrupted\n")
    return exits.INTERRUPTED


def _failed(session: Session, error: Exception) -> int:
    from etcdmeta.cli import asking, exits
    from etcdmeta.errors import EtcdMetaError

    match error:
        case asking.Declined():
            session.stderr.write("nothing was changed\n")
            return exits.INTERRUPTED
        case exits.PartlyDone():
            return exits.report_partly(session, error)
        case EtcdMetaError():
            return exits.report(session, error)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG | errno.EIO):
            return exits.report_unwritten(session, error)
        case _:
            return exits.report_unexpected(session, error)
