"""Real etcd processes, for trying out and for tests. Not for production: it is all on one machine.

::

    with Cluster(members=3) as etcd:
        etcd.endpoints            # ("127.0.0.1:20312", …)
        etcd.kill(etcd.leader())  # SIGKILL; the other two go on
"""

from etcdmeta.embedded.binaries import Binaries, find_binaries
from etcdmeta.embedded.cluster import Cluster
from etcdmeta.embedded.configuration import Tls
from etcdmeta.embedded.errors import (
    DataDirectoryMismatch,
    EtcdctlFailed,
    EtcdNotInstalled,
    MemberDidNotStart,
    PortsTaken,
)
from etcdmeta.embedded.member import Member

__all__ = [
    "Binaries",
    "Cluster",
    "DataDirectoryMismatch",
    "EtcdNotInstalled",
    "EtcdctlFailed",
    "Member",
    "MemberDidNotStart",
    "PortsTaken",
    "Tls",
    "find_binaries",
]
