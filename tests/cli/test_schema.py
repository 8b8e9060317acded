"""The published schemas are those of the models."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from etcdmeta.cli.schema import document_schema, documents, json_schema, kinds

SCHEMAS = Path(__file__).parents[2] / "schemas" / "json"


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_current_and_sound(kind: str) -> None:
    published = json.loads((SCHEMAS / f"{kind}.json").read_text())
    assert published == json_schema(kind, kinds()[kind]), "run scripts/gen-json-schema"
    jsonschema.Draft202012Validator.check_schema(published)


@pytest.mark.parametrize("kind", sorted(documents()))
def test_documents_too(kind: str) -> None:
    published = json.loads((SCHEMAS / f"{kind}.json").read_text())
    assert published == document_schema(kind, documents()[kind]), "run scripts/gen-json-schema"
    jsonschema.Draft202012Validator.check_schema(published)


def test_no_schema_without_its_kind() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(kinds()) | set(documents())
