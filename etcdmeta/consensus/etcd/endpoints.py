"""Endpoints as people write them: ``h:p,h2:p2``, ``http://…``, ``https://…`` (TLS), ``[::1]:2379``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from etcdmeta.errors import InvalidAddress
from etcdmeta.model.names import without_password

if TYPE_CHECKING:
    from collections.abc import Iterable

_RULE = "an endpoint is host:port, with http:// or https:// in front where wanted; several are parted by commas"
_REMEDY = "for example localhost:2379, https://etcd-1:2379 or [::1]:2379"
_ANY_ADDRESS = {"0.0.0.0", "::"}
_SHAPE = re.compile(
    r"""(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?
        (?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|(?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?))
        :(?P<port>[0-9]{1,5})/?""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a member listens for clients. ``str()`` is its name in messages and in `Strategy.endpoints`."""

    host: str
    port: int
    tls: bool = False

    @property
    def target(self) -> str:
        """gRPC's address: host:port, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"https://{self.target}" if self.tls else self.target


def parse_endpoints(given: str | Iterable[str], *, secure: bool = False) -> tuple[Endpoint, ...]:
    """The endpoints in order, repeated ones once. Raises `InvalidAddress`; there is always at least one.

    ``secure``: those without a scheme are ``https://``.
    """
    texts = [given] if isinstance(given, str) else list(given)
    parts = [part.strip() for text in texts for part in text.split(",")]
    if not any(parts):
        _refuse(",".join(texts), "no endpoint is given")
    return tuple(dict.fromkeys(_parse(part, "https" if secure else "http") for part in parts))


def reachable_url(url: str) -> str | None:
    """A URL that a member advertises, in one form; None where no other machine can use it."""
    try:
        endpoint = _parse(url, "http")
    except InvalidAddress:
        return None  # unix://, unixs:// and what else etcd may listen on
    scheme = "https" if endpoint.tls else "http"  # in any case: the reader may take https where none is said
    return None if endpoint.host in _ANY_ADDRESS else f"{scheme}://{endpoint.target}"


def _parse(text: str, default_scheme: str) -> Endpoint:
    match = _SHAPE.fullmatch(text)
    if match is None:
        shown = without_password(text)
        _refuse(shown, f"{shown!r} is not an endpoint")
    scheme, port = (match["scheme"] or default_scheme).lower(), int(match["port"])
    if scheme not in {"http", "https"}:
        _refuse(text, f"the endpoint {text!r} has the scheme {scheme!r}")
    if not 0 < port < 65536:
        _refuse(text, f"the endpoint {text!r} has the port {port}, which is not in 1 … 65535")
    return Endpoint(match["ipv6"] or match["host"], port, tls=scheme == "https")


def _refuse(value: str, message: str) -> NoReturn:
    raise InvalidAddress(message, value=value, rule=_RULE, remedy=_REMEDY)
