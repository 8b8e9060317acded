"""Every pair of commands, planned on the same picture, committed in both orders, and lost in every way.

For each: the rules of a picture hold (`invariants`), the ledger and the answers agree, what was settled is not done
again when it lands late, and the result is one that a serial execution of the two has as well: same endings, same
picture but for ids and the choice of nodes. Triples are sampled; ``--seed`` brings a sample back.
"""

from __future__ import annotations

import itertools
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from etcdmeta.commands.cluster import InitCluster
from etcdmeta.commands.copying import BeginCopy, CancelCopy, FinishCopy
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.group import CreateShardGroup, DeleteShardGroup
from etcdmeta.commands.group_upkeep import PrecreateShardGroups, PruneShardGroups, TruncateShardGroups
from etcdmeta.commands.guard import SetReadOnly
from etcdmeta.commands.joining import JoinNode
from etcdmeta.commands.labelling import LabelNode
from etcdmeta.commands.moveplan import AbortPlan, AddPlanMoves, CreatePlan, FinishPlan, NotePlan, PausePlan, StartPlan
from etcdmeta.commands.moving import AdvanceMove
from etcdmeta.commands.node import AddNode, BeginNodeRemoval, FinishNodeRemoval, UpdateNode
from etcdmeta.commands.node_states import DrainNode, UndrainNode
from etcdmeta.commands.owner import FailOwner, RemoveOwner, SetOwnerStatus
from etcdmeta.commands.policy import AlterPolicy, CreatePolicy, DropPolicy, SetDefaultPolicy
from etcdmeta.commands.query import CreateContinuousQuery, DropContinuousQuery
from etcdmeta.commands.subscription import CreateSubscription, DropSubscription
from etcdmeta.commands.user import (
    CreateUser,
    DropUser,
    GrantPrivilege,
    RevokePrivilege,
    SetAdmin,
    SetPassword,
)
from etcdmeta.consensus.local import LocalCluster
from etcdmeta.errors import ConflictPersists, OutcomeUnknown
from etcdmeta.model.durations import Duration
from etcdmeta.model.moveplans import MOVES_A_PAGE, Move, PlanKind
from etcdmeta.model.owners import NodeState, OwnerStatus, Privilege, SubscriptionMode
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode_moves
from etcdmeta.replica.listing import listing
from etcdmeta.store import Outcome
from etcdmeta.store.ledger import decode_entry
from tests.store.invariants import check_picture
from tests.store.scripted import KEYSPACE, Doing, Fate, do_all, moved_on, picture_of
from tests.store.worlds import DAY, HOUR, NOW

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from etcdmeta.commands.plan import Command
    from etcdmeta.model.snapshot import Snapshot

IDLE = 7
"""The node that owns nothing, so that every placement begins with it."""
HASH = b"$2a$10$" + b"." * 53
QUERY = "select 1"
MEMBER, REMOVED, UNKNOWN, ANOTHER = (bytes([n]) * 32 for n in range(4))
"""Identities: of node 8, of node 9, which is removed, and of none."""

# Made in this order; ids count from 1. Nodes 1 to 4 join; 5 is being removed, 6 is removed.
# Group 1 is a live one of shards 1 and 2, group 2 follows it, 3 is deleted, 4 is truncated.
BASE: tuple[Command, ...] = (
    InitCluster(cluster_id=1, epoch=1),
    *(AddNode(host=f"{host}:1", cluster_id=1, epoch=1) for host in "abcdef"),
    BeginNodeRemoval(node_id=5),
    BeginNodeRemoval(node_id=6),
    FinishNodeRemoval(node_id=6),
    CreateDatabase(name="metrics", replicas=2, duration=Duration(30 * DAY), group_duration=Duration(HOUR)),
    CreateDatabase(name="empty"),
    CreatePolicy(database="metrics", name="long", duration=Duration(0), replicas=1, group_duration=Duration(HOUR)),
    *(CreateShardGroup(database="metrics", at=NOW + hours * HOUR) for hours in (0, 1, 5, 9)),
    DeleteShardGroup(group_id=3),
    TruncateShardGroups(at=NOW + 9 * HOUR + 60),
    CreateUser(name="bob", password_hash=HASH),
    CreateUser(name="ann", password_hash=HASH, admin=True),
    GrantPrivilege(user="bob", database="metrics", privilege=Privilege.ALL),
    CreateContinuousQuery(database="metrics", name="q", query=QUERY),
    CreateSubscription(database="metrics", name="s", mode=SubscriptionMode.ALL, destinations=("http://h:1",)),
)


@cache
def base() -> tuple[LocalCluster, Snapshot, Sequence[Command]]:
    cluster = LocalCluster(clock=lambda: 0.0)
    for command in BASE:
        doing = Doing(command)
        do_all(cluster, picture_of(cluster), [doing])
        assert isinstance(doing.answer, Outcome), doing
    snapshot = picture_of(cluster)
    shard, other = snapshot.group(1).shards
    source, leaving = shard.owners[0].node_id, other.owners[1].node_id
    target = next(n for n in (1, 2, 3, 4) if shard.owner(n) is None)
    another = next(n for n in (1, 2, 3, 4) if shard.owner(n) is None and n != target)
    for command in (
        BeginCopy(shard_id=shard.id, source=source, target=target),
        SetOwnerStatus(shard_id=other.id, node_id=leaving, status=OwnerStatus.LEAVING),
        AddNode(host="idle:1", cluster_id=1, epoch=1),
        joining("member:1", MEMBER),
        UpdateNode(node_id=8, state=NodeState.DRAINING),
        joining("removed:1", REMOVED),
        BeginNodeRemoval(node_id=9),
        FinishNodeRemoval(node_id=9),
        # Plan 1 runs, with a move that is done with copying (and its drain), one that waits and one that copies;
        # 2 would start and meets plan 1; 3 is being aborted; 4 drafts.
        planned(
            Move(other.id, leaving, source), Move(other.id, 0, IDLE), Move(shard.id, 0, target), subjects=(leaving,)
        ),
        StartPlan(plan_id=1),
        planned(Move(shard.id, source, target)),
        planned(Move(shard.id, 0, IDLE)),
        StartPlan(plan_id=3),
        AdvanceMove(plan_id=3, number=0),
        AbortPlan(plan_id=3),
        CreatePlan(kind=PlanKind.REBALANCE, total=MOVES_A_PAGE + 1, moves=encode_moves(MANY)),
    ):
        do_all(cluster, picture_of(cluster), [doing := Doing(command)])
        assert isinstance(doing.answer, Outcome), doing
    return cluster, picture_of(cluster), commands(shard.id, other.id, source, target, another, leaving)


MANY = [Move(shard_id, 1, 2) for shard_id in range(1000, 1000 + MOVES_A_PAGE)]


def planned(*moves: Move, subjects: tuple[int, ...] = ()) -> CreatePlan:
    return CreatePlan(kind=PlanKind.REBALANCE, total=len(moves), moves=encode_moves(moves), subjects=subjects)


def joining(host: str, identity: bytes, **fields: Any) -> JoinNode:
    return JoinNode(host=host, identity_hash=identity, cluster_id=2, epoch=2, **fields)


def commands(shard: int, other: int, source: int, target: int, another: int, leaving: int) -> tuple[Command, ...]:
    """``target`` copies ``shard`` from ``source``; ``another`` owns nothing of it; ``leaving`` leaves ``other``."""
    second = next(owner for owner in (1, 2, 3, 4) if owner not in {source, target, another})
    return (
        CreateDatabase(name="new"),
        CreateDatabase(name="new", replicas=3),
        CreateDatabase(name="metrics"),
        DropDatabase(name="metrics"),
        DropDatabase(name="empty"),
        CreatePolicy(database="metrics", name="new", duration=Duration(DAY), replicas=1),
        CreatePolicy(database="metrics", name="new", duration=Duration(DAY), replicas=1, default=True),
        CreatePolicy(database="empty", name="new", duration=Duration(DAY), replicas=1),
        AlterPolicy(database="metrics", name="long", new_name="new"),
        AlterPolicy(database="metrics", name="autogen", new_name="old"),
        AlterPolicy(database="metrics", name="autogen", replicas=1, group_duration=Duration(2 * HOUR)),
        AlterPolicy(database="metrics", name="long", duration=Duration(DAY), default=True),
        DropPolicy(database="metrics", name="long"),
        DropPolicy(database="metrics", name="autogen"),
        SetDefaultPolicy(database="metrics", name="long"),
        CreateShardGroup(database="metrics", at=NOW + 20 * HOUR),
        CreateShardGroup(database="metrics", policy="autogen", at=NOW + 20 * HOUR + 1),
        CreateShardGroup(database="metrics", policy="autogen", at=NOW + 9 * HOUR + 90),
        CreateShardGroup(database="metrics", policy="autogen", at=NOW),
        CreateShardGroup(database="metrics", policy="long", at=NOW),
        DeleteShardGroup(group_id=1),
        DeleteShardGroup(group_id=3),
        PrecreateShardGroups(until=NOW + 3 * HOUR),
        TruncateShardGroups(at=NOW + 60, database="metrics"),
        PruneShardGroups(deleted_before=NOW + 1),
        AddNode(host="g:1", cluster_id=2, epoch=2),
        AddNode(host="a:1", cluster_id=2, epoch=2),
        AddNode(host="f:1", cluster_id=2, epoch=2),
        joining("g:1", UNKNOWN),
        joining("g:1", ANOTHER),
        joining("a:1", UNKNOWN, labels={"zone": "a"}),
        joining("a:1", MEMBER),
        joining("g:1", MEMBER, node_id=8),
        joining("f:1", REMOVED),
        UpdateNode(node_id=8, host="g:1"),
        BeginNodeRemoval(node_id=8),
        BeginNodeRemoval(node_id=1),
        UpdateNode(node_id=2, host="g:1"),
        UpdateNode(node_id=target, state=NodeState.DRAINING),
        UpdateNode(node_id=5, state=NodeState.JOINED),
        DrainNode(node_id=target),
        UndrainNode(node_id=8),
        UndrainNode(node_id=leaving),
        LabelNode(node_id=8, labels={"rack": "7"}, without=("zone",)),
        BeginNodeRemoval(node_id=another),
        BeginNodeRemoval(node_id=source),
        FinishNodeRemoval(node_id=5),
        BeginCopy(shard_id=shard, source=source, target=another),
        BeginCopy(shard_id=other, source=leaving, target=source),
        BeginCopy(shard_id=other, source=leaving, target=second),
        FinishCopy(shard_id=shard, node_id=target, attempt=1),
        CancelCopy(shard_id=shard, node_id=target),
        FailOwner(shard_id=shard, node_id=target, reason="disk"),
        FailOwner(shard_id=shard, node_id=source, reason="disk"),
        FailOwner(shard_id=shard, node_id=second, reason="disk"),
        SetOwnerStatus(shard_id=shard, node_id=target, status=OwnerStatus.ACTIVE),
        SetOwnerStatus(shard_id=other, node_id=leaving, status=OwnerStatus.ACTIVE),
        RemoveOwner(shard_id=other, node_id=leaving),
        RemoveOwner(shard_id=shard, node_id=source, force=True, reason="gone"),
        RemoveOwner(shard_id=shard, node_id=second, force=True, reason="gone"),
        planned(Move(shard, 0, another)),
        AddPlanMoves(plan_id=4, page=1, moves=encode_moves([Move(999, 1, 2)])),
        StartPlan(plan_id=2),
        PausePlan(plan_id=1),
        AbortPlan(plan_id=1),
        AbortPlan(plan_id=2),
        AbortPlan(plan_id=4),
        FinishPlan(plan_id=1),
        FinishPlan(plan_id=3),
        NotePlan(plan_id=1, note="disk"),
        AdvanceMove(plan_id=1, number=0),
        AdvanceMove(plan_id=1, number=1),
        AdvanceMove(plan_id=3, number=0),
        CreateContinuousQuery(database="metrics", name="new", query=QUERY),
        CreateContinuousQuery(database="empty", name="new", query="select 2"),
        DropContinuousQuery(database="metrics", name="q"),
        CreateSubscription(
            database="metrics", policy="autogen", name="new", mode=SubscriptionMode.ANY, destinations=("udp://h:1",)
        ),
        CreateSubscription(database="metrics", name="new", mode=SubscriptionMode.ALL, destinations=("udp://h:1",)),
        DropSubscription(database="metrics", policy="autogen", name="s"),
        SetReadOnly(read_only=True),
        CreateUser(name="new", password_hash=HASH),
        CreateUser(name="new", password_hash=HASH, admin=True),
        DropUser(name="bob"),
        SetPassword(name="bob", password_hash=HASH),
        SetAdmin(name="bob", admin=True),
        GrantPrivilege(user="bob", database="metrics", privilege=Privilege.READ),
        GrantPrivilege(user="bob", database="empty", privilege=Privilege.READ),
        RevokePrivilege(user="bob", database="metrics", privilege=Privilege.WRITE),
    )


def run(doings: Sequence[Doing]) -> Snapshot:
    """On a fresh copy of the base, all planned on it."""
    origin, snapshot, _ = base()
    cluster = copy_of(origin)
    do_all(cluster, snapshot, doings)
    after = moved_on(cluster, snapshot)
    check_picture(after)
    check_answers(cluster, after, doings)
    return after


def copy_of(origin: LocalCluster) -> LocalCluster:
    cluster = LocalCluster(clock=lambda: 0.0)
    cluster.restore(origin.save())
    return cluster


def check_answers(cluster: LocalCluster, after: Snapshot, doings: Iterable[Doing]) -> None:
    start, end = (KEYSPACE.absolute(key) for key in keys.LEDGER_SPAN)
    before = base()[1]
    ledger = cluster.read(start, end, revision=0, limit=0, keys_only=False).kvs
    entries = [decode_entry(kv) for kv in ledger if kv.mod_revision > before.revision]
    done = [entry for entry in entries if not entry.void]
    assert after.generation == before.generation + len({entry.revision for entry in done})
    times = Counter(entry.operation_id for entry in done)
    for doing in doings:
        answer = doing.answer
        assert not isinstance(answer, OutcomeUnknown | ConflictPersists), answer
        changed = isinstance(answer, Outcome) and answer.changed
        assert times[doing.operation_id] == (1 if changed else 0), f"{doing} and the ledger disagree"


def shape(snapshot: Snapshot) -> Any:
    """A picture without what chance and order decide: ids, times, and which nodes a new group is placed on."""
    known = {1, 2, 3, 4}

    def group_shape(group: Any) -> Any:
        def owners(shard: Any) -> Any:
            told = sorted((o.node_id, str(o.status), o.source, o.attempt) for o in shard.owners)
            return told if group.id in known else len(told)

        return (group.start, group.end, group.is_deleted, group.truncated_at, tuple(map(owners, group.shards)))

    databases = {
        database.name: (
            database.default_policy.name if database.default_policy else None,
            {
                policy.name: (
                    (policy.replicas, policy.duration, policy.group_duration),
                    sorted(map(group_shape, policy.groups(include_deleted=True)), key=str),
                    sorted((s.name, str(s.mode), s.destinations) for s in policy.subscriptions()),
                )
                for policy in database.policies()
            },
            sorted((q.name, q.query) for q in database.queries()),
        )
        for database in snapshot.databases()
    }
    users = {user.name: (user.admin, snapshot.privileges(user)) for user in snapshot.users()}
    nodes = sorted(
        (node.host, str(node.state), node.identity_hash, dict(node.labels), node.reports_liveness)
        for node in snapshot.nodes(include_removed=True)
    )
    plans = sorted(
        (str(plan.state), plan.note, str(dict(plan.prior_states)), snapshot.plan_moves(plan.id))
        for plan in snapshot.plans()
    )
    return databases, users, nodes, plans


@cache
def alone(number: int) -> tuple[LocalCluster, Snapshot, str]:
    """A command on the base: what it leaves, and how it ends."""
    origin, snapshot, all_commands = base()
    cluster, doing = copy_of(origin), Doing(all_commands[number])
    do_all(cluster, snapshot, [doing])
    after = moved_on(cluster, snapshot)
    check_picture(after)
    check_answers(cluster, after, [doing])
    return cluster, after, doing.ending


@cache
def serially(order: tuple[int, ...]) -> tuple[dict[int, str], Any]:
    """How the commands end one after the other; by their numbers. Whoever ends so has a picture that is checked."""
    first, *others = order
    origin, snapshot, ending = alone(first)
    cluster, endings = copy_of(origin), {first: ending}
    for number in others:
        doing = Doing(base()[2][number])
        do_all(cluster, snapshot, [doing])
        snapshot = moved_on(cluster, snapshot)
        endings[number] = doing.ending
    return endings, shape(snapshot)


def check(order: tuple[int, ...], fates: Sequence[Fate]) -> None:
    all_commands = base()[2]
    doings = [Doing(all_commands[number], fate) for number, fate in zip(order, fates, strict=True)]
    try:
        after = run(doings)
    except AssertionError as error:
        raise AssertionError(f"{doings}: {error}") from error
    endings = {number: doing.ending for number, doing in zip(order, doings, strict=True)}
    if len(set(order)) < len(order):
        return  # the same command twice: which one did it is open
    if any(isinstance(doing.command, TruncateShardGroups) for doing in doings):
        return  # it concerns the groups that were there when it began, and lets others make new ones meanwhile
    allowed = [serially(each) for each in itertools.permutations(order)]
    assert (endings, shape(after)) in allowed, f"{doings} ended as no serial execution does: {endings}, {allowed}"


# Two workers share them, each of which works out the serial executions once. A request that is lost is left out: one
# that lands after all else goes the same way until then. By itself it is among the samples below.
@pytest.mark.parametrize(
    "fate",
    [
        pytest.param(fate, marks=pytest.mark.xdist_group(f"pairs{number % 2}"), id=fate.name.lower())
        for number, fate in enumerate(fate for fate in Fate if fate is not Fate.REQUEST_LOST)
    ],
)
def test_every_pair_of_commands(fate: Fate) -> None:
    """In both orders: the first is lost by its fate, the second happens in between, planned on the same picture."""
    count = len(base()[2])
    for pair in itertools.product(range(count), repeat=2):
        check(pair, (fate, Fate.CLEAN))


def test_both_of_a_pair_are_lost(rng: random.Random) -> None:
    count = len(base()[2])
    for _ in range(600):
        check((rng.randrange(count), rng.randrange(count)), rng.choices(list(Fate), k=2))


def triples_that_meet() -> list[tuple[Command, Command, Command]]:
    """The first relies on what the second takes away; the third makes that final, or makes another of the name."""
    _, snapshot, _ = base()
    shard = snapshot.group(1).shards[0]
    source = shard.owners[0].node_id
    target = next(owner.node_id for owner in shard.owners if owner.status == OwnerStatus.COPYING)
    query = CreateContinuousQuery(database="empty", name="new", query=QUERY)
    group = CreateShardGroup(database="metrics", policy="autogen", at=NOW + 20 * HOUR)
    begin, finish = BeginNodeRemoval(node_id=IDLE), FinishNodeRemoval(node_id=IDLE)
    return [
        (group, begin, finish),
        (BeginCopy(shard_id=shard.id, source=source, target=IDLE), begin, finish),
        (UpdateNode(node_id=IDLE, host="other:1"), begin, finish),
        (UpdateNode(node_id=IDLE, state=NodeState.JOINED), begin, finish),
        (begin, finish, AddNode(host="idle:1", cluster_id=1, epoch=1)),
        (joining("idle:1", UNKNOWN), begin, finish),
        (joining("x:1", UNKNOWN), joining("y:1", UNKNOWN), joining("idle:1", UNKNOWN)),
        (joining("x:1", UNKNOWN), joining("x:1", ANOTHER), joining("y:1", UNKNOWN)),
        (joining("x:1", MEMBER), BeginNodeRemoval(node_id=8), FinishNodeRemoval(node_id=8)),
        (query, DropDatabase(name="empty"), CreateDatabase(name="empty")),
        (
            group,
            DropPolicy(database="metrics", name="autogen"),
            AlterPolicy(database="metrics", name="long", new_name="autogen"),
        ),
        (group, AlterPolicy(database="metrics", name="autogen", group_duration=Duration(2 * HOUR)), group),
        (
            CreateSubscription(database="empty", name="new", mode=SubscriptionMode.ALL, destinations=("udp://h:1",)),
            CreatePolicy(database="empty", name="new", duration=Duration(DAY), replicas=1, default=True),
            DropPolicy(database="empty", name="autogen"),
        ),
        (
            GrantPrivilege(user="bob", database="empty", privilege=Privilege.READ),
            DropUser(name="bob"),
            CreateUser(name="bob", password_hash=HASH),
        ),
        (
            FinishCopy(shard_id=shard.id, node_id=target, attempt=1),
            CancelCopy(shard_id=shard.id, node_id=target),
            BeginCopy(shard_id=shard.id, source=source, target=target),
        ),
        (
            FailOwner(shard_id=shard.id, node_id=source, reason="disk"),
            FailOwner(shard_id=shard.id, node_id=shard.owners[1].node_id, reason="disk"),
            FinishCopy(shard_id=shard.id, node_id=target, attempt=1),
        ),
    ]


def test_triples_that_meet() -> None:
    for triple in triples_that_meet():
        for order in itertools.permutations(triple):
            for fates in itertools.product(Fate, (Fate.CLEAN, Fate.LANDS_AFTER), (Fate.CLEAN,)):
                doings = [Doing(command, fate) for command, fate in zip(order, fates, strict=True)]
                try:
                    run(doings)
                except AssertionError as error:
                    raise AssertionError(f"{doings}: {error}") from error


def test_sampled_triples(rng: random.Random) -> None:
    count = len(base()[2])
    for _ in range(500):
        check(tuple(rng.sample(range(count), 3)), rng.choices(list(Fate), k=3))


def test_the_pictures_that_are_moved_along_are_what_a_listing_shows(rng: random.Random) -> None:
    origin, snapshot, all_commands = base()
    cluster = LocalCluster(clock=lambda: 0.0)
    cluster.restore(origin.save())
    do_all(cluster, snapshot, [Doing(command) for command in rng.sample(all_commands, 12)])
    snapshot = moved_on(cluster, snapshot)
    start, end = KEYSPACE.state_range
    kvs = cluster.read(start, end, revision=0, limit=0, keys_only=False).kvs
    skip = len(KEYSPACE.prefix)
    assert listing(snapshot) == [(kv.key[skip:], kv.value, kv.mod_revision, kv.create_revision) for kv in kvs]
