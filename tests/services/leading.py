"""A process that leads and, when told to by a line on stdin, commits under the fence that it had before: run with
``python -m tests.services.leading ENDPOINTS CLUSTER TTL``."""

from __future__ import annotations

import sys

from etcdmeta.commands.database import CreateDatabase
from etcdmeta.errors import EtcdMetaError
from etcdmeta.services.election import Lead
from etcdmeta.store import MetaStore

LEAD = "tests"


def main() -> None:
    endpoints, cluster, ttl = sys.argv[1:]
    with MetaStore.open(endpoints, cluster=cluster) as store:
        lead = Lead(store, LEAD, ttl=float(ttl), who="a process")
        if not lead.try_acquire(20.0):
            sys.exit("nobody gave the lead up")
        fence = lead.fence()
        print("leading", flush=True)
        for line in sys.stdin:
            try:
                store.execute(CreateDatabase(name=line.strip()), fence=fence)
                print("done", flush=True)
            except EtcdMetaError as error:
                print(type(error).__name__, "led" if lead.fence() == fence else "lost", flush=True)


if __name__ == "__main__":
    main()
