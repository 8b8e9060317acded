"""Certificates for tests, made by the ``openssl`` program: an authority, and one for server and client."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from etcdmeta.embedded import Tls

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 30.0


def make_certificates(directory: Path, *, common_name: str = "etcdmeta-test") -> Tls:
    """Files for an etcd on 127.0.0.1 and localhost, and for its clients; valid for two days.

    Raises FileNotFoundError without openssl, subprocess.CalledProcessError when it fails.
    """
    directory.mkdir(parents=True, exist_ok=True)
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    cert, key = directory / "cert.pem", directory / "cert.key"
    request, extensions = directory / "request.csr", directory / "extensions"
    extensions.write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
        "keyUsage=digitalSignature,keyEncipherment\n"
        "extendedKeyUsage=serverAuth,clientAuth\n"
    )
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl(
        *("req", "-x509", *new_key, "-keyout", str(ca_key), "-out", str(ca), "-days", "2"),
        *("-subj", "/CN=etcdmeta test authority"),
    )
    _openssl("req", *new_key, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={common_name}")
    _openssl(
        *("x509", "-req", "-in", str(request), "-CA", str(ca), "-CAkey", str(ca_key), "-CAcreateserial"),
        *("-out", str(cert), "-days", "2", "-extfile", str(extensions)),
    )
    return Tls(ca=ca, cert=cert, key=key)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=_SECONDS)
