"""`node label` on a real etcd."""

from __future__ import annotations

import pytest

from etcdmeta.cli.node_label import parse_changes
from etcdmeta.errors import InvalidInput
from tests.cli.conftest import Cli


@pytest.fixture
def node(prod: Cli) -> Cli:
    assert prod("node", "join", "--host", "a:8088", "--label", "zone=a", "--label", "disk=ssd").code == 0
    return prod


def labels(cli: Cli) -> dict[str, str]:
    return dict(cli("node", "show", "1", "-o", "json").items[0]["labels"])


def test_labels_are_set_and_taken_away(node: Cli) -> None:
    ran = node("node", "label", "a:8088", "zone=b", "rack=7", "disk-")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("labelled node 1 (a:8088): zone=b rack=7 disk- (generation ")
    assert labels(node) == {"zone": "b", "rack": "7"}


def test_the_same_again_is_said(node: Cli) -> None:
    ran = node("node", "label", "n1", "zone=a", "gpu-")
    assert (ran.code, "has these labels already; nothing changed" in ran.out) == (0, True)


def test_the_record_as_json(node: Cli) -> None:
    ran = node("node", "label", "1", "zone=b", "-o", "json")
    assert (ran.json["kind"], ran.items[0]["labels"]) == ("NodeList", {"zone": "b", "disk": "ssd"})
    assert [operation["changed"] for operation in ran.json["summary"]["operations"]] == [True]


def test_a_dry_run_changes_nothing(node: Cli) -> None:
    before = node("cluster", "revision").out
    ran = node("node", "label", "1", "zone=b", "--dry-run", "-o", "json")
    assert (ran.json["kind"], ran.items[0]["command"], ran.items[0]["changed"]) == ("PlanList", "label node", True)
    assert (node("cluster", "revision").out, labels(node)["zone"]) == (before, "a")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("9", "zone=b"), 3),
        (("1",), 2),
        (("1", "zone"), 2),
        (("1", "=b"), 2),
        (("1", "-"), 2),
        (("1", "zone=b", "zone-"), 2),
        (("1", "zone=b", "zone=c"), 2),
        (("1", "zone=" + "x" * 256), 2),
    ],
)
def test_what_is_wrong(node: Cli, arguments: tuple[str, ...], code: int) -> None:
    ran = node("node", "label", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert labels(node) == {"zone": "a", "disk": "ssd"}


def test_what_a_label_change_says() -> None:
    assert parse_changes(["zone=a=b", "rack=", "gpu-", "a-b-", "x=y-"]) == (
        {"zone": "a=b", "rack": "", "x": "y-"},
        ("gpu", "a-b"),
    )
    for text in ("", "zone", "=a", "-"):
        with pytest.raises(InvalidInput):
            parse_changes([text])
