"""Unary calls to the members: one channel each, a deadline always, a token where one is needed.

A call here goes to one member and is not repeated, but for one case: etcd refused the token. Such a call had
no effect (the token is checked before anything is proposed, and again before it is applied), so it goes out
again under a new token.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from etcdmeta.consensus.etcd import failures
from etcdmeta.consensus.etcd.channel import HAS_LEADER, Tls, open_channel
from etcdmeta.consensus.etcd.interrupts import Interruptible
from etcdmeta.consensus.etcd.messages import rpc
from etcdmeta.consensus.etcd.picker import Picker
from etcdmeta.errors import EtcdMetaError, ForkedProcess, InvalidAddress, PermissionDenied, StoreClosed, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etcdmeta.consensus.etcd.auth import Metadata, Session
    from etcdmeta.consensus.etcd.endpoints import Endpoint

FIRST_PAUSE, LAST_PAUSE = 0.05, 0.5
"""Seconds between two rounds over all members, doubling."""
SMALL_CALL = 2.0
"""Seconds after which a call that reads little is given up on one member, where there are others to ask."""
_WITHOUT_LEADER = frozenset({"txn", "status"})
"""A transaction waits for an election, and a member says how it is without one. All else would rather know that
there is no leader here, and ask elsewhere."""


@dataclass(frozen=True, slots=True)
class Line:
    """The channel to one member and its methods."""

    channel: Any
    stamp: tuple[tuple[int, int], ...]
    range: Any
    txn: Any
    """Takes the request as bytes: they were made already, to know their size."""
    authenticate: Any
    grant_lease: Any
    keep_alive: Any
    revoke_lease: Any
    status: Any
    member_list: Any

    @classmethod
    def open(cls, endpoint: Endpoint, tls: Tls) -> Line:
        """Nothing is connected before the first call. Raises `ConfigurationInvalid`."""
        stamp = tls.stamp()
        channel = open_channel(endpoint, tls)
        lease = rpc.LeaseStub(channel)
        return cls(
            channel=channel,
            stamp=stamp,
            range=rpc.KVStub(channel).Range,
            txn=channel.unary_unary("/etcdserverpb.KV/Txn", None, rpc.TxnResponse.FromString),
            authenticate=rpc.AuthStub(channel).Authenticate,
            grant_lease=lease.LeaseGrant,
            # A stream in etcd's schema. One request and its end is a legal stream, answered by one response:
            # as a unary call it needs no thread.
            keep_alive=channel.unary_unary(
                "/etcdserverpb.Lease/LeaseKeepAlive",
                rpc.LeaseKeepAliveRequest.SerializeToString,
                rpc.LeaseKeepAliveResponse.FromString,
            ),
            revoke_lease=lease.LeaseRevoke,
            status=rpc.MaintenanceStub(channel).Status,
            member_list=rpc.ClusterStub(channel).MemberList,
        )


class Transport:
    """The channels to all members, and who is asked next. Thread-safe; of the process that made it alone."""

    def __init__(self, endpoints: Sequence[Endpoint], tls: Tls, session: Session) -> None:
        self._endpoints = {str(endpoint): endpoint for endpoint in endpoints}
        self._tls = tls
        self._session = session
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._lines: dict[str, Line] = {}
        self._retired: list[Line] = []
        self._closed = threading.Event()
        self.picker = Picker(tuple(self._endpoints))

    def check_usable(self) -> None:
        """Raises `ForkedProcess` in a child of the process that opened this, `StoreClosed` after `close`."""
        if os.getpid() != self._pid:
            raise ForkedProcess(
                "the connection to etcd was opened before this process was forked",
                rule="gRPC's channels do not survive a fork",
                remedy="open a store in the child",
            )
        if self._closed.is_set():
            raise StoreClosed("the connection to etcd is closed")

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name. Raises `InvalidAddress` for one that was not given at the start."""
        try:
            return self._endpoints[name]
        except KeyError:
            raise InvalidAddress(
                f"{name} is not one of this connection's endpoints",
                value=name,
                rule=", ".join(self._endpoints),
            ) from None

    def line(self, name: str) -> Line:
        """The channel to a member, opened at the first call. Raises `ConfigurationInvalid`, `StoreClosed`.

        A member that did not answer gets a new one where the certificates' files have changed.
        """
        found = self._lines.get(name)
        if found is not None and not self._is_outdated(name, found):
            return found
        with self._lock:
            self.check_usable()
            found = self._lines.get(name)
            if found is not None and self._is_outdated(name, found):
                # Closed with the rest: calls of other threads may still run on it.
                self._retired.append(self._lines.pop(name))
            if name not in self._lines:
                self._lines[name] = Line.open(self.endpoint(name), self._tls)
            return self._lines[name]

    def _is_outdated(self, name: str, line: Line) -> bool:
        return bool(line.stamp) and self.picker.has_failed(name) and line.stamp != self._tls.stamp()

    def metadata(self, name: str, deadline: float) -> Metadata:
        """The token, signing in first where there is none yet. Raises typed errors: nothing else was sent."""
        try:
            with Interruptible():
                return self._session.metadata(self.line(name).authenticate, deadline - time.monotonic())
        except grpc.RpcError as error:
            self._mark_failure(name, error)
            raise failures.from_repeatable(error, name) from error

    def renew(self, name: str, refused: Metadata, deadline: float) -> Metadata | None:
        """A new token in place of the refused one; None where there is no password to sign in with."""
        if not self._session.renewable:
            return None
        try:
            with Interruptible():
                return self._session.renew(refused, self.line(name).authenticate, deadline - time.monotonic())
        except grpc.RpcError as error:
            self._mark_failure(name, error)
            raise failures.from_repeatable(error, name) from error

    def call(self, name: str, method: str, request: Any, deadline: float) -> Any:
        """One call to one member. ``method`` is a field of `Line`.

        Raises `grpc.RpcError` where it was sent and failed, typed errors where it was certainly not sent.
        """
        self.check_usable()
        line = self.line(name)
        metadata = self.metadata(name, deadline)
        try:
            return self._send(name, line, method, request, metadata, deadline)
        except grpc.RpcError as error:
            if not failures.wants_new_token(*failures.status(error)):
                raise
            renewed = self.renew(name, metadata, deadline)
            if renewed is None:
                raise
        return self._send(name, line, method, request, renewed, deadline)

    def _send(self, name: str, line: Line, method: str, request: Any, metadata: Metadata, deadline: float) -> Any:
        now = time.monotonic()
        if now >= deadline:
            raise Unavailable(f"no time was left to ask {name}", value=name)
        sent = metadata if method in _WITHOUT_LEADER else (*metadata, HAS_LEADER)
        try:
            with Interruptible():
                response = getattr(line, method)(request, timeout=deadline - now, metadata=sent)
        except ValueError as error:  # gRPC's word for a channel that was closed
            self.check_usable()
            raise Unavailable(f"the channel to {name} was closed", value=name) from error
        except grpc.RpcError as error:
            self._mark_failure(name, error)
            raise
        self.picker.mark_good(name, time.monotonic())
        return response

    def _mark_failure(self, name: str, error: grpc.RpcError) -> None:
        now = time.monotonic()
        if failures.definite(*failures.status(error), name) is not None:
            self.picker.mark_good(name, now)
            return
        self.picker.mark_failed(name, now)

    def ask(
        self, method: str, request: Any, deadline: float, *, small: bool = True, patient: bool = True
    ) -> tuple[str, Any]:
        """A call that may be repeated: asks one member after the other until the deadline; (name, response).

        Raises definite refusals as they come; at the deadline `Unavailable` with each member's last reason.
        ``small``: no member gets more than `SMALL_CALL` seconds. Not ``patient``: one round is enough where
        no member could even be connected to.
        """
        reasons: dict[str, EtcdMetaError] = {}
        pause = FIRST_PAUSE
        while True:
            connected = False
            order = self.picker.order(time.monotonic())
            for position, name in enumerate(order):
                now = time.monotonic()
                if now >= deadline:
                    break
                # Those not asked yet get an even share of the time, so that a silent one does not take it
                # all.
                share = (deadline - now) / (len(order) - position)
                if small and len(order) > 1:
                    share = min(share, SMALL_CALL)
                try:
                    return name, self.call(name, method, request, now + share)
                except grpc.RpcError as error:
                    self.check_usable()
                    connected = connected or not failures.could_not_connect(error)
                    reason = failures.from_repeatable(error, name)
                except Unavailable as error:
                    reason = error
                if not isinstance(reason, Unavailable):
                    raise reason
                reasons[name] = reason
            if time.monotonic() + pause >= deadline or (not connected and not patient):
                raise failures.all_failed(reasons)
            self._closed.wait(pause)
            self.check_usable()
            pause = min(2 * pause, LAST_PAUSE)

    def ready_member(self, deadline: float) -> str:
        """A member to which a transaction can be sent: one that answered a moment ago, else one that answers
        now.

        The probe is a linearizable read, so that a member without quorum is found before anything is sent,
        and the failure is a definite one: `Unavailable`.
        """
        self.check_usable()
        proven = self.picker.proven(time.monotonic())
        if proven is not None:
            return proven
        try:
            name, _ = self.ask("range", _PROBE, deadline, patient=False)
        except PermissionDenied:
            # To read that key, that is; it answered, with a quorum, and the transaction is judged by itself.
            return self.picker.order(time.monotonic())[0]
        return name

    def close(self) -> None:
        """Ends every call and closes the channels. In a forked child there is nothing to close."""
        if os.getpid() != self._pid or self._closed.is_set():
            return
        self._closed.set()
        with self._lock:
            lines = [*self._lines.values(), *self._retired]
            self._lines.clear()
            self._retired.clear()
        for line in lines:
            with Interruptible():
                line.channel.close()


_PROBE = rpc.RangeRequest(key=b"\0", count_only=True)
