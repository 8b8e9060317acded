"""`FallbackStrategy`: etcd, and where none of its members is reached, the picture of a peer agent that does reach it.

To the follower the peers are one more member, the last of the round. They serve lists, watches and the reads that
prove continuity; everything that writes, and every read that is to be current, is etcd's alone. While a peer is
followed, etcd is asked every few seconds, and as soon as it answers the peer is left: the round goes on at the first
member of etcd, where the watch resumes behind the published revision, so that nothing older is published.

A peer counts only while it follows etcd itself. Else two agents that are both cut off could feed each other, each
taking the other's picture for news.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from etcdmeta.consensus.protocol import MemberStatus, Strategy, WatchStream
from etcdmeta.errors import EtcdMetaError, Unavailable
from etcdmeta.records.transaction import RawWatchResponse, ReadResult, Transaction, TxnResult
from etcdmeta.wire.pb import agent_pb2 as pb

log = logging.getLogger("etcdmeta.agent")

PEERS = "peers"
"""The endpoint that stands for all of them."""
ASK_ETCD_EVERY = 2.0
"""Seconds between two questions whether etcd is there again, while a peer is followed."""
ETCD_MAY_TAKE = 1.0
"""Seconds for the answer."""
PEER_MAY_TAKE = 2.0
"""Seconds for a peer to say how it is."""


class Peers(Strategy, Protocol):
    """What `etcdmeta.consensus.agent.AgentStrategy` is."""

    def agent_status(self, endpoint: str, *, deadline: float) -> pb.StatusResponse: ...


class FallbackStrategy:
    """A `Strategy`. ``addresses`` gives the peers' addresses whenever they are wanted, ``connect`` a strategy over
    them. Thread-safe. It closes ``etcd`` and what ``connect`` made.
    """

    def __init__(
        self,
        etcd: Strategy,
        addresses: Callable[[], Sequence[str]],
        connect: Callable[[Sequence[str]], Peers],
        *,
        probe_key: bytes,
        ask_etcd_every: float = ASK_ETCD_EVERY,
    ) -> None:
        """``probe_key``: what is read to see whether etcd answers; it may be any that this process may read."""
        self._etcd = etcd
        self._addresses = addresses
        self._connect = connect
        self._probe_key = probe_key
        self._every = ask_etcd_every
        self._mutex = threading.Lock()
        self._connected: tuple[tuple[str, ...], Peers] | None = None
        self._peer: str | None = None
        self._closed = threading.Event()

    @property
    def endpoints(self) -> tuple[str, ...]:
        return (*self._etcd.endpoints, PEERS)

    @property
    def peer(self) -> str | None:
        """The peer that is followed, or was asked last; None: etcd is, as far as is known."""
        return self._peer

    # --- what a peer can do as well

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
        strategy, endpoint = self._way(endpoint)
        return strategy.read(
            key,
            deadline=deadline,
            range_end=range_end,
            revision=revision,
            limit=limit,
            keys_only=keys_only,
            endpoint=endpoint,
        )

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
        strategy, endpoint = self._way(endpoint)
        return strategy.list(start, end, deadline=deadline, revision=revision, page=page, endpoint=endpoint)

    def watch(self, start: bytes, end: bytes, *, from_revision: int, endpoint: str) -> WatchStream:
        if endpoint != PEERS:
            self._peer = None
            return self._etcd.watch(start, end, from_revision=from_revision, endpoint=endpoint)
        peers, peer = self._choose()
        stream = peers.watch(start, end, from_revision=from_revision, endpoint=peer)
        log.warning("etcd is not reached: following the agent at %s", peer)
        return _UntilEtcdAnswers(stream, self._etcd_answers, self._every)

    # --- what is etcd's alone

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        return self._etcd.transact(txn, deadline=deadline)

    def grant_lease(self, ttl: int, *, deadline: float) -> int:
        return self._etcd.grant_lease(ttl, deadline=deadline)

    def keep_alive(self, lease: int, *, deadline: float) -> int:
        return self._etcd.keep_alive(lease, deadline=deadline)

    def revoke_lease(self, lease: int, *, deadline: float) -> None:
        self._etcd.revoke_lease(lease, deadline=deadline)

    def peers(self, *, deadline: float) -> tuple[str, ...]:
        return self._etcd.peers(deadline=deadline)

    def status(self, endpoint: str, *, deadline: float) -> MemberStatus:
        strategy, name = self._way(endpoint)
        return strategy.status(name or endpoint, deadline=deadline)

    def close(self) -> None:
        self._closed.set()
        with self._mutex:
            connected, self._connected = self._connected, None
        if connected is not None:
            connected[1].close()
        self._etcd.close()

    # --- choosing

    def _way(self, endpoint: str | None) -> tuple[Strategy, str | None]:
        if endpoint != PEERS:
            return self._etcd, endpoint
        peer, connected = self._peer, self._connected
        if peer is not None and connected is not None and peer in connected[1].endpoints:
            return connected[1], peer  # list, proof and watch of one connection go to one peer
        return self._choose()

    def _choose(self) -> tuple[Peers, str]:
        """A peer that follows etcd itself. Raises `Unavailable` where there is none, and where etcd answers."""
        self._peer = None
        if self._etcd_answers():
            raise Unavailable("etcd answers: no other agent is asked")
        peers = self._connection()
        troubles = []
        for endpoint in peers.endpoints:
            try:
                status = peers.agent_status(endpoint, deadline=time.monotonic() + PEER_MAY_TAKE)
            except EtcdMetaError as error:
                troubles.append(f"{endpoint}: {error.message}")
                continue
            if status.freshness.live and status.freshness.source == pb.Freshness.ETCD:
                self._peer = endpoint
                return peers, endpoint
            troubles.append(f"{endpoint} does not follow etcd itself")
        raise Unavailable(
            f"neither etcd nor another agent is reached ({'; '.join(troubles)})",
            value=", ".join(peers.endpoints),
            remedy="see why etcd cannot be reached: `etcdmeta health`",
        )

    def _connection(self) -> Peers:
        addresses = tuple(self._addresses())
        if not addresses:
            raise Unavailable("etcd is not reached, and no other agent is known")
        with self._mutex:
            if self._closed.is_set():
                raise Unavailable("the strategy is closed")
            if self._connected is None or self._connected[0] != addresses:
                old, self._connected = self._connected, (addresses, self._connect(addresses))
                if old is not None:
                    old[1].close()
            return self._connected[1]

    def _etcd_answers(self) -> bool:
        try:
            self._etcd.read(self._probe_key, deadline=time.monotonic() + ETCD_MAY_TAKE, keys_only=True)
        except EtcdMetaError:
            return False
        return True


class _UntilEtcdAnswers:
    """A peer's stream that ends as soon as etcd answers."""

    def __init__(self, stream: WatchStream, etcd_answers: Callable[[], bool], every: float) -> None:
        self._stream = stream
        self._etcd_answers = etcd_answers
        self._every = every
        self._ended = threading.Event()
        self._is_back = False

    @property
    def endpoint(self) -> str:
        return PEERS

    def __iter__(self) -> Iterator[RawWatchResponse]:
        looking = threading.Thread(target=self._look, name="etcdmeta-etcd-back", daemon=True)
        looking.start()
        try:
            yield from self._stream
        finally:
            self._ended.set()
            looking.join(2 * ETCD_MAY_TAKE)
        if self._is_back:
            raise Unavailable("etcd answers again: the other agent is left")

    def cancel(self) -> None:
        self._ended.set()
        self._stream.cancel()

    def _look(self) -> None:
        while not self._ended.wait(self._every):
            if self._etcd_answers():
                log.warning("etcd answers again: following it")
                self._is_back = True
                self._stream.cancel()
                return
