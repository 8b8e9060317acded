"""Random statements for a real server: sensible enough that most are taken, with names that hold whatever they may."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.influxdb_server.server import InfluxServer, Login, Refused, literal, quoted

SECOND = 10**9
DAY = 86_400 * SECOND
NOW = time.time_ns() // DAY * DAY
"""Today's beginning: a server takes no points that are older than their policy's duration."""

# Of databases and policies; what may not be in them, the server says.
NAMES = [
    "telegraf", "my db", 'quo"ted', "O'Brien", "метрики", "数据库", "a.b.c", "100% real?", "UPPER", "upper", "😀",
    "select", "default", " ", "-", "é" * 100, "x" * 255, "\u0301", "a;b", "$1", "{}", "a,b=c", "_internal", "..x",
    "y" * 256, "a/b", "..", "a\nb", "",
]  # fmt: skip
# Of what never becomes a path.
LABELS = [*NAMES, "back\\slash", "tab\tbed", "a\nb\\n", "\\", "zero\u200bwidth", "nul\x00", "\x7f"]
PASSWORDS = ["secret", "пароль", "s3cr3t \" ' \\ x", "😀 päss wörd", " ", "a" * 72, "b" * 100]
DURATIONS = ["INF", "1h", "90m", "24h", "3d", "52w", "1000d", "59m"]
GROUP_DURATIONS = ["1h", "2h30m", "1d", "7d", "30m", "400d"]
TEXTS = [
    'SELECT mean("v") INTO {into}."m2" FROM {from_}."m" GROUP BY time(1h), *',
    'SELECT count("a b") INTO {into}."c\\"c" FROM {from_}./x.*y/ WHERE "h" =~ /^h[0-9]+$/ GROUP BY time(10m), "h"',
    'SELECT max(v) INTO {into}."x" FROM {from_}."m" WHERE t = \'O\\\'Hara\' GROUP BY time(5m) fill(none)',
]
DESTINATIONS = ["udp://h1.example.invalid:9090", "http://[::1]:9092", "https://h.example.invalid:1/x?y=1&z=%20"]


@dataclass
class Database:
    policies: set[str] = field(default_factory=set)
    queries: set[str] = field(default_factory=set)
    subscriptions: set[tuple[str, str]] = field(default_factory=set)


class Statements:
    """What was done so far, as far as it takes to do something sensible next. ``users``: name → password."""

    def __init__(self, server: InfluxServer, chance: random.Random) -> None:
        self._server = server
        self._chance = chance
        self.databases: dict[str, Database] = {}
        self.users: dict[str, str] = {}
        self.taken: Counter[str] = Counter()
        self.refused: list[str] = []
        self._kinds: dict[Callable[[], None], int] = {
            self._create_database: 10,
            self._drop_database: 2,
            self._create_policy: 14,
            self._alter_policy: 10,
            self._drop_policy: 3,
            self._create_query: 8,
            self._drop_query: 2,
            self._create_subscription: 8,
            self._drop_subscription: 2,
            self._create_user: 8,
            self._drop_user: 2,
            self._set_password: 4,
            self._grant: 10,
            self._revoke: 4,
            self._make_admin: 2,
            self._write: 20,
            self._drop_shard: 2,
        }

    def run(self, count: int) -> None:
        """Until so many were taken; those that the server refuses come on top. Each is printed."""
        for _ in range(10 * count):
            if self.taken.total() == count:
                return
            (kind,) = self._chance.choices(list(self._kinds), list(self._kinds.values()))
            kind()
        raise AssertionError(f"the server takes next to nothing: {self.taken}, refused {self.refused[-5:]}")

    def login(self, name: str) -> Login:
        return Login(name, self.users[name])

    # --- what is chosen

    def _name(self, names: list[str]) -> str:
        return self._chance.choice(names)

    def _of(self, known: object, otherwise: list[str]) -> str:
        """One that is there, mostly."""
        there = sorted(known)  # type: ignore[call-overload]
        return self._chance.choice(there) if there and self._chance.random() < 0.95 else self._name(otherwise)

    def _database(self) -> tuple[str, Database]:
        name = self._of(self.databases, NAMES)
        return name, self.databases.get(name, Database())

    def _maybe(self, clause: str) -> str:
        return f" {clause}" if self._chance.random() < 0.5 else ""

    def _do(self, kind: str, statement: str) -> bool:
        return self._try(kind, statement, lambda: self._server.query(statement))

    def _try(self, kind: str, shown: str, action: Callable[[], object]) -> bool:
        try:
            action()
        except Refused as refused:
            print(f"{shown!r}  -- refused: {refused}")
            self.refused.append(f"{shown}: {refused}")
            return False
        print(repr(shown))
        self.taken[kind] += 1
        return True

    # --- the kinds

    def _create_database(self) -> None:
        name, policy = self._name(NAMES), self._name(NAMES)
        clause = (
            f" WITH DURATION {self._name(DURATIONS)} REPLICATION 1{self._shard_duration()} NAME {quoted(policy)}"
            if self._chance.random() < 0.5
            else ""
        )
        if self._do("CREATE DATABASE", f"CREATE DATABASE {quoted(name)}{clause}"):
            self.databases.setdefault(name, Database({policy if clause else "autogen"}))

    def _drop_database(self) -> None:
        name, _ = self._database()
        if self._do("DROP DATABASE", f"DROP DATABASE {quoted(name)}"):
            self.databases.pop(name, None)

    def _shard_duration(self) -> str:
        return self._maybe(f"SHARD DURATION {self._name(GROUP_DURATIONS)}")

    def _create_policy(self) -> None:
        on, database = self._database()
        name = self._name(NAMES)
        statement = (
            f"CREATE RETENTION POLICY {quoted(name)} ON {quoted(on)} DURATION {self._name(DURATIONS)} "
            f"REPLICATION {self._chance.choice([1, 1, 2, 3])}{self._shard_duration()}{self._maybe('DEFAULT')}"
        )
        if self._do("CREATE RETENTION POLICY", statement):
            database.policies.add(name)

    def _alter_policy(self) -> None:
        on, database = self._database()
        clauses = [
            f"DURATION {self._name(DURATIONS)}",
            f"REPLICATION {self._chance.randint(1, 3)}",
            f"SHARD DURATION {self._name(GROUP_DURATIONS)}",
            "DEFAULT",
        ]
        some = " ".join(self._chance.sample(clauses, self._chance.randint(1, 3)))
        self._do(
            "ALTER RETENTION POLICY",
            f"ALTER RETENTION POLICY {quoted(self._of(database.policies, NAMES))} ON {quoted(on)} {some}",
        )

    def _drop_policy(self) -> None:
        on, database = self._database()
        name = self._of(database.policies, NAMES)
        if self._do("DROP RETENTION POLICY", f"DROP RETENTION POLICY {quoted(name)} ON {quoted(on)}"):
            database.policies.discard(name)
            database.subscriptions = {(policy, label) for policy, label in database.subscriptions if policy != name}

    def _create_query(self) -> None:
        on, database = self._database()
        name = self._name(LABELS)
        place = f"{quoted(on)}.{quoted(self._of(database.policies, NAMES))}"
        text = self._name(TEXTS).format(into=place, from_=place)
        resample = self._maybe("RESAMPLE EVERY 30m FOR 2h")
        if self._do(
            "CREATE CONTINUOUS QUERY",
            f"CREATE CONTINUOUS QUERY {quoted(name)} ON {quoted(on)}{resample} BEGIN {text} END",
        ):
            database.queries.add(name)

    def _drop_query(self) -> None:
        on, database = self._database()
        name = self._of(database.queries, LABELS)
        if self._do("DROP CONTINUOUS QUERY", f"DROP CONTINUOUS QUERY {quoted(name)} ON {quoted(on)}"):
            database.queries.discard(name)

    def _create_subscription(self) -> None:
        on, database = self._database()
        policy, name = self._of(database.policies, NAMES), self._name(LABELS)
        urls = ", ".join(map(literal, self._chance.sample(DESTINATIONS, self._chance.randint(1, 3))))
        if self._do(
            "CREATE SUBSCRIPTION",
            f"CREATE SUBSCRIPTION {quoted(name)} ON {quoted(on)}.{quoted(policy)} "
            f"DESTINATIONS {self._chance.choice(['ALL', 'ANY'])} {urls}",
        ):
            database.subscriptions.add((policy, name))

    def _drop_subscription(self) -> None:
        on, database = self._database()
        there = sorted(database.subscriptions)
        policy, name = self._chance.choice(there) if there else (self._name(NAMES), self._name(LABELS))
        if self._do("DROP SUBSCRIPTION", f"DROP SUBSCRIPTION {quoted(name)} ON {quoted(on)}.{quoted(policy)}"):
            database.subscriptions.discard((policy, name))

    def _create_user(self) -> None:
        name, password = self._name(LABELS), self._name(PASSWORDS)
        admin = self._maybe("WITH ALL PRIVILEGES")
        if self._do("CREATE USER", f"CREATE USER {quoted(name)} WITH PASSWORD {literal(password)}{admin}"):
            self.users[name] = password

    def _drop_user(self) -> None:
        name = self._of(self.users, LABELS)
        if self._do("DROP USER", f"DROP USER {quoted(name)}"):
            self.users.pop(name, None)

    def _set_password(self) -> None:
        name, password = self._of(self.users, LABELS), self._name(PASSWORDS)
        if self._do("SET PASSWORD", f"SET PASSWORD FOR {quoted(name)} = {literal(password)}"):
            self.users[name] = password

    def _grant(self) -> None:
        on, _ = self._database()
        privilege = self._chance.choice(["READ", "WRITE", "ALL"])
        self._do("GRANT", f"GRANT {privilege} ON {quoted(on)} TO {quoted(self._of(self.users, LABELS))}")

    def _revoke(self) -> None:
        on, _ = self._database()
        privilege = self._chance.choice(["READ", "WRITE", "ALL"])
        self._do("REVOKE", f"REVOKE {privilege} ON {quoted(on)} FROM {quoted(self._of(self.users, LABELS))}")

    def _make_admin(self) -> None:
        verb, preposition = self._chance.choice([("GRANT", "TO"), ("REVOKE", "FROM")])
        user = quoted(self._of(self.users, LABELS))
        self._do(f"{verb} ALL PRIVILEGES", f"{verb} ALL PRIVILEGES {preposition} {user}")

    def _write(self) -> None:
        on, database = self._database()
        policy = self._of(database.policies, NAMES)
        near, any_time = (NOW - 2 * DAY, NOW + 2 * DAY), (-(2**63) + 2, 2**63 - 2)
        times = [
            self._chance.randint(*self._chance.choice([near, any_time])) for _ in range(self._chance.randint(1, 4))
        ]
        lines = "\n".join(f"m v=1 {time}" for time in times)
        self._try("write", f"write to {on!r}.{policy!r}: {lines!r}", lambda: self._server.write(on, policy, lines))

    def _drop_shard(self) -> None:
        shard = self._chance.randint(1, 1 + self.taken["write"])
        self._do("DROP SHARD", f"DROP SHARD {shard}")
