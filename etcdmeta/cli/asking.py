"""Asking before something goes."""

from __future__ import annotations

from etcdmeta.cli.session import Session
from etcdmeta.errors import InvalidInput


class Declined(Exception):
    """The person said no; nothing was changed."""


def confirm(
    session: Session, what_goes: str, *, yes: bool, rule: str = "what takes something away wants consent"
) -> None:
    """Ask on the terminal whether it may go; ``yes`` answers beforehand.

    ``what_goes`` is a sentence without its end, as ``this drops database "metrics": 3 policies, 212 shard groups``.
    Raises InvalidInput where nobody can be asked, and `Declined`.
    """
    if yes:
        return
    if not session.can_ask:
        raise InvalidInput(
            f"{what_goes}; nobody can be asked, since standard input is not a terminal",
            rule=rule,
            remedy="add --yes",
        )
    session.stderr.write(f"{what_goes}.\nGo on? [y/N] ")
    session.stderr.flush()
    if session.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Declined
