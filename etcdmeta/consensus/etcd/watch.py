"""One watch, on one member, on a channel of its own.

etcd3 puts all watches on one stream, where one that is refused can take over another's id, and where a
disconnect ends all of them for good. Here a stream ends with its reason, and whoever reads it decides what
comes next.

Watch is called as stream-stream, our side ending after the request; etcd keeps the stream open. gRPC's experimental
``SingleThreadedUnaryStream`` takes 25 to 45 % less CPU per event and is not used: once, in some hundreds of streams
that a member without a leader refused, a reader waited for an event that never came, and cancelling did not wake it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import grpc

from etcdmeta.consensus.etcd import failures
from etcdmeta.consensus.etcd.channel import HAS_LEADER, Tls, open_channel
from etcdmeta.consensus.etcd.interrupts import Interruptible
from etcdmeta.consensus.etcd.messages import rpc
from etcdmeta.errors import PermissionDenied, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from etcdmeta.consensus.etcd.auth import Metadata
    from etcdmeta.consensus.etcd.transport import Transport
    from etcdmeta.records.transaction import RawWatchResponse

SIGN_IN = 5.0
"""Seconds for a sign-in before the watch begins."""
_METHOD = "/etcdserverpb.Watch/Watch"


class EtcdWatchStream:
    """A `etcdmeta.consensus.protocol.WatchStream`; to be iterated once, by one thread.

    Yields etcd's answers as they are, the one that says "compacted" as the last; every other end that was not
    asked for by `cancel` is raised. A silent peer is noticed by the channel's pings within 8 seconds.
    """

    def __init__(
        self,
        transport: Transport,
        endpoint: str,
        tls: Tls,
        request: Any,
        *,
        ended: Callable[[EtcdWatchStream], None],
    ) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._tls = tls
        self._request = rpc.WatchRequest(create_request=request)
        self._ended = ended
        self._lock = threading.Lock()
        self._cancelled = False
        self._call: Any = None

    @property
    def endpoint(self) -> str:
        """Where it watches."""
        return self._endpoint

    def __iter__(self) -> Iterator[RawWatchResponse]:
        """Blocks for each answer; ends after `cancel`. Raises `Unavailable` and `AccessRefused`."""
        try:
            self._transport.check_usable()
            deadline = time.monotonic() + SIGN_IN
            metadata = self._transport.metadata(self._endpoint, deadline)
            refused = yield from self._stream(metadata, may_renew=True)
            if refused is not None and not self._cancelled:
                renewed = self._transport.renew(self._endpoint, metadata, time.monotonic() + SIGN_IN)
                if renewed is None:
                    raise refused
                yield from self._stream(renewed, may_renew=False)
        finally:
            self._ended(self)

    def cancel(self) -> None:
        """Ends the stream from any thread, at once, without error; twice is no error."""
        self._cancelled = True
        with self._lock:
            call = self._call
        if call is not None:
            with Interruptible():
                call.cancel()

    def _stream(self, metadata: Metadata, *, may_renew: bool) -> Generator[RawWatchResponse, None, Exception | None]:
        """One stream to its end; returns the refusal of a token at its beginning, if that can be mended."""
        channel = open_channel(self._transport.endpoint(self._endpoint), self._tls)
        began = False
        try:
            # Not under the lock: a garbage collection within gRPC can wait for another channel, and `cancel` with it.
            call = self._open(channel, (*metadata, HAS_LEADER))
            with self._lock:
                self._call = call
            if self._cancelled:  # before `cancel` could see the call
                call.cancel()
                return None
            for response in call:
                if response.canceled and not response.compact_revision:
                    refused = failures.from_cancelled_watch(response.cancel_reason, self._endpoint)
                    # An expired token shows as "permission denied" in the first answer until etcd 3.5.
                    if may_renew and not began and isinstance(refused, Unauthenticated | PermissionDenied):
                        return refused
                    raise refused
                began = True
                yield response
                if response.canceled:
                    return None
            if not self._cancelled:
                raise Unavailable(f"etcd at {self._endpoint} ended the watch", value=self._endpoint)
        except grpc.RpcError as error:
            failures.untie(error)
            if not self._cancelled:
                if may_renew and not began and failures.wants_new_token(*failures.status(error)):
                    return failures.from_repeatable(error, self._endpoint)
                raise failures.from_repeatable(error, self._endpoint) from error
        finally:
            with self._lock:
                self._call = None
            channel.close()
            del channel  # whoever keeps the error must not keep it: see `failures.untie`
        return None

    def _open(self, channel: Any, metadata: tuple[tuple[str, str], ...]) -> Any:
        serialize, deserialize = rpc.WatchRequest.SerializeToString, rpc.WatchResponse.FromString
        stream = channel.stream_stream(_METHOD, serialize, deserialize)
        return stream(self._requests(), metadata=metadata)

    def _requests(self) -> Iterator[Any]:
        """Ends our side after the request, so that no thread waits for another."""
        yield self._request
