"""Who a node is: the file ``node.json`` in its data directory.

The secret is what proves it; etcd keeps its SHA-256. It is made and saved before the first join, with ids of 0: a
process that dies between the join and the saving of its answer finds the same secret again, and the cluster the same
node.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from etcdmeta.errors import ConfigurationInvalid, InvalidInput

SECRET_BYTES: Final = 32
_VERSION: Final = 1
_MOST_BYTES: Final = 64 * 1024
"""Of ``node.json``: it has less than one KiB."""
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,19}")
_SECRET: Final = re.compile(rf"[0-9a-f]{{{2 * SECRET_BYTES}}}")


@dataclass(frozen=True, slots=True)
class Identity:
    """``node_id`` and ``cluster_id`` 0: it has never joined. ``cluster``: that cluster's name, "" before."""

    secret: bytes = field(repr=False)
    node_id: int = 0
    cluster_id: int = 0
    cluster: str = ""

    @property
    def hash(self) -> bytes:
        """What the cluster keeps of the secret."""
        return hash_of(self.secret)


def new_identity() -> Identity:
    """A node that has never joined."""
    return Identity(secrets.token_bytes(SECRET_BYTES))


def hash_of(secret: bytes) -> bytes:
    """SHA-256 of a secret, which is random and long, so that no slow hash is needed. Raises `InvalidInput`."""
    if len(secret) != SECRET_BYTES:
        raise InvalidInput(
            f"a node's secret of {len(secret)} bytes",
            value=len(secret),
            rule=f"a secret is {SECRET_BYTES} random bytes",
        )
    return hashlib.sha256(secret).digest()


def load(path: Path) -> Identity | None:
    """The identity in that file; None where there is no file.

    Raises `ConfigurationInvalid` where the file cannot be read, is not this program's, or is not private: a secret that
    others could read proves nothing.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror}", "a plain file of the agent's own user", _START_NEW)
    try:
        _require_private(path, os.fstat(descriptor))
        raw = _read(descriptor)
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror}", "a plain file of the agent's own user", _START_NEW)
    finally:
        os.close(descriptor)
    return _decode(path, raw)


def save(path: Path, identity: Identity) -> None:
    """Replaces the file: a reader finds the old one or the new one. Mode 0600. Raises `ConfigurationInvalid`."""
    content = {
        "version": _VERSION,
        "nodeId": str(identity.node_id),
        "clusterId": str(identity.cluster_id),
        "cluster": identity.cluster,
        "secret": identity.secret.hex(),
    }
    beside = path.with_name(f".{path.name}.new")  # always the same, so that a crash leaves one at most
    try:
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(json.dumps(content, indent=1).encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise ConfigurationInvalid(
            f"{path} cannot be written: {error.strerror}",
            value=str(path),
            rule="a node keeps its identity in its data directory",
            remedy="make room there, or give the directory to the agent's user",
        ) from error


_START_NEW: Final = "mend it from a backup, or move it away to join as a new node"


def _require_private(path: Path, status: os.stat_result) -> None:
    mode = status.st_mode
    if not stat.S_ISREG(mode):
        _refuse(path, "is no plain file", "a plain file of the agent's own user", _START_NEW)
    if status.st_uid != os.geteuid():
        _refuse(
            path,
            f"belongs to user {status.st_uid}, and the agent runs as user {os.geteuid()}",
            "only the agent's own user may have a node's secret",
            f"start the agent as that user, or chown {os.geteuid()} {path}",
        )
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        _refuse(
            path,
            f"can be used by others (mode {stat.S_IMODE(mode):04o})",
            "only the agent's own user may have a node's secret",
            f"chmod 600 {path}",
        )


def _read(descriptor: int) -> bytes:
    """The whole file, or one byte too many."""
    raw = b""
    while len(raw) <= _MOST_BYTES and (piece := os.read(descriptor, _MOST_BYTES + 1 - len(raw))):
        raw += piece
    return raw


def _decode(path: Path, raw: bytes) -> Identity:
    try:
        content: Any = json.loads(raw) if len(raw) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, Mapping):
        _refuse(path, "is no JSON object", "the file that an agent wrote", _START_NEW)
    if content.get("version") != _VERSION:
        _refuse(
            path,
            "is not of a version that this etcdmeta knows",
            f"version {_VERSION}",
            "use the etcdmeta that wrote it, or move it away to join as a new node",
        )
    cluster, secret = content.get("cluster"), content.get("secret")
    if not isinstance(cluster, str) or not (isinstance(secret, str) and _SECRET.fullmatch(secret)):
        _refuse(path, "lacks the cluster's name or the secret", "the file that an agent wrote", _START_NEW)
    return Identity(
        bytes.fromhex(secret), _number(path, content, "nodeId"), _number(path, content, "clusterId"), cluster
    )


def _number(path: Path, content: Mapping[str, Any], name: str) -> int:
    text = content.get(name)
    if not (isinstance(text, str) and _NUMBER.fullmatch(text) and int(text) < 2**64):
        _refuse(path, f"has no id in {name}", "the file that an agent wrote", _START_NEW)
    return int(text)


def _refuse(path: Path, what: str, rule: str, remedy: str) -> NoReturn:
    raise ConfigurationInvalid(f"{path} {what}", value=str(path), rule=rule, remedy=remedy)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
