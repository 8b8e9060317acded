"""What to type about a shard: the exact commands, the one that helps most first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etcdmeta.cli.shard_plans import PlannedMove
from etcdmeta.model.entities import Node
from etcdmeta.model.health import Health, OwnerState, Presence, ShardStatus
from etcdmeta.model.moveplans import PlanState
from etcdmeta.model.owners import NodeState, OwnerStatus

_AWAY = (Presence.DOWN, Presence.GONE)


def next_commands(status: ShardStatus, nodes: Mapping[int, Node], plans: Sequence[PlannedMove]) -> tuple[str, ...]:
    """None where nothing needs to be done."""
    if status.is_deleted:
        return ()
    if status.health is Health.UNKNOWN:
        return ("etcdmeta health",)
    at_work = [each.plan for each in plans if not each.is_settled]
    paused = [f"etcdmeta plan apply {plan.id}" for plan in at_work if plan.state == PlanState.PAUSED]
    running = [f"etcdmeta plan show {plan.id}" for plan in at_work if plan.state != PlanState.PAUSED]
    if status.health is Health.SURPLUS:
        return tuple(dict.fromkeys([*paused, *running])) or _surplus(status)
    copies = any(owner.status == OwnerStatus.COPYING for owner in status.owners)
    repair = [] if at_work or not repairable(status) else [f"etcdmeta shard repair {status.shard_id}"]
    commands = [*paused, *repair, *_of_owners(status, nodes), *running]
    if status.health is not Health.OK and not status.ready:
        commands += [f"etcdmeta node show {o.node_id}" for o in status.owners if o.presence is Presence.DOWN]
    elif commands in ([], repair) and status.health is Health.DEGRADED and not copies:
        commands.append(_elsewhere(status, next(owner.node_id for owner in status.owners if owner.serves)))
    if not commands and status.health is Health.UNAVAILABLE:
        # Nobody can give it: who had it last, and where, is all that helps to bring it back.
        commands.append(f"etcdmeta shard timeline {status.shard_id}")
        commands += [f"etcdmeta node show {owner.node_id}" for owner in status.owners]
    if copies:
        goal = "active" if status.health is Health.OK else "ok"  # that it is ok already is nothing to wait for
        commands.append(f"etcdmeta shard wait {status.shard_id} --for {goal}")
    return tuple(dict.fromkeys(commands))


def repairable(status: ShardStatus) -> bool:
    """Whether a repair would find something to do: somebody serves, and owners are lost, or fewer than wanted."""
    if status.is_deleted or status.health in (Health.OK, Health.UNKNOWN):
        return False
    staying = [owner for owner in status.owners if owner.status != OwnerStatus.LEAVING]
    lost = any(owner.presence in _AWAY or owner.status == OwnerStatus.FAILED for owner in staying)
    return any(owner.serves for owner in status.owners) and (lost or len(staying) < status.wanted)


def _of_owners(status: ShardStatus, nodes: Mapping[int, Node]) -> list[str]:
    """By hand, for each owner that is not as it should be, where another one can give the shard."""
    commands = []
    for owner in status.owners:
        givers = [other.node_id for other in status.owners if other.serves and other.node_id != owner.node_id]
        if not givers:
            continue
        if owner.status == OwnerStatus.FAILED and _takes(owner, nodes):
            commands.append(f"etcdmeta shard copy {status.shard_id} --from {givers[0]} --to {owner.node_id}")
        elif owner.status == OwnerStatus.COPYING and owner.presence not in _AWAY:
            if owner.record.source not in givers:
                commands += [
                    f"etcdmeta shard cancel {status.shard_id} {owner.node_id}",
                    f"etcdmeta shard copy {status.shard_id} --from {givers[0]} --to {owner.node_id}",
                ]
        elif owner.presence is Presence.GONE and status.ready >= status.wanted:
            commands.append(f"etcdmeta shard remove-owner {status.shard_id} {owner.node_id}")
        elif owner.presence in _AWAY or owner.status == OwnerStatus.FAILED:
            if owner.presence is Presence.DOWN:
                commands.append(f"etcdmeta node show {owner.node_id}")
            if status.health is Health.DEGRADED:
                commands.append(_elsewhere(status, givers[0]))
    return commands


def _elsewhere(status: ShardStatus, giver: int) -> str:
    """Which node is for the person to choose."""
    return f"etcdmeta shard copy {status.shard_id} --from {giver} --to NODE"


def _takes(owner: OwnerState, nodes: Mapping[int, Node]) -> bool:
    node = nodes.get(owner.node_id)
    return owner.presence not in _AWAY and node is not None and node.state == NodeState.JOINED


def _surplus(status: ShardStatus) -> tuple[str, ...]:
    """The last owner goes most cheaply: it came last, so nobody counts on it yet."""
    last = [owner for owner in status.owners if owner.serves][-1]
    return (f"etcdmeta shard remove-owner {status.shard_id} {last.node_id}",)
