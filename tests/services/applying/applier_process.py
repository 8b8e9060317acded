"""An applier in a process of its own, to be killed: ``python -m … CLUSTER PLAN ENDPOINT…``.

It says ``ready`` when its picture is current, and begins when it is told the create revision of the lead's key, which
all that it commits compares. What it has not been told by then it does not know.
"""

from __future__ import annotations

import sys

from etcdmeta.records import keys
from etcdmeta.services.applying import Applier
from etcdmeta.services.applying.work import Retries
from etcdmeta.store import Fence, MetaStore


def main() -> None:
    cluster, plan_id, *endpoints = sys.argv[1:]
    with MetaStore.open(endpoints, cluster=cluster) as store:
        store.wait_live(20)
        print("ready", flush=True)
        fence = Fence(keys.lead("plans"), int(sys.stdin.readline()), "the lead of plans")
        Applier(store, lambda: fence, retries=Retries(pause=0.01)).run(int(plan_id))
    print("done", flush=True)


if __name__ == "__main__":
    main()
