"""Channels to one etcd member each: their options, TLS, and what every call carries as metadata.

One channel per endpoint, since a channel over several addresses checks TLS names against the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from etcdmeta.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from etcdmeta.consensus.etcd.endpoints import Endpoint

HAS_LEADER = ("hasleader", "true")
"""Metadata that makes a member without a leader end the call, instead of a silence for ever."""

_OPTIONS: tuple[tuple[str, int], ...] = (
    # An answer may be as large as it is; requests are bounded before they are sent.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A dead peer is noticed by pings. More often than every 5 s, and etcd says GOAWAY too_many_pings.
    ("grpc.keepalive_time_ms", 5000),
    ("grpc.keepalive_timeout_ms", 3000),
    # Undocumented, and without it a frozen peer is noticed after 60 s (grpcio >= 1.59): a SIGSTOP test guards
    # it.
    ("grpc.http2.ping_timeout_ms", 3000),
    ("grpc.http2.max_pings_without_data", 0),
    # A member that restarts is found again at once; the default takes up to 3.5 s.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Bounds one attempt to connect, handshake included; a far or busy member needs more than half a second.
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A member that comes back at another address is found by its name; the default asks for it once in 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # Two channels to a member are two connections: a watch does not share the fate of the calls.
    ("grpc.use_local_subchannel_pool", 1),
    # No layer below the commit loop sends a transaction again.
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: the authority that signed etcd's certificate (None: the system's); our own certificate."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ConfigurationInvalid(
                "a certificate was given without its key, or a key without its certificate",
                value=self.cert or self.key,
                rule="a client's certificate and key come together",
                remedy="give both, or neither",
            )

    def credentials(self) -> Any:
        """gRPC's credentials from what stands in the files now. Raises `ConfigurationInvalid`."""
        ca, cert, key = (_contents(path) for path in (self.ca, self.cert, self.key))
        return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=cert)

    def stamp(self) -> tuple[tuple[int, int], ...]:
        """Changes when a file does, so that a renewed certificate is taken up by a new channel."""
        stamps = []
        for path in (self.ca, self.cert, self.key):
            if path is not None:
                try:
                    stat = Path(path).stat()
                except OSError:  # being replaced just now: differs from what was, which is all that matters
                    stamps.append((0, 0))
                else:
                    stamps.append((stat.st_mtime_ns, stat.st_size))
        return tuple(stamps)


def _contents(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationInvalid(
            f"the certificate file {path} cannot be read: {error.strerror or error}",
            value=path,
            rule="--cacert, --cert and --key name readable PEM files",
        ) from error


def open_channel(endpoint: Endpoint, tls: Tls) -> Any:
    """A channel to one member; nothing is connected before the first call."""
    if endpoint.tls:
        return grpc.secure_channel(endpoint.target, tls.credentials(), _OPTIONS)
    return grpc.insecure_channel(endpoint.target, _OPTIONS)
