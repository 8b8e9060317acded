"""Real members: started, hurt, mended, and gone afterwards."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etcdmeta.embedded import (
    Binaries,
    Cluster,
    DataDirectoryMismatch,
    EtcdctlFailed,
    MemberDidNotStart,
    PortsTaken,
)
from etcdmeta.testing.certificates import make_certificates
from etcdmeta.testing.plugin import ClusterFactory

DEADLINE = 30.0


def get(cluster: Cluster, key: str, **options: object) -> str:
    return cluster.etcdctl("get", key, "--print-value-only", **options).strip()  # type: ignore[arg-type]


def test_a_shared_cluster_serves_on_every_endpoint(etcd_cluster: Cluster, etcd_prefix: str) -> None:
    assert len(etcd_cluster.endpoints) == 3
    etcd_cluster.etcdctl("put", etcd_prefix, "value")
    for endpoint in etcd_cluster.endpoints:
        assert get(etcd_cluster, etcd_prefix, endpoints=[endpoint]) == "value"
    assert etcd_cluster.leader() in range(3)


def test_killed_frozen_and_restarted_members_catch_up(etcd_cluster_factory: ClusterFactory) -> None:
    cluster = etcd_cluster_factory()
    cluster.etcdctl("put", "key", "1")
    leader = cluster.leader()

    cluster.kill(leader)
    assert cluster.members[leader].state == "down"
    assert cluster.leader() != leader
    cluster.etcdctl("put", "key", "2")
    cluster.restart(leader)
    assert get(cluster, "key", endpoints=[cluster.endpoints[leader]]) == "2"

    leader = cluster.leader()
    cluster.freeze(leader)
    assert cluster.members[leader].state == "frozen"
    assert not cluster.members[leader].serves(0.2)
    assert cluster.leader() != leader
    cluster.etcdctl("put", "key", "3")
    cluster.thaw(leader)
    cluster.wait_until_serving(leader)
    assert get(cluster, "key", endpoints=[cluster.endpoints[leader]]) == "3"


def test_without_a_majority_nothing_serves(etcd_cluster_factory: ClusterFactory) -> None:
    cluster = etcd_cluster_factory()
    cluster.kill(0)
    cluster.kill(1)
    assert not cluster.members[2].serves(0.5)
    with pytest.raises(EtcdctlFailed):
        cluster.etcdctl("put", "key", "1", timeout=0.5)
    cluster.restart(0, wait=False)
    cluster.wait_until_serving(0, 2)
    cluster.etcdctl("put", "key", "1")


def test_restart_of_all_keeps_the_data_and_the_addresses(etcd_cluster_factory: ClusterFactory) -> None:
    cluster = etcd_cluster_factory()
    endpoints = cluster.endpoints
    cluster.etcdctl("put", "key", "1")
    cluster.restart_all()
    assert cluster.endpoints == endpoints
    assert get(cluster, "key") == "1"


def test_snapshot_and_restore_go_back_in_time_under_the_same_names(
    etcd_cluster_factory: ClusterFactory, tmp_path: Path
) -> None:
    cluster = etcd_cluster_factory()
    cluster.etcdctl("put", "key", "1")
    revision = cluster.revision()
    cluster.snapshot(tmp_path / "snapshot")
    cluster.etcdctl("put", "key", "2")
    cluster.restore(tmp_path / "snapshot")
    assert cluster.revision() == revision
    assert get(cluster, "key") == "1"
    assert [member.name for member in cluster.members] == ["etcd-1", "etcd-2", "etcd-3"]


def test_compaction_forgets(etcd_cluster_factory: ClusterFactory) -> None:
    cluster = etcd_cluster_factory(1)
    cluster.etcdctl("put", "key", "1")
    old = cluster.revision()
    cluster.etcdctl("put", "key", "2")
    cluster.compact(cluster.revision())
    with pytest.raises(EtcdctlFailed, match="compacted"):
        cluster.etcdctl("get", "key", f"--rev={old}")


def test_authentication_and_no_password_in_an_error(etcd_cluster_factory: ClusterFactory) -> None:
    cluster = etcd_cluster_factory(1)
    with pytest.raises(ValueError, match="white space"):
        cluster.enable_auth("a password")
    cluster.enable_auth("pass:wörd")
    cluster.etcdctl("put", "key", "1")
    assert get(cluster, "key") == "1"
    assert cluster.leader() == 0
    with pytest.raises(EtcdctlFailed) as refused:
        cluster.etcdctl("put", "key", "--no-such-flag")
    assert "wörd" not in str(refused.value) + repr(refused.value.value)


def test_tls_with_client_certificates(etcd_cluster_factory: ClusterFactory, tmp_path: Path) -> None:
    cluster = etcd_cluster_factory(1, tls=make_certificates(tmp_path))
    cluster.etcdctl("put", "key", "1")
    assert get(cluster, "key") == "1"
    # What speaks no TLS is not let in.
    host, _, port = cluster.endpoints[0].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'"health":"true"' not in plain.recv(4096)


def test_settings_reach_etcd(etcd_cluster_factory: ClusterFactory) -> None:
    cluster = etcd_cluster_factory(1, quota_bytes=4 * 1024 * 1024, extra_args=["--max-request-bytes=100000"])
    with pytest.raises(EtcdctlFailed, match="too large"):
        cluster.etcdctl("put", "key", stdin="x" * 200_000)
    with pytest.raises(EtcdctlFailed, match="space exceeded"):  # noqa: PT012
        for number in range(100):
            cluster.etcdctl("put", f"key{number}", stdin="x" * 90_000)


def test_a_kept_data_directory_is_the_same_cluster_again(tmp_path: Path) -> None:
    with Cluster(1, data_dir=tmp_path) as cluster:
        endpoints = cluster.endpoints
        cluster.etcdctl("put", "key", "1")
    with Cluster(1, data_dir=tmp_path) as again:
        assert again.endpoints == endpoints
        assert get(again, "key") == "1"
    for other in (Cluster(3, data_dir=tmp_path), Cluster(1, data_dir=tmp_path, port=20_000)):
        with pytest.raises(DataDirectoryMismatch, match="cluster of 1 members"):
            other.start()
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(DataDirectoryMismatch, match="cannot be read"):
        Cluster(1, data_dir=tmp_path).start()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortsTaken, match=str(port)):
            Cluster(1, port=port).start()


def test_a_member_that_cannot_start_leaves_its_last_words_and_nothing_else() -> None:
    cluster = Cluster(1, extra_args=["--no-such-flag"])
    with pytest.raises(MemberDidNotStart, match="no-such-flag"):
        cluster.start()
    assert cluster.members == ()
    with pytest.raises(ValueError, match="not started"):
        _ = cluster.directory


def test_nothing_is_left_after_the_end(etcd_binaries: Binaries) -> None:
    with Cluster(1, unsafe_no_fsync=True, binaries=etcd_binaries) as cluster:
        directory, pid = cluster.directory, cluster.members[0].pid
        assert pid is not None
        cluster.freeze(0)
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    cluster.close()


OWNER = """
import json, sys, time
from etcdmeta.embedded import Cluster
cluster = Cluster(1, unsafe_no_fsync=True)
cluster.start()
print(json.dumps([str(cluster.directory), cluster.members[0].pid]), flush=True)
cluster.freeze(0)  # or it would end by itself once its data are gone
print("frozen", flush=True)
sys.stdin.read()
{end}
"""


def run_owner(end: str) -> tuple[subprocess.Popen[str], Path, int]:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(end=end)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    directory, pid = json.loads(owner.stdout.readline())
    assert owner.stdout.readline() == "frozen\n"
    return owner, Path(directory), pid


def is_gone(pid: int) -> bool:
    """Ended, perhaps not waited for yet: in a container nobody may adopt orphans."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_members_and_data_go_with_their_owner_whatever_it_dies_of(number: signal.Signals) -> None:
    owner, directory, pid = run_owner("")
    try:
        with owner:
            owner.send_signal(number)
            owner.wait(DEADLINE)
        end = time.monotonic() + DEADLINE
        while not (is_gone(pid) and not directory.exists()):
            assert time.monotonic() < end, (pid, directory)
            time.sleep(0.02)  # the guard is nobody's child any more: there is no event to wait for
    finally:
        if not is_gone(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_detached_members_outlive_their_owner() -> None:
    owner, directory, pid = run_owner("cluster.detach()")
    try:
        with owner:
            owner.communicate(timeout=DEADLINE)
        assert not is_gone(pid)
        assert directory.exists()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + DEADLINE
        while not is_gone(pid):
            assert time.monotonic() < end
            time.sleep(0.02)
        subprocess.run(["rm", "-rf", str(directory)], check=True)
