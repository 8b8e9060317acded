"""etcd3's message classes, made anew from its own text, and the stubs that speak them.

Why: etcd3 0.12.0 is the last release of the client library that this project builds on, and its generated
``*_pb2`` modules do not import with protobuf 4 or later ("Descriptors cannot be created directly"); protobuf
3 is out of support and decodes five times slower. The serialized descriptors inside of those modules are
sound. So they are read as text (never executed), loaded into a pool of our own (the default pool would
collide with any other etcd library in the process over ``mvccpb.KeyValue``), completed with the few fields
that etcd has gained since, and put where ``import etcd3`` looks for them. From then on etcd3's own stubs and
constants work on the fast C backend.

What is used of etcd3 is its schema, its messages and its stubs. Its client object is not: one endpoint, no
deadlines, no header of a transaction's answer, and compares that overload ``==`` cannot carry what the
protocol asks for.
"""

from __future__ import annotations

import ast
import sys
from importlib import metadata, util
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import api_implementation

if TYPE_CHECKING:
    from collections.abc import Iterator

_Field = descriptor_pb2.FieldDescriptorProto

ETCD3_VERSION = "0.12.0"
_MODULES = ("kv_pb2", "auth_pb2", "rpc_pb2")
# What etcd 3.4 and later have and etcd3's schema lacks: message, field, number, type. From etcd's rpc.proto.
_ADDED_FIELDS = (
    ("WatchCreateRequest", "watch_id", 7, _Field.TYPE_INT64),
    ("WatchCreateRequest", "fragment", 8, _Field.TYPE_BOOL),
    ("WatchResponse", "fragment", 7, _Field.TYPE_BOOL),
    ("WatchRequest", "progress_request", 3, ".etcdserverpb.WatchProgressRequest"),
    ("StatusResponse", "errors", 8, _Field.TYPE_STRING),
)
_REPEATED = {"errors"}


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ImportError(sentence)


def _descriptors(folder: Path) -> Iterator[tuple[str, descriptor_pb2.FileDescriptorProto]]:
    """The file descriptor in each of etcd3's generated modules, in the order of their dependence."""
    for name in _MODULES:
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        literals = [
            constant.value
            for keyword in ast.walk(tree)
            if isinstance(keyword, ast.keyword) and keyword.arg == "serialized_pb"
            for constant in ast.walk(keyword.value)
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
        ]
        _require(len(literals) == 1, f"etcd3's {name} does not hold one serialized schema; reinstall etcd3")
        yield name, descriptor_pb2.FileDescriptorProto.FromString(literals[0].encode("latin-1"))


def _complete(schema: descriptor_pb2.FileDescriptorProto) -> None:
    """Adds the fields that etcd's schema has gained since etcd3's release."""
    messages = {message.name: message for message in schema.message_type}
    if "WatchRequest" not in messages:
        return
    schema.message_type.add(name="WatchProgressRequest")
    for message, name, number, kind in _ADDED_FIELDS:
        label = _Field.LABEL_REPEATED if name in _REPEATED else _Field.LABEL_OPTIONAL
        field = messages[message].field.add(name=name, number=number, label=label)
        if isinstance(kind, str):
            field.type, field.type_name, field.oneof_index = _Field.TYPE_MESSAGE, kind, 0
        else:
            field.type = kind


def _generated(
    name: str, schema: descriptor_pb2.FileDescriptorProto, pool: descriptor_pool.DescriptorPool
) -> ModuleType:
    """What protoc would have generated: a module with the file's messages and the values of its enums."""
    module = ModuleType(f"etcd3.etcdrpc.{name}", "Made anew by etcdmeta from etcd3's own descriptors.")
    pool.Add(schema)
    file = pool.FindFileByName(schema.name)
    for message in file.message_types_by_name.values():
        setattr(module, message.name, message_factory.GetMessageClass(message))
    for enum in file.enum_types_by_name.values():
        for value in enum.values:
            setattr(module, value.name, value.number)
    return module


def _import_etcd3() -> Any:
    try:
        found = metadata.version("etcd3")
    except metadata.PackageNotFoundError:
        found = "none"
    _require(
        found == ETCD3_VERSION,
        f"etcdmeta needs etcd3 {ETCD3_VERSION}, found {found}; pip install etcd3=={ETCD3_VERSION}",
    )
    backend = api_implementation.Type()
    _require(
        backend == "upb",
        f"etcdmeta needs protobuf's C backend 'upb', this process runs {backend!r}; "
        "unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION, or install protobuf from a wheel",
    )
    _require(
        "etcd3" not in sys.modules,
        "etcd3 was imported before etcdmeta, with other message classes; import etcdmeta first",
    )
    spec = util.find_spec("etcd3")
    _require(spec is not None and spec.origin is not None, "etcd3 is installed without its modules; reinstall it")
    assert spec is not None  # for mypy: checked above
    assert spec.origin is not None
    pool = descriptor_pool.DescriptorPool()
    for name, schema in _descriptors(Path(spec.origin).parent / "etcdrpc"):
        _complete(schema)
        sys.modules[f"etcd3.etcdrpc.{name}"] = _generated(name, schema, pool)

    import etcd3.etcdrpc as rpc  # noqa: PLC0415  (only now can it be imported)

    return rpc


rpc: Any = _import_etcd3()
"""etcd3's ``etcdrpc`` package: messages as ``rpc.RangeRequest``, stubs as ``rpc.KVStub``."""

kv: Any = sys.modules["etcd3.etcdrpc.kv_pb2"]
"""The messages of ``mvccpb``: ``kv.KeyValue``, ``kv.Event``."""
