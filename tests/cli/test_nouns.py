"""The plain nouns on a real etcd: what is printed, what it exits with, and that nothing is written unasked."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.db import listing
from etcdmeta.cli.exits import PartlyDone
from etcdmeta.cli.session import Session
from etcdmeta.commands.cluster import InitCluster
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.embedded import Cluster
from etcdmeta.errors import DatabaseNotFound
from etcdmeta.model.times import parse_time
from etcdmeta.store import MetaStore
from tests.cli.conftest import Cli

NOW = "2026-11-23T12:00:00Z"


@pytest.fixture
def metrics(prod: Cli) -> Cli:
    """Two nodes, and a database with two copies."""
    for host in ("a:8088", "b:8088"):
        assert prod("node", "join", "--host", host).code == 0
    assert prod("db", "create", "metrics", "--duration", "30d", "--replicas", "2").code == 0
    return prod


def generation(cli: Cli) -> int:
    number = cli("cluster", "info", "-o", "json").json["generation"]
    assert isinstance(number, int)
    return number


def test_nothing_is_there_before_somebody_makes_it(prod: Cli) -> None:
    for arguments in (("db", "list"), ("cluster", "id"), ("node", "list")):
        ran = prod(*arguments)
        assert (ran.code, ran.out) == (3, "")
        assert "etcdmeta cluster init" in ran.err


def test_init(prod: Cli, etcd_prefix: str) -> None:
    first = prod("cluster", "init")
    again = prod("cluster", "init")
    assert (first.code, again.code) == (0, 0)
    assert "nothing changed" in again.out
    cluster = prod("cluster", "info", "-o", "json")
    assert cluster.items[0]["name"] == etcd_prefix
    assert prod("cluster", "id").out.strip() == cluster.json["clusterId"]
    assert prod("cluster", "revision").out.strip() == str(cluster.json["revision"])


def test_roles_need_no_etcd(cli: Cli) -> None:
    ran = cli("cluster", "init", "--print-roles", "--cluster", "prod", "--endpoints", "127.0.0.1:1")
    assert ran.code == 0
    assert "etcdctl role grant-permission etcdmeta-prod-reader read --prefix=true /etcdmeta/prod/state/" in ran.lines
    assert not any("secret" in line for line in ran.lines)


def test_roles_apply(cli: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> None:
    for line in cli("cluster", "init", "--print-roles", "--cluster", etcd_prefix).lines:
        if line.startswith("etcdctl"):
            etcd_cluster.etcdctl(*line.split()[1:])
    assert f"/etcdmeta/{etcd_prefix}/" in etcd_cluster.etcdctl("role", "get", f"etcdmeta-{etcd_prefix}-writer")


def test_nodes(prod: Cli) -> None:
    joined = prod("node", "join", "--host", "a:8088", "--label", "zone=x", "-o", "json")
    assert joined.code == 0
    assert joined.items[0] | {"owners": 0} == joined.items[0]
    assert (joined.items[0]["id"], joined.items[0]["labels"]) == ("1", {"zone": "x"})
    assert "already; nothing changed" in prod("node", "join", "--host", "a:8088").out
    assert prod("node", "join", "--host", "a:8088", "--label", "zone=y").code == 4
    assert prod("node", "join", "--host", "no port").code == 2
    assert prod("node", "join", "--host", "b:8088").code == 0
    assert prod("node", "list", "-o", "name").lines == ["1", "2"]
    assert [item["host"] for item in prod("node", "show", "b:8088", "n1", "-o", "json").items] == ["b:8088", "a:8088"]
    assert prod("node", "show", "c:8088").code == 3
    assert prod("node", "list", "--exit-code").code == 0, "nobody reports, so nobody is known to be down"


def test_node_remove(metrics: Cli) -> None:
    assert metrics("group", "create", "metrics", "--at", NOW).code == 0
    before = generation(metrics)
    forced = ("node", "remove", "a:8088", "--force", "--reason", "disk lost")
    assert metrics(*forced).code == 2, "nobody can be asked"
    assert metrics("node", "remove", "a:8088", "--yes", "--force").code == 2, "no reason"
    refused = metrics("node", "remove", "a:8088", "--yes")
    assert refused.code == 4
    assert generation(metrics) == before
    assert "no node is left that could take over" in refused.err
    assert metrics(*forced, "--yes").code == 0
    assert metrics("node", "list", "-o", "name").lines == ["2"]
    assert "nothing changed" in metrics("node", "remove", "1", "--yes").out
    assert [item["state"] for item in metrics("node", "list", "--all", "-o", "json").items] == ["removed", "joined"]


def test_databases(prod: Cli) -> None:
    prod("cluster", "init")
    made = prod("db", "create", "metrics", "--duration", "30d", "-o", "json")
    operation = made.json["summary"]["operations"][0]
    assert (operation["changed"], operation["generation"]) == (True, 2)
    assert made.items[0]["policies"] == ["autogen"]
    same = prod("db", "create", "metrics", "--duration", "30d")
    assert (same.code, "nothing changed" in same.out) == (0, True)
    assert prod("db", "create", "metrics", "--duration", "7d").code == 4
    assert prod("db", "list", "-o", "name").lines == ["metrics"]
    assert prod("db", "show", "nope").code == 3
    assert "keeps 30d" in prod("db", "show", "metrics").out
    assert prod("db", "list").lines[0].split() == [
        "NAME",
        "DEFAULT",
        "POLICY",
        "POLICIES",
        "GROUPS",
        "QUERIES",
        "USERS",
    ]


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 256, "a\0b", "a\nb", "\udcff", "\u200fעברית"])
def test_names_that_no_database_has(prod: Cli, name: str) -> None:
    prod("cluster", "init")
    before = generation(prod)
    assert prod("db", "create", name).code == 2
    assert generation(prod) == before


@pytest.mark.parametrize("name", ["x" * 255, "עברית", "😀", "a.b", 'quo"te', "-dash", "a b", "%2F="])
def test_names_of_any_content(prod: Cli, name: str) -> None:
    prod("cluster", "init")
    assert prod("db", "create", "--", name).code == 0
    assert [item["name"] for item in prod("db", "list", "-o", "json").items] == [name]
    path = prod("rp", "list", "-o", "name").lines[0]
    assert prod("rp", "alter", "--replicas", "2", "--", path).code == 0, "what is shown can be typed"
    assert prod("db", "drop", "--yes", "--", name).code == 0


def test_dropping_a_database_asks_and_says_what_goes(metrics: Cli) -> None:
    metrics("group", "create", "metrics", "--at", NOW)
    metrics("cq", "create", "metrics", "q", "SELECT 1")
    before = generation(metrics)
    nobody = metrics("db", "drop", "metrics")
    assert nobody.code == 2
    assert "1 policy, 1 shard group, 1 query" in nobody.err
    assert "--yes" in nobody.err
    no = metrics("db", "drop", "metrics", terminal=True, stdin="n\n")
    assert (no.code, no.out) == (130, "")
    assert "nothing was changed" in no.err
    assert generation(metrics) == before
    yes = metrics("db", "drop", "metrics", terminal=True, stdin="y\n")
    assert yes.code == 0
    assert metrics("db", "drop", "metrics", "--yes").code == 3


def test_policies(metrics: Cli) -> None:
    assert metrics("rp", "create", "metrics.week", "--duration", "7d", "--replicas", "1", "--default").code == 0
    assert (
        "nothing changed"
        in metrics("rp", "create", "metrics.week", "--duration", "7d", "--replicas", "1", "--default").out
    )
    assert metrics("rp", "create", "metrics.week", "--duration", "8d", "--replicas", "1").code == 4
    assert metrics("rp", "create", "metrics", "--duration", "8d", "--replicas", "1").code == 2
    assert metrics("rp", "create", "nope.week", "--duration", "8d", "--replicas", "1").code == 3
    assert metrics("rp", "alter", "metrics.week").code == 2
    [altered] = metrics("rp", "alter", "metrics.week", "--name", "w.2", "--duration", "2w", "-o", "json").items
    assert (altered["name"], altered["duration"], altered["durationNs"]) == ("w.2", "336h0m0s", 1_209_600_000_000_000)
    assert metrics("rp", "set-default", "metrics.autogen").code == 0
    assert metrics("rp", "list", "metrics", "-o", "name").lines == ["metrics.autogen", 'metrics."w.2"']
    assert metrics("rp", "drop", 'metrics."w.2"', "--yes").code == 0
    assert metrics("rp", "list", "-o", "csv").lines[1].startswith("1,metrics,autogen,true,720h0m0s,")
    assert metrics("rp", "list", "nope").code == 3


def test_groups(metrics: Cli) -> None:
    [made] = metrics("group", "create", "metrics.autogen", "--at", NOW, "-o", "json").items
    assert (made["start"], made["end"]) == ("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")
    assert {owner["host"] for owner in made["shards"][0]["owners"]} == {"a:8088", "b:8088"}
    assert "nothing changed" in metrics("group", "create", "metrics", "--at", "1795435200000000000").out
    assert metrics("group", "create", "metrics", "--at", "1600-01-01").code == 2
    assert metrics("group", "list", "metrics.autogen", "-o", "name").lines == [made["id"]]
    assert metrics("group", "show", made["id"]).out.startswith("Group:")
    assert metrics("group", "show", "99").code == 3
    assert metrics("group", "show", "x").code == 2
    assert metrics("group", "truncate", "metrics", "--at", NOW).code == 2, "nobody can be asked"
    assert metrics("group", "truncate", "metrics", "--at", NOW, "--yes").code == 0
    assert metrics("group", "list", "-o", "json").items[0]["truncatedAt"] == "2026-11-23T12:00:00Z"
    assert metrics("group", "truncate", "metrics", "--at", NOW, "--yes").out.count("nothing changed") == 1
    assert metrics("group", "delete", made["id"], "--yes").code == 0
    assert metrics("group", "list").lines[1:] == []
    assert metrics("group", "list", "--all", "-o", "json").items[0]["deletedAt"] is not None


def test_several_groups_are_looked_up_before_any_is_deleted(metrics: Cli) -> None:
    metrics("group", "create", "metrics", "--at", NOW)
    metrics("rp", "create", "metrics.b", "--duration", "INF", "--replicas", "1")
    metrics("group", "create", "metrics.b", "--at", NOW)
    before = generation(metrics)
    assert metrics("group", "delete", "1", "99", "--yes").code == 3, "seen before anything was done"
    assert generation(metrics) == before
    assert metrics("group", "delete", "1", "2", "--yes").out.count("marked") == 2


def test_what_was_done_before_a_failure_is_said(environ: dict[str, str]) -> None:
    session = Session(environ, io.StringIO(), io.StringIO(), io.StringIO())
    commands = [
        InitCluster(cluster_id=1, epoch=1),
        CreateDatabase(name="a"),
        DropDatabase(name="nope"),
        CreateDatabase(name="b"),
    ]
    with MetaStore.open("local://") as store:
        with pytest.raises(PartlyDone, match="2 operations") as caught:
            carry_out(session, store, commands, dry_run=False, show=lambda snap: listing(snap.databases()))
        assert isinstance(caught.value.cause, DatabaseNotFound)
        assert [view.name for view in store.snapshot().databases()] == ["a"]
    assert isinstance(session.stdout, io.StringIO)
    assert "created database 'a'" in session.stdout.getvalue()


def test_precreate(metrics: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    noon = parse_time(NOW, now=0)
    monkeypatch.setattr(time, "time_ns", lambda: noon)  # past a midnight, one group more would be wanted
    metrics("group", "create", "metrics", "--at", "now")
    ran = metrics("group", "precreate", "--ahead", "3d", "-o", "json")
    assert ran.code == 0
    assert len(ran.items) == len(ran.json["summary"]["operations"]) == 3
    assert "nothing changed" in metrics("group", "precreate", "metrics", "--ahead", "1d").out


def test_queries_and_subscriptions(metrics: Cli) -> None:
    assert metrics("cq", "create", "metrics", "q", "SELECT a\nFROM b").code == 0
    assert "nothing changed" in metrics("cq", "create", "metrics", "q", "select A\nfrom B").out
    assert metrics("cq", "create", "metrics", "q", "SELECT c").code == 4
    assert metrics("cq", "list").lines[1] == "metrics   q     SELECT a\\nFROM b"
    assert metrics("cq", "drop", "metrics", "nope", "--yes").code == 3
    assert metrics("cq", "drop", "metrics", "q", "--yes", "-o", "json").items[0]["query"] == "SELECT a\nFROM b"
    subscribe = ("sub", "create", "metrics.autogen", "s", "http://h:1", "udp://h:2")
    assert metrics(*subscribe, "--mode", "any").code == 0
    assert "nothing changed" in metrics(*subscribe, "--mode", "ANY").out
    assert metrics(*subscribe, "--mode", "ALL").code == 4
    assert metrics("sub", "create", "metrics.autogen", "t", "gopher://h:1").code == 2
    assert metrics("sub", "list", "metrics", "-o", "json").items[0]["destinations"] == ["http://h:1", "udp://h:2"]
    assert metrics("sub", "drop", "metrics.autogen", "s", "--yes").code == 0


def test_users(metrics: Cli, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("geheim\n")
    secret.chmod(0o600)
    made = metrics("user", "create", "bob", "--password-file", str(secret), "-o", "json")
    assert made.code == 0
    assert "geheim" not in made.out + made.err
    assert metrics("user", "create", "eve").code == 2, "no password"
    assert metrics("user", "verify", "bob", "--password-file", "-", stdin="geheim\n").code == 0
    assert metrics("user", "verify", "bob", env={"ETCDMETA_USER_PASSWORD": "wrong"}).code == 4
    assert metrics("user", "grant", "bob", "metrics", "READ").code == 0
    assert metrics("user", "grant", "bob", "metrics", "everything").code == 2
    assert metrics("user", "grant", "bob", "nope", "read").code == 3
    assert metrics("user", "grants", "bob", "-o", "csv").lines == ["user,database,privilege", "bob,metrics,read"]
    assert "1 user would lose rights" in metrics("db", "drop", "metrics").err
    assert metrics("user", "revoke", "bob", "metrics", "--yes").code == 0
    assert metrics("user", "grants", "-o", "csv").lines[1:] == ["bob,metrics,none"], "as InfluxDB keeps it"
    assert "would lose rights" not in metrics("db", "drop", "metrics").err
    passwd = metrics("user", "passwd", "bob", env={"ETCDMETA_USER_PASSWORD": "other"})
    assert passwd.code == 0
    assert metrics("user", "verify", "bob", env={"ETCDMETA_USER_PASSWORD": "other"}).code == 0
    assert metrics("user", "drop", "bob", "--yes").code == 0
    assert metrics("user", "drop", "bob", "--yes").code == 3


CHANGES = [
    ("cluster", "init"),
    ("node", "join", "--host", "c:8088"),
    ("node", "remove", "b:8088", "--force", "--reason", "disk lost"),
    ("db", "create", "other"),
    ("db", "drop", "metrics"),
    ("rp", "create", "metrics.b", "--duration", "7d", "--replicas", "1"),
    ("rp", "alter", "metrics.autogen", "--replicas", "1"),
    ("rp", "set-default", "metrics.autogen"),
    ("rp", "drop", "metrics.autogen"),
    ("group", "create", "metrics", "--at", "2027-01-01"),
    ("group", "delete", "1"),
    ("group", "delete", "--expired"),
    ("group", "precreate", "--ahead", "30d"),
    ("group", "truncate", "--at", NOW),
    ("cq", "create", "metrics", "r", "SELECT 1"),
    ("cq", "drop", "metrics", "q"),
    ("sub", "create", "metrics.autogen", "t", "http://h:1"),
    ("sub", "drop", "metrics.autogen", "s"),
    ("user", "create", "eve"),
    ("user", "passwd", "bob"),
    ("user", "grant", "bob", "metrics", "read"),
    ("user", "revoke", "bob", "metrics"),
    ("user", "drop", "bob"),
]


def test_dry_run_writes_nothing(metrics: Cli) -> None:
    password = {"ETCDMETA_USER_PASSWORD": "geheim"}
    metrics("group", "create", "metrics", "--at", NOW)
    metrics("cq", "create", "metrics", "q", "SELECT 1")
    metrics("sub", "create", "metrics.autogen", "s", "http://h:1")
    metrics("user", "create", "bob", env=password)
    before = generation(metrics)
    for change in CHANGES:
        ran = metrics(*change, "--dry-run", "-o", "json", env=password)
        assert ran.code == 0, (change, ran.err)
        assert ran.json["kind"] == "PlanList"
        [plan] = ran.items
        assert plan["changed"] == bool(plan["written"]), change
        text = metrics(*change, "--dry-run", env=password)
        assert "dry run: nothing was written" in text.err
        assert "geheim" not in ran.out + text.out
    assert generation(metrics) == before


def test_every_list_in_every_format(metrics: Cli) -> None:
    for noun in ("node", "db", "rp", "group", "cq", "sub", "user"):
        for form in ("table", "wide", "json", "jsonl", "yaml", "csv", "tsv", "name"):
            ran = metrics(noun, "list", "-o", form)
            assert ran.code == 0, (noun, form)
            assert "\x1b" not in ran.out
            if form == "json":
                assert ran.json["ageSeconds"] >= 0


def test_quiet_and_verbose(metrics: Cli) -> None:
    quiet = metrics("cq", "create", "metrics", "q", "SELECT 1", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    verbose = metrics("db", "list", "-v").err
    assert "trying endpoints" in verbose
    assert "(ETCDMETA_ENDPOINTS)" in verbose


def test_config_test_and_version(metrics: Cli, etcd_cluster: Cluster) -> None:
    ran = metrics("config", "test", "-o", "json")
    assert ran.code == 0
    assert [item["endpoint"] for item in ran.items] == list(etcd_cluster.endpoints)
    assert all(item["version"] == etcd_cluster.binaries.version_text for item in ran.items)
    assert f"etcd {etcd_cluster.endpoints[0]}" in metrics("version", "--etcd").out


def test_nobody_listens(cli: Cli) -> None:
    ran = cli("db", "list", "--endpoints", "127.0.0.1:1", "--timeout", "2s")
    assert (ran.code, ran.out) == (5, "")
    assert "127.0.0.1:1 (flag --endpoints)" in ran.err


def test_cluster_name_that_lies_in_another(cli: Cli, etcd_cluster: Cluster) -> None:
    ran = cli("db", "list", "--cluster", "a/b", "--endpoints", etcd_cluster.endpoints[0])
    assert ran.code == 2


def test_etcd_run_serves_and_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; from etcdmeta.cli.main import main; sys.exit(main(['etcd', 'run']))"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        export = process.stdout.readline()
        assert export.startswith("export ETCDMETA_ENDPOINTS=127.0.0.1:")
        assert "NOT FOR PRODUCTION" in process.stderr.readline()
        process.terminate()
        assert process.wait(60) == 0
    assert list(tmp_path.iterdir()) == []
