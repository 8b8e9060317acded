"""Signing in with user and password: a token as metadata of every call, taken anew when etcd no longer knows
it.

etcd3 gives the token to gRPC as call credentials, which newer gRPC refuses on a channel without TLS; plain
metadata works on both. A token is good on every member. Passwords live in this object alone and show in no
repr.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from etcdmeta.consensus.etcd import failures
from etcdmeta.consensus.etcd.messages import rpc
from etcdmeta.errors import ConfigurationInvalid, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Credentials:
    """An etcd user and its password."""

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.user:
            raise ConfigurationInvalid("the etcd user's name is empty", value="", rule="--user names a user of etcd")


class Session:
    """The token of one strategy. Thread-safe: of several callers that need a new token, one asks for it."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()
        self._metadata: Metadata | None = None if credentials else ()

    @property
    def renewable(self) -> bool:
        """Whether there is a password to sign in again with."""
        return self._credentials is not None

    def metadata(self, authenticate: Callable[..., Any], timeout: float) -> Metadata:
        """What to send along; signs in first where that was not done yet.

        ``authenticate`` is the stub's method on the member about to be asked, ``timeout`` in seconds. Raises
        `grpc.RpcError` as the sign-in does, or `Unavailable`: the call itself was not sent then.
        """
        known = self._metadata
        return known if known is not None else self._sign_in(authenticate, timeout, None)

    def renew(self, refused: Metadata, authenticate: Callable[..., Any], timeout: float) -> Metadata:
        """A token other than the refused one: a new one, or the one that another thread has got meanwhile."""
        return self._sign_in(authenticate, timeout, refused)

    def _sign_in(self, authenticate: Callable[..., Any], timeout: float, refused: Metadata | None) -> Metadata:
        if self._credentials is None:
            return ()
        # Bounded as the call within is: who waits here waits for at most one other sign-in.
        if not self._lock.acquire(timeout=max(0.0, timeout)):
            raise Unavailable("another thread is signing in to etcd, and did not end in time")
        try:
            if self._metadata is not None and self._metadata != refused:
                return self._metadata
            request = rpc.AuthenticateRequest(name=self._credentials.user, password=self._credentials.password)
            try:
                token = authenticate(request, timeout=timeout).token
            except grpc.RpcError as error:
                # As etcd's own clients do: a user where none is asked for does no harm.
                if "authentication is not enabled" not in failures.status(error)[1]:
                    raise
                self._metadata = ()
            else:
                self._metadata = (("token", token),)
            return self._metadata
        finally:
            self._lock.release()
