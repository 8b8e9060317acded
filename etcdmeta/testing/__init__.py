"""What users' own tests can use: a store in the test's process, a store on a real etcd, and ways to break things.

::

    from etcdmeta.testing import LocalCluster, LocalStrategy, local_store

    def test_my_catalogue_survives_a_lost_answer():
        etcd = LocalCluster()                      # what two stores share
        link = LocalStrategy(etcd)                 # one store's connection to it
        with local_store(link) as store, local_store(LocalStrategy(etcd)) as other:
            link.lose_answer()                     # the next transaction is done, and nobody is told
            store.create_database("metrics")       # settled through the ledger: done once
            other.wait_for(lambda snapshot: snapshot.find_database("metrics"), timeout=10)

`local_store` has no etcd behind it, but the same revisions, conflicts, compaction and errors: one conformance suite
holds both to that. A `LocalStrategy` loses or holds requests and answers (``lose_answer``, ``lose_request``,
``hold_request``, ``disconnect``); a `LocalCluster` is compacted, restored, and lets time pass for leases. `Proxy`
breaks connections to a real etcd. `etcdmeta.testing.plugin` has all of it as pytest fixtures, a real cluster of three
members included; `etcdmeta.testing.certificates` makes certificates.
"""

from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.testing.proxy import Proxy, Seen
from etcdmeta.testing.stores import local_store

__all__ = ["LocalCluster", "LocalStrategy", "Proxy", "Seen", "local_store"]
