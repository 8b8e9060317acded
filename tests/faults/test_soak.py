"""The soak's short form; ``scripts/soak`` is the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.soak import Soak

if TYPE_CHECKING:
    from etcdmeta.testing.plugin import ClusterFactory


def test_everything_agrees_after_random_commands_and_faults(etcd_cluster_factory: ClusterFactory, seed: int) -> None:
    soak = Soak(etcd_cluster_factory(3), seed, print)
    endings = soak.run(15)
    assert endings["done"] > 50
    assert sum(soak.faults.values()) >= 3
