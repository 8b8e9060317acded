"""From nothing to a current picture, against reading the same range raw.

Ours is `MetaStore.open`: connect, list, build, watch, prove that the watch continues the list. The floor connects and
reads the same range at one revision in pages of the same size, one after the other, and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from etcdmeta import MetaStore
from etcdmeta.embedded import Cluster
from tests.benchmarks.measure import Pair, Result, Scale, ratio, seconds
from tests.benchmarks.raw import RawMember
from tests.benchmarks.world import make_cluster

PAGE = 10_000
"""The strategy's own."""
_CLUSTER = "ours1"


def run(scale: Scale) -> Iterator[Result]:
    with Cluster(members=1, unsafe_no_fsync=True) as cluster:
        endpoints = list(cluster.endpoints)
        start, end = make_cluster(endpoints, _CLUSTER, scale.groups).state_range

        def floor() -> None:
            with closing(RawMember(endpoints[0])) as member:
                if member.read_all(start, end, PAGE) < scale.groups:
                    raise RuntimeError("groups are missing")

        def ours() -> float:
            stores: list[MetaStore] = []
            taken = seconds(lambda: stores.append(MetaStore.open(endpoints, cluster=_CLUSTER, timeout=60.0)))
            stores[0].close()
            return taken

        ours()
        seconds(floor)
        pairs = [Pair(1e3 * ours(), 1e3 * seconds(floor)) for _ in range(scale.rounds)]
    what = f"cold start with {scale.groups:,} groups of 3 owners ÷ reading the same range raw, same pages"
    yield ratio(4, what, f"1 member, pages of {PAGE:,}", pairs, unit="ms", reach=1.3)
