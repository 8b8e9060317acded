"""``etcdmeta group delete --expired``: the operator's consent to what retention's cap holds back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.naming import parse_policy, policy_name
from etcdmeta.cli.text import counted
from etcdmeta.commands.expiry import ExpireShardGroups

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session
    from etcdmeta.model.entities import ShardGroup
    from etcdmeta.model.views import PolicyView

NAMED = 5
"""Policies that the question names."""


def delete_expired(session: Session, policies: Sequence[str], *, yes: bool, dry_run: bool) -> None:
    """Of everything, or of these databases and policies. Asks first. What expires later is retention's again.

    Which time it is, more than one clock says, as for retention itself. Raises `TooStale` where this clock is alone and
    far off, and what `ExpireShardGroups` raises.
    """
    from etcdmeta.cli.group import listing
    from etcdmeta.services.clocks import agreed_time

    named: list[tuple[str | None, str | None]] = [parse_policy(text) for text in policies]
    with session.store() as store:
        snapshot, _ = session.look(store)
        now = agreed_time(store, time.time_ns(), 0)
        due: dict[int, tuple[PolicyView, ShardGroup]] = {}
        commands = []
        for database, policy in dict.fromkeys(named or [(None, None)]):
            command = ExpireShardGroups(now=now, most=2**31, database=database, policy=policy or None)
            found = {group.id: (view, group) for view, group in command.due(snapshot) if group.id not in due}
            due |= found
            commands.append(command.model_copy(update={"most": max(1, len(found))}))
        if due and dry_run:
            session.note(f"if run, {_what_goes(list(due.values()))}")
        elif due:
            confirm(session, _what_goes(list(due.values())), yes=yes)
        carry_out(
            session, store, commands, dry_run=dry_run, show=lambda snap: listing(snap, map(snap.group, list(due)))
        )


def _what_goes(due: Sequence[tuple[PolicyView, ShardGroup]]) -> str:
    by_policy = Counter(policy_name(policy.database.name, policy.name) for policy, _ in due)
    parts = [f"{count} of {name}" for name, count in by_policy.most_common(NAMED)]
    more = len(by_policy) - len(parts)
    of = ", ".join(parts) + (f" and those of {counted(more, 'other policy', 'other policies')}" if more else "")
    return f"this deletes {counted(len(due), 'expired shard group')} ({of}); their data is no longer served"
