"""Endpoints as given → the strategy that serves them."""

from __future__ import annotations

from collections.abc import Iterable

from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import InvalidAddress


def open_strategy(
    endpoints: str | Iterable[str],
    *,
    user: str | None = None,
    password: str | None = None,
    cacert: str | None = None,
    cert: str | None = None,
    key: str | None = None,
) -> Strategy:
    """``local://`` is a new cluster in this process; all else are members of etcd. Raises `InvalidAddress`."""
    text = endpoints if isinstance(endpoints, str) else ",".join(endpoints)
    if text == "local://":
        from etcdmeta.consensus.local import LocalCluster, LocalStrategy  # noqa: PLC0415 - only where it is asked for

        return LocalStrategy(LocalCluster())
    if text.startswith("agent://"):
        raise InvalidAddress(
            "agents cannot be followed by this version",
            value=text,
            remedy="give the endpoints of etcd's members",
        )
    from etcdmeta.consensus.etcd import EtcdStrategy  # noqa: PLC0415 - imports gRPC: only where it is needed

    return EtcdStrategy(text, user=user, password=password, ca=cacert, cert=cert, key=key)
