"""A node leaves by the secret in its data directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etcdmeta.agent.datadir import DataDirectory
from etcdmeta.agent.joining import join_directly
from etcdmeta.store import MetaStore, new_operation_id
from etcdmeta.testing.agents import serve_agent

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


@pytest.fixture
def data_dir(etcd_store: MetaStore, tmp_path: Path) -> Path:
    path = tmp_path / "node"
    with DataDirectory(path) as directory:
        joined = join_directly(
            etcd_store, directory.identity(), host="db-1:8088", labels={}, operation_id=new_operation_id()
        )
        directory.save(joined.identity)
    return path


@pytest.mark.parametrize("through", ["etcd", "agent"])
def test_it_leaves(cli: Cli, etcd_store: MetaStore, data_dir: Path, through: str) -> None:
    from etcdmeta.agent.facts import Facts
    from etcdmeta.agent.joining import Joining

    facts = Facts()
    with serve_agent(etcd_store, facts=facts, joining=Joining(etcd_store, facts)) as serving:
        etcd = ",".join(etcd_store.strategy.endpoints)
        endpoints = etcd if through == "etcd" else f"agent://{serving.address}"
        where = ("--endpoints", endpoints, "--cluster", etcd_store.cluster_name)
        leave = ("node", "leave", "--data-dir", str(data_dir), *where)
        assert cli(*leave).code == 2, "nobody was asked"
        assert cli(*leave, "--dry-run").code == 0
        assert [node.host for node in etcd_store.read_consistent().nodes()] == ["db-1:8088"]
        with DataDirectory(data_dir):
            running = cli(*leave, "--yes")
        assert running.code == 4
        assert "another process runs" in running.err
        ran = cli(*leave, "--yes")
        assert ran.code == 0, ran.err
        assert "node 1 (db-1:8088) has left (generation" in ran.out
        assert etcd_store.read_consistent().nodes() == ()
        assert cli(*leave, "--yes").code == 0, "again is no error"


def test_a_directory_without_a_node(cli: Cli, tmp_path: Path) -> None:
    ran = cli("node", "leave", "--data-dir", str(tmp_path), "--yes")
    assert ran.code == 2
    assert "holds no node that joined" in ran.err


def test_one_that_owns_shards_is_refused_before_anybody_is_asked(
    cli: Cli, etcd_store: MetaStore, data_dir: Path
) -> None:
    """The preview, too: it would have said that the node goes."""
    etcd_store.create_database("metrics")
    etcd_store.create_shard_group("metrics", "autogen", 0)
    where = ("--endpoints", ",".join(etcd_store.strategy.endpoints), "--cluster", etcd_store.cluster_name)
    for more in (("--dry-run",), (), ("--yes",)):
        ran = cli("node", "leave", "--data-dir", str(data_dir), *where, *more)
        assert ran.code == 4, ran
        assert "owns 1 of the live shards" in ran.err
        assert "etcdmeta node drain 1" in ran.err
    assert etcd_store.read_consistent().node(1).state == "joined"


@pytest.mark.parametrize("verb", ["leave", "remove"])
def test_the_preview_tells_both_steps(cli: Cli, etcd_store: MetaStore, data_dir: Path, verb: str) -> None:
    where = ("--endpoints", ",".join(etcd_store.strategy.endpoints), "--cluster", etcd_store.cluster_name)
    who = ("--data-dir", str(data_dir)) if verb == "leave" else ("1",)
    ran = cli("node", verb, *who, *where, "--dry-run")
    assert ran.code == 0, ran
    assert "then node 1 is removed, and db-1:8088 is free for another node" in ran.err
