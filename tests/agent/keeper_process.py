"""A process that does nothing but keep a node live.

``python -m tests.agent.keeper_process ENDPOINTS CLUSTER NODE TTL``

Prints one JSON line at each renewal and change of state, with the time by the machine's monotonic clock *before* the
latest renewal was sent, until it is told to end.
"""

from __future__ import annotations

import json
import sys
import time

from etcdmeta.agent.liveness import Liveness, LivenessState
from etcdmeta.store import MetaStore


def main() -> None:
    endpoints, cluster, node, ttl = sys.argv[1:]
    with MetaStore.open(endpoints, cluster=cluster, timeout=30) as store:
        keeper = Liveness(store, int(node), host=f"h{node}:8088", version="1", ttl=float(ttl))
        keeper.start()
        told: tuple[object, ...] = ()
        while True:
            status = keeper.status()
            if status.state is LivenessState.REFUSED:
                try:
                    keeper.wait_live(0)
                except Exception as error:  # noqa: BLE001  whatever it is, it is told
                    print(json.dumps({"state": "refused", "error": str(error)}), flush=True)
                    return
            if (now := (status.state, status.renewals, status.losses)) != told:
                told = now
                line = {
                    "state": status.state,
                    "renewals": status.renewals,
                    "losses": status.losses,
                    "lease": status.lease,
                    "instance": status.instance,
                    "renewedAt": keeper._tenure._renewed_at,
                }
                print(json.dumps(line), flush=True)
            time.sleep(0.02)


if __name__ == "__main__":
    main()
