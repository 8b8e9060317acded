"""What is odd in metadata that can be read, and by which rule it is dealt with: repaired, kept or refused.

InfluxDB takes all of this. etcdmeta keeps what its own rules can hold, repairs what has one sensible repair, and
refuses the rest; nothing is dropped in silence. ``--strict`` refuses whatever is listed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple


class Treatment(StrEnum):
    """Where it is refused, nothing of the whole input is stored."""

    REPAIRED = "repaired"
    KEPT = "kept"
    REFUSED = "refused"


class Rule(StrEnum):
    """The names under which `RULES` says what is done."""

    DUPLICATE_NAME = "duplicate-name"
    DUPLICATE_USER = "duplicate-user"
    EMPTY_NAME = "empty-name"
    EMPTY_USER = "empty-user"
    NAMELESS = "nameless"
    UNREADABLE_NAME = "unreadable-name"
    UNUSUAL_NAME = "unusual-name"
    UNREADABLE_ADDRESS = "unreadable-address"
    DANGLING_DEFAULT = "dangling-default"
    DURATION_NEGATIVE = "duration-negative"
    GROUP_DURATION_UNSET = "group-duration-unset"
    NO_REPLICAS = "no-replicas"
    ID_ZERO = "id-zero"
    DUPLICATE_NODE = "duplicate-node"
    DUPLICATE_GROUP_ID = "duplicate-group-id"
    DUPLICATE_SHARD_ID = "duplicate-shard-id"
    COUNTER_TOO_LOW = "counter-too-low"
    NO_IDS_LEFT = "no-ids-left"
    START_AFTER_END = "start-after-end"
    TIME_UNSET = "time-unset"
    TIME_OUT_OF_RANGE = "time-out-of-range"
    OVERLAPPING_GROUPS = "overlapping-groups"
    GROUP_WITHOUT_SHARDS = "group-without-shards"
    SHARD_WITHOUT_OWNERS = "shard-without-owners"
    OWNER_TWICE = "owner-twice"
    OWNER_IS_NO_NODE = "owner-is-no-node"
    BOTH_KINDS_OF_OWNERS = "both-kinds-of-owners"
    META_NODE_ONLY = "meta-node-only"
    PRIVILEGE_UNKNOWN = "privilege-unknown"
    PRIVILEGE_TWICE = "privilege-twice"
    PRIVILEGE_ON_NOTHING = "privilege-on-nothing"
    HASH_UNUSABLE = "hash-unusable"
    MODE_UNKNOWN = "mode-unknown"
    SECRET_IN_DESTINATION = "secret-in-destination"


R, K, X = Treatment.REPAIRED, Treatment.KEPT, Treatment.REFUSED

RULES: Final[Mapping[Rule, tuple[Treatment, str]]] = MappingProxyType(
    {
        Rule.DUPLICATE_NAME: (R, "the first keeps the name, as InfluxDB finds it; a later one is called NAME~2"),
        Rule.DUPLICATE_USER: (X, "a second name would let somebody in who is out, or the reverse"),
        Rule.EMPTY_NAME: (R, "it is called `unnamed`: of databases and policies each has a name"),
        Rule.EMPTY_USER: (X, "under a new name somebody could log in who cannot now"),
        Rule.NAMELESS: (K, "InfluxDB 1.x makes queries and subscriptions without a name; it is kept"),
        Rule.UNREADABLE_NAME: (K, "the name is not UTF-8; its bytes are kept"),
        Rule.UNUSUAL_NAME: (K, "InfluxDB 1.x would not create this name; it is kept"),
        Rule.UNREADABLE_ADDRESS: (X, "an address or mode that is not UTF-8 can be stored nowhere"),
        Rule.DANGLING_DEFAULT: (R, "the database has no default policy"),
        Rule.DURATION_NEGATIVE: (X, "a negative duration has no meaning"),
        Rule.GROUP_DURATION_UNSET: (R, "it follows from the policy's duration, as in InfluxDB"),
        Rule.NO_REPLICAS: (R, "a policy keeps at least one copy"),
        Rule.ID_ZERO: (X, "ids begin with 1"),
        Rule.DUPLICATE_NODE: (X, "two nodes cannot have one id or one address"),
        Rule.DUPLICATE_GROUP_ID: (R, "the later group gets a new id; data on disk do not know it"),
        Rule.DUPLICATE_SHARD_ID: (X, "the id names the data on disk: only one shard can have it"),
        Rule.COUNTER_TOO_LOW: (R, "it is raised to the highest id in use"),
        Rule.NO_IDS_LEFT: (X, "ids go on from the highest, and above 2^63 soon none would be left"),
        Rule.START_AFTER_END: (X, "a live group holds a span of time"),
        Rule.TIME_UNSET: (K, "0 is read as 1970-01-01; InfluxDB itself reads it as unset after a restart"),
        Rule.TIME_OUT_OF_RANGE: (R, "it is set to the outermost time that InfluxDB 1.x has"),
        Rule.OVERLAPPING_GROUPS: (
            R,
            "the one that starts first is truncated where the next starts: reads still see both, writes one",
        ),
        Rule.GROUP_WITHOUT_SHARDS: (R, "it is marked deleted, as InfluxDB does with the last shard"),
        Rule.SHARD_WITHOUT_OWNERS: (K, "shown by `shard status`; --owner NODE makes a node their owner"),
        Rule.OWNER_TWICE: (R, "a node owns a shard once"),
        Rule.OWNER_IS_NO_NODE: (R, "a record of a removed node stands for it, so that its id is not used again"),
        Rule.BOTH_KINDS_OF_OWNERS: (R, "OwnerIDs win where there are any, as in InfluxDB"),
        Rule.META_NODE_ONLY: (R, "left out: a node that only voted in raft owns nothing, and etcd votes now"),
        Rule.PRIVILEGE_UNKNOWN: (R, "read as no privilege"),
        Rule.PRIVILEGE_TWICE: (R, "the last one counts, as in InfluxDB"),
        Rule.PRIVILEGE_ON_NOTHING: (R, "left out: there is no such database"),
        Rule.HASH_UNUSABLE: (K, "it is no bcrypt hash: this user cannot log in until the password is set"),
        Rule.MODE_UNKNOWN: (K, "neither ANY nor ALL; it is kept as it is"),
        Rule.SECRET_IN_DESTINATION: (K, "whoever reads the metadata reads it; `sub create` would refuse it"),
    }
)

MAX_LISTED: Final = 1_000
"""Oddities of one rule that are listed one by one; more are counted."""


class Oddity(NamedTuple):
    """One thing, where it is, and what it is; what is done with it, its rule says."""

    rule: Rule
    path: str
    what: str

    @property
    def treatment(self) -> Treatment:
        return RULES[self.rule][0]

    @property
    def done(self) -> str:
        return RULES[self.rule][1]


@dataclass(slots=True)
class Oddities:
    """Collects; ``counts`` has all of a rule, ``listed`` at most `MAX_LISTED` of each."""

    listed: list[Oddity] = field(default_factory=list)
    counts: dict[Rule, int] = field(default_factory=dict)

    def add(self, rule: Rule, path: str, what: str) -> None:
        count = self.counts[rule] = self.counts.get(rule, 0) + 1
        if count <= MAX_LISTED:
            self.listed.append(Oddity(rule, path, what))

    @property
    def refused(self) -> bool:
        return any(RULES[rule][0] is Treatment.REFUSED for rule in self.counts)
