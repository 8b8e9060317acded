"""`etcdmeta shard` on a real etcd: codes, outputs, waiting, watching, and what is asked before service goes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from etcdmeta.embedded import Cluster
from etcdmeta.store import MetaStore
from tests.cli.conftest import Cli
from tests.cli.processes import Process

NOW = "2026-11-23T12:00:00Z"


@pytest.fixture
def metrics(prod: Cli) -> Cli:
    """Three nodes, one group of one shard, on nodes 1 and 2, or any other two."""
    for host in ("a:8088", "b:8088", "c:8088"):
        assert prod("node", "join", "--host", host).code == 0
    assert prod("db", "create", "metrics", "--duration", "INF", "--replicas", "2").code == 0
    assert prod("group", "create", "metrics.autogen", "--at", NOW).code == 0
    return prod


@pytest.fixture
def owners(metrics: Cli) -> tuple[str, str, str]:
    """The first shard's two owners, and the node that is none."""
    (item,) = metrics("shard", "show", "1", "-o", "json").items
    owning = [owner["nodeId"] for owner in item["owners"]]
    (spare,) = {"1", "2", "3"} - set(owning)
    return owning[0], owning[1], spare


@pytest.fixture
def environ_of(etcd_cluster: Cluster, etcd_prefix: str) -> dict[str, str]:
    return {"ETCDMETA_ENDPOINTS": ",".join(etcd_cluster.endpoints), "ETCDMETA_CLUSTER": etcd_prefix}


@pytest.fixture
def store(metrics: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[MetaStore]:
    with MetaStore.open(etcd_cluster.endpoints, cluster=etcd_prefix) as opened:
        yield opened


def test_before_there_is_a_cluster(prod: Cli) -> None:
    assert prod("shard", "status").code == 3


def test_ok(metrics: Cli) -> None:
    ran = metrics("shard", "status")
    assert ran.code == 0
    assert ran.lines[0].startswith("OK         cluster ")
    assert "3 nodes · liveness not reported" in ran.lines[0]
    assert ran.lines[1] == "1 shard: 1 ok"
    assert metrics("shard", "status", "-o", "json").json["summary"]["verdict"] == "ok"


def test_verdicts_are_exit_codes(metrics: Cli, owners: tuple[str, str, str]) -> None:
    first, second, _ = owners
    ran = metrics("shard", "set-status", "1", first, "failed", "--reason", "disk full", "--yes")
    assert ran.code == 0
    assert "(generation " in ran.out
    ran = metrics("shard", "status")
    assert (ran.code, ran.lines[0].split()[0], ran.lines[-1]) == (10, "DEGRADED", "Next: etcdmeta shard explain 1")
    assert f"n{first}: failed (disk full)" in ran.out
    assert metrics("shard", "set-status", "1", second, "failed", "--yes").code == 4  # the last one wants --force
    forced = ("--force", "--reason", "gone", "--yes")
    assert metrics("shard", "set-status", "1", second, "failed", *forced).code == 0
    assert metrics("shard", "status").code == 11
    assert metrics("shard", "status", "-o", "json").code == 11
    assert metrics("shard", "status", "--max-age", "1ns").code == 12


def test_an_owner_comes_and_another_goes(metrics: Cli, owners: tuple[str, str, str]) -> None:
    first, _, spare = owners
    begun = metrics("shard", "set-status", "1", f"n{spare}", "copying", "--source", first, "-o", "json")
    assert begun.code == 0
    assert begun.items[0]["owners"][-1]["source"] == first
    copying = metrics("shard", "status", "--copying")
    assert copying.code == 0
    assert f"n{spare} copies from n{first}" in copying.out
    assert "Next: etcdmeta shard status --copying --watch" in copying.out
    assert metrics("shard", "set-status", "1", spare, "active").code == 0
    assert "surplus" in metrics("shard", "status").out
    assert metrics("shard", "status").code == 10
    assert metrics("shard", "set-status", "1", first, "leaving").code == 0
    ran = metrics("shard", "status")
    assert (ran.code, f"n{first} is leaving" in ran.out) == (0, True)


def test_what_takes_service_away_asks(metrics: Cli, owners: tuple[str, str, str]) -> None:
    first, _, _ = owners
    arguments = ("shard", "set-status", "1", first, "failed", "--reason", "disk full")
    ran = metrics(*arguments)
    assert ran.code == 2
    assert "will not serve shard 1 any more; 1 owner will" in ran.err
    assert metrics(*arguments, stdin="n\n", terminal=True).code == 130
    assert metrics("shard", "status").code == 0
    assert metrics(*arguments, stdin="y\n", terminal=True).code == 0
    again = metrics(*arguments)
    assert (again.code, "nothing changed" in again.out) == (0, True)


def test_dry_run_changes_nothing(metrics: Cli, owners: tuple[str, str, str]) -> None:
    before = metrics("cluster", "revision").out
    ran = metrics("shard", "set-status", "1", owners[0], "failed", "--reason", "x", "--dry-run", "-o", "json")
    assert (ran.code, ran.json["kind"], ran.items[0]["command"]) == (0, "PlanList", "set owner status")
    assert metrics("cluster", "revision").out == before


WRONG = [
    (("status", "--db", "nope"), 3),
    (("status", "--rp", "metrics.nope"), 3),
    (("status", "--group", "9"), 3),
    (("status", "9"), 3),
    (("status", "--shard", "x"), 2),
    (("status", "--node", "d:8088"), 3),
    (("status", "--state", "activ"), 2),
    (("status", "--health", "fine"), 2),
    (("status", "--at", "yesterday"), 2),
    (("status", "--watch", "-o", "csv"), 2),
    (("show", "9"), 3),
    (("show",), 2),
    (("wait", "9"), 3),
    (("set-status", "9", "1", "failed"), 3),
    (("set-status", "1", "9", "failed"), 3),
    (("set-status", "1", "1", "asleep"), 2),
    (("set-status", "1", "1", "copying"), 2),
]


def test_what_is_wrong(metrics: Cli) -> None:
    for arguments, code in WRONG:
        ran = metrics("shard", *arguments)
        assert (ran.code, ran.out) == (code, ""), arguments


FORMATS = ["table", "wide", "json", "jsonl", "yaml", "csv", "tsv", "name"]


def test_every_format(metrics: Cli) -> None:
    for kind in FORMATS:
        for verb in (("status",), ("show", "1")):
            ran = metrics("shard", *verb, "-o", kind)
            assert (ran.code, bool(ran.out)) == (0, True), (verb, kind)


def test_quiet_is_the_table_alone(metrics: Cli) -> None:
    ran = metrics("shard", "status", "-q")
    assert ran.lines[0].split()[:2] == ["SHARD", "DB.POLICY"]
    assert len(ran.lines) == 2


def test_wait(metrics: Cli, owners: tuple[str, str, str], store: MetaStore) -> None:
    first, _, spare = (int(node) for node in owners)
    assert metrics("shard", "wait", "1").out == "shard 1 is ok\n"
    store.begin_copy(1, first, spare)
    late = metrics("shard", "wait", "1", "--for", "active", "--timeout", "2s")
    assert late.code == 124
    assert f"n{spare} copies from n{first}" in late.err
    attempt = store.snapshot().shard(1).last_attempt
    waiting = threading.Thread(target=lambda: store.finish_copy(1, spare, attempt))
    waiting.start()
    ran = metrics("shard", "wait", "1", "--for", "active", "--timeout", "30s")
    waiting.join()
    assert ran.code == 0
    assert ran.out.startswith("shard 1 is active on n")


def test_wait_for_what_was_deleted(metrics: Cli) -> None:
    assert metrics("group", "delete", "1", "--yes").code == 0
    assert metrics("shard", "wait", "1").code == 3


def test_watching_as_lines(environ_of: dict[str, str], owners: tuple[str, str, str], store: MetaStore) -> None:
    first, _, spare = (int(node) for node in owners)
    with Process("shard", "status", "--watch", "-o", "jsonl", env=environ_of) as watching:
        watching.read_until("present.*\n")
        store.create_user("somebody", "secret")  # no news of shards
        store.begin_copy(1, first, spare)
        watching.read_until("changed.*\n")
        store.drop_database("metrics")
        watching.read_until("disappeared.*\n")
        assert watching.end() == 130
        lines = [json.loads(line) for line in watching.out.splitlines()]
    assert [line["action"] for line in lines] == ["present", "changed", "disappeared"]
    assert lines[1]["shard"]["owners"][-1]["status"] == "copying"
    assert lines[0]["generation"] + 2 == lines[1]["generation"]


def test_watching_on_a_terminal(environ_of: dict[str, str], owners: tuple[str, str, str], store: MetaStore) -> None:
    first, _, spare = (int(node) for node in owners)
    with Process("shard", "status", "--watch", env=environ_of, terminal=(120, 30)) as watching:
        watching.read_until(r"\x1b\[\?1049h.*OK.*\x1b\[\?2026l")
        begun = len(watching.out)
        store.begin_copy(1, first, spare)
        watching.read_until(f"n{spare} copies from n{first}", since=begun)
        code = watching.end()
        assert "\x1b[2J" not in watching.out  # no flicker: drawn over, not cleared
        left = watching.out.index("\x1b[?25h\x1b[?1049l")
    assert code == 130
    assert f"n{spare} copies from n{first}" in watching.out[left:]  # the last picture stays


def test_watching_ends_with_its_timeout(environ_of: dict[str, str], metrics: Cli) -> None:
    with Process("shard", "status", "--watch", "--timeout", "1500ms", env=environ_of) as watching:
        assert watching.end(signal_number=None) == 0
        assert watching.out.startswith("OK ")


def test_a_long_list_goes_through_the_pager(environ_of: dict[str, str], metrics: Cli) -> None:
    pager = {"PAGER": "sed 's/^/paged: /'"}
    with Process("shard", "status", env={**environ_of, **pager}, terminal=(120, 4)) as paged:
        assert paged.end(signal_number=None) == 0
        assert "paged: OK" in paged.out.replace("\x1b[32m", "")
    with Process("shard", "status", env={**environ_of, **pager}, terminal=(120, 50)) as short:
        assert short.end(signal_number=None) == 0
        assert "paged" not in short.out
        assert "● active" in short.out


def test_colour_is_given_up_for_no_color(environ_of: dict[str, str], metrics: Cli) -> None:
    with Process("shard", "status", env={**environ_of, "NO_COLOR": "1"}, terminal=(120, 50)) as plain:
        assert plain.end(signal_number=None) == 0
    assert "\x1b[" not in plain.out
    with Process("shard", "status", "--ascii", env=environ_of, terminal=(120, 50)) as ascii_only:
        assert ascii_only.end(signal_number=None) == 0
    assert ascii_only.out.isascii()


@pytest.mark.parametrize(
    ("env", "marks"),
    [
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "", "LC_ALL": "C"}, False),
        ({"LANG": ""}, False),
        ({"LANG": "", "PYTHONUTF8": "1"}, True),
    ],
)
def test_a_terminal_is_sent_what_its_locale_can_show(
    env: dict[str, str], marks: bool, environ_of: dict[str, str], owners: tuple[str, str, str]
) -> None:
    with Process("shard", "status", env={**environ_of, **env}, terminal=(120, 30)) as shown:
        assert shown.end(None) == 0
    assert ("●" in shown.out) is marks
    assert shown.out.isascii() is not marks
