"""Certificates by trustme, as files where an agent wants them: an authority, a server, and clients by name."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import trustme

from etcdmeta.agent.certificates import ServerTls

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Shown:
    """What a client shows, as PEM."""

    cert: bytes
    key: bytes = field(repr=False)


class Authority:
    """Signs for servers on loopback and for clients by name; writes nothing by itself."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    @property
    def pem(self) -> bytes:
        return self._ca.cert_pem.bytes()

    def client(self, *names: str, common_name: str | None = None, expired: bool = False) -> Shown:
        """With these alternative names; trustme gives a certificate at least one."""
        leaf = self._ca.issue_cert(
            *(names or ("nobody.example",)),
            common_name=common_name,
            not_before=datetime.now(UTC) - timedelta(days=2),
            not_after=datetime.now(UTC) + timedelta(days=-1 if expired else 1),
        )
        return _shown(leaf)

    def server(self, *, expired: bool = False) -> Shown:
        return self.client("127.0.0.1", "localhost", expired=expired)

    def intermediate(self) -> Authority:
        """Another authority that this one signed."""
        child = Authority.__new__(Authority)
        child._ca = self._ca.create_child_ca()
        return child


def write(directory: Path, server: Shown, client_ca: bytes | None) -> ServerTls:
    """The files of an agent; existing ones are replaced by rename, the key last."""
    directory.mkdir(parents=True, exist_ok=True)
    tls = ServerTls(
        cert=directory / "cert.pem", key=directory / "key.pem", client_ca=directory / "ca.pem" if client_ca else None
    )
    if tls.client_ca is not None:
        replace(tls.client_ca, client_ca or b"")
    replace(tls.cert, server.cert)
    replace(tls.key, server.key)
    return tls


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.chmod(mode)
    os.replace(fresh, path)


def client_credentials(trusted: bytes, shown: Shown | None) -> Any:
    return grpc.ssl_channel_credentials(
        root_certificates=trusted,
        private_key=shown.key if shown else None,
        certificate_chain=shown.cert if shown else None,
    )


def _shown(leaf: trustme.LeafCert) -> Shown:
    return Shown(cert=b"".join(blob.bytes() for blob in leaf.cert_chain_pems), key=leaf.private_key_pem.bytes())
