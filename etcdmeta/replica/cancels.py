"""Why a member cancelled a watch (danger 5). etcd says it in English; only compaction has a number."""

from __future__ import annotations

from etcdmeta.errors import EtcdMetaError, PermissionDenied, Unauthenticated, Unavailable
from etcdmeta.records.transaction import RawWatchResponse

# Words of etcd 3.4 to 3.6, in lower case, and what they mean. The first that matches counts.
_REASONS: tuple[tuple[str, type[EtcdMetaError], str], ...] = (
    ("permission denied", PermissionDenied, "grant this user the role of a reader of the cluster's prefix"),
    ("invalid auth token", Unauthenticated, "sign in again"),
    ("user name is empty", Unauthenticated, "give a user and password: etcd asks for them"),
    ("authentication", Unauthenticated, "check user and password"),
)


def is_compaction(response: RawWatchResponse) -> bool:
    """Whether the watch asked for history that is compacted away."""
    return response.compact_revision > 0 or "compacted" in response.cancel_reason.lower()


def explain(response: RawWatchResponse, endpoint: str) -> EtcdMetaError:
    """The typed error for any other cancel; without a known reason it is the member's fault."""
    reason = response.cancel_reason
    for words, error, remedy in _REASONS:
        if words in reason.lower():
            return error(f"{endpoint} cancelled the watch: {reason}", value=endpoint, remedy=remedy)
    return Unavailable(f"{endpoint} cancelled the watch: {reason or 'no reason given'}", value=endpoint)
