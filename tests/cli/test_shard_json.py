"""The JSON that is made by hand says what the models say; the other stable formats are made from it."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import Any

import jsonschema
import pytest

from etcdmeta.cli.output import Output, envelope
from etcdmeta.cli.schema import json_schema
from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_items import KINDS, ShardStatusItem, status_json
from etcdmeta.cli.shard_listing import detail, listing
from etcdmeta.cli.shard_view import StatusView, status_view
from etcdmeta.model.moves import move_state
from tests.cli.conftest import validate
from tests.cli.pictures import NOW, PICTURE, contract_scene
from tests.cli.plan_scenes import scene_of_all


def view(**wanted: Any) -> StatusView:
    return status_view(contract_scene().snapshot(), PICTURE, ShardFilter(**wanted), now=NOW)


def written(kind: str, **wanted: Any) -> str:
    stream = io.StringIO()
    output = Output(stream, format=kind, colour=False, ascii_only=False, quiet=False, note=print)
    shown = view(**wanted)
    output.listing(listing(shown), shown.picture)
    return stream.getvalue()


def test_json_is_as_the_schema_says() -> None:
    document = json.loads(written("json"))
    validate(document)
    assert document["clusterId"] == "5577006791947779410"
    assert document["generation"] == 1284
    assert document["summary"] == {
        "verdict": "unavailable",
        "shards": 12,
        "byHealth": {"ok": 10, "surplus": 0, "orphan": 0, "degraded": 1, "unknown": 0, "unavailable": 1},
        "deleted": 0,
        "copying": 1,
        "copyFraction": 0.43,
        "copyBytesPerSecond": 12582912,
        "copySecondsLeft": 237.5,
        "nodes": 4,
        "nodesDown": ["3"],
        "livenessNotReported": [],
        "wrong": [
            {"kind": "down", "shards": 1, "nodes": [{"nodeId": "3", "owners": 1}], "reasons": []},
            {
                "kind": "failed",
                "shards": 1,
                "nodes": [{"nodeId": "4", "owners": 1}],
                "reasons": [{"reason": "disk full", "owners": 1}],
            },
            {"kind": "copying", "shards": 1, "nodes": [{"nodeId": "2", "owners": 1}], "reasons": []},
        ],
        "where": [{"database": "logs", "shards": 1}, {"database": "metrics", "shards": 1}],
        "moving": {"plans": [], "copies": [{"nodeId": "2", "copies": 1, "sources": [{"nodeId": "1", "copies": 1}]}]},
    }


def test_the_summary_says_how_far_plans_are() -> None:
    picture = scene_of_all().snapshot()
    shown = status_view(picture, PICTURE, ShardFilter(), now=NOW)
    document = envelope("ShardStatusList", [], PICTURE, listing(shown).summary, ())
    validate(document)
    counts = Counter(move_state(picture, move) for move in picture.plan_moves(3))
    (plan,) = document["summary"]["moving"]["plans"]
    assert plan == {
        "id": "3",
        "kind": "rebalance",
        "state": "running",
        "moves": 11,
        "moveStates": {str(state): number for state, number in counts.items()},
    }
    assert sum(plan["moveStates"].values()) == 11
    some = status_view(picture, PICTURE, ShardFilter(shards=(2,)), now=NOW)
    assert listing(some).summary["moving"] == {
        "plans": None,
        "copies": [{"nodeId": "4", "copies": 1, "sources": [{"nodeId": "2", "copies": 1}]}],
    }


def test_the_model_reads_what_is_made_by_hand() -> None:
    """Every key of the model is there, in its order, and no other."""
    for status in view().statuses:
        made = status_json(status)
        assert tuple(made) == ShardStatusItem.fields()
        jsonschema.validate([made], {"type": "array", "items": {"$ref": "#/$defs/ShardStatusItem"}} | _definitions())


def _definitions() -> dict[str, Any]:
    return {"$defs": json_schema("ShardStatusList", KINDS["ShardStatusList"])["$defs"]}


def test_a_copy() -> None:
    (item,) = json.loads(written("json", shards=(18,)))["items"]
    assert (item["health"], item["reason"], item["heat"]) == ("degraded", "n2 copies from n1", "hot")
    assert item["owners"][1] == {
        "nodeId": "2",
        "status": "copying",
        "node": "live",
        "serves": False,
        "source": "1",
        "attempt": 2,
        "since": "2026-11-25T11:55:00Z",
        "reason": "",
        "progress": {
            "bytesDone": 2254438400,
            "bytesTotal": 5242880000,
            "bytesPerSecond": 12582912,
            "fraction": 0.43,
            "secondsLeft": 237.5,
            "updated": "2026-11-25T11:59:58Z",
        },
    }


def test_change_lines_are_as_the_schema_says() -> None:
    item = {
        "action": "changed", "generation": 1, "revision": 2, "verdict": "ok", "shard": status_json(view().statuses[0]),
    }  # fmt: skip
    validate(envelope("ShardStatusChangeList", [item], PICTURE, {}, ()))


def test_csv_has_owners_as_words() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv"))))
    assert rows[0]["owners"] == "n4:failed,n3:active:down"
    assert rows[1]["owners"] == "n1:active,n2:copying:43%"
    assert len(rows) == 12


@pytest.mark.parametrize("kind", ["tsv", "yaml", "jsonl"])
def test_the_others(kind: str) -> None:
    assert "n4: failed (disk full)" in written(kind)


def test_names_are_ids_worst_first() -> None:
    assert written("name").split()[:3] == ["21", "18", "50"]


def test_detail_tells_all_of_a_copy() -> None:
    shown = view(shards=(18,))
    nodes = {node.id: node for node in contract_scene().snapshot().nodes()}
    text = detail(shown.statuses[0], nodes)
    assert "n2 h2:8088  copying, 43 % of 4.9 GiB, 12 MiB/s, 4 min left, from n1, attempt 2" in text
    assert "degraded (n2 copies from n1)" in text
