"""The agent's gRPC server: the service, reflection and health on one port, from start to drained."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health as standard_health
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from etcdmeta.agent.facts import Facts
from etcdmeta.agent.feed import Feed
from etcdmeta.agent.gate import SERVICE, Anybody, Authorise, Gate
from etcdmeta.agent.hardening import SERVER_OPTIONS
from etcdmeta.agent.health import Health
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.service import Membership, Service
from etcdmeta.consensus.protocol import Delegate
from etcdmeta.errors import ConfigurationInvalid
from etcdmeta.store import MetaStore

_PICTURE_THREADS = 4
_STANDARD_CALLS = 256
"""Health and reflection, beside our own limits; past all of them gRPC itself refuses."""


class Server:
    """Belongs to the loop that `start` is called on. The store stays its owner's to close, after `stop`."""

    def __init__(
        self,
        store: MetaStore,
        *,
        listen: str,
        limits: Limits | None = None,
        authorise: Authorise | None = None,
        credentials: grpc.ServerCredentials | None = None,
        joining: Membership | None = None,
        facts: Facts | None = None,
    ) -> None:
        """``listen``: ``host:port``; port 0: a free one. Without ``authorise`` everybody may everything. Without
        ``credentials`` it is plaintext."""
        self._store = store
        self._listen = listen
        self._limits = limits or Limits()
        self._authorise = authorise or Anybody()
        self._credentials = credentials
        self._joining = joining
        self.facts = facts or Facts()
        self._feed = Feed(store, self.facts, self._limits)
        self._server: grpc.aio.Server | None = None
        self._gate: Gate | None = None
        self._health: Health | None = None
        self._service: Service | None = None
        self._pools: tuple[ThreadPoolExecutor, ...] = ()

    async def start(self) -> int:
        """The port that it listens on. Raises `ConfigurationInvalid` where that cannot be had."""
        limits = self._limits
        work = ThreadPoolExecutor(limits.max_requests, thread_name_prefix="etcdmeta-request")
        pictures = ThreadPoolExecutor(_PICTURE_THREADS, thread_name_prefix="etcdmeta-picture")
        self._pools = work, pictures
        service = self._service = Service(self._store, self._feed, self.facts, limits, self._joining, pictures)
        gate = self._gate = Gate(
            service.methods(lambda: gate.occupancy),
            cluster=self._store.cluster_name,
            authorise=self._authorise,
            limits=limits,
            feed=self._feed,
            pool=work,
            address=lambda: self.facts.address,
            relays=isinstance(self._store.strategy, Delegate),
        )
        server = self._server = grpc.aio.server(
            options=(
                *SERVER_OPTIONS,
                ("grpc.max_receive_message_length", 2 * limits.max_request_bytes),
                ("grpc.max_send_message_length", -1),
            ),
            maximum_concurrent_rpcs=limits.max_streams + limits.max_requests + _STANDARD_CALLS,
        )
        health = self._health = Health(SERVICE)
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        reflection.enable_server_reflection((SERVICE, standard_health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        server.add_generic_rpc_handlers((gate,))
        try:
            port = self._bind(server)
            self._feed.on_news = self._tell_health
            self._feed.start()
            await server.start()
        except BaseException:
            await self.stop(0)
            raise
        return port

    def _bind(self, server: grpc.aio.Server) -> int:
        try:
            if self._credentials is None:
                port: int = server.add_insecure_port(self._listen)
            else:
                port = server.add_secure_port(self._listen, self._credentials)
        except RuntimeError:
            port = 0
        if not port:
            raise ConfigurationInvalid(
                f"the agent cannot listen on {self._listen}",
                value=self._listen,
                rule="host:port of this machine that nobody else listens on",
                remedy="choose another --listen, or end what listens there",
            )
        return port

    def _tell_health(self) -> None:
        if self._health is not None:
            self._health.set(self._feed.log.tip is not None and not self._feed.closing)

    async def stop(self, grace: float) -> None:
        """Streams end at once, with an error that sends their readers elsewhere; requests in flight have ``grace``
        seconds to end. Twice is no error."""
        self._feed.close()
        self._tell_health()
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace)
        if self._service is not None:
            self._service.close()
        for pool in self._pools:
            # Threads that still work for who is gone end when the store is closed, or at their deadline.
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def streams(self) -> int:
        """Watches and fetches, of all clients."""
        return 0 if self._gate is None else self._gate.occupancy.streams

    @property
    def requests(self) -> int:
        """In flight."""
        return 0 if self._gate is None else self._gate.occupancy.requests

    @property
    def bytes_sent(self) -> int:
        """Of our messages to clients, since the start."""
        return 0 if self._gate is None else self._gate.occupancy.bytes_sent

    @property
    def serving(self) -> bool:
        """As the health service says: there is a picture, and the server is not being stopped."""
        return self._health is not None and self._health.serving
