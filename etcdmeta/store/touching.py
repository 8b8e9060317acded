"""Which operations touched a record: by the keys that their ledger entries list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etcdmeta.errors import InvalidInput
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys

NOUNS = ("database", "policy", "group", "shard", "node", "user", "plan")
"""What `touching` knows: named by name, (database, policy), id, id, id, name and id."""


@dataclass(frozen=True, slots=True)
class Touching:
    """``key``: relative; itself and all that stands below it, or that took it along. ``leaf``: the last part of a key,
    for records whose id says all, such as a group that has been pruned since."""

    key: str = ""
    leaf: str = ""

    def matches(self, touched: Iterable[str]) -> bool:
        """``touched`` as a ledger entry has it: keys, and ``start*`` for a range that was deleted."""
        return any(self._matches(each) for each in touched)

    def _matches(self, touched: str) -> bool:
        if self.leaf:
            return touched.startswith("state/db/") and "/group/" in touched and touched.endswith("/" + self.leaf)
        if touched.endswith("*"):
            return (self.key + "/").startswith(touched[:-1]) or touched.startswith(self.key + "/")
        return touched == self.key or touched.startswith(self.key + "/")


def touching(snapshot: Snapshot, noun: str, name: str | int | tuple[str, str]) -> tuple[Touching, ...]:
    """What to look for in the history of one thing. A database, policy or user that is gone is found by the key of its
    name: when it was made, renamed and dropped. Raises `InvalidInput` for another noun, `NotFound` where nothing is
    known of it."""
    match noun, name:
        case "database", str():
            return _database(snapshot, name)
        case "policy", (str() as database, str() as policy):
            return _policy(snapshot, database, policy)
        case "group", int():
            return (_group(name),)
        case "shard", int():
            return (_group(snapshot.group_of_shard(name).id),)
        case "node", int():
            return (_at(keys.node(name)),)
        case "user", str():
            user = snapshot.find_user(name)
            return (_at(keys.user_name(name)), *(() if user is None else (_at(keys.user(user.id)),)))
        case "plan", int():
            return (_at(keys.plan(name)),)
    raise InvalidInput(f"the history of a {noun}, {name!r}?", value=noun, rule=f"one of {', '.join(NOUNS)}")


def _database(snapshot: Snapshot, name: str) -> tuple[Touching, ...]:
    named = _at(keys.database_name(name))
    view = snapshot.find_database(name)
    return (named,) if view is None else (named, _at(keys.database_span(view.id)[0]))


def _policy(snapshot: Snapshot, database: str, policy: str) -> tuple[Touching, ...]:
    """The empty name means the default policy."""
    view = snapshot.database(database)
    found = view.find_policy(policy) if policy else view.default_policy
    named = _at(keys.policy_name(view.id, found.name if found else policy))
    return (named,) if found is None else (named, _at(keys.policy_span(view.id, found.id)[0]))


def _group(group_id: int) -> Touching:
    return Touching(leaf=f"{group_id:016x}")


def _at(key: bytes) -> Touching:
    return Touching(key.decode("ascii").rstrip("/"))
