"""The cache file: the picture on disk, so that a node starts and serves while etcd is away (danger 15).

One line of JSON (what it is, how much, and the SHA-256 of the rest), then the records as etcd lists them. Written to a
file beside it and renamed, mode 0600, so that a reader finds the old one or the new one. It is a start, not a truth:
it loads as stale, with its age, and is proven to lie in etcd's history before it is followed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from etcdmeta.errors import ConfigurationInvalid
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.transaction import KeyValue
from etcdmeta.replica.listing import listing
from etcdmeta.replica.loader import Loader

log = logging.getLogger("etcdmeta.cache")

FORMAT = "etcdmeta cache 1"
_RECORD = struct.Struct(">IIQQQ")


class Cached(NamedTuple):
    """A picture from a file; ``age`` in seconds, since it was last proven current."""

    snapshot: Snapshot
    age: float


def save(path: Path, cluster: str, snapshot: Snapshot, *, age: float) -> None:
    """``age``: seconds since the picture was last proven current. Raises OSError."""
    body = b"".join(_encode(snapshot))
    head = {
        "format": FORMAT,
        "cluster": cluster,
        "revision": snapshot.revision,
        "provenAt": time.time_ns() - int(age * 1e9),
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(json.dumps(head).encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def load(path: Path, cluster: str) -> Cached | None:
    """The picture in the file; None where there is no file, or it is damaged (which is logged, and no reason not to
    start). Raises `ConfigurationInvalid` where it is another cluster's."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    line, _, body = raw.partition(b"\n")
    try:
        head = json.loads(line)
        intact = head["format"] == FORMAT and hashlib.sha256(body).hexdigest() == head["sha256"]
        revision, proven_at, name = int(head["revision"]), int(head["provenAt"]), head["cluster"]
    except (ValueError, TypeError, KeyError):
        intact, revision, proven_at, name = False, 0, 0, cluster
    if not intact:
        log.warning("the cache file %s is damaged: starting without it", path)
        return None
    if name != cluster:
        raise ConfigurationInvalid(
            f"the cache file {path} is of cluster {name!r}, not of {cluster!r}",
            value=str(path),
            rule="one cache file belongs to one cluster",
            remedy="name another file, or check the cluster's name",
        )
    loader = Loader(0)
    loader.add(_decode(body))
    return Cached(loader.finish(revision), max(0.0, (time.time_ns() - proven_at) / 1e9))


def _encode(snapshot: Snapshot) -> Iterator[bytes]:
    mark = snapshot.generation_mark
    for key, value, mod, create in listing(snapshot):
        version = mark.version if mark is not None and key == keys.GENERATION else 1
        yield _RECORD.pack(len(key), len(value), mod, create, version) + key + value


def _decode(body: bytes) -> Iterator[KeyValue]:
    at = 0
    while at < len(body):
        key_length, value_length, mod, create, version = _RECORD.unpack_from(body, at)
        at += _RECORD.size
        key = body[at : at + key_length]
        at += key_length
        yield KeyValue(key, body[at : at + value_length], create, mod, version)
        at += value_length
