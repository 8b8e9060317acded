"""`check`: what monitoring systems read is one line, whatever happens."""

from __future__ import annotations

import math
import re

import pytest

from etcdmeta.cli import check
from etcdmeta.cli.health_facts import Findings
from etcdmeta.cli.health_verdict import CacheFacts, MemberFacts, NodeFacts
from etcdmeta.embedded import Cluster
from etcdmeta.errors import EtcdMetaError, PermissionDenied, Unavailable
from etcdmeta.model.health import Health
from etcdmeta.replica.states import FollowerState
from tests.cli.conftest import Cli, Ran

# The agreed form: 'label'=value[unit];[warn];[crit];[min];[max], parted by spaces.
VALUE = r"[a-z_]+=(U|-?[0-9.]+(s|B|c)?)(;[0-9.:~@]*){0,4}"
LINE = re.compile(rf"ETCDMETA (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+( \| {VALUE}( {VALUE})*)?\n")


def parsed(ran: Ran) -> tuple[str, dict[str, str]]:
    """Status word, and value by label. Fails where the line is not a plugin's, or not alone."""
    assert LINE.fullmatch(ran.out), ran.out
    word = ran.out.split()[1]
    assert check.WORDS[ran.code] == word
    _, _, values = ran.out.partition(" | ")
    return word, dict(value.split(";")[0].split("=") for value in values.split())


def findings(verdict: Health, reasons: list[str] | None = None, warnings: list[str] | None = None) -> Findings:
    return Findings(
        members=[
            MemberFacts("a:1", version="3.6.14", leader=1, db_size=5000, is_leader=True),
            MemberFacts("b:1", problem=Unavailable("away")),
        ],
        cache=CacheFacts(FollowerState.LIVE, 0.1234, 12, 34, "a:1", 7, None, 1),
        nodes=[NodeFacts(1, True), NodeFacts(2, False), NodeFacts(3, None), NodeFacts(4, True, flapping=True)],
        verdict=verdict,
        reasons=reasons or [],
        warnings=warnings or [],
    )


@pytest.mark.parametrize(
    ("verdict", "warnings", "code"),
    [
        (Health.OK, [], 0),
        (Health.OK, ["an old release"], 1),
        (Health.DEGRADED, [], 1),
        (Health.UNAVAILABLE, ["an old release"], 2),
        (Health.UNKNOWN, ["an old release"], 3),
    ],
)
def test_codes(verdict: Health, warnings: list[str], code: int) -> None:
    assert check.code_of(findings(verdict, warnings=warnings)) == code


def test_text() -> None:
    assert check.text_of(findings(Health.DEGRADED, ["worst", "next"], ["old"])) == "worst; next; old"
    assert check.text_of(findings(Health.OK)) == (
        "1 of 2 members answer, a:1 leads, cache live, 0.1 s behind, 2 of 3 nodes live"
    )


def test_values() -> None:
    assert check.performance(findings(Health.OK), quota=10_000) == [
        "members=1;2:;;0;2",
        "db_size=5000B;8000;;0;10000",
        "age=0.123s;;30;0",
        "generation=12c",
        "revision=34c",
        "quarantined=1;0;;0",
        "nodes=4;;;0",
        "nodes_live=2;;;0",
        "nodes_down=1;0;;0",
        "nodes_flapping=1;0;;0",
    ]


def test_an_age_that_nobody_knows() -> None:
    found = findings(Health.UNKNOWN)
    cache = CacheFacts(FollowerState.COLD, math.inf, 0, 0, None, None, None)
    found = Findings(found.members, cache, (), Health.UNKNOWN, [], [])
    assert "age=U;;30;0" in check.performance(found, quota=1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("two\nlines | and a bar", remedy="\x1b[2J"), 2),
        (PermissionDenied("no"), 3),
        (RuntimeError("a defect"), 3),
        (Unavailable("x" * 10_000), 2),
    ],
    ids=["unavailable", "denied", "defect", "long"],
)
def test_whatever_fails_is_a_line(error: Exception, code: int, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(check, "ask", fail)
    ran = cli("check")
    parsed(ran)
    assert ran.code == code
    assert "\x1b" not in ran.out
    assert len(ran.out) < 2200
    if isinstance(error, EtcdMetaError):
        assert ran.err == ""


@pytest.mark.parametrize(
    "arguments",
    [("--bogus",), ("--quota", "much"), ("extra",), ("--config", "/nonexistent"), ("--timeout", "soon"), ("--quota",)],
    ids=" ".join,
)
def test_a_wrong_command_line_is_unknown_not_critical(arguments: tuple[str, ...], cli: Cli) -> None:
    ran = cli("check", *arguments)
    assert parsed(ran)[0] == "UNKNOWN"
    assert ran.code == 3


def test_on_three_members(prod: Cli) -> None:
    ran = prod("check", "--any-version", "-o", "json")
    assert parsed(ran)[0] == "WARNING"
    assert "there is no cluster" in ran.out
    assert prod("cluster", "init").code == 0
    ran = prod("check", "--any-version", "-o", "json")
    word, values = parsed(ran)
    assert (word, values["members"], values["quarantined"]) == ("OK", "3", "0")
    assert int(values["db_size"].removesuffix("B")) > 0
    assert values["generation"] == "1c"
    assert " leads, cache live, " in ran.out


def test_the_release_and_the_quota_are_warned_of(prod: Cli) -> None:
    assert prod("cluster", "init").code == 0
    ran = prod("check")
    assert parsed(ran)[0] == "WARNING"
    assert "can lose consistency" in ran.out  # the tests run on 3.5.1
    ran = prod("check", "--any-version", "--quota", "1")
    assert parsed(ran)[0] == "WARNING"
    assert "writes end at 0" in ran.out


def test_members_away(prod: Cli, cli: Cli, etcd_cluster: Cluster) -> None:
    assert prod("cluster", "init").code == 0
    endpoints = ",".join([*etcd_cluster.endpoints, "127.0.0.1:1"])
    word, values = parsed(prod("check", "--any-version", "--endpoints", endpoints))
    assert (word, values["members"]) == ("WARNING", "3")
    ran = cli("check", "--endpoints", "127.0.0.1:1", "--timeout", "1s")
    assert parsed(ran)[0] == "CRITICAL"
    assert "no endpoint answers" in ran.out
