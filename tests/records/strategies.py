"""Any record that can be stored: what Hypothesis makes records of."""

from __future__ import annotations

from hypothesis import strategies as st

from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import (
    Cluster,
    ContinuousQuery,
    Database,
    Grant,
    Liveness,
    Node,
    Progress,
    Record,
    RetentionPolicy,
    Shard,
    ShardGroup,
    ShardOwner,
    Subscription,
    User,
)
from etcdmeta.model.imports import Import, ImportState
from etcdmeta.model.moveplans import Move, MovePlan, PlanKind, PlanLimits, PlanState
from etcdmeta.model.names import from_bytes
from etcdmeta.model.owners import NodeState, OwnerStatus, Privilege, SubscriptionMode

ids = st.integers(0, 2**64 - 1)
times = st.integers(-(2**63), 2**63 - 1)
u32 = st.integers(0, 2**32 - 1)
durations = st.integers(0, 2**63 - 1).map(Duration)
names = st.one_of(
    st.binary(max_size=40).map(from_bytes),  # whatever an old file held
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    st.sampled_from(["", ".", "..", "/", "a/b", "%2F", "=", "\0", "\udcff", "עברית", "🦀", "x" * 256]),
)
words = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)


def _optional(of: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    return st.none() | of


owners = st.builds(
    ShardOwner,
    node_id=ids,
    # The empty word is how "active" is stored.
    status=st.sampled_from(OwnerStatus) | words,
    source=st.none() | st.integers(1, 2**64 - 1),  # 0 is how "none" is stored
    attempt=ids,
    since=_optional(times),
    reason=words | st.just(""),
)
shards = st.builds(
    Shard,
    id=ids,
    owners=st.lists(owners, max_size=4, unique_by=lambda owner: owner.node_id).map(tuple),
    last_attempt=ids,
)
groups = st.builds(
    ShardGroup,
    id=ids,
    database_id=ids,
    policy_id=ids,
    start=times,
    end=times,
    deleted_at=_optional(times),
    truncated_at=_optional(times),
    shards=st.lists(shards, max_size=3, unique_by=lambda shard: shard.id).map(tuple),
)

positive = st.integers(1, 2**32 - 1)
counts = st.dictionaries(ids, u32, max_size=4)
moves = st.builds(Move, shard_id=ids, from_node=ids, to_node=ids, source=ids, size=_optional(ids))

RECORDS: dict[type[Record], st.SearchStrategy[Record]] = {
    Cluster: st.builds(
        Cluster,
        cluster_id=ids,
        epoch=ids,
        oldest_reader=u32,
        oldest_writer=u32,
        generation_base=ids,
        ledger_floor=times,
        read_only=st.booleans(),
    ),
    MovePlan: st.builds(
        MovePlan,
        id=ids,
        kind=st.sampled_from(PlanKind) | words,
        state=st.sampled_from(PlanState) | words,
        reason=words,
        author=words,
        created_at=times,
        changed_at=times,
        moves=ids,
        pages=u32,
        limits=st.builds(PlanLimits, per_target=positive, per_source=positive, at_once=positive),
        subjects=st.lists(ids, max_size=3).map(tuple),
        replacement=ids,
        remove_subjects=st.booleans(),
        prior_states=st.dictionaries(ids, words, max_size=3),
        before=counts,
        after=counts,
        undoes=ids,
        undone_by=ids,
        note=words,
    ),
    Import: st.builds(
        Import,
        id=ids,
        state=st.sampled_from(ImportState) | words,
        digest=st.binary(max_size=32),
        source=words,
        author=words,
        started_at=times,
        changed_at=times,
        planned_at=times,
        first_database=ids,
        databases=u32,
        first_policy=ids,
        policies=u32,
        first_user=ids,
        users=u32,
        first_group=ids,
        first_shard=ids,
        groups=ids,
        records=ids,
        nodes=st.dictionaries(ids, ids, max_size=3),
        new_nodes=st.lists(ids, max_size=3).map(tuple),
        raised=st.dictionaries(words, ids, max_size=3),
        shown=st.booleans(),
    ),
    Node: st.builds(
        Node,
        id=ids,
        host=words,
        labels=st.dictionaries(words, words, max_size=3),
        state=st.sampled_from(NodeState) | words,
        identity_hash=st.binary(max_size=32),
        reports_liveness=st.booleans(),
        joined_at=times,
    ),
    User: st.builds(User, id=ids, name=names, admin=st.booleans()),
    Database: st.builds(Database, id=ids, name=names, default_policy_id=ids),
    RetentionPolicy: st.builds(
        RetentionPolicy,
        id=ids,
        database_id=ids,
        name=names,
        replicas=u32,
        duration=durations,
        group_duration=durations,
    ),
    ShardGroup: groups,
    ContinuousQuery: st.builds(ContinuousQuery, database_id=ids, name=names, query=names, place=u32),
    Subscription: st.builds(
        Subscription,
        database_id=ids,
        policy_id=ids,
        name=names,
        mode=st.sampled_from(SubscriptionMode) | words,
        destinations=st.lists(words, max_size=3).map(tuple),
        place=u32,
    ),
    Grant: st.builds(Grant, database_id=ids, user_id=ids, privilege=st.sampled_from(Privilege) | words),
    Liveness: st.builds(
        Liveness,
        node_id=ids,
        instance=ids,
        since=times,
        version=words,
        host=words,
        generation=ids,
        cache_age=times,
        agent_address=words,
        interruptions=st.lists(times, max_size=4).map(tuple),
        lease_seconds=u32,
        clock=times,
    ),
    Progress: st.builds(
        Progress,
        database_id=ids,
        policy_id=ids,
        shard_id=ids,
        node_id=ids,
        attempt=ids,
        bytes_done=_optional(ids),
        bytes_total=_optional(ids),
        bytes_per_second=_optional(ids),
        updated=times,
    ),
}
"""One strategy a kind of record, with the counters 0 and nothing stored, as a command makes them."""
