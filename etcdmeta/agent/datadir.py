"""A node's data directory: its identity, its cache file, and the lock that lets one process at a time be the node."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from etcdmeta.agent.identity import Identity, load, new_identity, save
from etcdmeta.errors import ConfigurationInvalid, NodeAlreadyRunning


class DataDirectory:
    """A node's data directory, held by this process until `close`, or its end.

    Made with mode 0700 where it is not there. Raises `ConfigurationInvalid` where it cannot be used, and
    `NodeAlreadyRunning` where another process, or another agent of this one, holds it. Usable in ``with``.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock: int | None = None
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = self.path.stat().st_mode
            if mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise _unusable(
                    self.path,
                    f"can be written by others (mode {stat.S_IMODE(mode):04o})",
                    "only the agent's user may write to its data directory",
                    f"chmod 700 {self.path}",
                )
            self._lock = _locked(self.path / "lock")
        except OSError as error:
            raise _unusable(
                self.path,
                f"cannot be used as data directory: {error.strerror}",
                "a directory of the agent's own user",
                "name another --data-dir, or give this one to the agent's user",
            ) from error

    @property
    def cache_file(self) -> Path:
        """Where the picture is kept, for starting while etcd is away."""
        return self.path / "picture.cache"

    @property
    def identity_file(self) -> Path:
        return self.path / "node.json"

    def identity(self) -> Identity:
        """The one in the file; else a new one, which is saved at once. Raises `ConfigurationInvalid`."""
        identity = load(self.identity_file)
        if identity is None:
            identity = new_identity()
            self.save(identity)
        return identity

    def save(self, identity: Identity) -> None:
        """Raises `ConfigurationInvalid`."""
        save(self.identity_file, identity)

    def close(self) -> None:
        """Another process may be the node now. Twice is no error."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)  # which gives up the lock; the file stays, or two could lock two files of that name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _locked(path: Path) -> int:
    """The descriptor that holds the lock. Raises `NodeAlreadyRunning`, OSError."""
    # flock and not lockf: this one also keeps two agents of one process apart, and closing some other descriptor of
    # the file does not give it up.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            raise NodeAlreadyRunning(
                f"another process runs on the data directory {path.parent}" + (f": pid {holder}" if holder else ""),
                value=str(path.parent),
                rule="one process at a time is a node",
                remedy="stop that process, or give this one a --data-dir of its own",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _unusable(path: Path, what: str, rule: str, remedy: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(f"{path} {what}", value=str(path), rule=rule, remedy=remedy)
