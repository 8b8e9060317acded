"""Copying, as a database node sees it: follow what the metadata wants of this node, and drive the node's own transfer.

```python
class MyEngine(ShardTransfer):
    async def copy(self, job: CopyJob) -> None:
        async for done, total in self.pull(job.source, job.shard.id):
            await job.report(done, total)
```

`transfer` is what the node writes, `wanted` reads the picture, `reporting` says how far a copy is, `copying` does it,
and `fencing` keeps a node that another instance has replaced from doing it.
"""

from etcdmeta.services.copying.copying import Copying
from etcdmeta.services.copying.fencing import AgentFence
from etcdmeta.services.copying.transfer import CopyJob, CopySource, ShardTransfer

__all__ = ["AgentFence", "CopyJob", "CopySource", "Copying", "ShardTransfer"]
