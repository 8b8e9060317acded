"""The shape of every output, as pydantic models: ``schemas/json/`` is made from them by ``scripts/gen-json-schema``.

Ids are decimal strings, times RFC 3339, durations Go text beside integer nanoseconds, keys camelCase. A field, once
here, stays; new ones may be added.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from etcdmeta.cli.output import API_VERSION
from etcdmeta.model.durations import Duration
from etcdmeta.model.times import format_time

# The modules whose `KINDS` name the models of their outputs' items.
MODULES = (
    "etcdmeta.cli.items",
    "etcdmeta.cli.shard_items",
    "etcdmeta.cli.screens",
    "etcdmeta.cli.shard_explain",
    "etcdmeta.cli.shard_map",
    "etcdmeta.cli.shard_timeline",
    "etcdmeta.cli.plan_items",
    "etcdmeta.cli.import_items",
    "etcdmeta.cli.archive_items",
)

Id = Annotated[int, PlainSerializer(str, return_type=str), WithJsonSchema({"type": "string", "pattern": "^[0-9]+$"})]
Time = Annotated[
    int,
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
GoDuration = Annotated[
    Duration,
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "description": "Go's text of a duration; 0s means for ever"}),
]


class Item(BaseModel):
    """One item of an output."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, arbitrary_types_allowed=True
    )

    def plain(self) -> dict[str, Any]:
        """The item as its JSON says it."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """The keys of its JSON, in order."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())


def kinds() -> dict[str, type[BaseModel]]:
    """Every kind of envelope and the model of its items."""
    found: dict[str, type[BaseModel]] = {}
    for module in MODULES:
        found |= import_module(module).KINDS
    return found


def documents() -> dict[str, type[BaseModel]]:
    """What is written without an envelope: a whole document, by its kind."""
    found: dict[str, type[BaseModel]] = import_module("etcdmeta.cli.archive_items").DOCUMENTS
    return found


def document_schema(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of document."""
    schema = model.model_json_schema(by_alias=True, mode="serialization", ref_template="#/$defs/{model}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": kind}


def json_schema(kind: str, item: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind's envelope."""
    schema = item.model_json_schema(by_alias=True, mode="serialization", ref_template="#/$defs/{model}")
    definitions = schema.pop("$defs", {})
    name = schema.get("title", "Item")
    whole_number = {"type": ["integer", "null"], "minimum": 0}
    properties: dict[str, Any] = {
        "apiVersion": {"const": API_VERSION},
        "kind": {"const": kind},
        "clusterId": {"type": ["string", "null"], "pattern": "^[0-9]+$"},
        "generation": whole_number,
        "revision": whole_number,
        "asOf": {"type": ["string", "null"], "format": "date-time"},
        "ageSeconds": {"type": ["number", "null"], "minimum": 0},
        "summary": {"type": "object"},
        "items": {"type": "array", "items": {"$ref": f"#/$defs/{name}"}},
        "warnings": {"type": "array", "items": {"type": "string"}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        "$defs": {**definitions, name: schema},
    }


def write(directory: Path) -> None:
    """One file for each kind, as ``scripts/gen-json-schema`` wants them."""
    schemas = {kind: json_schema(kind, item) for kind, item in kinds().items()}
    schemas |= {kind: document_schema(kind, model) for kind, model in documents().items()}
    for kind, schema in schemas.items():
        text = json.dumps(schema, indent=2, sort_keys=True) + "\n"
        (directory / f"{kind}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
