"""What `health` and `check` judge, asked once: the members, the picture, the nodes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etcdmeta.cli.health_verdict import CacheFacts, MemberFacts, NodeFacts, judge, warnings_of
from etcdmeta.cli.session import CONNECT_SECONDS
from etcdmeta.errors import AccessRefused, EtcdMetaError, SchemaTooNew, Unavailable
from etcdmeta.model.conditions import NodeCondition, condition_of
from etcdmeta.model.health import Health

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore

MAX_AGE = 30.0
"""Seconds: a picture that is older says nothing any more."""
MEMBER_SECONDS = 2.0
"""How long the members may take to answer: they are asked all at once."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The facts, and what follows from them. ``reasons`` are the verdict's, ``warnings`` are no failure."""

    members: Sequence[MemberFacts]
    cache: CacheFacts
    nodes: Sequence[NodeFacts]
    verdict: Health
    reasons: list[str]
    warnings: list[str]

    @property
    def answering(self) -> list[MemberFacts]:
        """The members that answered."""
        return [member for member in self.members if member.problem is None]


def ask(session: Session, *, quota: int, any_version: bool = False) -> Findings:
    """Ask and judge, as far as it can be done without a quorum. ``quota`` in bytes.

    Raises `AccessRefused` and `SchemaTooNew`: who may not ask, or cannot read what is stored, gets no verdict.
    """
    with session.store(wait=False) as store:
        seconds = session.remaining(CONNECT_SECONDS) or CONNECT_SECONDS
        members = _members(session, store, min(MEMBER_SECONDS, seconds))
        _settle(store, session.remaining(CONNECT_SECONDS) or 0.0)
        fresh, snapshot = store.freshness(), _snapshot(store)
    _raise_refusals(members, fresh.problem)
    cache = CacheFacts(
        fresh.state,
        fresh.age,
        fresh.generation,
        fresh.revision,
        fresh.endpoint,
        fresh.cluster_id,
        fresh.problem,
        len(snapshot.unreadable) if snapshot else 0,
    )
    nodes = node_facts(snapshot) if snapshot else []
    verdict, reasons = judge(members, cache, nodes, max_age=MAX_AGE)
    warnings = warnings_of(members, quota=quota, any_version=any_version)
    if snapshot is not None:
        warnings += [*read_only_warnings(snapshot), *retention_warnings(snapshot)]
    if cache.cluster_id is None and cache.problem is None:
        warnings.append(f"there is no cluster {session.settings.cluster!r} yet")
    return Findings(members, cache, nodes, verdict, reasons, warnings)


def read_only_warnings(snapshot: Snapshot) -> list[str]:
    """That somebody closed the cluster for changes: then nothing heals itself, either."""
    if snapshot.cluster is None or not snapshot.cluster.read_only:
        return []
    return ["the cluster is read-only: nothing can change, no copy ends; `etcdmeta cluster read-only off` opens it"]


def retention_warnings(snapshot: Snapshot) -> list[str]:
    """That more groups have expired, by this clock, than a pass of retention marks."""
    from etcdmeta.commands.expiry import expired
    from etcdmeta.services.retention import cap, held_back

    left, most = sum(1 for _ in expired(snapshot, time.time_ns())), cap(snapshot)
    return [held_back(left, most)] if left > most else []


def _settle(store: MetaStore, seconds: float) -> None:
    """Give the picture its time. What keeps it from being live is told by its freshness, and judged."""
    try:
        store.wait_live(seconds)
    except Unavailable:
        return
    except EtcdMetaError:
        if store.freshness().problem is None:
            raise


def _snapshot(store: MetaStore) -> Snapshot | None:
    """None: there is no picture at all; why is told by its freshness, and judged."""
    try:
        return store.snapshot()
    except EtcdMetaError:
        return None


def _members(session: Session, store: MetaStore, seconds: float) -> list[MemberFacts]:
    is_agent = session.settings.endpoints.startswith(("agent://", "agents://"))
    facts = []
    for endpoint, said in store.members(timeout=seconds).items():
        if isinstance(said, EtcdMetaError):
            facts.append(MemberFacts(endpoint, problem=said, is_agent=is_agent))
        else:
            facts.append(
                MemberFacts(
                    endpoint=endpoint,
                    version=said.version,
                    member_id=said.member_id,
                    is_leader=said.is_leader,
                    leader=said.leader,
                    revision=said.revision,
                    db_size=said.db_size,
                    alarms=said.alarms,
                    is_agent=is_agent,
                )
            )
    return facts


def node_facts(snapshot: Snapshot) -> list[NodeFacts]:
    """Without those that are on their way out: nobody waits for them."""
    now = time.time_ns()
    facts = []
    for node in snapshot.nodes():
        liveness = snapshot.liveness(node.id)
        live = snapshot.is_live(node.id)
        condition = condition_of(node, live, now)
        if condition is not NodeCondition.REMOVING:
            # One that joins has not come up yet, which is not to have gone down.
            live = None if condition is NodeCondition.JOINING else live
            facts.append(NodeFacts(node.id, live, liveness is not None and liveness.is_flapping(now)))
    return facts


def _raise_refusals(members: Sequence[MemberFacts], problem: EtcdMetaError | None) -> None:
    """Who may not ask, or cannot read what is stored, gets no verdict but the reason."""
    if isinstance(problem, (AccessRefused, SchemaTooNew)):
        raise problem
    refusals = [member.problem for member in members if isinstance(member.problem, AccessRefused)]
    if refusals and len(refusals) == len(members):
        raise refusals[0]
