"""A database node of the play, beside its agent: it embeds the library, follows the picture through that agent alone,
and copies real files of shards from the folders of other nodes.

``python -m etcdmeta.demo.database AGENT HOST FOLDER``: the files of node N are below ``FOLDER/node-N``.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from etcdmeta.errors import NotFound
from etcdmeta.model.entities import Node
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.services.copying import AgentFence, Copying, CopyJob
from etcdmeta.store import MetaStore
from etcdmeta.testing.transfers import DirectoryTransfer

CHUNK_SECONDS = 0.2
"""A network of 320 KiB/s: slow enough for a node to lose its power in the middle of a copy."""
GRACE = 1.0
"""Seconds until files go that nobody owns; a day, where nobody watches a play."""


class Engine(DirectoryTransfer):
    """And says what it does."""

    async def copy(self, job: CopyJob) -> None:
        _say(f"copies shard {job.shard.id} from node {job.source.node_id}, attempt {job.attempt}")
        await super().copy(job)
        _say(f"has shard {job.shard.id}: the checksums agree")

    async def drop(self, shard_id: int) -> None:
        await super().drop(shard_id)
        _say(f"dropped the files of shard {shard_id}, which it owns no more")


def files_of(folder: Path, node_id: int) -> Path:
    """Where the shards of a node are, each a folder of its id."""
    return folder / f"node-{node_id}"


async def _slowly(_job: CopyJob, _done: int) -> None:
    await asyncio.sleep(CHUNK_SECONDS)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _itself(snapshot: Snapshot, host: str) -> Node | None:
    try:
        return snapshot.node(host)
    except NotFound:
        return None  # its agent has just joined: this picture is a moment older


def main() -> None:
    agent, host, folder = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C at the play ends this, too, without a word
    root = Path(folder)
    with MetaStore.open(f"agent://{agent}", cluster="demo", actor=host) as store:
        node = store.wait_for(lambda snapshot: _itself(snapshot, host), timeout=30.0)
        assert node is not None  # waited for
        engine = Engine(files_of(root, node.id), lambda other: files_of(root, other), _slowly)
        fence = AgentFence(store, node.id, agent)
        copying = Copying(store, node.id, engine, grace=GRACE, look_every=0.5, fence=fence)
        copying.start()
        _say(f"node {node.id} has its picture from its agent")
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
