"""`DirectoryTransfer`: shards are folders of files below a node's own folder, copied from another node's."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from etcdmeta.services.copying import CopyJob, ShardTransfer

CHUNK = 64 * 1024


class DirectoryTransfer(ShardTransfer):
    """``root``: the node's own folder; ``root_of``: that of a node by its id. ``gate`` is awaited after each chunk, so
    that a test, or a demonstration, can look at a copy in the middle.
    """

    def __init__(
        self,
        root: Path,
        root_of: Callable[[int], Path],
        gate: Callable[[CopyJob, int], Awaitable[None]] | None = None,
    ) -> None:
        self._root = root
        self._root_of = root_of
        self._gate = gate
        root.mkdir(parents=True, exist_ok=True)

    async def copy(self, job: CopyJob) -> None:
        """Into a folder beside, which takes the shard's name when all of it is there and its checksums agree."""
        source = self._root_of(job.source.node_id) / str(job.shard.id)
        files = sorted(path for path in source.rglob("*") if path.is_file())
        if not source.is_dir():
            raise FileNotFoundError(f"node {job.source.node_id} has no files of shard {job.shard.id}")
        total, done = sum(path.stat().st_size for path in files), 0
        coming = self._root / f".{job.shard.id}.coming"
        if coming.exists():
            shutil.rmtree(coming)  # of an earlier attempt
        coming.mkdir()
        for path in files:
            target = coming / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as reader, target.open("wb") as writer:
                while chunk := reader.read(CHUNK):
                    writer.write(chunk)
                    done += len(chunk)
                    if self._gate is not None:
                        await self._gate(job, done)
                    await job.report(done, total)
        if checksum(coming) != checksum(source):
            raise OSError(f"the files of shard {job.shard.id} changed while they were copied")
        target = self._root / str(job.shard.id)
        if target.exists():
            shutil.rmtree(target)
        coming.rename(target)

    async def drop(self, shard_id: int) -> None:
        """And what is left of copies to it."""
        for name in (str(shard_id), f".{shard_id}.coming"):
            shutil.rmtree(self._root / name, ignore_errors=True)

    async def shards(self) -> Collection[int]:
        names = (path.name.removeprefix(".").removesuffix(".coming") for path in self._root.iterdir())
        return {int(name) for name in names if name.isdigit()}


def checksum(folder: Path) -> str:
    """SHA-256 of all names and bytes below a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
