"""`scripts/bench` runs to its end, and its table and JSON have every row: on a hundred groups, so without meaning."""

from __future__ import annotations

import json

import jsonschema

from tests.benchmarks.measure import Scale
from tests.benchmarks.report import as_json, as_markdown
from tests.benchmarks.run import measure

TINY = Scale(groups=100, rounds=1, operations=4)
ROWS = {row: (1 if row in {3, 4, 7, 8, 9} else 2) for row in range(1, 11)} | {11: 2, 13: 1, 14: 7, 15: 2}
"""Number of the goal's row → how many numbers with a goal it has."""

_SPREAD = {
    "type": "object",
    "required": ["median", "low", "high"],
    "additionalProperties": {"type": "number"},
}
_RESULT = {
    "type": "object",
    "required": ["row", "what", "setting", "measured", "unit", "reach", "at_least", "reached"],
    "properties": {
        "row": {"type": "integer"},
        "measured": _SPREAD,
        "unit": {"enum": ["", "×", "µs", "ms", "B", "KiB"]},
        "reach": {"type": ["number", "null"]},
        "reached": {"type": ["boolean", "null"]},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["machine", "scale", "results"],
    "properties": {
        "machine": {"type": "object", "required": ["cores", "cpu", "python", "etcd", "grpcio", "protobuf"]},
        "results": {"type": "array", "items": _RESULT},
    },
}


def test_every_row_is_measured_and_reported() -> None:
    results = list(measure(TINY))
    goals = [result.row for result in results if result.reach is not None]
    # The first two have a row for one member and one for three; the fifth, the sixth and the tenth have two goals each,
    # planning has seven cases, and applying one for one member and one for three.
    # The others of agents are reported without one.
    assert {row: goals.count(row) for row in ROWS} == ROWS
    jsonschema.validate(json.loads(json.dumps(as_json(results, TINY))), SCHEMA)
    table = as_markdown(results, TINY)
    assert all(f"| {result.what} | {result.setting} |" in table for result in results)
