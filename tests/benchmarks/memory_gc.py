"""What 100,000 groups weigh, and how long the garbage collector stops the world for them.

A process of its own opens a store on the large cluster, another on an empty one; the difference of their resident
sets (RSS, from the kernel) is what the groups cost, the buffers of the listing that the allocator did not give back
included. Then full collections are forced, and the longest of them counts. gc is as Python sets it.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from etcdmeta import MetaStore
from etcdmeta.embedded import Cluster
from tests.benchmarks.measure import Pair, Result, Scale, Spread
from tests.benchmarks.world import DATABASE, make_cluster, start_of

_LARGE, _EMPTY = "large", "empty"
_COLLECTIONS = 20
_PAGE_SIZE = 4096


def run(scale: Scale) -> Iterator[Result]:
    weights, pauses = [], []
    with Cluster(members=1, unsafe_no_fsync=True) as cluster:
        endpoints = list(cluster.endpoints)
        make_cluster(endpoints, _LARGE, scale.groups)
        make_cluster(endpoints, _EMPTY, 1)
        for _ in range(scale.rounds):
            large, empty = (_child(endpoints, name, scale.groups) for name in (_LARGE, _EMPTY))
            weights.append((large["rss"] - empty["rss"]) / scale.groups)
            pauses.append(Pair(large["pause"], empty["pause"]))
    held = f"1 member, {scale.groups:,} groups of 3 owners held"
    yield Result(7, "memory per group of 3 owners, held (RSS)", held, Spread.of(weights), "B", 1024.0)
    what = "longest pause by the garbage collector, forced full collections"
    whole = Spread.of([pair.ours for pair in pauses])
    yield Result(8, what, held, whole, "ms", 10.0, floor=f"{median(pair.floor for pair in pauses):.3g} ms with 1 group")
    part = Spread.of([pair.ours - pair.floor for pair in pauses])
    yield Result(8, "… of it for the groups: less the same process with 1 group", held, part, "ms", None)


def _child(endpoints: list[str], cluster: str, groups: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.memory_gc", cluster, str(groups), *endpoints]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, cwd=root)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _hold(cluster: str, groups: int, endpoints: list[str]) -> dict[str, float]:
    with MetaStore.open(endpoints, cluster=cluster, timeout=60.0) as store:
        rss = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_SIZE
        store.snapshot().policy(DATABASE).group_at(start_of(groups))
        longest = begun = 0.0

        def watch(phase: str, _: dict[str, int]) -> None:
            nonlocal longest, begun
            if phase == "start":
                begun = time.perf_counter()
            else:
                longest = max(longest, time.perf_counter() - begun)

        gc.callbacks.append(watch)
        for _ in range(_COLLECTIONS):
            gc.collect()
        gc.callbacks.remove(watch)
    return {"rss": rss, "pause": 1e3 * longest}


if __name__ == "__main__":
    json.dump(_hold(sys.argv[1], int(sys.argv[2]), sys.argv[3:]), sys.stdout)
