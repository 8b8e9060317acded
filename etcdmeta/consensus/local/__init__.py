"""The consensus strategy in one process: the same revisions, compares, compaction and failure words as etcd.

For embedding where one process is enough, and for tests, which can lose requests and answers at will.
"""

from etcdmeta.consensus.local.cluster import LocalCluster
from etcdmeta.consensus.local.strategy import LocalStrategy

__all__ = ["LocalCluster", "LocalStrategy"]
