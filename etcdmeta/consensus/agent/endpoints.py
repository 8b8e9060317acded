"""Agents as people write them: ``agent://h1:8188,h2:8188``, ``agents://…`` and ``https://…`` (TLS), ``h1``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etcdmeta.consensus.etcd.endpoints import Endpoint, parse_endpoints
from etcdmeta.errors import InvalidAddress
from etcdmeta.model.names import without_password

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_PORT = 8188
_SCHEME = re.compile(r"(agents?|https?)://", re.IGNORECASE)
_PORT = re.compile(r":[0-9]+/?$")
_RULE = "an agent is host:port, or host (port 8188), with agent:// in front, agents:// for TLS; commas between several"
_REMEDY = "for example agent://node-1:8188,node-2:8188"


def parse_agents(given: str | Iterable[str], *, secure: bool = False) -> tuple[Endpoint, ...]:
    """The agents in order, repeated ones once. A scheme holds for those behind it that have none.

    ``secure``: TLS whatever the scheme. Raises `InvalidAddress`; there is always at least one.
    """
    texts = [given] if isinstance(given, str) else list(given)
    plain, tls = [], secure
    for part in (part.strip() for text in texts for part in text.split(",")):
        scheme = _SCHEME.match(part)
        if scheme is not None:
            tls = secure or scheme[1].lower() in {"agents", "https"}
        rest = part[scheme.end() :] if scheme is not None else part
        address = rest if not rest or _PORT.search(rest) else f"{rest.removesuffix('/')}:{DEFAULT_PORT}"
        plain.append(f"{'https' if tls else 'http'}://{address}")
    try:
        return parse_endpoints(plain)
    except InvalidAddress as error:
        text = without_password(",".join(texts))
        raise InvalidAddress(f"{text!r} names no agents", value=text, rule=_RULE, remedy=_REMEDY) from error
