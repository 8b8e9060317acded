"""What judges etcd's members has to see a difference, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.records.transaction import Put, Transaction
from tests.faults.agreement import MembersDisagree, ask, disagreement
from tests.faults.soak import Soak
from tests.store.worlds import SECONDS, soon

if TYPE_CHECKING:
    from etcdmeta.embedded import Cluster
    from etcdmeta.testing.plugin import ClusterFactory


def test_members_of_one_cluster_agree(etcd_cluster: Cluster) -> None:
    put(etcd_cluster, b"v")
    assert disagreement(etcd_cluster.endpoints, SECONDS) == ""


def test_what_differs_is_told(etcd_cluster_factory: ClusterFactory) -> None:
    """Two of one member each, that were told as much as each other, and not the same."""
    one, other = etcd_cluster_factory(1), etcd_cluster_factory(1)
    put(one, b"v")
    put(other, b"w")
    indexes = {cluster: ask(cluster.endpoints[0]).index for cluster in (one, other)}
    behind = min(indexes, key=lambda cluster: indexes[cluster])
    for _ in range(abs(indexes[one] - indexes[other])):
        put(behind, b"x")
    told = disagreement([*one.endpoints, *other.endpoints], SECONDS)
    assert one.endpoints[0] in told
    assert "different things at revision" in told


def test_a_soak_is_void_only_where_etcd_is_to_blame(
    etcd_cluster_factory: ClusterFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise AssertionError("it does not agree")

    monkeypatch.setattr(Soak, "_run", fail)
    cluster = etcd_cluster_factory(1)
    with pytest.raises(AssertionError, match="it does not agree"):
        Soak(cluster, 1, print).run(1.0)
    monkeypatch.setattr("tests.faults.soak.disagreement", lambda *_: "etcd's members hold different things")
    with pytest.raises(MembersDisagree, match="different things"):
        Soak(cluster, 1, print).run(1.0)


def put(cluster: Cluster, value: bytes) -> None:
    strategy = EtcdStrategy(cluster.endpoints)
    try:
        strategy.transact(Transaction((), (Put(b"/agreement/k", value),), ()), deadline=soon())
    finally:
        strategy.close()
