"""A port that is leased is nobody else's."""

import socket
import subprocess
import sys

import pytest

from etcdmeta.embedded import ports
from etcdmeta.embedded.errors import PortsTaken
from etcdmeta.embedded.ports import PortLease, is_free

HOST = "127.0.0.1"
LEASE_ALL = f"""
from etcdmeta.embedded import ports
ports._FIRST, ports._LAST = int({{first}}), int({{last}})
print(ports.PortLease({HOST!r}, 1).ports[0])
"""


def test_a_lease_keeps_its_ports_from_other_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    first = PortLease(HOST, 1)
    port = first.ports[0]
    monkeypatch.setattr(ports, "_FIRST", port)
    monkeypatch.setattr(ports, "_LAST", port)
    if sys.platform == "linux":
        with pytest.raises(PortsTaken):
            PortLease(HOST, 1)
        other = subprocess.run(
            [sys.executable, "-c", LEASE_ALL.format(first=port, last=port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert "PortsTaken" in other.stderr
    first.release()
    first.release()
    again = PortLease(HOST, 1)
    assert again.ports == (port,)
    again.release()


def test_a_port_that_somebody_listens_on_is_not_leased(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(HOST, port)
        monkeypatch.setattr(ports, "_FIRST", port)
        monkeypatch.setattr(ports, "_LAST", port)
        with pytest.raises(PortsTaken):
            PortLease(HOST, 1)
    assert is_free(HOST, port)


def test_ports_of_one_lease_differ() -> None:
    lease = PortLease(HOST, 50)
    assert len(set(lease.ports)) == 50
    lease.release()
