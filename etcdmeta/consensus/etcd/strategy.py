"""`EtcdStrategy`: the members of an etcd cluster order the commands."""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

import grpc

from etcdmeta.consensus.etcd import failures
from etcdmeta.consensus.etcd.auth import Credentials, Session
from etcdmeta.consensus.etcd.channel import Tls
from etcdmeta.consensus.etcd.endpoints import parse_endpoints, reachable_url
from etcdmeta.consensus.etcd.members import EtcdMemberStatus, Member
from etcdmeta.consensus.etcd.messages import rpc
from etcdmeta.consensus.etcd.requests import decode_range, decode_transaction, encode_transaction
from etcdmeta.consensus.etcd.transport import Transport
from etcdmeta.consensus.etcd.watch import EtcdWatchStream
from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.errors import ConfigurationInvalid, Fenced, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etcdmeta.records.transaction import ReadResult, Transaction, TxnResult


class EtcdStrategy:
    """The `etcdmeta.consensus.protocol.Strategy` over an etcd cluster. Thread-safe; of one process.

    ``endpoints`` as `parse_endpoints` reads them. ``ca``, ``cert``, ``key``: PEM files for ``https://``
    endpoints, read again when they change; where one is given, endpoints without a scheme are ``https://``,
    as etcdctl has it. ``user`` with ``password``: a user of etcd.
    Nothing is connected before the first call. Raises `InvalidAddress`, `ConfigurationInvalid`.
    """

    def __init__(
        self,
        endpoints: str | Iterable[str],
        *,
        user: str | None = None,
        password: str | None = None,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
    ) -> None:
        if (user is None) != (password is None):
            raise ConfigurationInvalid(
                "a user was given without a password" if user is not None else "a password without a user",
                value=user,
                rule="an etcd user signs in with a password",
                remedy="give both, or neither where a client certificate names the user",
            )
        parsed = parse_endpoints(endpoints, secure=any((ca, cert, key)))
        self._names = tuple(str(endpoint) for endpoint in parsed)
        self._tls = Tls(ca, cert, key)
        credentials = Credentials(user, password) if user is not None and password is not None else None
        self._transport = Transport(parsed, self._tls, Session(credentials))
        self._lock = threading.Lock()
        self._streams: set[EtcdWatchStream] = set()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where the members are asked."""
        return self._names

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        """Once, to one member that has just answered, or a moment ago.

        Raises definite refusals (`RecordTooLarge`, `CommandTooLarge`, `PermissionDenied` …), `Unavailable`
        where no member answers and so nothing was sent, and `Ambiguous` for all else.
        """
        self._transport.check_usable()
        request = encode_transaction(txn)
        endpoint = self._transport.ready_member(deadline)
        try:
            response = self._transport.call(endpoint, "txn", request, deadline)
        except grpc.RpcError as error:
            raise failures.from_transaction(error, endpoint) from error
        except (KeyboardInterrupt, SystemExit) as interrupt:
            # Letting go of the call cancels it, which etcd may see too late.
            raise Ambiguous(f"{endpoint}: interrupted while the transaction was under way") from interrupt
        return decode_transaction(txn, response)

    def read(
        self,
        key: bytes,
        *,
        deadline: float,
        range_end: bytes | None = None,
        revision: int = 0,
        limit: int = 0,
        keys_only: bool = False,
        endpoint: str | None = None,
    ) -> ReadResult:
        """A linearizable read, or one pinned to a revision; of any member, or of the one named.

        Raises `Compacted`, `FutureRevision`, `Unavailable`, `AccessRefused`.
        """
        request = rpc.RangeRequest(key=key, range_end=range_end, revision=revision, limit=limit, keys_only=keys_only)
        return decode_range(self._ask("range", request, deadline, endpoint, small=range_end is None)[1])

    def list(
        self,
        start: bytes,
        end: bytes,
        *,
        deadline: float,
        revision: int = 0,
        page: int = 10_000,
        endpoint: str | None = None,
    ) -> Iterator[ReadResult]:
        """Pages of a range, at one revision; raises as `read` does, at the page that it concerns."""
        request = rpc.RangeRequest(key=start, range_end=end, revision=revision, limit=page)
        name, response = self._ask("range", request, deadline, endpoint, small=False)
        request.revision = revision or response.header.revision
        while response.more:
            # Asked for before the caller works on this page: etcd and the network work meanwhile.
            request.key = response.kvs[-1].key + b"\0"
            coming = self._range_ahead(name, request, deadline)
            try:
                yield decode_range(response)
                response = coming.result()
            except (grpc.RpcError, grpc.FutureCancelledError) as error:
                self._transport.check_usable()
                if endpoint is not None and isinstance(error, grpc.RpcError):
                    raise failures.from_repeatable(error, name) from error
                # The revision is pinned, so any member can go on; it raises what is definite.
                name, response = self._ask("range", request, deadline, endpoint, small=False)
            finally:
                coming.cancel()
        yield decode_range(response)

    def watch(self, start: bytes, end: bytes, *, from_revision: int, endpoint: str) -> EtcdWatchStream:
        """A stream that begins when it is iterated. Raises `InvalidAddress` for an unknown endpoint."""
        self._transport.check_usable()
        self._transport.endpoint(endpoint)
        request = rpc.WatchCreateRequest(
            key=start, range_end=end, start_revision=from_revision, progress_notify=True, fragment=True
        )
        stream = EtcdWatchStream(
            self._transport,
            endpoint,
            self._tls,
            request,
            ended=self._streams.discard,
        )
        with self._lock:
            self._streams.add(stream)
        return stream

    def grant_lease(self, ttl: int, *, deadline: float) -> int:
        """A new lease of ``ttl`` seconds; its id."""
        # An id of our own choice: a second try after a lost answer finds the lease instead of leaking it.
        lease = secrets.randbits(62) + 1
        try:
            self._ask("grant_lease", rpc.LeaseGrantRequest(TTL=ttl, ID=lease), deadline)
        except Unavailable as error:
            if "lease already exists" not in error.message:
                raise
        return lease

    def keep_alive(self, lease: int, *, deadline: float) -> int:
        """Renew once; the seconds granted, 0 where the lease is gone."""
        return int(self._ask("keep_alive", rpc.LeaseKeepAliveRequest(ID=lease), deadline)[1].TTL)

    def revoke_lease(self, lease: int, *, deadline: float) -> None:
        """End a lease and its keys; one that is gone is no error."""
        try:
            self._ask("revoke_lease", rpc.LeaseRevokeRequest(ID=lease), deadline)
        except Fenced:  # it is gone, which is what was asked for
            return

    def status(self, endpoint: str, *, deadline: float) -> EtcdMemberStatus:
        """What the member says of itself. Raises `Unavailable` where it does not answer."""
        response = self._ask("status", rpc.StatusRequest(), deadline, endpoint)[1]
        return EtcdMemberStatus.from_response(endpoint, response)

    def members(self, *, deadline: float) -> tuple[Member, ...]:
        """The etcd cluster's members, as it knows them."""
        response = self._ask("member_list", rpc.MemberListRequest(), deadline)[1]
        return tuple(Member.from_message(message) for message in response.members)

    def peers(self, *, deadline: float) -> tuple[str, ...]:
        """The members' client URLs, each once.

        Those of a member that has not started yet are not known, and those that no other machine can use (a Unix
        socket, "any address") are left out. A learner's is among them: it refuses, and the next member is asked.
        """
        urls = (url for member in self.members(deadline=deadline) for url in member.client_urls)
        return tuple(sorted({usable for url in urls if (usable := reachable_url(url)) is not None}))

    def close(self) -> None:
        """Ends calls and streams; leaves no thread. Twice is no error."""
        with self._lock:
            streams = tuple(self._streams)
        for stream in streams:
            stream.cancel()
        self._transport.close()

    def _ask(
        self, method: str, request: Any, deadline: float, endpoint: str | None = None, *, small: bool = True
    ) -> tuple[str, Any]:
        """A call that may be repeated, to the one member or to any."""
        self._transport.check_usable()
        if endpoint is None:
            return self._transport.ask(method, request, deadline, small=small)
        try:
            return endpoint, self._transport.call(endpoint, method, request, deadline)
        except grpc.RpcError as error:
            self._transport.check_usable()
            raise failures.from_repeatable(error, endpoint) from error

    def _range_ahead(self, endpoint: str, request: Any, deadline: float) -> Any:
        self._transport.check_usable()
        metadata = self._transport.metadata(endpoint, deadline)
        timeout = max(0.0, deadline - time.monotonic())
        return self._transport.line(endpoint).range.future(request, timeout=timeout, metadata=metadata)
