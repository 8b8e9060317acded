"""A database node of the story: its agent, and what copies real files for it, in a process of its own.

``python -m tests.story.node ENDPOINTS CLUSTER HOST FOLDER``: the files of node N are below ``FOLDER/node-N``. Copies
that stand in ``FOLDER/held``, as ``SHARD>NODE``, stop in the middle, until they stand there no more.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

from etcdmeta.agent import AgentConfig
from etcdmeta.agent.assembly import Assembly
from etcdmeta.services.copying import Copying, CopyJob
from etcdmeta.store import Fence
from etcdmeta.testing.transfers import CHUNK, DirectoryTransfer

TTL = 4.0
"""Seconds: on a busy machine a node that lives must not be taken for dead while another one is."""
LOOK_SECONDS = 0.05


class Gate:
    """Where a copy waits in the middle while its shard is held: some of it is there, and told."""

    def __init__(self, held: Path, node_id: int) -> None:
        self._held = held
        self._node_id = node_id

    async def __call__(self, job: CopyJob, done: int) -> None:
        while done > CHUNK and f"{job.shard.id}>{self._node_id}" in self._held.read_text().split():
            await asyncio.sleep(LOOK_SECONDS)


def main() -> None:
    endpoints, cluster, host, folder = sys.argv[1:]
    root = Path(folder)
    config = AgentConfig(
        data_dir=root / "agents" / host.replace(":", "-"),
        host=host,
        listen="127.0.0.1:0",
        endpoints=tuple(endpoints.split(",")),
        cluster=cluster,
        ttl=TTL,
        services=("plans", "precreation", "retention", "stuck", "ledger"),
    )
    agent = Assembly(config)

    def fence() -> Fence | None:
        return agent.facts.fence()

    def ready() -> None:
        node_id = agent.facts.node_id
        gate = Gate(root / "held", node_id)
        transfer = DirectoryTransfer(root / f"node-{node_id}", lambda other: root / f"node-{other}", gate)
        Copying(agent.store, node_id, transfer, grace=0.5, look_every=0.2, fence=fence).start()
        print(node_id, flush=True)

    threading.Thread(target=_with_the_test, args=(agent,), daemon=True).start()
    asyncio.run(agent.serve(on_ready=ready))


def _with_the_test(agent: Assembly) -> None:
    """Nobody is left who would kill it: it ends."""
    sys.stdin.read()
    agent.end()


if __name__ == "__main__":
    main()
