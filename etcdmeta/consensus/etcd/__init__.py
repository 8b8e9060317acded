"""The consensus strategy over etcd: a channel to each member, a picker, typed outcomes, a stream a watch."""

from etcdmeta.consensus.etcd.endpoints import Endpoint, parse_endpoints
from etcdmeta.consensus.etcd.strategy import EtcdStrategy

__all__ = ["Endpoint", "EtcdStrategy", "parse_endpoints"]
