"""All parts of a node's agent, put together, from the start to a clean end.

The order of the start: the data directory is locked; the identity is read, or made; the picture is followed. Where the
cache file has one, it is served at once, as old as it is; else etcd, or another agent, is waited for. The node joins,
says that it is alive, and the agent is ready. The end goes the other way round, within five seconds: health says
NOT_SERVING, streams are drained and the lease is given back, the picture is saved.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from etcdmeta import __version__
from etcdmeta.agent.background import in_background
from etcdmeta.agent.certificates import ServerCertificates
from etcdmeta.agent.config import AgentConfig, host_and_port
from etcdmeta.agent.datadir import DataDirectory
from etcdmeta.agent.duties import duties
from etcdmeta.agent.enrolment import Enrolment, passes
from etcdmeta.agent.exposition import Exposition
from etcdmeta.agent.facts import Facts, SourceKind
from etcdmeta.agent.fallback import PEERS, FallbackStrategy
from etcdmeta.agent.joining import Joined, Joining
from etcdmeta.agent.liveness import Liveness
from etcdmeta.agent.logs import facts as told
from etcdmeta.agent.metrics import MeasuredStore, Metrics, Observed
from etcdmeta.agent.peers import live_agents
from etcdmeta.agent.server import Server
from etcdmeta.agent.sources import Sources, open_strategy, reached, real
from etcdmeta.agent.trust import Trust
from etcdmeta.agent.vitals import Vitals
from etcdmeta.errors import Defect, EtcdMetaError, NodeAlreadyRunning, Unavailable
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.replica.states import FollowerState
from etcdmeta.services.runner import ServiceRunner

log = logging.getLogger("etcdmeta.agent")

DRAIN_SECONDS = 2.0
REVOKE_SECONDS = 1.5
CLOSE_SECONDS = 1.2
"""At the end, of each step at most; the first two are taken at once."""
LONGEST_PAUSE = 5.0
"""Seconds between two attempts at what has to wait for etcd or for another agent."""
PATIENCE = 5.0
"""Seconds of one such attempt."""


class Assembly:
    """Belongs to one loop: `serve` is its whole life. `etcdmeta.agent.Agent` is its face."""

    def __init__(self, config: AgentConfig) -> None:
        self.config = config
        self.facts = Facts(version=__version__, host=config.host)
        self.facts.agents = self._live_agents
        self.facts.source = self._source_at
        self.observed = Observed(self.facts)
        self.metrics = Metrics(self.observed)
        self.vitals = Vitals(self.observed, max_age=config.max_age)
        self._directory: DataDirectory | None = None
        self._enrolment: Enrolment | None = None
        self._certificates: ServerCertificates | None = None
        self._exposition: Exposition | None = None
        self._store: MeasuredStore | None = None
        self._server: Server | None = None
        self._liveness: Liveness | None = None
        self._duties: ServiceRunner | None = None
        self._sources = Sources(False, (), ())
        self._serving = asyncio.Lock()
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: EtcdMetaError | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- for who runs it

    @property
    def store(self) -> MeasuredStore:
        """Raises `Unavailable` before there is one."""
        if self._store is None:
            raise Unavailable("the agent has not come so far as to follow anything", remedy="wait until it is ready")
        return self._store

    @property
    def address(self) -> str:
        """Where others reach it; "" before it listens."""
        return self.facts.address

    @property
    def metrics_port(self) -> int | None:
        return self._exposition.port if self._exposition is not None else None

    async def serve(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Until `end` is called, or it cannot go on, which is raised; everything has ended then."""
        self._loop = asyncio.get_running_loop()
        try:
            starting, ending = asyncio.ensure_future(self._start()), asyncio.ensure_future(self._ending.wait())
            try:
                await asyncio.wait((starting, ending), return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    starting.result()
                    self.vitals.ready = True
                    log.info("ready: serving at %s", self.address, extra=told(node=self.facts.node_id or None))
                    on_ready()
                    await ending
            finally:
                starting.cancel()
                ending.cancel()
                await asyncio.gather(starting, ending, return_exceptions=True)
        finally:
            await self._end()
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """From any thread, as often as one likes."""
        if self._loop is None:
            self._ending.set()  # nobody waits for it yet
            return
        with suppress(RuntimeError):  # the loop has ended, and the agent with it
            self._loop.call_soon_threadsafe(self._ending.set)

    async def reload(self) -> None:
        """Read the certificates anew, as on SIGHUP; it is logged what came of it."""
        if self._certificates is None:
            log.info("nothing to read anew: there is no TLS")
            return
        await in_background(self._certificates.reload)

    # --- the start

    async def _start(self) -> None:
        config = self.config
        self._in_background(self.vitals.beat())
        if config.metrics_listen is not None:
            self._exposition = Exposition(
                host_and_port(config.metrics_listen),
                self.metrics.registry,
                health=self.vitals.health,
                ready=self.vitals.readiness,
            )
            self._exposition.start()
            log.info("metrics at port %d", self._exposition.port)
        if config.data_dir is not None:
            self._directory = DataDirectory(config.data_dir)
            self._enrolment = Enrolment(config, self._directory)
            self.facts.node_id = self._enrolment.identity.node_id
        if config.tls is not None:
            self._certificates = ServerCertificates(config.tls)
        self._sources = await self._find_sources()
        self._open_store()
        if self.vitals.has_picture:
            fresh = self.store.freshness()
            log.warning(
                "serving the picture of the cache file, %.1f s old, until it is followed",
                fresh.age,
                extra=told(generation=fresh.generation, revision=fresh.revision),
            )
            await self._serve()
        enrolling = self._in_background(self._enrol())
        if self._server is not None and (self._enrolment is None or self.facts.node_id):
            await asyncio.wait((enrolling,), timeout=PATIENCE)  # what is away may stay away: it is served already
            while self._enrolment is not None and self._enrolment.waits_for_another and not enrolling.done():
                await asyncio.wait((enrolling,), timeout=1.0)  # who may be refused yet is not ready
        else:
            await asyncio.wait((enrolling,))
        if self._failure is not None:
            raise self._failure

    async def _find_sources(self) -> Sources:
        """From the settings, or from the agents that the node joins through; from what they said the last time."""
        config, enrolment = self.config, self._enrolment
        if config.endpoints and not config.delegate:
            return Sources(True, config.endpoints, config.join)
        if enrolment is None:
            return Sources(False, (), config.join)
        recalled = enrolment.recalled
        if recalled is not None and config.delegate:
            recalled = Sources(False, (), tuple(dict.fromkeys((*config.join, *recalled.agents))))
        where = ", ".join(config.join)
        log.info("joining through the agents at %s", where)
        joined = await self._try_until(
            partial(enrolment.by_asking, PATIENCE), f"no agent at {where} takes this node in", once=recalled is not None
        )
        if joined is None:
            assert recalled is not None  # else it would not have been given up
            log.warning("none of them answers: starting with what they said the last time, %s", recalled)
            return recalled
        self._tell_joined(joined)
        sources = await in_background(reached, config, Sources.of(joined, config), PATIENCE)
        enrolment.keep_sources(sources)
        return sources

    def _open_store(self) -> None:
        """The one place that decides what is followed."""
        config = self.config
        strategy = open_strategy(config, self._sources, self._others, lambda: self.facts.address)
        try:
            store = MeasuredStore(
                strategy,
                cluster=config.cluster,
                timeout=config.timeout,
                actor=config.host or None,
                max_age=config.max_age,
                cache_file=None if self._directory is None else self._directory.cache_file,
                follower=FollowerConfig(last_resorts=int(PEERS in strategy.endpoints)),
            )
        except BaseException:
            strategy.close()
            raise
        log.info("following %s", self._sources, extra=told(cluster=config.cluster))
        store.metrics = self.metrics
        store.tap(self.metrics.heard)
        self._store = self.observed.store = store
        self.facts.participates = self._sources.participates

    async def _serve(self) -> None:
        """Listen; once."""
        config = self.config
        async with self._serving:
            if self._server is not None:
                return
            certificates = self._certificates
            server = Server(
                self.store,
                listen=config.listen,
                limits=config.limits,
                authorise=Trust(config.rules, config.tls),
                credentials=None if certificates is None else certificates.credentials(),
                joining=Joining(self.store, self.facts),
                facts=self.facts,
            )
            self.facts.address = config.address(await server.start())
            self._server = self.observed.server = server
        log.info("listening at %s", config.listen, extra=told(address=self.address, tls=config.tls is not None))

    async def _enrol(self) -> None:
        """Until the picture is followed and the node is a member and, for a while, until it is live."""
        store, enrolment = self.store, self._enrolment
        await self._try_until(partial(store.wait_live, PATIENCE), f"nothing is followed yet at {self._sources}")
        if enrolment is not None:
            if enrolment.is_member(store.snapshot()):
                log.debug("node %d is a member as %s", enrolment.identity.node_id, self.config.host)
            else:
                joining = partial(enrolment.by_store, store, PATIENCE)
                self._tell_joined(await self._try_until(joining, "the node has not joined yet"))
            self.facts.node_id = enrolment.identity.node_id
            enrolment.keep_sources(self._newest_sources())
        await self._serve()
        if enrolment is not None:
            await self._become_live(enrolment.identity.node_id)
        if self.config.services and self._sources.participates:
            self._duties = duties(
                self.store, self.config.services, who=f"agent {self.address}", node_id=self.facts.node_id
            )
            self.facts.services = self._duties.status
            self._duties.start()

    async def _become_live(self, node_id: int) -> None:
        assert self._directory is not None  # an agent without one is no node
        self._liveness = self.observed.liveness = liveness = Liveness(
            self.store,
            node_id,
            host=self.config.host,
            version=__version__,
            agent_address=self.address,
            ttl=self.config.ttl,
            starts=self._directory.path / "starts.json",
            on_refused=self._refused,
        )
        self.facts.fence = liveness.fence
        liveness.start()
        if not await in_background(liveness.wait_live, PATIENCE):
            log.warning("node %d is not live yet: it goes on trying", node_id)

    async def _try_until(self, attempt: Callable[[], Any], what: str, *, once: bool = False) -> Any:
        """What a blocking attempt gives; again while it fails for reasons that pass. ``once``: None then."""
        began, pause = time.monotonic(), LONGEST_PAUSE / 16
        while True:
            try:
                return await in_background(attempt)
            except EtcdMetaError as error:
                if not (passes(error) if self._enrolment is None else self._enrolment.passes(error)):
                    raise
                waited = round(time.monotonic() - began)
                log.warning("%s: %s", what, error.message, extra=told(reason=error.reason, waited=waited))
                if once and not isinstance(error, NodeAlreadyRunning):
                    return None
            await asyncio.sleep(random.uniform(pause / 2, pause))
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _tell_joined(self, joined: Joined) -> None:
        identity = joined.identity
        self.facts.node_id = identity.node_id
        log.info(
            "node %d %s the cluster as %s",
            identity.node_id,
            "came back to" if joined.known else "joined",
            self.config.host,
            extra=told(node=identity.node_id, cluster=identity.cluster, cluster_id=identity.cluster_id),
        )

    # --- whom it knows

    def _live_agents(self) -> tuple[str, ...]:
        snapshot = self.vitals.snapshot()
        return () if snapshot is None else live_agents(snapshot)

    def _others(self) -> Sequence[str]:
        """Whom to turn to where etcd is not reached."""
        known = (*self._live_agents(), *self._sources.agents, *self.config.join)
        return tuple(address for address in dict.fromkeys(known) if address != self.address)

    def _newest_sources(self) -> Sources:
        etcd = real(self.store.strategy.endpoints) if self._sources.participates else ()
        return Sources(self._sources.participates, etcd, tuple(self._others()))

    def _source_at(self, endpoint: str) -> tuple[SourceKind, str]:
        if not self._sources.participates:
            return "agent", endpoint
        if self.store.freshness().state is not FollowerState.LIVE:
            return "cache", ""  # it is being tried
        if endpoint != PEERS:
            return "etcd", endpoint
        strategy = self.store.strategy
        return "agent", (strategy.peer if isinstance(strategy, FallbackStrategy) else None) or ""

    # --- the end

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """What goes on beside. Where it fails, the agent ends with that."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._settle)
        return task

    def _settle(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, EtcdMetaError):
            self._fail(error)
        elif error is not None:
            log.error("a part of the agent failed in an unforeseen way", exc_info=error)
            self._fail(Defect(f"the agent failed: {type(error).__name__}"))

    def _refused(self, error: EtcdMetaError) -> None:
        """In the thread that keeps the node live."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: EtcdMetaError) -> None:
        if self._failure is None and not self._ending.is_set():
            self._failure = error
            log.error("the agent cannot go on: %s", error, extra=told(reason=error.reason))
        self._ending.set()

    async def _end(self) -> None:
        log.info("stopping")
        self.vitals.ready = False
        self._ending.set()
        for task in self._tasks:
            task.cancel()
        # At the same time: with etcd away either takes all of its own, and who waits for the end has five seconds.
        ends: list[Coroutine[Any, Any, None]] = []
        if self._server is not None:
            ends.append(self._server.stop(DRAIN_SECONDS))
        if self._duties is not None:
            ends.append(self._bounded("the services", partial(self._duties.stop, REVOKE_SECONDS), REVOKE_SECONDS))
        if self._liveness is not None:
            ends.append(self._bounded("the lease", partial(self._liveness.stop, REVOKE_SECONDS), REVOKE_SECONDS))
        await asyncio.gather(*ends)
        if self._store is not None:
            await self._bounded("the picture", self._store.close, CLOSE_SECONDS)
        if self._exposition is not None:
            self._exposition.stop()
        if self._directory is not None:
            self._directory.close()
        log.info("stopped")

    async def _bounded(self, what: str, work: Callable[[], None], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds + 0.1):
                await in_background(work)
        except TimeoutError:
            log.warning("closing %s takes more than %g s: not waiting for it", what, seconds)
