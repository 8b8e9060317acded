from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BackupBlock(_message.Message):
    __slots__ = ("header", "records", "end")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    header: BackupHeader
    records: BackupRecords
    end: BackupEnd
    def __init__(self, header: _Optional[_Union[BackupHeader, _Mapping]] = ..., records: _Optional[_Union[BackupRecords, _Mapping]] = ..., end: _Optional[_Union[BackupEnd, _Mapping]] = ...) -> None: ...

class BackupHeader(_message.Message):
    __slots__ = ("oldest_reader", "cluster", "cluster_id", "epoch", "generation", "revision", "created_at", "made_by")
    OLDEST_READER_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    MADE_BY_FIELD_NUMBER: _ClassVar[int]
    oldest_reader: int
    cluster: str
    cluster_id: int
    epoch: int
    generation: int
    revision: int
    created_at: int
    made_by: str
    def __init__(self, oldest_reader: _Optional[int] = ..., cluster: _Optional[str] = ..., cluster_id: _Optional[int] = ..., epoch: _Optional[int] = ..., generation: _Optional[int] = ..., revision: _Optional[int] = ..., created_at: _Optional[int] = ..., made_by: _Optional[str] = ...) -> None: ...

class BackupRecords(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[BackupRecord]
    def __init__(self, records: _Optional[_Iterable[_Union[BackupRecord, _Mapping]]] = ...) -> None: ...

class BackupRecord(_message.Message):
    __slots__ = ("key", "value", "create_revision", "mod_revision", "version")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CREATE_REVISION_FIELD_NUMBER: _ClassVar[int]
    MOD_REVISION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., create_revision: _Optional[int] = ..., mod_revision: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class BackupEnd(_message.Message):
    __slots__ = ("sha256", "records", "counts")
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SHA256_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    records: int
    counts: _containers.ScalarMap[str, int]
    def __init__(self, sha256: _Optional[bytes] = ..., records: _Optional[int] = ..., counts: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Restore(_message.Message):
    __slots__ = ("digest", "holder", "done", "records", "source", "author", "started_at")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    holder: int
    done: int
    records: int
    source: str
    author: str
    started_at: int
    def __init__(self, digest: _Optional[bytes] = ..., holder: _Optional[int] = ..., done: _Optional[int] = ..., records: _Optional[int] = ..., source: _Optional[str] = ..., author: _Optional[str] = ..., started_at: _Optional[int] = ...) -> None: ...
