"""Record ↔ key: where each record stands below the cluster's prefix.

Keys here are relative (``state/db/…``); `Keyspace` puts ``/etcdmeta/<cluster>/`` in front. Ids are 16 hex digits, so
that keys sort by id; a group's start is its nanoseconds with the sign bit flipped, so that groups sort by time.
Names may hold anything, the empty one included: a leading ``=``, then every byte outside ``[A-Za-z0-9_-]``
percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote_to_bytes

from etcdmeta.errors import InvalidName
from etcdmeta.model.names import from_bytes, to_bytes

STATE = b"state/"
CLUSTER = b"state/cluster"
GENERATION = b"state/generation"
_SIGN = 1 << 63
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_CLUSTER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")


def prefix_end(prefix: bytes) -> bytes:
    """The first key behind all that begin with ``prefix``; NUL (to etcd: the end) where there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b"\0"


def encode_name(name: str) -> bytes:
    return b"=" + b"".join(bytes([b]) if b in _PLAIN else b"%%%02X" % b for b in to_bytes(name))


def decode_name(text: bytes) -> str:
    """Raises ValueError where the text is not of `encode_name`'s making (a foreign key)."""
    name = from_bytes(unquote_to_bytes(text[1:]))
    if encode_name(name) != text:
        raise ValueError(f"{text!r} is no encoded name")
    return name


def encode_time(time: int) -> bytes:
    return b"%016x" % (time + _SIGN)


def database_name(name: str) -> bytes:
    return b"state/name/db/" + encode_name(name)


def user_name(name: str) -> bytes:
    return b"state/name/user/" + encode_name(name)


def host_name(host: str) -> bytes:
    return b"state/name/host/" + encode_name(host)


def identity_name(digest: str) -> bytes:
    """Which node has an identity: ``digest`` is that of the identity's hash (`etcdmeta.commands.joining`)."""
    return b"state/name/identity/" + encode_name(digest)


def node(node_id: int) -> bytes:
    return b"state/node/%016x" % node_id


NODES_SPAN = (b"state/node/", b"state/node0")


def user(user_id: int) -> bytes:
    return b"state/user/%016x" % user_id


def database_info(database_id: int) -> bytes:
    return b"state/db/%016x/info" % database_id


def database_span(database_id: int) -> tuple[bytes, bytes]:
    """Everything of a database."""
    return b"state/db/%016x/" % database_id, b"state/db/%016x0" % database_id


def policy_name(database_id: int, name: str) -> bytes:
    return b"state/db/%016x/name/" % database_id + encode_name(name)


def query(database_id: int, name: str) -> bytes:
    return b"state/db/%016x/cq/" % database_id + encode_name(name)


def grant(database_id: int, user_id: int) -> bytes:
    return b"state/db/%016x/grant/%016x" % (database_id, user_id)


def policy_info(database_id: int, policy_id: int) -> bytes:
    return b"state/db/%016x/rp/%016x/info" % (database_id, policy_id)


def policy_span(database_id: int, policy_id: int) -> tuple[bytes, bytes]:
    """Everything of a policy but its name."""
    start = b"state/db/%016x/rp/%016x" % (database_id, policy_id)
    return start + b"/", start + b"0"


def subscription(database_id: int, policy_id: int, name: str) -> bytes:
    return b"state/db/%016x/rp/%016x/sub/" % (database_id, policy_id) + encode_name(name)


def group(database_id: int, policy_id: int, start: int, group_id: int) -> bytes:
    return b"state/db/%016x/rp/%016x/group/%016x/%016x" % (database_id, policy_id, start + _SIGN, group_id)


def group_in(head: bytes, start: int, group_id: int) -> bytes:
    """`group`, where ``head`` is what the policy's groups begin with: `groups_span`."""
    return b"%b%016x/%016x" % (head, start + _SIGN, group_id)


def group_range(database_id: int, policy_id: int, low: int, high: int) -> tuple[bytes, bytes]:
    """The groups of a policy that start in [low, high), nanoseconds."""
    head = b"state/db/%016x/rp/%016x/group/" % (database_id, policy_id)
    return head + encode_time(low), head + encode_time(high)


def groups_span(database_id: int, policy_id: int) -> tuple[bytes, bytes]:
    """All groups of a policy."""
    head = b"state/db/%016x/rp/%016x/group" % (database_id, policy_id)
    return head + b"/", head + b"0"


def live(node_id: int) -> bytes:
    return b"state/live/%016x" % node_id


def progress(database_id: int, policy_id: int, shard_id: int, node_id: int) -> bytes:
    return b"state/progress/%016x/%016x/%016x/%016x" % (database_id, policy_id, shard_id, node_id)


def progress_span(database_id: int, policy_id: int | None = None) -> tuple[bytes, bytes]:
    start = b"state/progress/%016x" % database_id
    if policy_id is not None:
        start += b"/%016x" % policy_id
    return start + b"/", start + b"0"


PLANS_SPAN = (b"state/plan/", b"state/plan0")
"""All plans, with their pages."""


def plan(plan_id: int) -> bytes:
    return b"state/plan/%016x" % plan_id


def plan_moves(plan_id: int, page: int) -> bytes:
    return b"state/plan/%016x/moves/%016x" % (plan_id, page)


def plan_moves_span(plan_id: int) -> tuple[bytes, bytes]:
    """All pages of a plan."""
    return b"state/plan/%016x/" % plan_id, b"state/plan/%016x0" % plan_id


IMPORTS_SPAN = (b"state/import/", b"state/import0")
"""All imports."""


def import_(import_id: int) -> bytes:
    return b"state/import/%016x" % import_id


def import_map(import_id: int, kind: str, page: int) -> bytes:
    """Which ids became which; beside ``state/``, since no cache needs it."""
    return b"import/%016x/map/%b/%08x" % (import_id, kind.encode(), page)


def import_maps_span(import_id: int) -> tuple[bytes, bytes]:
    """All pages of an import's map."""
    return b"import/%016x/" % import_id, b"import/%016x0" % import_id


def ledger(operation_id: str, attempt: int = 0) -> bytes:
    """``attempt`` > 0: a new try after an attempt that was settled as void."""
    return f"ledger/{operation_id}/{attempt}".encode() if attempt else f"ledger/{operation_id}".encode()


LEDGER_SPAN = (b"ledger/", b"ledger0")


def ids(kind: str) -> bytes:
    return b"ids/" + kind.encode()


def lead(service: str) -> bytes:
    return b"lead/" + service.encode()


def grace(service: str) -> bytes:
    """What a service waits for: the key is under a lease as long as the wait."""
    return b"grace/" + service.encode()


def grace_covers(service: str) -> bytes:
    """Under no lease: what the last such wait was about."""
    return b"grace/" + service.encode() + b"/covers"


def grace_down(service: str) -> bytes:
    """Under no lease: since when the service has seen which nodes to be down."""
    return b"grace/" + service.encode() + b"/down"


def grace_seen(service: str) -> bytes:
    """Under no lease: which revisions the service has seen when."""
    return b"grace/" + service.encode() + b"/seen"


def secret(user_id: int) -> bytes:
    return b"secret/%016x" % user_id


RESTORE_MARKER = b"restore/marker"
"""A restore that is under way: while this stands, there is no guard."""

RESTORE_HOLDER = b"restore/holder"
"""Under a lease: the process that works on it."""


class Kind(StrEnum):
    """What a key below ``state/`` holds. The order is that of applying: parents before children."""

    CLUSTER = "cluster"
    GENERATION = "generation"
    DATABASE_NAME = "database name"
    USER_NAME = "user name"
    HOST_NAME = "host name"
    IDENTITY_NAME = "identity name"
    NODE = "node"
    USER = "user"
    DATABASE = "database"
    POLICY_NAME = "policy name"
    QUERY = "query"
    GRANT = "grant"
    POLICY = "policy"
    SUBSCRIPTION = "subscription"
    GROUP = "group"
    PLAN = "plan"
    PLAN_MOVES = "moves"
    IMPORT = "import"
    LIVENESS = "liveness"
    PROGRESS = "progress"
    OTHER = "other"


ADVISORY = frozenset({Kind.LIVENESS, Kind.PROGRESS})
"""Kinds that move the revision, but not the generation."""

_ID = rb"([0-9a-f]{16})"
_GROUP = re.compile(rb"state/db/%b/rp/%b/group/%b/%b" % (_ID, _ID, _ID, _ID))

Place = tuple[Kind, tuple[int | str, ...]]
_OTHER = (Kind.OTHER, ())
_COMMITS: Place = (Kind.GENERATION, ())


def locate(key: bytes) -> Place:
    """The kind of a relative key and the ids and names in it. What is not ours, or of a later version, is OTHER.

    A policy is (database id, policy id), a group (database id, policy id, start, group id), and so on: the
    arguments of the functions above.
    """
    if key == GENERATION:  # in every commit
        return _COMMITS
    group_key = _GROUP.fullmatch(key)  # nearly all of the keys and of the changes are groups
    if group_key is not None:
        d, p, start, g = group_key.groups()
        return Kind.GROUP, (int(d, 16), int(p, 16), int(start, 16) - _SIGN, int(g, 16))
    try:
        match key.split(b"/"):
            case [b"state", b"cluster"]:
                return Kind.CLUSTER, ()
            case [b"state", b"progress", d, p, s, n]:
                return Kind.PROGRESS, (_number(d), _number(p), _number(s), _number(n))
            case [b"state", b"live", n]:
                return Kind.LIVENESS, (_number(n),)
            case [b"state", b"node", n]:
                return Kind.NODE, (_number(n),)
            case [b"state", b"plan", i]:
                return Kind.PLAN, (_number(i),)
            case [b"state", b"plan", i, b"moves", n]:
                return Kind.PLAN_MOVES, (_number(i), _number(n))
            case [b"state", b"import", i]:
                return Kind.IMPORT, (_number(i),)
            case [b"state", b"user", u]:
                return Kind.USER, (_number(u),)
            case [b"state", b"name", b"db", name]:
                return Kind.DATABASE_NAME, (decode_name(name),)
            case [b"state", b"name", b"user", name]:
                return Kind.USER_NAME, (decode_name(name),)
            case [b"state", b"name", b"host", name]:
                return Kind.HOST_NAME, (decode_name(name),)
            case [b"state", b"name", b"identity", name]:
                return Kind.IDENTITY_NAME, (decode_name(name),)
            case [b"state", b"db", d, b"info"]:
                return Kind.DATABASE, (_number(d),)
            case [b"state", b"db", d, b"name", name]:
                return Kind.POLICY_NAME, (_number(d), decode_name(name))
            case [b"state", b"db", d, b"cq", name]:
                return Kind.QUERY, (_number(d), decode_name(name))
            case [b"state", b"db", d, b"grant", u]:
                return Kind.GRANT, (_number(d), _number(u))
            case [b"state", b"db", d, b"rp", p, b"info"]:
                return Kind.POLICY, (_number(d), _number(p))
            case [b"state", b"db", d, b"rp", p, b"sub", name]:
                return Kind.SUBSCRIPTION, (_number(d), _number(p), decode_name(name))
            case _:
                return _OTHER
    except ValueError:
        return _OTHER


def _number(digits: bytes) -> int:
    """What 16 hex digits say. Raises ValueError for all else: ``int`` would read ``0X1`` and ``1_0``, too."""
    if len(digits) != 16 or digits.strip(b"0123456789abcdef"):
        raise ValueError(f"{digits!r} is no number of ours")
    return int(digits, 16)


def render(place: Place) -> bytes:
    """The key of a place: the inverse of `locate`, for listing what a snapshot holds."""
    kind, where = place
    if kind is Kind.CLUSTER:
        return CLUSTER
    if kind is Kind.GENERATION:
        return GENERATION
    return _RENDERERS[kind](*where)


_RENDERERS: dict[Kind, Callable[..., bytes]] = {
    Kind.DATABASE_NAME: database_name,
    Kind.USER_NAME: user_name,
    Kind.HOST_NAME: host_name,
    Kind.IDENTITY_NAME: identity_name,
    Kind.NODE: node,
    Kind.USER: user,
    Kind.DATABASE: database_info,
    Kind.POLICY_NAME: policy_name,
    Kind.QUERY: query,
    Kind.GRANT: grant,
    Kind.POLICY: policy_info,
    Kind.SUBSCRIPTION: subscription,
    Kind.GROUP: group,
    Kind.PLAN: plan,
    Kind.PLAN_MOVES: plan_moves,
    Kind.IMPORT: import_,
    Kind.LIVENESS: live,
    Kind.PROGRESS: progress,
}


@dataclass(frozen=True)
class Keyspace:
    """One cluster's keys in etcd. The name may not hold a slash, so that no cluster lies inside another."""

    cluster: str
    prefix: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not _CLUSTER_NAME.fullmatch(self.cluster):
            raise InvalidName(
                f"{self.cluster!r} cannot name a cluster",
                value=self.cluster,
                rule="1 to 63 of A-Z a-z 0-9 _ . -, not beginning with . or -; no slash, so that no cluster's "
                "keys lie inside another's",
                remedy="choose another --cluster",
            )
        object.__setattr__(self, "prefix", f"/etcdmeta/{self.cluster}/".encode())

    def absolute(self, key: bytes) -> bytes:
        return self.prefix + key

    def relative(self, key: bytes) -> bytes:
        return key[len(self.prefix) :]

    @property
    def state_range(self) -> tuple[bytes, bytes]:
        """What caches list and watch."""
        return self.prefix + b"state/", self.prefix + b"state0"
