"""``etcdmeta group truncate --undo``: truncated groups get their ends back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.naming import parse_id, parse_policy
from etcdmeta.cli.text import counted
from etcdmeta.commands.untruncation import UntruncateShardGroups
from etcdmeta.errors import InvalidInput

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session


def undo_truncation(
    session: Session, policy: str | None, groups: Sequence[str], *, at: str | None, yes: bool, dry_run: bool
) -> None:
    """Of the groups named, or of all truncated ones of a database or policy. Asks first.

    Raises `InvalidInput`, and what `UntruncateShardGroups` raises.
    """
    from etcdmeta.cli.group import listing

    if at is not None or (policy is None) == (not groups):
        raise InvalidInput(
            "which truncation is to be undone?",
            rule="--undo goes with DB[.POLICY], or with --group ID, and without --at",
            remedy="`etcdmeta group list` shows what is truncated",
        )
    database, name = parse_policy(policy) if policy else (None, None)
    numbers = tuple(parse_id(text, "shard group") for text in groups)
    command = UntruncateShardGroups(group_ids=numbers, database=database, policy=name or None)
    with session.store() as store:
        snapshot, _ = session.look(store)
        grown = [group.id for group in command.due(snapshot)]
        if grown and not dry_run:
            confirm(session, f"this gives {counted(len(grown), 'shard group')} the end back that was cut off", yes=yes)
        carry_out(
            session,
            store,
            [command],
            dry_run=dry_run,
            show=lambda snap: listing(snap, [snap.group(number) for number in grown]),
        )
