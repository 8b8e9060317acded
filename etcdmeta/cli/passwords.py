"""Where passwords come from: the environment, a file nobody else can read, or a prompt. Never a flag's value."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from etcdmeta.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session


def etcd_password(session: Session) -> tuple[str, str] | None:
    """(source, password) for the user who signs in to etcd; None where no user is set.

    A password behind the colon of a variable is used only where the user's name came from that same variable, so
    that one user's password is never sent under another's name. Raises ConfigurationInvalid where there is none.
    """
    source, settings = password_source(session), session.settings
    user, file = settings["user"], settings["password-file"]
    if user.value is None:
        return None
    match source:
        case "ETCDMETA_PASSWORD" | "ETCDCTL_PASSWORD":
            return source, session.environ[source]
        case "prompt":
            return source, _ask(f"Password of etcd's user {settings.user}: ")
        case None:
            raise ConfigurationInvalid(
                f"no password for etcd's user {settings.user!r} ({user.source})",
                value=settings.user,
                remedy="set ETCDMETA_PASSWORD, or password-file in the settings, or run it on a terminal to be asked",
            )
    if file.value is not None:
        return source, from_file(file.value, session.stdin)
    return source, user.value.partition(":")[2]


def password_source(session: Session) -> str | None:
    """Where `etcd_password` would find it, without reading it; None: nowhere, or no user is set."""
    user, file = session.settings["user"], session.settings["password-file"]
    if user.value is None:
        return None
    if session.environ.get("ETCDMETA_PASSWORD"):
        return "ETCDMETA_PASSWORD"
    if file.value is not None:
        return f"{file.value} ({file.source})"
    if not user.source.startswith("flag") and ":" in user.value:
        return user.source
    if session.environ.get("ETCDCTL_PASSWORD"):
        return "ETCDCTL_PASSWORD"
    return "prompt" if session.can_ask else None


def new_password(file: str | None, session: Session, *, twice: bool) -> str:
    """The password of a metadata user: from ``file`` ("-": standard input), ETCDMETA_USER_PASSWORD, or a prompt."""
    if file is not None:
        return from_file(file, session.stdin)
    if session.environ.get("ETCDMETA_USER_PASSWORD"):
        return session.environ["ETCDMETA_USER_PASSWORD"]
    if not session.can_ask:
        raise ConfigurationInvalid(
            "no password given",
            remedy="use --password-file FILE (- for standard input) or ETCDMETA_USER_PASSWORD",
        )
    password = _ask("Password: ")
    if twice and _ask("Again: ") != password:
        raise ConfigurationInvalid("the two passwords differ; nothing was changed")
    return password


def from_file(name: str, stdin: TextIO) -> str:
    """The file's first line; "-" is standard input. Refused where group or others could read the file."""
    if name == "-":
        return _first_line(stdin.readline(), "standard input")
    path = Path(name).expanduser()
    try:
        with path.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
                raise ConfigurationInvalid(
                    f"password file {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
                    value=str(path),
                    rule="only its owner may read it",
                    remedy=f"chmod 600 {path}",
                )
            return _first_line(stream.readline(), str(path))
    except OSError as error:
        raise ConfigurationInvalid(f"cannot read password file {path}: {error.strerror}", value=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationInvalid(f"password file {path} is not UTF-8", value=str(path)) from error


def _first_line(line: str, where: str) -> str:
    password = line.rstrip("\r\n")
    if not password:
        raise ConfigurationInvalid(f"{where} holds no password in its first line", value=where)
    return password


def _ask(prompt: str) -> str:
    from getpass import getpass

    password = getpass(prompt)
    if not password:
        raise ConfigurationInvalid("an empty password; nothing was changed")
    return password
