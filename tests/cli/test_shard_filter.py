"""The filters of `shard status`: which shards, and what is an error."""

from __future__ import annotations

import pytest

from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_view import status_view
from etcdmeta.errors import (
    DatabaseNotFound,
    EtcdMetaError,
    GroupNotFound,
    InvalidInput,
    NodeNotFound,
    PolicyNotFound,
    ShardNotFound,
)
from etcdmeta.model.health import Health
from tests.cli.pictures import NOW, PICTURE, WEEK, Scene, at, contract_scene, owner

METRICS = ("metrics", "autogen")


def scene() -> Scene:
    made = contract_scene()
    made.group(60, METRICS, "2026-08-03", {70: [owner(1, "parked"), owner(2)]}, deleted_at=NOW)
    made.group(61, METRICS, "2026-08-10", {71: [owner(1)], 72: [owner(2, "parked")]}, truncated_at=at("2026-08-12"))
    return made


SNAPSHOT = scene().snapshot()
ALL = {17, 18, 21, 50, 71, 72, *range(32, 40)}


def shards(**wanted: object) -> set[int]:
    view = status_view(SNAPSHOT, PICTURE, ShardFilter(**wanted), now=NOW)  # type: ignore[arg-type]
    return {status.shard_id for status in view.statuses}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ALL),
        ({"deleted": True}, ALL | {70}),
        ({"databases": ("logs",)}, {21}),
        ({"databases": ("logs", "metrics")}, ALL),
        ({"policies": (("", "week"),)}, {21}),
        ({"policies": (("metrics", "autogen"),)}, ALL - {21}),
        ({"policies": (("", "week"), ("", "autogen"))}, ALL),
        ({"databases": ("logs",), "policies": (("metrics", "autogen"),)}, set()),
        ({"groups": (61,)}, {71, 72}),
        ({"groups": (60,)}, {70}),
        ({"shards": (71, 18)}, {71, 18}),
        ({"shards": (70,)}, {70}),
        ({"groups": (61,), "shards": (71,)}, {71}),
        ({"groups": (61,), "shards": (18,)}, set()),
        ({"shards": (18,), "databases": ("logs",)}, set()),
        ({"nodes": ("3",)}, {21}),
        ({"nodes": ("h3:8088", "n4")}, {21, 50}),
        ({"states": ("copying",)}, {18}),
        ({"states": ("failed", "leaving")}, {21, 50}),
        ({"states": ("parked",)}, {72}),
        ({"states": ("down",)}, {21}),
        ({"healths": (Health.UNAVAILABLE,)}, {21, 72}),
        ({"healths": (Health.DEGRADED, Health.UNAVAILABLE)}, {18, 21, 71, 72}),
        ({"copying": True}, {18}),
        ({"at": (at("2026-11-24"),)}, {18}),
        ({"at": (at("2026-11-24"), at("2026-11-17"))}, {18, 17}),
        ({"at": (at("2026-08-11"),)}, {71, 72}),
        ({"at": (at("2026-08-13"),)}, set()),
        ({"since": at("2026-11-23")}, {18, 50}),
        ({"since": at("2026-11-23") - 1}, {17, 18, 50}),
        ({"until": at("2026-08-10")}, {71, 72}),
        ({"since": at("2026-11-23"), "until": at("2026-11-30") - 1}, {18}),
        ({"databases": ("metrics",), "nodes": ("2",), "since": NOW - 2 * WEEK}, {17, 18, 32}),
    ],
    ids=str,
)
def test_selects(wanted: dict[str, object], found: set[int]) -> None:
    assert shards(**wanted) == found


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"databases": ("nope",)}, DatabaseNotFound),
        ({"databases": ("metrics", "nope")}, DatabaseNotFound),
        ({"policies": (("", "nope"),)}, PolicyNotFound),
        ({"policies": (("nope", "autogen"),)}, DatabaseNotFound),
        ({"databases": ("logs",), "policies": (("", "autogen"),)}, PolicyNotFound),
        ({"groups": (999,)}, GroupNotFound),
        ({"shards": (18, 999)}, ShardNotFound),
        ({"nodes": ("9",)}, NodeNotFound),
        ({"nodes": ("h9:8088",)}, NodeNotFound),
        ({"states": ("activ",)}, InvalidInput),
    ],
    ids=str,
)
def test_what_is_not_there_is_an_error(wanted: dict[str, object], error: type[EtcdMetaError]) -> None:
    with pytest.raises(error):
        shards(**wanted)


def test_the_verdict_is_of_what_is_selected() -> None:
    view = status_view(SNAPSHOT, PICTURE, ShardFilter(shards=(17,)), now=NOW)
    assert view.summary.verdict is Health.OK
    assert view.filtered


def test_what_cannot_be_read_is_a_warning() -> None:
    made = contract_scene()
    made.raw(b"state/node/000000000000000f", b"\xff\xff")
    (warning,) = status_view(made.snapshot(), PICTURE, ShardFilter(), now=NOW).warnings
    assert "state/node/000000000000000f" in warning
