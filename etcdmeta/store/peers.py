"""Asking every endpoint at once how it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from etcdmeta.consensus.protocol import MemberStatus, Strategy
from etcdmeta.errors import EtcdMetaError


def ask_peers(strategy: Strategy, deadline: float) -> dict[str, MemberStatus | EtcdMetaError]:
    """Endpoint → what it says of itself, or why it does not. ``deadline``: monotonic seconds."""

    def ask(endpoint: str) -> MemberStatus | EtcdMetaError:
        try:
            return strategy.status(endpoint, deadline=deadline)
        except EtcdMetaError as error:
            return error

    endpoints = strategy.endpoints
    with ThreadPoolExecutor(len(endpoints), thread_name_prefix="etcdmeta-status") as pool:
        return dict(zip(endpoints, pool.map(ask, endpoints), strict=True))
