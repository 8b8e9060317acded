"""What a cluster of embedded members looks like: settings, names, ports, and what of it is kept on disk."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etcdmeta.embedded.errors import DataDirectoryMismatch

if TYPE_CHECKING:
    from etcdmeta.embedded.binaries import Binaries

DEFAULT_START_SECONDS = 60.0
_LAYOUT_FILE = "cluster.json"


@dataclass(frozen=True)
class Tls:
    """Certificate files (PEM) for the client side of the members; peers talk over loopback without."""

    ca: Path
    cert: Path
    key: Path
    require_client_cert: bool = True

    def client_context(self) -> ssl.SSLContext:
        """For a client that shows the same certificate."""
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.cert, self.key)
        return context

    def server_arguments(self) -> list[str]:
        """etcd's flags."""
        arguments = [f"--cert-file={self.cert}", f"--key-file={self.key}"]
        if self.require_client_cert:
            arguments += [f"--trusted-ca-file={self.ca}", "--client-cert-auth=true"]
        return arguments

    def client_arguments(self) -> list[str]:
        """etcdctl's flags."""
        return [f"--cacert={self.ca}", f"--cert={self.cert}", f"--key={self.key}"]


@dataclass(frozen=True)
class Settings:
    """What every member is started with. Unset means etcd's own default."""

    unsafe_no_fsync: bool = False
    """Faster, and loses data when the machine (not the process) goes down; from etcd 3.5."""
    quota_bytes: int | None = None
    snapshot_count: int | None = None
    """Applied entries between raft snapshots; small ones make lagging members need a snapshot."""
    tls: Tls | None = None
    extra_args: tuple[str, ...] = ()
    """Flags of etcd, last, so that they win."""

    def arguments(self, binaries: Binaries) -> list[str]:
        """etcd's flags."""
        arguments: list[str] = []
        if self.unsafe_no_fsync and binaries.version >= (3, 5, 0):
            arguments.append("--unsafe-no-fsync=true")
        if self.quota_bytes is not None:
            arguments.append(f"--quota-backend-bytes={self.quota_bytes}")
        if self.snapshot_count is not None:
            arguments.append(f"--snapshot-count={self.snapshot_count}")
        if self.tls is not None:
            arguments += self.tls.server_arguments()
        return [*arguments, *self.extra_args]


@dataclass(frozen=True)
class Place:
    """Where one member listens, and what it is called."""

    name: str
    host: str
    client_port: int
    peer_port: int
    scheme: str

    @property
    def endpoint(self) -> str:
        """``host:port`` for clients."""
        return _authority(self.host, self.client_port)

    @property
    def client_url(self) -> str:
        """With its scheme."""
        return f"{self.scheme}://{self.endpoint}"

    @property
    def peer_url(self) -> str:
        """With its scheme."""
        return f"http://{_authority(self.host, self.peer_port)}"


@dataclass(frozen=True)
class Layout:
    """All members' places. A data directory belongs to one: members know each other by these addresses."""

    token: str
    places: tuple[Place, ...]

    @classmethod
    def of(cls, token: str, host: str, ports: tuple[int, ...], scheme: str) -> Layout:
        """``ports`` are pairs: a client port, then a peer port, for each member."""
        pairs = zip(ports[::2], ports[1::2], strict=True)
        places = (Place(f"etcd-{i}", host, *pair, scheme) for i, pair in enumerate(pairs, start=1))
        return cls(token, tuple(places))

    @property
    def initial_cluster(self) -> str:
        """etcd's flag of that name."""
        return ",".join(f"{place.name}={place.peer_url}" for place in self.places)

    def arguments(self, place: Place, data: Path) -> list[str]:
        """etcd's flags for one member."""
        return [
            f"--name={place.name}",
            f"--data-dir={data}",
            f"--listen-client-urls={place.client_url}",
            f"--advertise-client-urls={place.client_url}",
            f"--listen-peer-urls={place.peer_url}",
            "--logger=zap",
            *self.bootstrap_arguments(place),
        ]

    def bootstrap_arguments(self, place: Place) -> list[str]:
        """The flags that say who the cluster is; ``snapshot restore`` takes the same."""
        return [
            f"--initial-advertise-peer-urls={place.peer_url}",
            f"--initial-cluster={self.initial_cluster}",
            f"--initial-cluster-token={self.token}",
        ]

    def save(self, directory: Path) -> None:
        """Beside the data, so that a later start finds the same addresses."""
        ports = [port for place in self.places for port in (place.client_port, place.peer_port)]
        kept = {"token": self.token, "host": self.places[0].host, "ports": ports}
        (directory / _LAYOUT_FILE).write_text(json.dumps(kept) + "\n")

    @classmethod
    def load(cls, directory: Path, scheme: str) -> Layout | None:
        """What ``save`` left there, or None. Raises DataDirectoryMismatch when it cannot be read."""
        file = directory / _LAYOUT_FILE
        try:
            kept = json.loads(file.read_text())
            return cls.of(str(kept["token"]), str(kept["host"]), tuple(map(int, kept["ports"])), scheme)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise DataDirectoryMismatch(
                f"{file} cannot be read: {error}", value=directory, remedy="choose another data directory"
            ) from error


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
