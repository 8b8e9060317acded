"""What a database node implements, and what it is given for one copy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple

from etcdmeta.model.entities import Shard, ShardGroup


class CopySource(NamedTuple):
    """Whom to copy from: a node's id, its host, and its agent's address, "" where it has none."""

    node_id: int
    host: str
    agent: str


class CopyJob:
    """One attempt to copy one shard to this node."""

    def __init__(
        self,
        shard: Shard,
        group: ShardGroup,
        source: CopySource,
        attempt: int,
        report: Callable[[int | None, int | None], Awaitable[None]],
    ) -> None:
        self.shard = shard
        self.group = group
        self.source = source
        self.attempt = attempt
        self._report = report

    def __repr__(self) -> str:
        return f"<CopyJob shard {self.shard.id} from node {self.source.node_id}, attempt {self.attempt}>"

    async def report(self, done: int | None, total: int | None) -> None:
        """Bytes copied, and to copy; None where unknown. As often as one likes: it is written at most every 5 s.

        Raises `CopyCancelled` where nobody wants this attempt any more.
        """
        await self._report(done, total)


class ShardTransfer(ABC):
    """The database's own way to move a shard's files. Its methods run in one asyncio loop, several copies at a time."""

    @abstractmethod
    async def copy(self, job: CopyJob) -> None:
        """Fetch everything of the shard, and return when it is safely stored here: the node serves it from then on.

        It may find what an earlier attempt, or process, left behind. Whatever it raises becomes the owner's ``failed``
        with that as the reason, so it should hold no secret. It is cancelled (`asyncio.CancelledError`) where the
        copy is not wanted any more.
        """

    @abstractmethod
    async def drop(self, shard_id: int) -> None:
        """Delete everything of the shard; it may be gone already. Raising is tried again later."""

    @abstractmethod
    async def shards(self) -> Collection[int]:
        """The ids of the shards whose files are here, half copied ones too."""
