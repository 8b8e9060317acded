"""The rule for changing the schema: a field that was ever stored keeps its number, its type and its name.

``schema-v1.json`` is what may be in a cluster's etcd. A new field is written into it, by hand or with

    python -m tests.records.test_schema

in the change that adds it; nothing is ever taken out of it, or changed.
"""

from __future__ import annotations

import json
from pathlib import Path

from google.protobuf import descriptor_pb2

from etcdmeta.records.pb import records_pb2 as pb

BASELINE = Path(__file__).with_name("schema-v1.json")
Schema = dict[str, dict[str, str]]
"""Message → number → how the field is stored, and its name: ``optional int64 deleted_at``."""

FIELD = descriptor_pb2.FieldDescriptorProto


def present() -> Schema:
    schema = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(schema)
    assert not schema.enum_type, "words, not numbers: a value of a later version is kept and can be shown"
    return dict(described(message) for message in sorted(schema.message_type, key=lambda m: m.name))


def described(message: descriptor_pb2.DescriptorProto) -> tuple[str, dict[str, str]]:
    assert not message.oneof_decl or all(f.proto3_optional for f in message.field if f.HasField("oneof_index"))
    return message.name, {str(f.number): described_field(f) for f in sorted(message.field, key=lambda f: f.number)}


def described_field(field: descriptor_pb2.FieldDescriptorProto) -> str:
    kind = field.type_name.lstrip(".") or FIELD.Type.Name(field.type).removeprefix("TYPE_").lower()
    label = "optional " if field.proto3_optional else "repeated " if field.label == FIELD.LABEL_REPEATED else ""
    return f"{label}{kind} {field.name}"


def broken(baseline: Schema, schema: Schema) -> list[str]:
    """What of the baseline is not as it was."""
    return [
        f"{message} {number}: was {field!r}, is {schema.get(message, {}).get(number, 'not there')!r}"
        for message, fields in baseline.items()
        for number, field in fields.items()
        if schema.get(message, {}).get(number) != field
    ]


def test_no_field_was_removed_renumbered_or_retyped() -> None:
    assert broken(json.loads(BASELINE.read_text()), present()) == []


def test_new_fields_are_in_the_baseline() -> None:
    news = broken(present(), json.loads(BASELINE.read_text()))
    assert news == [], "a new field is stored for ever: write it into schema-v1.json on purpose"


def test_each_way_to_break_the_rule_is_seen() -> None:
    baseline = present()
    renumbered, retyped, renamed, removed = (json.loads(json.dumps(baseline)) for _ in range(4))
    renumbered["ShardGroup"]["66"] = renumbered["ShardGroup"].pop("6")
    retyped["ShardGroup"]["4"] = "int64 deleted_at"
    renamed["ShardOwner"]["2"] = "string state"
    del removed["Grant"]
    for schema in (renumbered, retyped, renamed, removed):
        assert len(broken(baseline, schema)) == 1
    added = {**baseline, "ShardOwner": {**baseline["ShardOwner"], "7": "bytes digest"}}
    assert broken(baseline, added) == []
    assert broken(added, baseline) == ["ShardOwner 7: was 'bytes digest', is 'not there'"]


if __name__ == "__main__":
    lost = broken(json.loads(BASELINE.read_text()), present()) if BASELINE.exists() else []
    if lost:
        raise SystemExit("\n".join(["this breaks what is stored:", *lost]))
    BASELINE.write_text(json.dumps(present(), indent=2) + "\n")
