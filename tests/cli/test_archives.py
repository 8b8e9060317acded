"""export, backup and restore on the command line, on a real etcd."""

from __future__ import annotations

import json
import stat
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from etcdmeta.archive import read_document
from etcdmeta.embedded import Cluster
from etcdmeta.errors import Refused
from etcdmeta.influxdb import decode
from etcdmeta.records import keys
from etcdmeta.store import MetaStore
from etcdmeta.store.exporting import refuse_agents
from etcdmeta.store.opening import open_strategy
from tests.archive.worlds import all_keys, fill, lists, records_of
from tests.cli.conftest import SCHEMAS, Cli
from tests.cli.processes import PROGRAM

DIALECTS = ("0.9.4", "0.9.6", "0.10", "1.x")


@pytest.fixture(scope="module")
def place(etcd_cluster: Cluster) -> tuple[str, MetaStore]:
    """A cluster with something of everything."""
    import secrets

    name = f"archives-{secrets.token_hex(4)}"
    store = MetaStore.open(etcd_cluster.endpoints, cluster=name, timeout=30, actor="test")
    fill(store)
    yield name, store
    store.close()


@pytest.fixture
def env(etcd_cluster: Cluster, place: tuple[str, MetaStore]) -> dict[str, str]:
    return {"ETCDMETA_ENDPOINTS": ",".join(etcd_cluster.endpoints), "ETCDMETA_CLUSTER": place[0]}


def test_the_document(cli: Cli, env: dict[str, str], place: tuple[str, MetaStore], tmp_path: Path) -> None:
    file = tmp_path / "d.json"
    ran = cli("export", str(file), "-o", "json", env=env)
    assert ran.code == 0, ran.err
    (item,) = ran.items
    assert (item["format"], item["written"], item["losses"]) == ("json", True, [])
    assert item["bytes"] == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    document = json.loads(file.read_bytes())
    schema = json.loads((SCHEMAS / "ClusterDocument.json").read_text())
    jsonschema.validate(document, schema, jsonschema.Draft202012Validator)
    incoming = read_document(file.read_bytes())
    snapshot = place[1].snapshot()
    policies = [policy for database in document["databases"] for policy in database["policies"]]
    groups = [group for policy in policies for group in policy["groups"]]
    assert any(group["deletedAt"] for group in groups), "or this shows nothing"
    assert item["counts"]["shardGroups"] == len(groups)
    assert f" {len(groups)} shard groups, " in cli("export", str(tmp_path / "again.json"), env=env).out
    assert [database.name for database in incoming.databases] == [view.name for view in snapshot.databases()]
    assert document["counters"]["database"] >= str(len(incoming.databases))
    # Twice the same bytes, also on standard output; no file is overwritten without consent.
    assert cli("export", "-", env=env).out.encode() == file.read_bytes()
    refused = cli("export", str(file), env=env)
    assert (refused.code, "nobody can be asked" in refused.err) == (2, True)
    assert cli("export", str(file), "--yes", env=env).code == 0
    one = tmp_path / "one.json"
    assert cli("export", str(one), "--db", "тест", env=env).code == 0
    chosen = read_document(one.read_bytes())
    assert [database.name for database in chosen.databases] == ["тест"]
    assert {grant for user in chosen.users for grant in user.grants} == {(0, "all")}
    assert cli("export", str(one), "--db", "nope", "--yes", env=env).code == 3


@pytest.mark.parametrize("dialect", DIALECTS)
def test_influxdb(
    dialect: str, cli: Cli, env: dict[str, str], place: tuple[str, MetaStore], tmp_path: Path
) -> None:
    file = tmp_path / "meta.db"
    command = ("export", str(file), "--format", "influxdb", "--dialect", dialect)
    refused = cli(*command, env=env)
    assert refused.code == 4
    assert not file.exists()
    assert "owner's status leaving" in refused.err
    dry = cli(*command, "--dry-run", "-o", "json", env=env)
    assert dry.code == 4
    assert not file.exists()
    (item,) = json.loads(dry.out)["items"]
    lost = {loss["what"]: loss["count"] for loss in item["losses"]}
    always = {
        "node's label": 6, "node's state": 1, "owner's status leaving": 1, "owner's status failed": 1,
        "owner's status copying": 1, "owner that does not serve": 2,
    }  # fmt: skip
    by_dialect: dict[str, dict[str, int]] = {
        "0.9.4": {"subscription": 3, "truncation of a shard group": 2},
        "0.9.6": {"truncation of a shard group": 2},
        "0.10": {"truncation of a shard group": 2},
        "1.x": {"node": 3},
    }
    assert lost == always | by_dialect[dialect]
    ran = cli(*command, "--lossy", "-o", "json", env=env)
    assert ran.code == 0, ran.err
    (written,) = ran.items
    assert (written["sha256"], written["bytes"]) == (item["sha256"], file.stat().st_size)
    data = decode(file.read_bytes())
    snapshot = place[1].snapshot()
    assert (data.term, data.index) == (1, snapshot.generation)
    assert [database.name for database in data.databases] == [view.name for view in snapshot.databases()]
    groups = data.databases[0].retention_policies[0].shard_groups
    if dialect == "0.9.4":
        assert [group.id for group in groups] == sorted(group.id for group in groups)
    else:
        assert [group.start_time for group in groups] == sorted(group.start_time for group in groups)
    assert [len(group.shards[0].owners) for group in groups] == [2, 2, 2]
    everyone = cli(*command, "--lossy", "--all-owners", "--yes", env=env)
    assert everyone.code == 0
    groups = decode(file.read_bytes()).databases[0].retention_policies[0].shard_groups
    assert [len(group.shards[0].owners) for group in groups] == [3, 2, 3]


def test_usage(cli: Cli, env: dict[str, str], tmp_path: Path) -> None:
    file = str(tmp_path / "x")
    assert cli("export", file, "--format", "influxdb", env=env).code == 2
    assert cli("export", file, "--dialect", "1.x", env=env).code == 2
    assert cli("export", "-", "-o", "json", env=env).code == 2
    terminal = cli("export", "-", "--format", "influxdb", "--dialect", "1.x", "--lossy", env=env, terminal=True)
    assert (terminal.code, "standard output is a terminal" in terminal.err) == (2, True)
    assert cli("restore", env=env).code == 2
    assert cli("restore", file, env=env).code == 2
    assert cli("backup", file, "--verify", env=env).code == 2


def test_agents_do_not_give_it_out() -> None:
    agents = open_strategy("agent://127.0.0.1:1")
    try:
        with pytest.raises(Refused, match="an agent does not give out"):
            refuse_agents(agents)
    finally:
        agents.close()


def test_backup_and_restore(
    cli: Cli, env: dict[str, str], place: tuple[str, MetaStore], tmp_path: Path, etcd_prefix: str
) -> None:
    file = tmp_path / "b"
    ran = cli("backup", str(file), "-o", "json", env=env)
    assert ran.code == 0, ran.err
    (item,) = ran.items
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert item["generation"] == place[1].snapshot().generation
    assert cli("backup", str(file), env=env).code == 2  # nobody can be asked
    checked = cli("backup", str(file), "--verify", "-o", "json", env={})
    assert checked.items[0]["sha256"] == item["sha256"]
    there = env | {"ETCDMETA_CLUSTER": etcd_prefix}
    assert cli("restore", str(file), "--dry-run", "-o", "json", env=there).items[0]["state"] == "planned"
    assert cli("restore", str(file), env=there).code == 2
    assert cli("restore", "--abort", "--yes", env=there).code == 3
    restored = cli("restore", str(file), "--yes", "-o", "json", env=there)
    assert restored.code == 0, restored.err
    assert restored.items[0]["generation"] == item["generation"] + 1
    assert cli("restore", str(file), "--verify", "-o", "json", env=there).items[0]["state"] == "verified"
    assert cli("restore", str(file), "--yes", env=there).code == 4
    with MetaStore.open(place[1].strategy.endpoints, cluster=etcd_prefix, timeout=30) as store:
        assert lists(store.snapshot()) == lists(place[1].snapshot())
        old, new = records_of(place[1]), records_of(store)
        differ = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        assert {key for key in differ if not key.startswith((b"state/progress/", b"ledger/"))} == {
            keys.CLUSTER, keys.GENERATION
        }  # fmt: skip
        store.drop_database("with space")
    different = cli("restore", str(file), "--verify", env=there)
    assert (different.code, "different: " in different.out) == (4, True)


def test_a_restore_that_is_killed_goes_on(
    cli: Cli, env: dict[str, str], place: tuple[str, MetaStore], tmp_path: Path, etcd_prefix: str, etcd_cluster: Cluster
) -> None:
    """kill -9 in the middle, on a real etcd; nothing shows, and the same command does the rest."""
    source = f"{etcd_prefix}-source"
    with MetaStore.open(etcd_cluster.endpoints, cluster=source, timeout=30, actor="test") as store:
        store.init_cluster()
        store.create_database("many")
        for number in range(300):
            store.create_continuous_query("many", f"q{(number * 7) % 300}", "SELECT 1")
        expected = lists(store.snapshot())
    file = tmp_path / "b"
    assert cli("backup", str(file), env=env | {"ETCDMETA_CLUSTER": source}).code == 0
    there = env | {"ETCDMETA_CLUSTER": etcd_prefix}
    with MetaStore.open(etcd_cluster.endpoints, cluster=etcd_prefix, timeout=30) as watcher:
        begun = threading.Event()
        _watch(watcher, begun)
        process = subprocess.Popen(
            [*PROGRAM, "restore", str(file), "--yes"], env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **there}
        )
        assert begun.wait(60)
        process.kill()
        process.wait()
        if watcher.read_consistent().cluster is None:  # else it was quicker than the kill
            assert not watcher.snapshot().tables.databases
            assert cli("restore", "--abort", "--dry-run", env=there).code == 0
            again = cli("restore", str(file), "--yes", "-o", "json", env=there)
            assert again.code == 0, again.err
            assert again.items[0]["resumedFrom"] > 0
        whole = watcher.wait_for(lambda snapshot: snapshot.cluster is not None and snapshot)
        assert lists(whole) == expected
    assert keys.RESTORE_MARKER not in all_keys(place[1].strategy, watcher.keyspace)


def _watch(store: MetaStore, begun: threading.Event) -> None:
    """Sets the event when some steps of a restore have been taken."""

    def look() -> None:
        from etcdmeta.records.pb import backup_pb2 as pb

        strategy, key = store.strategy, store.keyspace.absolute(keys.RESTORE_MARKER)
        stream: Any = strategy.watch(key, key + b"\0", from_revision=0, endpoint=strategy.endpoints[0])
        deadline = time.monotonic() + 60
        for response in stream:
            puts = [event.kv.value for event in response.events if event.type == 0]
            if any(pb.Restore.FromString(value).done > 50 for value in puts) or time.monotonic() > deadline:
                break
        begun.set()
        stream.cancel()

    threading.Thread(target=look, daemon=True).start()


@pytest.mark.parametrize("verb", ["backup", "export"])
def test_a_place_that_cannot_be_written_is_no_defect(cli: Cli, env: dict[str, str], tmp_path: Path, verb: str) -> None:
    for place in (tmp_path / "nowhere" / "file", tmp_path):
        ran = cli(verb, str(place), "--yes", env=env)
        assert ran.code == 2, ran
        assert f"{place} cannot be written: " in ran.err
    assert list(tmp_path.parent.glob(f".{tmp_path.name}.*")) == [], "and nothing of it is left"
