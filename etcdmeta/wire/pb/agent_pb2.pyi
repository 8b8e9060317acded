from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Record(_message.Message):
    __slots__ = ("key", "value", "create_revision", "mod_revision", "version", "lease")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CREATE_REVISION_FIELD_NUMBER: _ClassVar[int]
    MOD_REVISION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., create_revision: _Optional[int] = ..., mod_revision: _Optional[int] = ..., version: _Optional[int] = ..., lease: _Optional[int] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("type", "kv")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PUT: _ClassVar[Event.Type]
        DELETE: _ClassVar[Event.Type]
    PUT: Event.Type
    DELETE: Event.Type
    TYPE_FIELD_NUMBER: _ClassVar[int]
    KV_FIELD_NUMBER: _ClassVar[int]
    type: Event.Type
    kv: Record
    def __init__(self, type: _Optional[_Union[Event.Type, str]] = ..., kv: _Optional[_Union[Record, _Mapping]] = ...) -> None: ...

class Revision(_message.Message):
    __slots__ = ("revision", "generation", "position", "joined", "events")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    generation: int
    position: bytes
    joined: bool
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, revision: _Optional[int] = ..., generation: _Optional[int] = ..., position: _Optional[bytes] = ..., joined: bool = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class Freshness(_message.Message):
    __slots__ = ("age", "live", "source", "source_address")
    class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[Freshness.Source]
        ETCD: _ClassVar[Freshness.Source]
        AGENT: _ClassVar[Freshness.Source]
        CACHE: _ClassVar[Freshness.Source]
    UNKNOWN: Freshness.Source
    ETCD: Freshness.Source
    AGENT: Freshness.Source
    CACHE: Freshness.Source
    AGE_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    age: float
    live: bool
    source: Freshness.Source
    source_address: str
    def __init__(self, age: _Optional[float] = ..., live: bool = ..., source: _Optional[_Union[Freshness.Source, str]] = ..., source_address: _Optional[str] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("cluster", "position", "wait")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    position: bytes
    wait: bool
    def __init__(self, cluster: _Optional[str] = ..., position: _Optional[bytes] = ..., wait: bool = ...) -> None: ...

class FetchResponse(_message.Message):
    __slots__ = ("kind", "position", "generation", "freshness", "revisions", "records", "revision")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSET: _ClassVar[FetchResponse.Kind]
        CURRENT: _ClassVar[FetchResponse.Kind]
        CHANGES: _ClassVar[FetchResponse.Kind]
        PICTURE: _ClassVar[FetchResponse.Kind]
    UNSET: FetchResponse.Kind
    CURRENT: FetchResponse.Kind
    CHANGES: FetchResponse.Kind
    PICTURE: FetchResponse.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    kind: FetchResponse.Kind
    position: bytes
    generation: int
    freshness: Freshness
    revisions: _containers.RepeatedCompositeFieldContainer[Revision]
    records: _containers.RepeatedCompositeFieldContainer[Record]
    revision: int
    def __init__(self, kind: _Optional[_Union[FetchResponse.Kind, str]] = ..., position: _Optional[bytes] = ..., generation: _Optional[int] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ..., revisions: _Optional[_Iterable[_Union[Revision, _Mapping]]] = ..., records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ..., revision: _Optional[int] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("cluster", "position", "revision")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    position: bytes
    revision: int
    def __init__(self, cluster: _Optional[str] = ..., position: _Optional[bytes] = ..., revision: _Optional[int] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("revisions", "opened", "lagged", "records", "complete", "position", "generation", "freshness", "revision")
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    LAGGED_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revisions: _containers.RepeatedCompositeFieldContainer[Revision]
    opened: bool
    lagged: bool
    records: _containers.RepeatedCompositeFieldContainer[Record]
    complete: bool
    position: bytes
    generation: int
    freshness: Freshness
    revision: int
    def __init__(self, revisions: _Optional[_Iterable[_Union[Revision, _Mapping]]] = ..., opened: bool = ..., lagged: bool = ..., records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ..., complete: bool = ..., position: _Optional[bytes] = ..., generation: _Optional[int] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class ReadRequest(_message.Message):
    __slots__ = ("cluster", "key", "range_end", "revision", "limit", "keys_only")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    RANGE_END_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    KEYS_ONLY_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    key: bytes
    range_end: bytes
    revision: int
    limit: int
    keys_only: bool
    def __init__(self, cluster: _Optional[str] = ..., key: _Optional[bytes] = ..., range_end: _Optional[bytes] = ..., revision: _Optional[int] = ..., limit: _Optional[int] = ..., keys_only: bool = ...) -> None: ...

class ReadResponse(_message.Message):
    __slots__ = ("header", "kvs", "more")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    KVS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    header: Header
    kvs: _containers.RepeatedCompositeFieldContainer[Record]
    more: bool
    def __init__(self, header: _Optional[_Union[Header, _Mapping]] = ..., kvs: _Optional[_Iterable[_Union[Record, _Mapping]]] = ..., more: bool = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("cluster_id", "member_id", "revision", "raft_term")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    RAFT_TERM_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    member_id: int
    revision: int
    raft_term: int
    def __init__(self, cluster_id: _Optional[int] = ..., member_id: _Optional[int] = ..., revision: _Optional[int] = ..., raft_term: _Optional[int] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("name", "fields")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    fields: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., fields: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("id", "command", "fence")
    ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    command: Command
    fence: Fence
    def __init__(self, id: _Optional[str] = ..., command: _Optional[_Union[Command, _Mapping]] = ..., fence: _Optional[_Union[Fence, _Mapping]] = ...) -> None: ...

class Fence(_message.Message):
    __slots__ = ("key", "create_revision", "what")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CREATE_REVISION_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    create_revision: int
    what: str
    def __init__(self, key: _Optional[bytes] = ..., create_revision: _Optional[int] = ..., what: _Optional[str] = ...) -> None: ...

class ExecuteRequest(_message.Message):
    __slots__ = ("cluster", "operations", "position", "actor", "once")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    ONCE_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    operations: _containers.RepeatedCompositeFieldContainer[Operation]
    position: bytes
    actor: str
    once: bool
    def __init__(self, cluster: _Optional[str] = ..., operations: _Optional[_Iterable[_Union[Operation, _Mapping]]] = ..., position: _Optional[bytes] = ..., actor: _Optional[str] = ..., once: bool = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("operation_id", "generation", "revision", "changed", "more", "result", "summary", "notices")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    generation: int
    revision: int
    changed: bool
    more: bool
    result: str
    summary: str
    notices: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, operation_id: _Optional[str] = ..., generation: _Optional[int] = ..., revision: _Optional[int] = ..., changed: bool = ..., more: bool = ..., result: _Optional[str] = ..., summary: _Optional[str] = ..., notices: _Optional[_Iterable[str]] = ...) -> None: ...

class ExecuteResponse(_message.Message):
    __slots__ = ("outcomes", "position", "generation")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[Outcome]
    position: bytes
    generation: int
    def __init__(self, outcomes: _Optional[_Iterable[_Union[Outcome, _Mapping]]] = ..., position: _Optional[bytes] = ..., generation: _Optional[int] = ...) -> None: ...

class ConcludeRequest(_message.Message):
    __slots__ = ("cluster", "operation_id")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    operation_id: str
    def __init__(self, cluster: _Optional[str] = ..., operation_id: _Optional[str] = ...) -> None: ...

class ConcludeResponse(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    def __init__(self, outcome: _Optional[_Union[Outcome, _Mapping]] = ...) -> None: ...

class VerifyPasswordRequest(_message.Message):
    __slots__ = ("cluster", "user", "password")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    user: str
    password: str
    def __init__(self, cluster: _Optional[str] = ..., user: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class VerifyPasswordResponse(_message.Message):
    __slots__ = ("correct",)
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    correct: bool
    def __init__(self, correct: bool = ...) -> None: ...

class PruneLedgerRequest(_message.Message):
    __slots__ = ("cluster",)
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    def __init__(self, cluster: _Optional[str] = ...) -> None: ...

class PruneLedgerResponse(_message.Message):
    __slots__ = ("forgotten", "unreadable", "unreadable_count")
    FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    forgotten: int
    unreadable: _containers.RepeatedScalarFieldContainer[str]
    unreadable_count: int
    def __init__(self, forgotten: _Optional[int] = ..., unreadable: _Optional[_Iterable[str]] = ..., unreadable_count: _Optional[int] = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ("cluster", "host", "labels", "secret", "node_id", "cluster_id", "operation_id", "delegate")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    DELEGATE_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    host: str
    labels: _containers.ScalarMap[str, str]
    secret: bytes
    node_id: int
    cluster_id: int
    operation_id: str
    delegate: bool
    def __init__(self, cluster: _Optional[str] = ..., host: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., secret: _Optional[bytes] = ..., node_id: _Optional[int] = ..., cluster_id: _Optional[int] = ..., operation_id: _Optional[str] = ..., delegate: bool = ...) -> None: ...

class JoinResponse(_message.Message):
    __slots__ = ("node_id", "cluster_id", "participates", "etcd_endpoints", "agents", "known", "position", "generation", "cluster")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    PARTICIPATES_FIELD_NUMBER: _ClassVar[int]
    ETCD_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    node_id: int
    cluster_id: int
    participates: bool
    etcd_endpoints: _containers.RepeatedScalarFieldContainer[str]
    agents: _containers.RepeatedScalarFieldContainer[str]
    known: bool
    position: bytes
    generation: int
    cluster: str
    def __init__(self, node_id: _Optional[int] = ..., cluster_id: _Optional[int] = ..., participates: bool = ..., etcd_endpoints: _Optional[_Iterable[str]] = ..., agents: _Optional[_Iterable[str]] = ..., known: bool = ..., position: _Optional[bytes] = ..., generation: _Optional[int] = ..., cluster: _Optional[str] = ...) -> None: ...

class LeaveRequest(_message.Message):
    __slots__ = ("cluster", "node_id", "secret", "operation_id")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    node_id: int
    secret: bytes
    operation_id: str
    def __init__(self, cluster: _Optional[str] = ..., node_id: _Optional[int] = ..., secret: _Optional[bytes] = ..., operation_id: _Optional[str] = ...) -> None: ...

class LeaveResponse(_message.Message):
    __slots__ = ("position", "generation")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    position: bytes
    generation: int
    def __init__(self, position: _Optional[bytes] = ..., generation: _Optional[int] = ...) -> None: ...

class LeaseRequest(_message.Message):
    __slots__ = ("cluster", "grant", "keep_alive", "revoke")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    REVOKE_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    grant: int
    keep_alive: int
    revoke: int
    def __init__(self, cluster: _Optional[str] = ..., grant: _Optional[int] = ..., keep_alive: _Optional[int] = ..., revoke: _Optional[int] = ...) -> None: ...

class LeaseResponse(_message.Message):
    __slots__ = ("id", "ttl")
    ID_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    id: int
    ttl: int
    def __init__(self, id: _Optional[int] = ..., ttl: _Optional[int] = ...) -> None: ...

class Compare(_message.Message):
    __slots__ = ("key", "counter", "number")
    class Counter(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CREATE: _ClassVar[Compare.Counter]
        MOD: _ClassVar[Compare.Counter]
        VERSION: _ClassVar[Compare.Counter]
    CREATE: Compare.Counter
    MOD: Compare.Counter
    VERSION: Compare.Counter
    KEY_FIELD_NUMBER: _ClassVar[int]
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    counter: Compare.Counter
    number: int
    def __init__(self, key: _Optional[bytes] = ..., counter: _Optional[_Union[Compare.Counter, str]] = ..., number: _Optional[int] = ...) -> None: ...

class AdviseRequest(_message.Message):
    __slots__ = ("cluster", "compares", "writes", "reads")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    COMPARES_FIELD_NUMBER: _ClassVar[int]
    WRITES_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    compares: _containers.RepeatedCompositeFieldContainer[Compare]
    writes: _containers.RepeatedCompositeFieldContainer[Event]
    reads: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, cluster: _Optional[str] = ..., compares: _Optional[_Iterable[_Union[Compare, _Mapping]]] = ..., writes: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., reads: _Optional[_Iterable[bytes]] = ...) -> None: ...

class AdviseResponse(_message.Message):
    __slots__ = ("succeeded", "header", "reads")
    class Found(_message.Message):
        __slots__ = ("kvs",)
        KVS_FIELD_NUMBER: _ClassVar[int]
        kvs: _containers.RepeatedCompositeFieldContainer[Record]
        def __init__(self, kvs: _Optional[_Iterable[_Union[Record, _Mapping]]] = ...) -> None: ...
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    READS_FIELD_NUMBER: _ClassVar[int]
    succeeded: bool
    header: Header
    reads: _containers.RepeatedCompositeFieldContainer[AdviseResponse.Found]
    def __init__(self, succeeded: bool = ..., header: _Optional[_Union[Header, _Mapping]] = ..., reads: _Optional[_Iterable[_Union[AdviseResponse.Found, _Mapping]]] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ("cluster",)
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    def __init__(self, cluster: _Optional[str] = ...) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("version", "cluster", "cluster_id", "node_id", "host", "address", "position", "revision", "generation", "state", "freshness", "etcd_endpoints", "agents", "streams", "requests", "quarantined", "started", "problem", "participates", "counters", "services", "live_revision")
    class CountersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    ETCD_ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    PARTICIPATES_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    LIVE_REVISION_FIELD_NUMBER: _ClassVar[int]
    version: str
    cluster: str
    cluster_id: int
    node_id: int
    host: str
    address: str
    position: bytes
    revision: int
    generation: int
    state: str
    freshness: Freshness
    etcd_endpoints: _containers.RepeatedScalarFieldContainer[str]
    agents: _containers.RepeatedScalarFieldContainer[str]
    streams: int
    requests: int
    quarantined: int
    started: int
    problem: str
    participates: bool
    counters: _containers.ScalarMap[str, int]
    services: _containers.RepeatedCompositeFieldContainer[ServiceStatus]
    live_revision: int
    def __init__(self, version: _Optional[str] = ..., cluster: _Optional[str] = ..., cluster_id: _Optional[int] = ..., node_id: _Optional[int] = ..., host: _Optional[str] = ..., address: _Optional[str] = ..., position: _Optional[bytes] = ..., revision: _Optional[int] = ..., generation: _Optional[int] = ..., state: _Optional[str] = ..., freshness: _Optional[_Union[Freshness, _Mapping]] = ..., etcd_endpoints: _Optional[_Iterable[str]] = ..., agents: _Optional[_Iterable[str]] = ..., streams: _Optional[int] = ..., requests: _Optional[int] = ..., quarantined: _Optional[int] = ..., started: _Optional[int] = ..., problem: _Optional[str] = ..., participates: bool = ..., counters: _Optional[_Mapping[str, int]] = ..., services: _Optional[_Iterable[_Union[ServiceStatus, _Mapping]]] = ..., live_revision: _Optional[int] = ...) -> None: ...

class ServiceStatus(_message.Message):
    __slots__ = ("name", "leads", "leader", "since", "every", "passes", "failures", "pass_began", "pass_ended", "did", "did_at", "problem", "problem_at", "failing", "notes")
    class Note(_message.Message):
        __slots__ = ("text", "things")
        TEXT_FIELD_NUMBER: _ClassVar[int]
        THINGS_FIELD_NUMBER: _ClassVar[int]
        text: str
        things: int
        def __init__(self, text: _Optional[str] = ..., things: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    PASSES_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    PASS_BEGAN_FIELD_NUMBER: _ClassVar[int]
    PASS_ENDED_FIELD_NUMBER: _ClassVar[int]
    DID_FIELD_NUMBER: _ClassVar[int]
    DID_AT_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_AT_FIELD_NUMBER: _ClassVar[int]
    FAILING_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    leads: bool
    leader: str
    since: int
    every: float
    passes: int
    failures: int
    pass_began: int
    pass_ended: int
    did: str
    did_at: int
    problem: str
    problem_at: int
    failing: bool
    notes: _containers.RepeatedCompositeFieldContainer[ServiceStatus.Note]
    def __init__(self, name: _Optional[str] = ..., leads: bool = ..., leader: _Optional[str] = ..., since: _Optional[int] = ..., every: _Optional[float] = ..., passes: _Optional[int] = ..., failures: _Optional[int] = ..., pass_began: _Optional[int] = ..., pass_ended: _Optional[int] = ..., did: _Optional[str] = ..., did_at: _Optional[int] = ..., problem: _Optional[str] = ..., problem_at: _Optional[int] = ..., failing: bool = ..., notes: _Optional[_Iterable[_Union[ServiceStatus.Note, _Mapping]]] = ...) -> None: ...
