"""One tree of errors: every failure that a caller can meet, and nothing else.

::

    EtcdMetaError
    ├── InvalidInput (also ValueError)      the request itself cannot be right
    │   ├── InvalidName
    │   ├── InvalidDuration
    │   ├── InvalidTime
    │   ├── InvalidAddress
    │   ├── RecordTooLarge
    │   ├── UnreadableRequest
    │   ├── UnknownCommand
    │   ├── MessageTooLarge
    │   ├── DeadlineInvalid
    │   └── ConfigurationInvalid
    ├── NotFound                            a named thing is not there
    │   ├── DatabaseNotFound
    │   ├── PolicyNotFound
    │   ├── GroupNotFound
    │   ├── ShardNotFound
    │   ├── OwnerNotFound
    │   ├── NodeNotFound
    │   ├── QueryNotFound
    │   ├── SubscriptionNotFound
    │   ├── PlanNotFound
    │   ├── ImportNotFound
    │   └── UserNotFound
    ├── Refused                             a rule forbids it in the present picture
    │   ├── AlreadyExists
    │   │   ├── DatabaseExists
    │   │   ├── PolicyExists
    │   │   ├── QueryExists
    │   │   ├── SubscriptionExists
    │   │   ├── UserExists
    │   │   ├── NodeExists
    │   │   └── OwnerExists
    │   ├── NodesRequired
    │   ├── ReplicationFactorTooLow (also InvalidInput)
    │   ├── DurationTooLow (also InvalidInput)
    │   ├── IncompatibleDurations
    │   ├── PolicyIsDefault
    │   ├── TransitionRefused
    │   │   ├── StaleAttempt
    │   │   └── ServiceWouldEnd
    │   ├── NodeUnavailable
    │   ├── NodeOwnsShards
    │   ├── NodeIdentityRefused
    │   │   ├── NodeRemoved
    │   │   └── NodeAlreadyRunning
    │   ├── PlanConflict
    │   ├── ImportConflict                  another import is under way, or what it brings is there already
    │   ├── MoveBlocked
    │   ├── HistoryCompacted
    │   ├── CommandTooLarge
    │   ├── RecordUnreadable
    │   └── ReadOnly
    ├── ClusterProblem                      the stored world is not the one expected
    │   ├── NotInitialised
    │   ├── PrefixNotEmpty
    │   ├── SchemaTooNew
    │   ├── UnsupportedVersion
    │   ├── WrongCluster
    │   ├── ClusterDestroyed
    │   └── ClusterRestored
    ├── Unavailable                         etcd cannot be reached, or not in time
    │   ├── NotEtcd
    │   ├── NoSpace
    │   ├── AgentBehind
    │   └── TooStale
    ├── AccessRefused                       etcd refused who is asking
    │   ├── Unauthenticated
    │   └── PermissionDenied
    ├── LimitReached                        an agent serves as many as it may
    │   ├── TooManyStreams
    │   └── TooManyRequests
    ├── ConflictPersists                    others kept winning until the deadline
    ├── Fenced                              the lead or the liveness was lost: final
    │   └── CopyCancelled                   nobody wants the copy any more
    ├── OperationIdReused                   another command has this id
    ├── OutcomeUnknown                      it may have happened; ask by the operation id
    ├── WaitTimedOut (also TimeoutError)
    ├── StoreClosed
    │   └── ForkedProcess
    └── Defect                              of etcdmeta's own

Every error says what was wrong (``value``), which ``rule`` it broke and the way out (``remedy``); None where unknown.
``reason`` is the machine's word for the class: it stays the same over releases and crosses the wire. No error carries a
secret: callers pass names, never passwords or hashes.
"""

from __future__ import annotations

import re
from typing import ClassVar


class EtcdMetaError(Exception):
    """The root. ``message`` is one sentence; ``str()`` adds rule and remedy."""

    reason: ClassVar[str] = "ERROR"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.reason = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).upper()

    def __init__(
        self,
        message: str,
        *,
        value: object = None,
        rule: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.value = value
        self.rule = rule
        self.remedy = remedy

    def __str__(self) -> str:
        parts = (self.message, self.rule, self.remedy)
        return "; ".join(part for part in parts if part)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class InvalidInput(EtcdMetaError, ValueError):
    """The request cannot be right, whatever is stored; nothing was sent."""


class InvalidName(InvalidInput):
    """A name that InfluxDB 1.x's rules do not allow."""


class InvalidDuration(InvalidInput):
    """A duration that cannot be read, or does not fit in 64 bits of nanoseconds."""


class InvalidTime(InvalidInput):
    """A time that cannot be read, or lies outside of 1677-09-21 … 2262-04-11."""


class InvalidAddress(InvalidInput):
    """A host:port, an endpoint or a subscription's URL that cannot be one."""


class RecordTooLarge(InvalidInput):
    """One record would be larger than a transaction may be."""


class UnreadableRequest(InvalidInput):
    """What came over the wire is not the message that it should be."""


class UnknownCommand(InvalidInput):
    """No command has that name; perhaps a newer version's has."""


class MessageTooLarge(InvalidInput):
    """A request to an agent is larger than it takes."""


class DeadlineInvalid(InvalidInput):
    """A call to an agent without a deadline, or with one that is too far away."""


class ConfigurationInvalid(InvalidInput):
    """A setting from a flag, the environment or a file that cannot be used; the message says where it stands."""


class NotFound(EtcdMetaError):
    """A named thing is not there, in a picture proven current."""


class DatabaseNotFound(NotFound): ...
class PolicyNotFound(NotFound): ...
class GroupNotFound(NotFound): ...
class ShardNotFound(NotFound): ...
class OwnerNotFound(NotFound): ...
class NodeNotFound(NotFound): ...
class QueryNotFound(NotFound): ...
class SubscriptionNotFound(NotFound): ...
class UserNotFound(NotFound): ...
class PlanNotFound(NotFound): ...
class ImportNotFound(NotFound): ...


class Refused(EtcdMetaError):
    """A rule forbids the command in the present picture; nothing was changed."""


class AlreadyExists(Refused):
    """Something else stands under that name (the same thing again is no error)."""


class DatabaseExists(AlreadyExists): ...
class PolicyExists(AlreadyExists): ...
class QueryExists(AlreadyExists): ...
class SubscriptionExists(AlreadyExists): ...
class UserExists(AlreadyExists): ...
class NodeExists(AlreadyExists): ...
class OwnerExists(AlreadyExists): ...


class NodesRequired(Refused):
    """A shard group needs at least one node that takes new shards."""


class ReplicationFactorTooLow(Refused, InvalidInput):
    """A policy keeps at least one copy."""


class DurationTooLow(Refused, InvalidInput):
    """A policy keeps data forever (0) or for at least an hour."""


class IncompatibleDurations(Refused):
    """A policy's duration is shorter than its shard groups are long."""


class PolicyIsDefault(Refused):
    """The default policy cannot go while it is the default."""


class TransitionRefused(Refused):
    """The table of owner transitions has no such step from the present status."""


class StaleAttempt(TransitionRefused):
    """The finisher of an older attempt: its copy was given up, or begun anew."""


class ServiceWouldEnd(TransitionRefused):
    """Too few owners would be left to serve; forced with a reason, the last one with a second consent."""


class NodeUnavailable(Refused):
    """The node is draining, being removed, or removed, and takes no shards."""


class NodeOwnsShards(Refused):
    """The node still owns shards: move or remove its owners first, or force."""


class NodeIdentityRefused(Refused):
    """The identity that a node's data directory proves is not one that the cluster knows under that id."""


class NodeRemoved(NodeIdentityRefused):
    """The node was removed from the cluster: its id is never used again."""


class NodeAlreadyRunning(NodeIdentityRefused):
    """Another live process has this node's identity."""


class ImportConflict(Refused): ...
class PlanConflict(Refused):
    """The plan is in a state that does not allow it, or another plan moves the same owners."""


class MoveBlocked(Refused):
    """A move of a plan cannot go on now: its target takes no shards, or nobody serves what it would copy."""


class HistoryCompacted(Refused):
    """etcd has compacted that part of the history away."""


class CommandTooLarge(Refused):
    """More records than one transaction may hold (100 compares, 100 operations, 1 MiB)."""


class RecordUnreadable(Refused):
    """A stored record that the command relies on cannot be decoded; it is quarantined and shown by ``doctor``."""


class ReadOnly(Refused):
    """The cluster's guard says read-only."""


class ClusterProblem(EtcdMetaError):
    """The stored world is not the one that this process knew or can know."""


class NotInitialised(ClusterProblem):
    """No cluster under this prefix yet; made by the first node or ``cluster init``, never by accident."""


class PrefixNotEmpty(ClusterProblem):
    """Keys stand under the prefix that etcdmeta did not write, or a cluster's prefix lies inside another's."""


class SchemaTooNew(ClusterProblem):
    """The stored schema asks for a newer reader or writer than this program is."""


class UnsupportedVersion(ClusterProblem):
    """The other side does not speak this version of the agents' protocol, or is no agent at all."""


class WrongCluster(ClusterProblem):
    """The agent, or the data directory, belongs to another cluster."""


class ClusterDestroyed(ClusterProblem):
    """Guard or generation were deleted from etcd; the last picture is kept, stale, and nothing is written."""


class ClusterRestored(ClusterProblem):
    """etcd went back in time (a restored backup): writes wait for ``cluster accept-restore``."""


class Unavailable(EtcdMetaError):
    """etcd cannot be reached, has no quorum, or did not answer in time; a write was certainly not committed."""


class NotEtcd(Unavailable):
    """Something answers at the endpoint, but not in etcd's v3 protocol."""


class NoSpace(Unavailable):
    """etcd's database has reached its quota and takes no writes."""


class AgentBehind(Unavailable):
    """The agent's picture is older than what the caller has, and it cannot catch up now: ask another."""


class TooStale(Unavailable):
    """The picture is older than the caller's maximum age."""


class AccessRefused(EtcdMetaError):
    """etcd refused who is asking."""


class Unauthenticated(AccessRefused):
    """User, password, token or certificate were not accepted."""


class PermissionDenied(AccessRefused):
    """etcd's roles do not allow this key range."""


class LimitReached(EtcdMetaError):
    """An agent serves as many as it may; try again, or ask another."""


class TooManyStreams(LimitReached):
    """Streams, of all clients or of this one."""


class TooManyRequests(LimitReached):
    """Requests in flight."""


class ConflictPersists(EtcdMetaError):
    """Other writers kept winning until the deadline; certainly not committed."""


class Fenced(EtcdMetaError):
    """The lead or the liveness that the commit acted under is gone; certainly not committed, and final."""


class CopyCancelled(Fenced):
    """Nobody wants the copy any more: it was cancelled, begun anew, or its group is gone."""


class OperationIdReused(EtcdMetaError):
    """The ledger holds another command under this operation id."""


class OutcomeUnknown(EtcdMetaError):
    """The command may have happened. ``operation_id`` asks for the outcome later: ``store.outcome(id)``."""

    def __init__(
        self, message: str, *, operation_id: str, value: object = None, rule: str | None = None,
        remedy: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, value=value, rule=rule, remedy=remedy)
        self.operation_id = operation_id


class WaitTimedOut(EtcdMetaError, TimeoutError):
    """What was waited for did not come true before the deadline; a commit that it followed stands."""


class StoreClosed(EtcdMetaError):
    """The store was closed; open another."""


class ForkedProcess(StoreClosed):
    """The store was opened before this process forked: gRPC channels do not survive a fork."""


class Defect(EtcdMetaError):
    """Of etcdmeta's own: an invariant that the code relies on does not hold. Please report it."""
