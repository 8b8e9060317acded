"""Joining and leaving: what an agent answers to a node that asks, and how a node asks.

A node that joins learns its id, the cluster's id, whether it takes part in consensus, which means that it commits to
etcd itself, and who its peers are: the members of etcd then, else the agents that it delegates to. A node that knows
etcd's addresses needs no agent (`join_directly`).

The secret goes to the agent, which hashes it: whoever can read the records knows the hashes, and they prove nothing.
"""

from __future__ import annotations

import hmac
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from etcdmeta.agent.identity import Identity, hash_of
from etcdmeta.agent.peers import etcd_members, first, live_agents
from etcdmeta.commands.node import BeginNodeRemoval, FinishNodeRemoval
from etcdmeta.commands.plan import Command
from etcdmeta.consensus.protocol import Delegate
from etcdmeta.errors import (
    ConflictPersists,
    Defect,
    LimitReached,
    NodeIdentityRefused,
    NodeNotFound,
    OutcomeUnknown,
    Unavailable,
    WaitTimedOut,
    WrongCluster,
)
from etcdmeta.model.entities import Node
from etcdmeta.model.owners import NodeState
from etcdmeta.store import MetaStore, Outcome, new_operation_id
from etcdmeta.store.operations import Operation
from etcdmeta.store.shortcuts.nodes import joining, require_owns_nothing
from etcdmeta.store.waiters import seconds_until
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import encode_position

log = logging.getLogger("etcdmeta.agent")

TIMEOUT = 10.0
"""Seconds for a join or a leave, where the caller says nothing else."""
LONGEST_PAUSE = 2.0
"""Seconds between two questions to agents that do not answer."""


class Here(Protocol):
    """What the answering agent knows of itself: `etcdmeta.agent.facts.Facts`."""

    @property
    def address(self) -> str: ...
    @property
    def name(self) -> str: ...


class Joining:
    """The agent's side. Its methods block until the store's picture shows what was done; any thread may call them."""

    def __init__(self, store: MetaStore, facts: Here) -> None:
        self._store = store
        self._facts = facts

    def join(self, request: pb.JoinRequest, who: str, *, timeout: float = TIMEOUT) -> pb.JoinResponse:
        """A node becomes a member, or comes back. ``who`` asked, for the history; ``timeout`` in seconds.

        Sent again under the same operation id, it is answered the same. Raises the errors of
        `etcdmeta.commands.joining.JoinNode`, and `WrongCluster` for a name that is not this agent's.
        """
        self._require_name(request.cluster)
        identity_hash = hash_of(request.secret)
        strategy, deadline = self._store.strategy, time.monotonic() + timeout
        if isinstance(strategy, Delegate):  # it belongs to whoever reaches etcd
            response = strategy.join(request, deadline=deadline)
            response.agents[:] = first(self._facts.address, response.agents)
            return response
        command = joining(
            request.host,
            identity_hash,
            request.labels,
            node_id=request.node_id,
            cluster_id=request.cluster_id,
        )
        outcome = self._submit(command, self._actor(request.host, who), request.operation_id, deadline)
        snapshot = self._store.snapshot()
        node = _require_same(snapshot.node(int(outcome.result["node_id"])), identity_hash)
        members = () if request.delegate else etcd_members(strategy, deadline=deadline)
        return pb.JoinResponse(
            node_id=node.id,
            cluster_id=int(outcome.result["cluster_id"]),
            participates=bool(members),
            etcd_endpoints=members,
            agents=first(self._facts.address, live_agents(snapshot)),
            known=bool(outcome.result["known"]),
            position=encode_position(snapshot.position),
            generation=snapshot.generation,
            cluster=self._store.cluster_name,
        )

    def leave(self, request: pb.LeaveRequest, who: str, *, timeout: float = TIMEOUT) -> pb.LeaveResponse:
        """A node goes for good, by its own word, which its secret proves. Gone already is no error.

        As `MetaStore.remove_node`: interrupted, the same call goes on. Raises `NodeNotFound`, `NodeIdentityRefused`,
        `NodeOwnsShards`, `WrongCluster`.
        """
        self._require_name(request.cluster)
        identity_hash = hash_of(request.secret)
        strategy, deadline = self._store.strategy, time.monotonic() + timeout
        if isinstance(strategy, Delegate):
            return strategy.leave(request, deadline=deadline)
        snapshot = self._store.read_consistent(timeout)
        node = snapshot.find_node(request.node_id)
        if node is None:
            raise NodeNotFound(f"node {request.node_id} is not there", value=request.node_id)
        _require_same(node, identity_hash)
        if node.state != NodeState.REMOVED:
            require_owns_nothing(snapshot, node.id)
            actor = self._actor(node.host, who)
            self._submit(BeginNodeRemoval(node_id=node.id), actor, "", deadline)
            self._submit(FinishNodeRemoval(node_id=node.id), actor, request.operation_id, deadline)
        snapshot = self._store.snapshot()
        return pb.LeaveResponse(position=encode_position(snapshot.position), generation=snapshot.generation)

    def _submit(self, command: Command, actor: str, operation_id: str, deadline: float) -> Outcome:
        operation = Operation(
            operation_id or new_operation_id(), command, actor, time.time_ns(), external=bool(operation_id)
        )
        return self._store.submit((operation,), timeout=seconds_until(deadline))[0]

    def _actor(self, host: str, who: str) -> str:
        return f"{host} via {self._facts.name}" + (f", {who}" if who else "")

    def _require_name(self, cluster: str) -> None:
        """Requests name the cluster that they mean; empty: this one."""
        mine = self._store.cluster_name
        if cluster not in {"", mine}:
            raise WrongCluster(
                f"this agent serves cluster {mine!r}, not {cluster!r}",
                value=cluster,
                rule="an agent serves one cluster",
                remedy="give the addresses of that cluster's agents, or another --cluster",
            )


def _require_same(node: Node, identity_hash: bytes) -> Node:
    """Raises `NodeIdentityRefused`."""
    if not hmac.compare_digest(node.identity_hash, identity_hash):
        raise NodeIdentityRefused(
            f"the secret is not that of node {node.id}",
            value=node.id,
            rule="a node proves who it is by the secret in its data directory",
            remedy="use that node's own data directory; an operator removes a node with `etcdmeta node remove`",
        )
    return node


@dataclass(frozen=True, slots=True)
class Joined:
    """What a node knows when it has joined. ``known``: it was a member before.

    ``participates``: it commits to etcd itself, at ``etcd_endpoints``; else it delegates to ``agents``. Whether it
    reaches those endpoints, only the node can find out.
    """

    identity: Identity
    participates: bool
    etcd_endpoints: tuple[str, ...]
    agents: tuple[str, ...]
    known: bool


def join_directly(
    store: MetaStore,
    identity: Identity,
    *,
    host: str,
    labels: Mapping[str, str] | None = None,
    operation_id: str | None = None,
    timeout: float = TIMEOUT,
) -> Joined:
    """By a store of the node's own on etcd. ``labels`` empty: they stay as they are. ``timeout`` in seconds.

    Again under the same ``operation_id`` it is done once. Raises what `etcdmeta.commands.joining.JoinNode` raises.
    """
    deadline = time.monotonic() + timeout
    command = joining(host, identity.hash, labels, node_id=identity.node_id, cluster_id=identity.cluster_id)
    outcome = store.execute(command, operation_id=operation_id, timeout=timeout)
    snapshot = store.snapshot()
    node = _require_same(snapshot.node(int(outcome.result["node_id"])), identity.hash)
    return Joined(
        replace(identity, node_id=node.id, cluster_id=int(outcome.result["cluster_id"]), cluster=store.cluster_name),
        participates=True,
        etcd_endpoints=etcd_members(store.strategy, deadline=deadline) or store.strategy.endpoints,
        agents=live_agents(snapshot),
        known=bool(outcome.result["known"]),
    )


def join_through(
    agents: Delegate,
    identity: Identity,
    *,
    cluster: str,
    host: str,
    labels: Mapping[str, str] | None = None,
    delegate: bool = False,
    deadline: float,
    operation_id: str | None = None,
) -> Joined:
    """By asking agents until one answers, or ``deadline`` (monotonic seconds): a lost answer is asked for again, under
    the same operation id. ``delegate``: the node is to follow agents, though it may reach etcd.

    Raises what `Joining.join` raises, `Unavailable` where no agent answers.
    """
    request = pb.JoinRequest(
        cluster=cluster,
        host=host,
        labels=labels,
        secret=identity.secret,
        node_id=identity.node_id,
        cluster_id=identity.cluster_id,
        operation_id=operation_id or new_operation_id(),
        delegate=delegate,
    )
    answer = _asked_until(lambda: agents.join(request, deadline=deadline), deadline)
    _require_kept("cluster", identity.cluster_id, answer.cluster_id)
    _require_kept("node", identity.node_id, answer.node_id)
    return Joined(
        replace(identity, node_id=answer.node_id, cluster_id=answer.cluster_id, cluster=answer.cluster or cluster),
        participates=answer.participates and not delegate,
        etcd_endpoints=tuple(answer.etcd_endpoints),
        agents=tuple(answer.agents),
        known=answer.known,
    )


def _asked_until(ask: Callable[[], pb.JoinResponse], deadline: float) -> pb.JoinResponse:
    """Again while nobody answers, or nobody can say what became of it: the request may be repeated as it is."""
    pause = LONGEST_PAUSE / 16
    while True:
        try:
            return ask()
        except (Unavailable, LimitReached, OutcomeUnknown, ConflictPersists, WaitTimedOut) as error:
            pause = min(LONGEST_PAUSE, 2 * pause)
            if deadline - time.monotonic() <= pause:  # else the last word would be that no time was left
                raise
            log.info("not joined yet: %s", error.message)
            time.sleep(random.uniform(pause / 2, pause))


def _require_kept(what: str, had: int, told: int) -> None:
    """An agent does not change who the node is, nor where. Raises `Defect`: agents refuse that themselves."""
    if not told or (had and had != told):
        raise Defect(
            f"the agent answered with {what} {told}, and this node has {what} {had}",
            value=told,
            rule="a node keeps its identity",
            remedy="see the agent's log",
        )
