"""The agent's own certificate, and the authority whose certificates it accepts: read from files, rotated on disk.

gRPC asks before each handshake whether there is something new. Nothing is read unless a file changed (its time, size
or inode, so that renamed and symlinked files count), and what cannot be used is never taken: the old one stays, a
warning says why, once for each state of the files. Connections that stand keep what they began with.
"""

from __future__ import annotations

import logging
import ssl
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import grpc

from etcdmeta.errors import ConfigurationInvalid, EtcdMetaError

_log = logging.getLogger("etcdmeta.agent")

_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM files: the agent's certificate with its chain, its key, and the authority of its clients.

    ``client_ca``: None is TLS in which no client shows a certificate. With one, each client must.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None

    @classmethod
    def of(cls, cert: str | None, key: str | None, client_ca: str | None) -> ServerTls | None:
        """From settings; None where none is set. Raises ConfigurationInvalid where one lacks another."""
        if cert is None and key is None and client_ca is None:
            return None
        if cert is None or key is None:
            raise ConfigurationInvalid(
                "a part of the agent's TLS is missing",
                value=cert or key or client_ca,
                rule="TLS needs a certificate and its key, and with --tls-client-ca as without",
                remedy="give --tls-cert and --tls-key",
            )
        return cls(Path(cert), Path(key), None if client_ca is None else Path(client_ca))

    def files(self) -> tuple[Path, ...]:
        return (self.cert, self.key) if self.client_ca is None else (self.cert, self.key, self.client_ca)


class ServerCertificates:
    """What the files held when they were last usable. Safe to use from any thread."""

    def __init__(self, tls: ServerTls) -> None:
        """Raises ConfigurationInvalid where the files cannot be used as they are."""
        self.tls = tls
        self._lock = threading.Lock()
        self._seen = _stamp(tls)
        self._current = _load(tls)

    def credentials(self) -> Any:
        """For one port of one server. Each port needs its own: gRPC asks each for what is new to *it*."""
        initial = given = self._current

        def newer() -> Any:
            nonlocal given
            self._look()
            with self._lock:
                if given is self._current:
                    return None  # gRPC's word for "no change"
                given = self._current
                return given

        return grpc.dynamic_ssl_server_credentials(
            initial, newer, require_client_authentication=self.tls.client_ca is not None
        )

    def reload(self) -> bool:
        """Read the files now, changed or not, as on SIGHUP. False: they cannot be used, the old ones stay."""
        with self._lock:
            return self._take(_stamp(self.tls))

    def _look(self) -> None:
        stamp = _stamp(self.tls)
        with self._lock:
            if stamp != self._seen:
                self._take(stamp)

    def _take(self, stamp: _Stamp) -> bool:
        self._seen = stamp  # read before the files: what changes meanwhile is looked at again
        try:
            self._current = _load(self.tls)
        except EtcdMetaError as error:
            _log.warning("the new certificate files are not used, the old ones stay: %s", error)
            return False
        _log.info("certificate read anew: %s", self.tls.cert)
        return True


def server_credentials(tls: ServerTls) -> ServerCertificates:
    """The certificates of a server: ``.credentials()`` for its port, ``.reload()`` on SIGHUP."""
    return ServerCertificates(tls)


def _stamp(tls: ServerTls) -> _Stamp:
    stamps = []
    for path in tls.files():
        try:
            found = path.stat()
        except OSError:  # being replaced just now: differs from what was, which is all that matters
            stamps.append((0, 0, 0))
        else:
            stamps.append((found.st_mtime_ns, found.st_size, found.st_ino))
    return tuple(stamps)


def _load(tls: ServerTls) -> Any:
    """gRPC's form of the files, tried with OpenSSL before, since gRPC tells nobody what it does not like."""
    _refuse_open_key(tls.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.cert, tls.key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        _unusable(f"the certificate {tls.cert} with the key {tls.key}", tls.cert, error)
    authority = None
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(cafile=tls.client_ca)
            authority = tls.client_ca.read_bytes()
        except (OSError, ValueError) as error:
            _unusable(f"the authority {tls.client_ca}", tls.client_ca, error)
    try:
        pair = tls.key.read_bytes(), tls.cert.read_bytes()
    except OSError as error:
        _unusable(f"the certificate {tls.cert} with the key {tls.key}", tls.cert, error)
    return grpc.ssl_server_certificate_configuration([pair], authority)


def _no_password() -> NoReturn:
    raise ValueError("the key is encrypted, and an agent has nobody to ask for its password")


def _refuse_open_key(key: Path) -> None:
    try:
        mode = key.stat().st_mode
    except OSError as error:
        _unusable(f"the key {key}", key, error)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ConfigurationInvalid(
            f"everybody on this machine may read or write the key {key}",
            value=f"{stat.S_IMODE(mode):04o}",
            rule="a private key is for the agent's user, and at most its group",
            remedy=f"chmod 600 {key}",
        )


def _unusable(what: str, path: Path, error: Exception) -> NoReturn:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    raise ConfigurationInvalid(
        f"{what} cannot be used: {reason}",
        value=str(path),
        rule="--tls-cert, --tls-key and --tls-client-ca name readable PEM files, and the key is the certificate's",
    ) from error
