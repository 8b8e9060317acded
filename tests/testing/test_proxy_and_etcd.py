"""The proxy between a client and a real etcd: what a swallowed answer and a swallowed request mean there."""

import base64
import http.client
import json
from collections.abc import Callable

import pytest

from etcdmeta.embedded import Cluster, EtcdctlFailed
from etcdmeta.testing import Proxy

DEADLINE = 10.0


@pytest.fixture
def proxy(etcd_cluster: Cluster, proxy_factory: Callable[[str], Proxy]) -> Proxy:
    return proxy_factory(etcd_cluster.endpoints[0])


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def stored(cluster: Cluster, key: str) -> str:
    return cluster.etcdctl("get", key, "--print-value-only").strip()


def test_through_the_proxy_etcd_is_etcd(etcd_cluster: Cluster, etcd_prefix: str, proxy: Proxy) -> None:
    proxy.drop_answers()
    with pytest.raises(EtcdctlFailed):
        etcd_cluster.etcdctl("put", etcd_prefix, "lost", endpoints=[proxy.address], timeout=1.0)
    assert proxy.seen.dropped_from_server > 0
    proxy.heal()
    etcd_cluster.etcdctl("put", etcd_prefix, "passed", endpoints=[proxy.address])
    assert stored(etcd_cluster, etcd_prefix) == "passed"


def test_a_swallowed_answer_leaves_a_write_that_happened(
    etcd_cluster: Cluster, etcd_prefix: str, proxy: Proxy
) -> None:
    host, _, port = proxy.address.rpartition(":")
    body = json.dumps({"key": encoded(etcd_prefix), "value": encoded("applied")})
    connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE)
    connection.connect()
    proxy.drop_answers()
    connection.request("POST", "/v3/kv/put", body)
    proxy.wait_for(lambda seen: seen.dropped_from_server > 0, DEADLINE)
    assert stored(etcd_cluster, etcd_prefix) == "applied"
    proxy.heal()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        connection.getresponse()
    connection.close()


def test_swallowed_requests_leave_nothing(etcd_cluster: Cluster, etcd_prefix: str, proxy: Proxy) -> None:
    proxy.drop_requests()
    with pytest.raises(EtcdctlFailed):
        etcd_cluster.etcdctl("put", etcd_prefix, "x", endpoints=[proxy.address], timeout=1.0)
    assert proxy.seen.dropped_to_server > 0
    assert stored(etcd_cluster, etcd_prefix) == ""
