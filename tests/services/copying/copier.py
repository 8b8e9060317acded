"""A node's process that copies: ``python -m tests.services.copying.copier ENDPOINTS CLUSTER NODE FOLDER wait|go``."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

from etcdmeta.services.copying import Copying, CopyJob
from etcdmeta.store import MetaStore
from etcdmeta.testing.transfers import DirectoryTransfer


async def in_the_middle(_job: CopyJob, _done: int) -> None:
    print("copying", flush=True)
    if sys.argv[5] == "wait":
        await asyncio.Event().wait()


def main() -> None:
    endpoints, cluster, number, folder, _ = sys.argv[1:]
    with MetaStore.open(endpoints, cluster=cluster) as store:
        root = Path(folder)
        transfer = DirectoryTransfer(root / f"node-{number}", lambda node_id: root / f"node-{node_id}", in_the_middle)
        Copying(store, int(number), transfer).start()
        threading.Event().wait()


if __name__ == "__main__":
    main()
