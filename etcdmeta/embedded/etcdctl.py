"""Running etcdctl and etcdutl: always with a deadline, never with a password on the command line."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from etcdmeta.embedded.errors import EtcdctlFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etcdmeta.embedded.configuration import Tls

DEFAULT_SECONDS = 15.0
_GRACE_SECONDS = 5.0


def run_etcdctl(
    program: Path,
    arguments: Sequence[str],
    *,
    endpoints: Sequence[str],
    tls: Tls | None = None,
    credentials: tuple[str, str] | None = None,
    stdin: str = "",
    timeout: float = DEFAULT_SECONDS,
) -> str:
    """What it prints. ``timeout`` in seconds is its --command-timeout. Raises EtcdctlFailed."""
    command = [
        str(program),
        f"--endpoints={','.join(endpoints)}",
        f"--command-timeout={int(timeout * 1000)}ms",
        f"--dial-timeout={int(timeout * 1000)}ms",
        *(tls.client_arguments() if tls else ()),
        *arguments,
    ]
    environment = {"ETCDCTL_API": "3"}  # 3.6 warns about nothing else; before, it may choose the v2 commands
    if credentials is not None:
        environment["ETCDCTL_USER"] = ":".join(credentials)
    return _run(command, environment, stdin, timeout + _GRACE_SECONDS)


def run_etcdutl(program: Path, arguments: Sequence[str], timeout: float = DEFAULT_SECONDS) -> str:
    """What it prints, within ``timeout`` seconds. Raises EtcdctlFailed."""
    return _run([str(program), *arguments], {"ETCDCTL_API": "3"}, "", timeout)


def _run(command: list[str], extra_environment: dict[str, str], stdin: str, timeout: float) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=environment | extra_environment,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise EtcdctlFailed(f"{command[0]} did not end within {timeout:g} s") from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()[-600:]
        raise EtcdctlFailed(f"{command[0]} ended with {done.returncode}: {words}")
    return done.stdout
