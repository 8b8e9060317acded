"""`node list` and `node show`: what they make of liveness."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest

from etcdmeta.cli.node import detail, listing
from etcdmeta.cli.output import Output
from etcdmeta.model.entities import NEVER_PROVEN, Liveness, Node
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from tests.cli.conftest import Cli, validate
from tests.cli.pictures import DAY, PICTURE, Scene, at, owner

SINCE = at("2026-11-25T11:00:00Z")
MINUTE = 60 * 10**9
COLUMNS = ["NODE", "STATE", "SINCE", "HOST", "LABELS", "SHARDS", "GENERATION", "LAG", "VERSION"]
WIDE = ["ADDRESS", "INSTANCE", "FLAPPING", "RECORD"]
KEYS = [
    "id", "host", "state", "labels", "live", "liveSince", "version", "owners", "condition", "joinedAt", "generation",
    "lag", "cacheAgeSeconds", "agentAddress", "instance", "flapping", "interruptions",
]  # fmt: skip


def add(scene: Scene, node_id: int, liveness: dict[str, Any] | None, **fields: Any) -> None:
    values = {"id": node_id, "host": f"h{node_id}:8088", "reports_liveness": True, **fields}
    scene.put(keys.node(node_id), Node(**values))
    if liveness is not None:
        said = {"node_id": node_id, "instance": 0xABC, "since": SINCE, "version": "0.1.0", **liveness}
        scene.put(keys.live(node_id), Liveness(**said))


def snapshot() -> Snapshot:
    now = time.time_ns()
    scene = Scene()
    generation = PICTURE.generation
    add(scene, 1, {"generation": generation, "agent_address": "h1:8188"}, labels={"zone": "a"})
    add(scene, 2, None)
    add(scene, 3, {"generation": generation - 5, "cache_age": 70 * 10**9}, state="draining")
    add(scene, 4, None, joined_at=now - 10**9)
    add(scene, 5, None, reports_liveness=False)
    recently = tuple(now - minutes * MINUTE for minutes in (12, 3, 2, 1))
    add(scene, 6, {"interruptions": recently, "cache_age": NEVER_PROVEN})
    add(scene, 7, {"generation": generation + 3}, state="removing")
    add(scene, 8, {}, state="removed")
    scene.policy("metrics", "autogen")
    scene.group(9, ("metrics", "autogen"), "2026-11-16", {17: [owner(1), owner(2)]})
    return scene.snapshot()


def shown(format: str) -> str:  # noqa: A002
    stream = io.StringIO()
    picture = snapshot()
    output = Output(stream, format=format, colour=False, ascii_only=False, quiet=True, note=pytest.fail)
    output.listing(listing(picture, picture.nodes(include_removed=True)), PICTURE)
    return stream.getvalue()


def test_the_table() -> None:
    header, *rows = [line.split() for line in shown("table").replace("live (flapping)", "live(flapping)").splitlines()]
    since = "2026-11-25T11:00:00Z"
    assert header == COLUMNS
    assert rows[0] == ["n1", "live", since, "h1:8088", "zone=a", "1", "1284", "0", "0.1.0"]
    assert rows[1] == ["n2", "down", "?", "h2:8088", "-", "1", "?", "?", "?"]
    assert rows[2] == ["n3", "draining", since, "h3:8088", "-", "0", "1279", "5", "0.1.0"]
    assert rows[3][:2] == ["n4", "joining"]
    assert rows[3][2].startswith("20")
    assert rows[4] == ["n5", "unknown", "-", "h5:8088", "-", "0", "?", "?", "?"]
    assert rows[5][:3] == ["n6", "live(flapping)", since]
    assert rows[6] == ["n7", "removing", since, "h7:8088", "-", "0", "1287", "0", "0.1.0"]
    assert rows[7] == ["n8", "removed", "-", "h8:8088", "-", "0", "?", "?", "?"]


def test_the_wide_table() -> None:
    lines = shown("wide").splitlines()
    assert lines[0].split() == [*COLUMNS, *WIDE]
    assert lines[1].split("0.1.0")[1].split() == ["h1:8188", "0000000000000abc", "no", "(0", "in", "10m)", "joined"]
    assert "yes (3 in 10m)" in lines[6]
    assert lines[8].split()[-1] == "removed"


def test_the_json() -> None:
    document = json.loads(shown("json"))
    validate(document)
    items = {item["id"]: item for item in document["items"]}
    assert all(list(item) == KEYS for item in items.values()), "names are an interface"
    assert [item["condition"] for item in items.values()] == [
        "live", "down", "draining", "joining", "unknown", "live", "removing", "removed",
    ]  # fmt: skip
    assert (items["1"]["lag"], items["1"]["cacheAgeSeconds"], items["1"]["instance"]) == (0, 0, str(0xABC))
    assert (items["2"]["generation"], items["2"]["lag"], items["2"]["flapping"]) == (None, None, None)
    assert (items["3"]["lag"], items["3"]["cacheAgeSeconds"], items["3"]["state"]) == (5, 70, "draining")
    assert (items["6"]["flapping"], items["6"]["interruptions"], items["6"]["cacheAgeSeconds"]) == (True, 3, None)
    assert [items[number]["live"] for number in ("1", "2", "5", "8")] == [True, False, None, False]
    assert items["8"]["liveSince"] is None, "what a removed node says is not heard"


def test_the_details() -> None:
    picture = snapshot()
    texts = [detail(picture, item) for item in listing(picture, picture.nodes()).items]
    assert "State:        live\n" in texts[0]
    assert "Generation:   1284, 0 behind this picture\n" in texts[0]
    assert "Shard:        17  metrics.autogen  group 9  active\n" in texts[0]
    assert "Since:   ?\n" in texts[1]
    assert "Generation" not in texts[1]
    assert "Its picture:  70 s old\n" in texts[2]
    assert "State:        live (flapping)\n" in texts[5]
    assert "Its picture:  never proven current\n" in texts[5]
    assert "Came back:    3 times in the last 10 minutes\n" in texts[5]


def many() -> Snapshot:
    """Node 1 owns 420 shards of two policies; it copies two, and has lost one."""
    scene = Scene()
    add(scene, 1, {"generation": PICTURE.generation})
    statuses = {7: "copying", 11: "failed", 400: "copying"}
    for name, first, count in (("metrics", 1, 380), ("logs", 381, 40)):
        scene.policy(name, "autogen", group_duration="1d")
        for shard in range(first, first + count):
            owned = [owner(1, statuses.get(shard, "active"), reason="disk full" if shard == 11 else ""), owner(2)]
            scene.group(shard, (name, "autogen"), at("2026-11-16") - shard * DAY, {shard: owned}, length=DAY)
    return scene.snapshot()


def test_a_node_of_many_shards_fits_a_terminal() -> None:
    picture = many()
    (item,) = listing(picture, picture.nodes()).items
    lines = detail(picture, item, 24).splitlines()
    assert len(lines) <= 22
    assert lines[-7:] == [
        "Owns:         420 shards",
        "Of:           metrics.autogen: 378 active, 1 copying, 1 failed",
        "Of:           logs.autogen: 39 active, 1 copying",
        "Shard:        11  metrics.autogen  group 11  failed (disk full)",
        "Shard:        7  metrics.autogen  group 7  copying",
        "Shard:        400  logs.autogen  group 400  copying",
        "              and 417 more; -o wide lists them, and etcdmeta shard status --node 1",
    ]
    # Everything where it fits, or is asked for.
    for height in (None, 500):
        assert detail(picture, item, height).count("\nShard:") == 420
    # However much is wrong, and however small the terminal.
    scene = Scene()
    add(scene, 1, None)
    for number in range(1, 41):
        scene.policy(f"db{number}", "autogen")
        scene.group(number, (f"db{number}", "autogen"), "2026-11-16", {number: [owner(1, "failed")]})
    (item,) = listing(scene.snapshot(), scene.snapshot().nodes()).items
    for height in (5, 24, 40):
        lines = detail(scene.snapshot(), item, height).splitlines()
        assert len(lines) <= max(height - 2, 7 + 8)
        named = sum(line.startswith("Shard:") for line in lines)
        assert named >= 3
        assert f"and {40 - named} more; " in lines[-1]
        assert any("more policies" in line for line in lines)


def test_exit_code_counts_who_is_down(prod: Cli) -> None:
    assert prod("node", "join", "--host", "a:8088").code == 0
    assert prod("node", "list", "--exit-code").code == 0
    listed = prod("node", "list", "-o", "json").items[0]
    assert list(listed) == KEYS
    assert listed["condition"] == "unknown"
