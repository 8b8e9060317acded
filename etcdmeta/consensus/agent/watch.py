"""One watch, on one agent, on a channel of its own: the agent's stream of complete revisions."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import grpc

from etcdmeta.consensus.agent import failures
from etcdmeta.consensus.agent.messages import News, header
from etcdmeta.consensus.etcd.failures import untie
from etcdmeta.consensus.etcd.interrupts import Interruptible
from etcdmeta.errors import Unavailable
from etcdmeta.records.transaction import WatchResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etcdmeta.consensus.agent.transport import Transport
    from etcdmeta.records.transaction import RawWatchResponse
    from etcdmeta.wire.pb import agent_pb2 as pb


class AgentWatchStream:
    """A `etcdmeta.consensus.protocol.WatchStream`; to be iterated once, by one thread.

    Yields `Relayed`s. An agent that says "lagged" has forgotten what came after the revision asked for, or never had it
    in its history: that is told as etcd tells a compaction, and the follower lists anew. Agents speak every second; one
    that is silent is noticed by the channel's pings, and by the follower's own probes.
    """

    def __init__(
        self,
        transport: Transport,
        endpoint: str,
        request: pb.WatchRequest,
        *,
        ended: Callable[[AgentWatchStream], None],
    ) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._request = request
        self._ended = ended
        self._lock = threading.Lock()
        self._cancelled = False
        self._call: Any = None

    @property
    def endpoint(self) -> str:
        """Where it watches."""
        return self._endpoint

    def __iter__(self) -> Iterator[RawWatchResponse]:
        """Blocks for each answer; ends after `cancel`. Raises typed errors when the stream breaks."""
        try:
            self._transport.check_usable()
            line = self._transport.open_line(self._endpoint)
            try:
                yield from self._answers(line.stub)
            finally:
                with self._lock:
                    self._call = None
                line.channel.close()
                del line  # whoever keeps the error must not keep it: see `untie`
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

    def _answers(self, stub: Any) -> Iterator[RawWatchResponse]:
        # Neither opened nor cancelled under the lock: see `etcdmeta.consensus.etcd.watch`.
        call = stub.Watch(self._request, metadata=self._transport.way_on())
        with self._lock:
            self._call = call
        del stub  # for the same reason
        news = News(self._request.revision)
        try:
            if self._cancelled:  # before `cancel` could see the call
                call.cancel()
                return
            for message in call:
                if message.lagged:
                    oldest = max(1, message.revision)
                    yield WatchResponse(header(oldest), canceled=True, compact_revision=oldest)
                    return
                yield from news.decode(message)
        except grpc.RpcError as error:
            untie(error)
            if not self._cancelled:
                raise failures.from_repeatable(error, self._endpoint) from error
        else:
            if not self._cancelled:
                raise Unavailable(f"the agent at {self._endpoint} ended the watch", value=self._endpoint)
