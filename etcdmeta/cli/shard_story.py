"""`shard explain`, the thinking: why a shard is as it is, how each owner came there, what it waits for, what to type.

Pure: one judged shard, its past, the nodes, the plans that have a say in it, and the time go in; sentences come out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.naming import policy_name
from etcdmeta.cli.shard_next import next_commands
from etcdmeta.cli.shard_past import Event, Past
from etcdmeta.cli.shard_plans import PlannedMove
from etcdmeta.cli.text import counted
from etcdmeta.model.durations import SECOND
from etcdmeta.model.entities import Node, ShardOwner
from etcdmeta.model.health import STALLED_AFTER, Health, OwnerState, Presence, ShardStatus, span_text
from etcdmeta.model.moveplans import PlanState
from etcdmeta.model.moves import MoveState
from etcdmeta.model.owners import OwnerStatus

SERVES = "An owner serves when it is active or leaving and its node is live."


@dataclass(frozen=True, slots=True)
class Turn:
    """One change of one owner. ``time``: ns since 1970, by the clock of who did it."""

    time: int
    actor: str
    what: str


@dataclass(frozen=True, slots=True)
class OwnerStory:
    """``now``: how it is, in a few words; ``waits``: what its copy waits for, sentences; ``past``: oldest first."""

    node_id: int
    host: str
    now: str
    waits: tuple[str, ...]
    past: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """``verdict``: what it is, and by which rule. ``commands``: what to type, the best first. ``gap``: see `Past`."""

    status: ShardStatus
    verdict: tuple[str, ...]
    owners: tuple[OwnerStory, ...]
    former: tuple[OwnerStory, ...]
    plans: tuple[str, ...]
    commands: tuple[str, ...]
    gap: str = ""


def explain(
    status: ShardStatus, past: Past, nodes: Mapping[int, Node], plans: Sequence[PlannedMove], now: int
) -> Explanation:
    """The story of one shard. ``nodes``: removed ones, too; ``plans``: the active ones' moves of this shard."""
    owning = {owner.node_id for owner in status.owners}
    seen = {owner.node_id for event in past.events for owner in event.owners or ()}
    return Explanation(
        status=status,
        verdict=(_what(status), *_why(status)),
        owners=tuple(
            OwnerStory(
                owner.node_id, _host(nodes, owner.node_id), _now(owner, now),
                _waits(owner, status, now), turns(past.events, owner.node_id),
            )
            for owner in status.owners
        ),
        former=tuple(
            OwnerStory(node_id, _host(nodes, node_id), "no owner any more", (), turns(past.events, node_id))
            for node_id in sorted(seen - owning)
        ),
        plans=tuple(_plan(each) for each in plans),
        commands=next_commands(status, nodes, plans),
        gap=past.gap,
    )  # fmt: skip


def turns(events: Sequence[Event], node_id: int) -> tuple[Turn, ...]:
    """How this node's part in the shard changed, oldest first.

    What happened while nobody knows the owners is told of the first change after which somebody does.
    """
    found: list[Turn] = []
    lost, before = False, None
    for place, event in enumerate(events):
        if event.owners is None:
            lost = True
            continue
        after = next((owner for owner in event.owners if owner.node_id == node_id), None)
        # Of several that were committed together each left the owners as all of them did: ask for the one about it.
        by = next((e for e in events[place:] if e.revision == event.revision and e.node_id == node_id), event)
        if what := _turn(before, after, by.summary):
            found.append(Turn(by.time, by.actor, f"{what}, or was so before" if lost else what))
        lost, before = False, after
    return tuple(found)


def _turn(before: ShardOwner | None, after: ShardOwner | None, summary: str) -> str:
    if after is None:
        # The owner is gone, and its reason with it: what broke a rule is told by the operation alone.
        _, forced, reason = summary.partition(", forced: ")
        return "" if before is None else f"owner no more (forced: {reason})" if forced else "owner no more"
    if before is None:
        return f"owner, {_status(after)}"
    if before.status != after.status:
        return f"{before.status} → {_status(after)}"
    if before.attempt != after.attempt:
        return f"again {_status(after)}"
    return ""


def _status(owner: ShardOwner) -> str:
    text = str(owner.status)
    if owner.status == OwnerStatus.COPYING:
        text += f" from n{owner.source}, attempt {owner.attempt}" if owner.source else f", attempt {owner.attempt}"
    return f"{text} ({owner.reason})" if owner.reason else text


def _what(status: ShardStatus) -> str:
    where = f"{policy_name(status.database, status.policy)}, group {status.group_id}"
    facts = f"{where}, {cells.span(status.start, status.end)}, {status.heat}"
    if status.is_deleted:
        return f"Shard {status.shard_id} ({facts}) is deleted, and goes when the grace time is over."
    return f"Shard {status.shard_id} ({facts}) is {status.health}."


def _why(status: ShardStatus) -> tuple[str, ...]:
    """The rule of `etcdmeta.model.health` that made the verdict, with this shard's numbers."""
    if status.is_deleted:
        return ()
    owners, wants = counted(len(status.owners), "owner"), f"the policy wants {status.wanted}"
    if not status.owners:
        return (f"It has no owners, and {wants}: its data is nowhere in this cluster.",)
    serving = f"{status.ready} of its {owners} {'serve' if status.ready > 1 else 'serves'}; {wants}."
    match status.health:
        case Health.UNAVAILABLE:
            alone = "Its only owner does not serve" if len(status.owners) == 1 else f"None of its {owners} serves"
            return (f"{alone}; {wants}.", SERVES)
        case Health.UNKNOWN:
            return (f"The picture is too old to tell: {status.reason}.",)
        case Health.DEGRADED:
            return (serving, SERVES)
        case Health.ORPHAN:
            gone = ", ".join(f"n{o.node_id}" for o in status.owners if o.presence is Presence.GONE)
            return (serving, f"It is called an orphan because an owner's node is gone for good: {gone}.")
        case Health.SURPLUS:
            return (serving, "More serve than are wanted, and none of them is leaving.")
        case Health.OK:
            return (serving,)


def _now(owner: OwnerState, now: int) -> str:
    record = owner.record
    facts = [_status(record) if owner.status_known else f"status {record.status!r}, which this version does not know"]
    if owner.fraction is not None:
        facts.append(f"{cells.percent(owner.fraction)} %")
    if owner.progress is not None and owner.progress.bytes_per_second:
        facts.append(cells.rate_text(owner.progress.bytes_per_second))
    if owner.seconds_left is not None:
        facts.append(f"{cells.left_text(owner.seconds_left)} left")
    if record.since is not None and record.status != OwnerStatus.ACTIVE:
        facts.append(f"for {span_text((now - record.since) / SECOND)}")
    if owner.presence is not Presence.LIVE:
        facts.append("its node never reported" if owner.presence is Presence.UNREPORTED else f"node {owner.presence}")
    return ", ".join(facts)


def _waits(owner: OwnerState, status: ShardStatus, now: int) -> tuple[str, ...]:
    """What keeps a copy from going on."""
    if owner.status != OwnerStatus.COPYING:
        return ()
    found = []
    if owner.presence in (Presence.DOWN, Presence.GONE):
        found.append(f"n{owner.node_id}, which copies, is {owner.presence}: nothing goes on until it is back.")
    elif owner.presence is Presence.UNREPORTED and not (owner.progress and owner.progress.bytes_done):
        found.append(f"n{owner.node_id}, which copies, never reported: perhaps nothing runs there that would copy.")
    source = next((other for other in status.owners if other.node_id == owner.record.source), None)
    if source is None or not source.serves:
        why = "owns the shard no more" if source is None else f"does not serve ({_now(source, now)})"
        others = [f"n{other.node_id}" for other in status.owners if other.serves]
        instead = f"; {' and '.join(others)} could give it instead" if others else "; and no other owner serves"
        found.append(f"Its source n{owner.record.source} {why}{instead}.")
    if owner.progress is None:
        found.append("It has not reported any progress.")
    elif now - owner.progress.updated > STALLED_AFTER:
        found.append(f"It has reported no progress for {span_text((now - owner.progress.updated) / SECOND)}.")
    return tuple(found)


def _plan(each: PlannedMove) -> str:
    plan, move = each.plan, each.move
    if not move.from_node:
        what = f"adds n{move.to_node} as an owner"
    elif not move.to_node:
        what = f"takes it from n{move.from_node}"
    else:
        what = f"moves it from n{move.from_node} to n{move.to_node}"
    text = f"Plan {plan.id} ({plan.kind}, {plan.state}) {what}"
    match plan.state:
        case PlanState.RUNNING:
            return f"{text}; {_onward(each)}."
        case PlanState.PAUSED:
            note = f" ({plan.note})" if plan.note else ""
            return f"{text}; it is paused{note}, so nothing new begins; this one is {each.state}."
    return f"{text}; it is being aborted: what has begun is settled, nothing begins; this one is {each.state}."


def _onward(each: PlannedMove) -> str:
    """How a move of a running plan is, and what it waits for."""
    move, limits = each.move, each.plan.limits
    match each.state:
        case MoveState.DONE:
            return "that is done"
        case MoveState.VOID:
            return "there is nothing left of that to do"
        case _ if each.blocked:
            return f"it cannot go on now: {each.blocked}"
        case MoveState.COPYING:
            return f"n{move.to_node} copies"
        case MoveState.COPIED | MoveState.LEAVING:
            return f"n{move.from_node} goes next"
        case MoveState.FAILED:
            return "the copy failed, and is begun again"
    return (
        f"it copies at most {limits.at_once} at a time, {limits.per_target} to a node and"
        f" {limits.per_source} from a node, so this one may have to wait its turn"
    )


def _host(nodes: Mapping[int, Node], node_id: int) -> str:
    return nodes[node_id].host if node_id in nodes else "no such node"
