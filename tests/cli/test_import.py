"""``etcdmeta import`` on a real etcd: what it finds out, shows, asks, writes, refuses and takes back."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from etcdmeta.embedded import Cluster
from etcdmeta.influxdb.sources import crc64
from etcdmeta.store import MetaStore
from etcdmeta.testing.agents import serve_agent
from tests.cli.conftest import Cli
from tests.cli.processes import Process
from tests.influxdb.worlds import FIXTURES, NEGATIVE

RICH = str(FIXTURES / "v0.9-owners" / "rich.bin")
SMALL = str(FIXTURES / "v0.9.6" / "small.bin")
SINGLE = str(FIXTURES / "v1.6" / "meta.db")
PORTABLE = FIXTURES / "v1.6" / "backup-portable"


def names(cli: Cli) -> list[str]:
    return cli("db", "list", "-o", "name").out.splitlines()


def test_it_is_shown_asked_and_done(prod: Cli) -> None:
    dry = prod("import", RICH, "--dry-run")
    assert dry.code == 0
    assert "11: telegraf, my db" in dry.out
    assert "transactions, unseen until the last" in dry.out
    assert "time-unset" in dry.out
    assert "dry run: nothing was written" in dry.err
    assert prod("cluster", "id").code == 3  # there is none yet
    unasked = prod("import", RICH)
    assert unasked.code == 2
    assert "oddities by" in unasked.err
    asked = prod("import", RICH, terminal=True, stdin="n\n")
    assert asked.code != 0
    assert prod("cluster", "id").code == 3
    done = prod("import", RICH, "--yes")
    assert done.code == 0
    generation = prod("cluster", "info", "-o", "json").json["generation"]
    assert done.out.splitlines()[-1].endswith(f"11 databases, 7 users, 387 shard groups (generation {generation})")
    assert len(names(prod)) == 11
    again = prod("import", RICH, "--yes")
    assert again.code == 0
    assert prod("cluster", "info", "-o", "json").json["generation"] == generation
    (listed,) = prod("import", "--list", "-o", "json").items
    assert (listed["state"], listed["databases"], listed["idsKept"]) == ("done", 11, ["node", "group", "shard"])
    assert "imported" in prod("history", "--limit", "1").out


def test_each_oddity_as_json(prod: Cli) -> None:
    (item,) = prod("import", RICH, "--dry-run", "-o", "json").items
    assert item["id"] is None
    assert item["names"][0] == "telegraf"
    dangling = [odd for odd in item["oddities"] if odd["rule"] == "dangling-default"]
    assert dangling == [
        {
            "rule": "dangling-default",
            "treatment": "repaired",
            "path": "Databases[10].DefaultRetentionPolicy",
            "what": "there is no policy 'default'",
            "done": "the database has no default policy",
            "count": 1,
        }
    ]
    every = prod("import", RICH, "--dry-run", "--all").out
    assert every.count(": it is 0\n") == 12


def test_strict_refuses_what_is_odd_and_changes_nothing(prod: Cli) -> None:
    ran = prod("import", RICH, "--strict", "--yes")
    assert ran.code == 4
    assert "--strict refuses whatever is odd" in ran.err
    assert "leave --strict out" in ran.err
    dry = prod("import", RICH, "--strict", "--dry-run")
    assert dry.code == 4
    assert "it would be refused: --strict refuses whatever is odd" in dry.err
    assert prod("cluster", "id").code == 3


def test_what_is_refused_is_named_with_its_place(prod: Cli) -> None:
    ran = prod("import", str(NEGATIVE / "odd-duplicate-shard-id.bin"), "--yes")
    assert ran.code == 4
    assert "Shards[" in ran.err
    assert "duplicate-shard-id" in ran.err
    assert prod("cluster", "id").code == 3


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (NEGATIVE / "truncated-50pct.bin", ("byte ", "Databases[")),
        (NEGATIVE / "empty.bin", ("empty",)),
        (NEGATIVE / "missing-Databases.Name.bin", ("lacks Name", "Databases[0]")),
        (Path("/nonexistent"), ("/nonexistent cannot be read",)),
        (Path("/etc/hostname"), ("tried:",)),
    ],
)
def test_what_cannot_be_read_is_said(prod: Cli, file: Path, words: tuple[str, ...]) -> None:
    ran = prod("import", str(file), "--yes")
    assert ran.code == 2
    assert all(word in ran.err for word in words), ran.err
    assert ran.out == ""


def test_owner_of_what_nobody_owns(prod: Cli) -> None:
    assert prod("node", "join", "--host", "one:8088").code == 0
    alone = prod("import", SINGLE, "--dry-run")
    assert "222 shards; --owner NODE makes an owner" in alone.out
    assert prod("import", SINGLE, "--owner", "nobody", "--yes").code == 3
    assert prod("import", SINGLE, "--owner", "one:8088", "--yes").code == 0
    status = prod("shard", "status", "-o", "json")
    assert {owner["nodeId"] for item in status.items for owner in item["owners"]} == {"1"}
    secrets = json.loads((FIXTURES / "v1.6" / "users.json").read_text())
    verified = prod("user", "verify", "admin", "--password-file", _private(secrets["admin"]["password"]))
    assert verified.code == 0


@pytest.mark.parametrize("options", [(), ("--db", "telegraf", "--as", "taken")], ids=["all", "one-database"])
def test_an_owner_where_every_shard_has_owners_is_said_to_do_nothing(prod: Cli, options: tuple[str, ...]) -> None:
    """It is given as a precaution: that is no reason to refuse, or to make somebody stand for a node nobody knows."""
    assert prod("node", "join", "--host", "one:8088").code == 0
    dry = prod("import", RICH, "--owner", "one:8088", "--dry-run", *options)
    assert dry.code == 0, dry.err
    assert "every shard has owners: --owner one:8088 has nothing to do" in dry.err
    (nodes,) = (line for line in dry.out.splitlines() if line.startswith("nodes:"))
    assert "→ n1," not in f"{nodes},"


def test_without_an_owner_status_says_so(prod: Cli) -> None:
    assert prod("import", SINGLE, "--yes").code == 0
    status = prod("shard", "status")
    assert status.code == 11
    assert "no owner" in status.out


def test_single_databases_and_maps(prod: Cli) -> None:
    assert prod("import", SMALL, "--yes").code == 0
    conflict = prod("import", RICH, "--yes")
    assert conflict.code == 4
    assert "is there already" in conflict.err
    mapped = prod("import", RICH, "--db", "telegraf", "--as", "old telegraf", "--yes")
    assert mapped.code == 0
    assert "ids were given anew (etcdmeta import --map 2" in mapped.out
    assert "THEIRS" in mapped.out
    assert "old telegraf" in names(prod)
    (again,) = prod("import", RICH, "--db", "telegraf", "--as", "once more", "--yes", "-o", "json").items
    assert {run["kind"] for run in again["idMap"]} >= {"group", "shard"}
    odd = prod("import", RICH, "--db", "O'Brien", "--dry-run", "-o", "json").items[0]["oddities"]
    assert [one["rule"] for one in odd] == ["dangling-default"]
    mapped = prod("import", "--map", "2", "-o", "json").items
    assert {run["kind"] for run in mapped} == {"node", "group", "shard"}
    assert prod("import", "--map", "9").code == 3
    assert prod("import", RICH, "--db", "nope").code == 3
    assert prod("import", RICH, "--as", "x").code == 2
    assert prod("import").code == 2
    assert prod("import", "--list", "--abort").code == 2


def test_nodes_stand_for_each_other(prod: Cli) -> None:
    for host in ("x:1", "y:1"):
        prod("node", "join", "--host", host)
    ran = prod("import", RICH, "--nodes", "1=x:1", "--nodes", "node3.example.invalid:8088=n2", "--yes", "-o", "json")
    assert ran.code == 0
    (item,) = ran.items
    assert item["nodes"]["1"] == "1"
    assert item["nodes"]["3"] == "2"
    assert prod("import", SMALL, "--nodes", "1", "--yes").code == 2
    assert prod("import", SMALL, "--nodes", "1=zzz", "--yes").code == 3


def test_folders_and_their_parts(prod: Cli, tmp_path: Path) -> None:
    for source in (PORTABLE, next(PORTABLE.glob("*.manifest")), next(PORTABLE.glob("*.meta"))):
        ran = prod("import", str(source), "--dry-run", "-o", "json")
        assert ran.items[0]["sourceKind"] == "a portable backup"
    legacy = prod("import", str(FIXTURES / "v1.6" / "backup-legacy"), "--dry-run", "-o", "json").items[0]
    assert legacy["sourceKind"] == "a legacy backup"
    state = (FIXTURES / "v0.9-server-owners" / "state.bin").read_bytes()
    snapshot = tmp_path / "raft" / "snapshots" / "2-64-0"
    snapshot.mkdir(parents=True)
    (snapshot / "state.bin").write_bytes(state)
    import base64

    crc = base64.b64encode(crc64(state).to_bytes(8, "big")).decode()
    (snapshot / "meta.json").write_text(json.dumps({"Index": 64, "Size": len(state), "CRC": crc}))
    raft = prod("import", str(tmp_path / "raft"), "--dry-run", "-o", "json").items[0]
    assert raft["sourceKind"] == "a raft snapshot"
    (snapshot / "state.bin").write_bytes(state[:-1] + b"\0")
    damaged = prod("import", str(tmp_path / "raft"), "--dry-run")
    assert damaged.code == 2
    assert "CRC-64" in damaged.err
    fetched = str(FIXTURES / "v0.9-server-owners" / "fetchdata-response.bin")
    response = prod("import", fetched, "--dry-run", "-o", "json")
    assert response.items[0]["sourceKind"] == "a 0.9 fetch response"


def test_our_own_files_are_taken_too(prod: Cli, etcd_prefix: str, tmp_path: Path) -> None:
    """Exported as JSON and backed up, then imported under another name: the same picture, ids included."""
    assert prod("import", RICH, "--yes").code == 0
    document, backup = tmp_path / "all.json", tmp_path / "all.backup"
    assert prod("export", str(document)).code == 0
    assert prod("backup", str(backup)).code == 0
    again = []
    for number, (source, kind) in enumerate(((document, "a JSON document"), (backup, "a backup"))):
        other = {"ETCDMETA_CLUSTER": f"{etcd_prefix}-{number}"}
        assert prod("import", str(source), env=other).code == 0  # nothing odd: nothing is asked
        (item,) = prod("import", str(source), "--dry-run", "-o", "json", env=other).items
        assert item["sourceKind"].startswith(kind)
        written = tmp_path / f"{number}.json"
        assert prod("export", str(written), env=other).code == 0
        again.append(json.loads(written.read_text()))
    original = json.loads(document.read_text())
    for one in again:
        for key in ("nodes", "users", "databases"):
            assert one[key] == original[key]
    refused = prod("import", str(document), "--owner", "x", "--dry-run", env={"ETCDMETA_CLUSTER": f"{etcd_prefix}-0"})
    assert refused.code == 2
    damaged = tmp_path / "damaged.json"
    damaged.write_text(document.read_text().replace('"start"', '"begin"', 1))
    ran = prod("import", str(damaged), env={"ETCDMETA_CLUSTER": f"{etcd_prefix}-9"})
    assert ran.code == 2
    assert "databases[0].policies[0].groups[0]" in ran.err


def test_killed_in_the_middle_the_same_command_goes_on(
    prod: Cli, etcd_cluster: Cluster, etcd_prefix: str, tmp_path: Path
) -> None:
    """kill -9 of the process as soon as its import is seen; then the same command, from another process."""
    endpoints = ",".join(etcd_cluster.endpoints)
    env = {"ETCDMETA_ENDPOINTS": endpoints, "ETCDMETA_CLUSTER": etcd_prefix}
    source = tmp_path / "rich.bin"
    shutil.copy(RICH, source)
    with MetaStore.open(endpoints, cluster=etcd_prefix, timeout=20) as store, Process(
        "import", str(source), "--yes", env=env
    ) as process:
        store.wait_for(lambda snapshot: snapshot.import_under_way() or snapshot.imports(), timeout=30)
        os.kill(process.process.pid, signal.SIGKILL)
        process.process.wait()
        snapshot = store.read_consistent()
        if snapshot.import_under_way() is not None:  # else it was quicker than the signal
            assert not snapshot.databases()
            other = prod("import", SMALL, "--yes")
            assert other.code == 4
            assert "one import at a time" in other.err
        assert prod("import", str(source), "--yes").code == 0
        assert len(store.read_consistent().databases()) == 11


def test_taken_back(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> None:
    assert prod("cluster", "init").code == 0
    none = prod("import", "--abort", "--yes")
    assert none.code == 4
    assert "no import is under way" in none.err
    with MetaStore.open(",".join(etcd_cluster.endpoints), cluster=etcd_prefix, timeout=20) as store:
        _begin(store)
    assert "would go on" not in prod("import", "--list").out
    asked = prod("import", "--abort")
    assert asked.code == 2
    assert "takes import 1 of" in asked.err
    assert "takes import 1 of" in prod("import", "--abort", "--dry-run").out
    assert prod("import", "--abort", "--yes", "--reason", "a try").code == 0
    assert prod("import", "--list", "-o", "json").items[0]["state"] == "aborted"


def test_who_watches_knows_what_is_loaded_unseen(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> None:
    endpoints = ",".join(etcd_cluster.endpoints)
    with MetaStore.open(endpoints, cluster=etcd_prefix, timeout=20) as store:
        changes = store.changes(timeout=20)
        assert prod("import", RICH, "--yes").code == 0
        seen, hidden = set(), set()
        for change in changes:
            (hidden if change.is_hidden else seen).add(change.kind)
            if change.kind == "import" and change.after.state == "done":
                break
    assert hidden == {"policy", "query", "grant", "group"}
    assert {"import", "database", "user", "node"} < seen
    assert not seen & hidden


def test_over_agents_it_says_what_to_do(prod: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> None:
    with MetaStore.open(",".join(etcd_cluster.endpoints), cluster=etcd_prefix, timeout=20) as store:
        store.init_cluster()
        with serve_agent(store) as agent:
            ran = prod("import", RICH, "--yes", "--endpoints", f"agent://{agent.address}")
    assert ran.code == 2
    assert "give etcd's own --endpoints" in ran.err


def _begin(store: MetaStore) -> None:
    from etcdmeta.commands.importing.beginning import BeginImport

    store.execute(BeginImport(import_id=1, source="a try", digest=b"\0" * 32, planned_at=1))


def _private(password: str) -> str:
    import tempfile

    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(password)
    os.chmod(file.name, 0o600)
    return file.name


def test_what_cannot_be_asked_is_refused_without_a_password(prod: Cli) -> None:
    for source in ("http://me:s3cret@localhost:8086", "influxdb://me:s3cret@localhost:8088"):
        ran = prod("import", source, "--dry-run")
        assert ran.code == 2
        assert "s3cret" not in ran.err + ran.out
    assert "influxdb://HOST:8088" in prod("import", "http://localhost:8086", "--dry-run").err
