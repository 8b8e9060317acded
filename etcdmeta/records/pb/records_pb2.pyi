from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Cluster(_message.Message):
    __slots__ = ("cluster_id", "epoch", "oldest_reader", "oldest_writer", "generation_base", "ledger_floor", "read_only")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OLDEST_READER_FIELD_NUMBER: _ClassVar[int]
    OLDEST_WRITER_FIELD_NUMBER: _ClassVar[int]
    GENERATION_BASE_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FLOOR_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    cluster_id: int
    epoch: int
    oldest_reader: int
    oldest_writer: int
    generation_base: int
    ledger_floor: int
    read_only: bool
    def __init__(self, cluster_id: _Optional[int] = ..., epoch: _Optional[int] = ..., oldest_reader: _Optional[int] = ..., oldest_writer: _Optional[int] = ..., generation_base: _Optional[int] = ..., ledger_floor: _Optional[int] = ..., read_only: bool = ...) -> None: ...

class Generation(_message.Message):
    __slots__ = ("nonce", "operation_ids")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    OPERATION_IDS_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    operation_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, nonce: _Optional[int] = ..., operation_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class NameRef(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("id", "host", "labels", "state", "identity_hash", "reports_liveness", "joined_at")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_HASH_FIELD_NUMBER: _ClassVar[int]
    REPORTS_LIVENESS_FIELD_NUMBER: _ClassVar[int]
    JOINED_AT_FIELD_NUMBER: _ClassVar[int]
    id: int
    host: str
    labels: _containers.ScalarMap[str, str]
    state: str
    identity_hash: bytes
    reports_liveness: bool
    joined_at: int
    def __init__(self, id: _Optional[int] = ..., host: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., state: _Optional[str] = ..., identity_hash: _Optional[bytes] = ..., reports_liveness: bool = ..., joined_at: _Optional[int] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("id", "name", "admin")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADMIN_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: bytes
    admin: bool
    def __init__(self, id: _Optional[int] = ..., name: _Optional[bytes] = ..., admin: bool = ...) -> None: ...

class Secret(_message.Message):
    __slots__ = ("bcrypt_hash",)
    BCRYPT_HASH_FIELD_NUMBER: _ClassVar[int]
    bcrypt_hash: bytes
    def __init__(self, bcrypt_hash: _Optional[bytes] = ...) -> None: ...

class Database(_message.Message):
    __slots__ = ("id", "name", "default_policy_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: bytes
    default_policy_id: int
    def __init__(self, id: _Optional[int] = ..., name: _Optional[bytes] = ..., default_policy_id: _Optional[int] = ...) -> None: ...

class RetentionPolicy(_message.Message):
    __slots__ = ("id", "name", "replicas", "duration", "group_duration")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    GROUP_DURATION_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: bytes
    replicas: int
    duration: int
    group_duration: int
    def __init__(self, id: _Optional[int] = ..., name: _Optional[bytes] = ..., replicas: _Optional[int] = ..., duration: _Optional[int] = ..., group_duration: _Optional[int] = ...) -> None: ...

class ShardGroup(_message.Message):
    __slots__ = ("id", "start", "end", "deleted_at", "truncated_at", "shards")
    ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    DELETED_AT_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_AT_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    id: int
    start: int
    end: int
    deleted_at: int
    truncated_at: int
    shards: _containers.RepeatedCompositeFieldContainer[Shard]
    def __init__(self, id: _Optional[int] = ..., start: _Optional[int] = ..., end: _Optional[int] = ..., deleted_at: _Optional[int] = ..., truncated_at: _Optional[int] = ..., shards: _Optional[_Iterable[_Union[Shard, _Mapping]]] = ...) -> None: ...

class Shard(_message.Message):
    __slots__ = ("id", "owners", "last_attempt")
    ID_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    LAST_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    id: int
    owners: _containers.RepeatedCompositeFieldContainer[ShardOwner]
    last_attempt: int
    def __init__(self, id: _Optional[int] = ..., owners: _Optional[_Iterable[_Union[ShardOwner, _Mapping]]] = ..., last_attempt: _Optional[int] = ...) -> None: ...

class ShardOwner(_message.Message):
    __slots__ = ("node_id", "status", "source", "attempt", "since", "reason")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    node_id: int
    status: str
    source: int
    attempt: int
    since: int
    reason: str
    def __init__(self, node_id: _Optional[int] = ..., status: _Optional[str] = ..., source: _Optional[int] = ..., attempt: _Optional[int] = ..., since: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class ContinuousQuery(_message.Message):
    __slots__ = ("name", "query", "place")
    NAME_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    name: bytes
    query: bytes
    place: int
    def __init__(self, name: _Optional[bytes] = ..., query: _Optional[bytes] = ..., place: _Optional[int] = ...) -> None: ...

class Subscription(_message.Message):
    __slots__ = ("name", "mode", "destinations", "place")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    DESTINATIONS_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    name: bytes
    mode: str
    destinations: _containers.RepeatedScalarFieldContainer[str]
    place: int
    def __init__(self, name: _Optional[bytes] = ..., mode: _Optional[str] = ..., destinations: _Optional[_Iterable[str]] = ..., place: _Optional[int] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("privilege",)
    PRIVILEGE_FIELD_NUMBER: _ClassVar[int]
    privilege: str
    def __init__(self, privilege: _Optional[str] = ...) -> None: ...

class Liveness(_message.Message):
    __slots__ = ("instance", "since", "version", "host", "generation", "cache_age", "agent_address", "interruptions", "lease_seconds", "clock")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CACHE_AGE_FIELD_NUMBER: _ClassVar[int]
    AGENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTIONS_FIELD_NUMBER: _ClassVar[int]
    LEASE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    instance: int
    since: int
    version: str
    host: str
    generation: int
    cache_age: int
    agent_address: str
    interruptions: _containers.RepeatedScalarFieldContainer[int]
    lease_seconds: int
    clock: int
    def __init__(self, instance: _Optional[int] = ..., since: _Optional[int] = ..., version: _Optional[str] = ..., host: _Optional[str] = ..., generation: _Optional[int] = ..., cache_age: _Optional[int] = ..., agent_address: _Optional[str] = ..., interruptions: _Optional[_Iterable[int]] = ..., lease_seconds: _Optional[int] = ..., clock: _Optional[int] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("attempt", "bytes_done", "bytes_total", "bytes_per_second", "updated")
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    BYTES_DONE_FIELD_NUMBER: _ClassVar[int]
    BYTES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FIELD_NUMBER: _ClassVar[int]
    attempt: int
    bytes_done: int
    bytes_total: int
    bytes_per_second: int
    updated: int
    def __init__(self, attempt: _Optional[int] = ..., bytes_done: _Optional[int] = ..., bytes_total: _Optional[int] = ..., bytes_per_second: _Optional[int] = ..., updated: _Optional[int] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("id", "kind", "state", "reason", "author", "created_at", "changed_at", "moves", "pages", "per_target", "per_source", "at_once", "subjects", "replacement", "remove_subjects", "prior_states", "before", "after", "undoes", "undone_by", "note")
    class PriorStatesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    class BeforeEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    class AfterEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    PAGES_FIELD_NUMBER: _ClassVar[int]
    PER_TARGET_FIELD_NUMBER: _ClassVar[int]
    PER_SOURCE_FIELD_NUMBER: _ClassVar[int]
    AT_ONCE_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_FIELD_NUMBER: _ClassVar[int]
    REMOVE_SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    PRIOR_STATES_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    UNDOES_FIELD_NUMBER: _ClassVar[int]
    UNDONE_BY_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    id: int
    kind: str
    state: str
    reason: str
    author: str
    created_at: int
    changed_at: int
    moves: int
    pages: int
    per_target: int
    per_source: int
    at_once: int
    subjects: _containers.RepeatedScalarFieldContainer[int]
    replacement: int
    remove_subjects: bool
    prior_states: _containers.ScalarMap[int, str]
    before: _containers.ScalarMap[int, int]
    after: _containers.ScalarMap[int, int]
    undoes: int
    undone_by: int
    note: str
    def __init__(self, id: _Optional[int] = ..., kind: _Optional[str] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., author: _Optional[str] = ..., created_at: _Optional[int] = ..., changed_at: _Optional[int] = ..., moves: _Optional[int] = ..., pages: _Optional[int] = ..., per_target: _Optional[int] = ..., per_source: _Optional[int] = ..., at_once: _Optional[int] = ..., subjects: _Optional[_Iterable[int]] = ..., replacement: _Optional[int] = ..., remove_subjects: bool = ..., prior_states: _Optional[_Mapping[int, str]] = ..., before: _Optional[_Mapping[int, int]] = ..., after: _Optional[_Mapping[int, int]] = ..., undoes: _Optional[int] = ..., undone_by: _Optional[int] = ..., note: _Optional[str] = ...) -> None: ...

class Moves(_message.Message):
    __slots__ = ("moves",)
    MOVES_FIELD_NUMBER: _ClassVar[int]
    moves: _containers.RepeatedCompositeFieldContainer[Move]
    def __init__(self, moves: _Optional[_Iterable[_Union[Move, _Mapping]]] = ...) -> None: ...

class Move(_message.Message):
    __slots__ = ("shard_id", "from_node", "to_node", "source", "size")
    SHARD_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_NODE_FIELD_NUMBER: _ClassVar[int]
    TO_NODE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    shard_id: int
    from_node: int
    to_node: int
    source: int
    size: int
    def __init__(self, shard_id: _Optional[int] = ..., from_node: _Optional[int] = ..., to_node: _Optional[int] = ..., source: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class Import(_message.Message):
    __slots__ = ("id", "state", "digest", "source", "author", "started_at", "changed_at", "first_database", "databases", "first_policy", "policies", "first_user", "users", "groups", "records", "nodes", "new_nodes", "first_group", "first_shard", "planned_at", "raised", "shown")
    class NodesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    class RaisedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    FIRST_DATABASE_FIELD_NUMBER: _ClassVar[int]
    DATABASES_FIELD_NUMBER: _ClassVar[int]
    FIRST_POLICY_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    FIRST_USER_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    NEW_NODES_FIELD_NUMBER: _ClassVar[int]
    FIRST_GROUP_FIELD_NUMBER: _ClassVar[int]
    FIRST_SHARD_FIELD_NUMBER: _ClassVar[int]
    PLANNED_AT_FIELD_NUMBER: _ClassVar[int]
    RAISED_FIELD_NUMBER: _ClassVar[int]
    SHOWN_FIELD_NUMBER: _ClassVar[int]
    id: int
    state: str
    digest: bytes
    source: str
    author: str
    started_at: int
    changed_at: int
    first_database: int
    databases: int
    first_policy: int
    policies: int
    first_user: int
    users: int
    groups: int
    records: int
    nodes: _containers.ScalarMap[int, int]
    new_nodes: _containers.RepeatedScalarFieldContainer[int]
    first_group: int
    first_shard: int
    planned_at: int
    raised: _containers.ScalarMap[str, int]
    shown: bool
    def __init__(self, id: _Optional[int] = ..., state: _Optional[str] = ..., digest: _Optional[bytes] = ..., source: _Optional[str] = ..., author: _Optional[str] = ..., started_at: _Optional[int] = ..., changed_at: _Optional[int] = ..., first_database: _Optional[int] = ..., databases: _Optional[int] = ..., first_policy: _Optional[int] = ..., policies: _Optional[int] = ..., first_user: _Optional[int] = ..., users: _Optional[int] = ..., groups: _Optional[int] = ..., records: _Optional[int] = ..., nodes: _Optional[_Mapping[int, int]] = ..., new_nodes: _Optional[_Iterable[int]] = ..., first_group: _Optional[int] = ..., first_shard: _Optional[int] = ..., planned_at: _Optional[int] = ..., raised: _Optional[_Mapping[str, int]] = ..., shown: bool = ...) -> None: ...

class IdRuns(_message.Message):
    __slots__ = ("runs",)
    RUNS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[IdRun]
    def __init__(self, runs: _Optional[_Iterable[_Union[IdRun, _Mapping]]] = ...) -> None: ...

class Records(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[Record]
    def __init__(self, records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...

class IdRun(_message.Message):
    __slots__ = ("theirs", "ours", "count")
    THEIRS_FIELD_NUMBER: _ClassVar[int]
    OURS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    theirs: int
    ours: int
    count: int
    def __init__(self, theirs: _Optional[int] = ..., ours: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class LedgerEntry(_message.Message):
    __slots__ = ("operation_id", "void", "command", "fingerprint", "summary", "result", "actor", "time", "touched", "touched_count", "lasting")
    OPERATION_ID_FIELD_NUMBER: _ClassVar[int]
    VOID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TOUCHED_FIELD_NUMBER: _ClassVar[int]
    TOUCHED_COUNT_FIELD_NUMBER: _ClassVar[int]
    LASTING_FIELD_NUMBER: _ClassVar[int]
    operation_id: str
    void: bool
    command: str
    fingerprint: bytes
    summary: str
    result: bytes
    actor: str
    time: int
    touched: _containers.RepeatedScalarFieldContainer[str]
    touched_count: int
    lasting: bool
    def __init__(self, operation_id: _Optional[str] = ..., void: bool = ..., command: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., summary: _Optional[str] = ..., result: _Optional[bytes] = ..., actor: _Optional[str] = ..., time: _Optional[int] = ..., touched: _Optional[_Iterable[str]] = ..., touched_count: _Optional[int] = ..., lasting: bool = ...) -> None: ...

class IdCounter(_message.Message):
    __slots__ = ("highest",)
    HIGHEST_FIELD_NUMBER: _ClassVar[int]
    highest: int
    def __init__(self, highest: _Optional[int] = ...) -> None: ...

class NodesDown(_message.Message):
    __slots__ = ("seen", "since")
    class SinceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    SEEN_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    seen: int
    since: _containers.ScalarMap[int, int]
    def __init__(self, seen: _Optional[int] = ..., since: _Optional[_Mapping[int, int]] = ...) -> None: ...

class RevisionsSeen(_message.Message):
    __slots__ = ("marks",)
    class Mark(_message.Message):
        __slots__ = ("time", "revision")
        TIME_FIELD_NUMBER: _ClassVar[int]
        REVISION_FIELD_NUMBER: _ClassVar[int]
        time: int
        revision: int
        def __init__(self, time: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...
    MARKS_FIELD_NUMBER: _ClassVar[int]
    marks: _containers.RepeatedCompositeFieldContainer[RevisionsSeen.Mark]
    def __init__(self, marks: _Optional[_Iterable[_Union[RevisionsSeen.Mark, _Mapping]]] = ...) -> None: ...

class Leader(_message.Message):
    __slots__ = ("who", "nonce", "since")
    WHO_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    who: str
    nonce: int
    since: int
    def __init__(self, who: _Optional[str] = ..., nonce: _Optional[int] = ..., since: _Optional[int] = ...) -> None: ...
