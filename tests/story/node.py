"""A database node of the story: its agent, and what copies real files for it, in a process of its own.

``python -m tests.story.node ENDPOINTS CLUSTER HOST FOLDER``: the files of node N are below ``FOLDER/node-N``.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

from etcdmeta.agent import AgentConfig
from etcdmeta.agent.assembly import Assembly
from etcdmeta.services.copying import Copying, CopyJob
from etcdmeta.testing.transfers import DirectoryTransfer

CHUNK_SECONDS = 0.1
"""A copy takes half a second, so that a node can be killed in the middle of a plan."""


async def slowly(_job: CopyJob, _done: int) -> None:
    await asyncio.sleep(CHUNK_SECONDS)


def main() -> None:
    endpoints, cluster, host, folder = sys.argv[1:]
    root = Path(folder)
    config = AgentConfig(
        data_dir=root / "agents" / host.replace(":", "-"),
        host=host,
        listen="127.0.0.1:0",
        endpoints=tuple(endpoints.split(",")),
        cluster=cluster,
        ttl=1.5,
        services=("plans", "precreation", "retention", "stuck", "ledger"),
    )
    agent = Assembly(config)

    def ready() -> None:
        node_id = agent.facts.node_id
        transfer = DirectoryTransfer(root / f"node-{node_id}", lambda other: root / f"node-{other}", slowly)
        Copying(agent.store, node_id, transfer, grace=0.5, look_every=0.2).start()
        print(node_id, flush=True)

    threading.Thread(target=_with_the_test, args=(agent,), daemon=True).start()
    asyncio.run(agent.serve(on_ready=ready))


def _with_the_test(agent: Assembly) -> None:
    """Nobody is left who would kill it: it ends."""
    sys.stdin.read()
    agent.end()


if __name__ == "__main__":
    main()
