"""``--at-generation``: every list as it was, what the present is needed for, and what is gone; ``history --follow``."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import typer

from etcdmeta.cli.frame import root
from etcdmeta.cli.session import Session
from etcdmeta.embedded import Cluster
from etcdmeta.store import MetaStore
from tests.cli.conftest import Cli, validate
from tests.cli.processes import Process
from tests.cli.test_watch_history import NOON, play

PAST = {
    ("node", "list"): (),
    ("node", "show"): ("1",),
    ("db", "list"): (),
    ("db", "show"): ("metrics",),
    ("rp", "list"): ("metrics",),
    ("group", "list"): (),
    ("group", "show"): ("1",),
    ("shard", "status"): (),
    ("shard", "show"): ("1",),
    ("shard", "map"): (),
    ("cq", "list"): ("metrics",),
    ("sub", "list"): ("metrics",),
    ("user", "list"): (),
    ("user", "grants"): (),
    ("plan", "list"): (),
    ("plan", "show"): None,
}
"""Verbs that look back, and what to give them; None: nothing is there to be shown."""


def verbs() -> list[tuple[str, ...]]:
    app = root()
    with app.make_context("etcdmeta", [], resilient_parsing=True) as ctx:
        return [
            (noun, name) if name else (noun,)
            for noun in app.list_commands(ctx)
            for name in getattr(app.get_command(ctx, noun), "commands", {"": None})
        ]


@pytest.fixture
def store(etcd_cluster: Cluster, etcd_prefix: str) -> Iterator[MetaStore]:
    with MetaStore.open(etcd_cluster.endpoints, cluster=etcd_prefix, actor="tester@here") as opened:
        yield opened


def test_every_list_shows_what_was(prod: Cli, store: MetaStore, etcd_cluster: Cluster) -> None:
    play(store)
    full = next(entry for entry in store.history() if entry.command == "truncate shard groups").generation
    assert full is not None
    looking = {words: given for words, given in PAST.items() if words in verbs() and given is not None}
    for words, given in looking.items():
        ran = prod(*words, *given, "--at-generation", str(full), "-o", "json")
        assert ran.code in (0, 10, 11), (words, ran)
        assert ran.json["generation"] == full, words
        assert ran.json["asOf"] is not None
        assert words[0] == "plan" or ran.items, words
        assert f"a picture of the past: generation {full}, of " in ran.err
    past = prod("--at-generation", str(full), "shard", "status")
    assert f"generation {full}" in past.out
    assert "a picture of the past" in past.out
    assert past.code in (10, 11)
    assert "Next:" not in past.out, "nothing can be done about it any more"
    assert "Next:" in prod("shard", "status").out
    assert "metrics" not in prod("db", "list").out
    etcd_cluster.compact(store.read_consistent().revision)
    newest = store.snapshot().generation
    for words, given in looking.items():
        ran = prod(*words, *given, "--at-generation", str(full))
        assert ran.code == 4, (words, ran)
        assert f"back to generation {newest}" in ran.err
    assert prod("db", "list", "--at-generation", str(newest)).code == 0


@pytest.mark.parametrize("words", [words for words in verbs() if words not in PAST], ids=" ".join)
def test_the_present_is_not_asked_for_the_past(cli: Cli, words: tuple[str, ...]) -> None:
    app = root()
    with app.make_context("etcdmeta", [], resilient_parsing=True) as ctx:
        command = app.get_command(ctx, words[0])
        for word in words[1:]:
            command = command.commands[word]  # type: ignore[attr-defined]
    session = Session({})
    session.flags["at_generation"] = 1
    context = command.context_class(command, info_name=" ".join(("etcdmeta", *words)), obj=session)
    with pytest.raises(typer.exceptions.TyperException, match="about the present"):
        command.invoke(context)


def test_it_is_a_usage_error(cli: Cli) -> None:
    ran = cli("--at-generation", "3", "db", "create", "metrics")
    assert ran.code == 2
    assert "db create is about the present" in ran.err
    assert cli("shard", "status", "--watch", "--at-generation", "3").code == 2
    assert cli("db", "list", "--at-generation", "0").code == 2


def test_what_has_not_come_yet(prod: Cli, store: MetaStore) -> None:
    store.init_cluster()
    ran = prod("db", "list", "--at-generation", "7")
    assert ran.code == 2
    assert "no generation 7 yet" in ran.err


def test_history_filters(prod: Cli, store: MetaStore) -> None:
    play(store)
    store.create_database("other")
    store.create_shard_group("other", "autogen", 0)

    def told(*options: str) -> list[str]:
        return [item["command"] for item in prod("history", *options, "-o", "json").items]

    assert told("--db", "other") == ["create shard group", "create database"]
    assert told("--rp", "other.autogen") == ["create shard group", "create database"]
    assert told("--db", "metrics") == ["drop database", "create database"]
    assert told("--group", "2") == ["create shard group"]
    shard = str(next(store.snapshot().groups()).shards[0].id)
    assert told("--shard", shard) == ["create shard group"]
    assert told("--node", "a:8088") == told("--node", "1") == ["add node"]
    assert set(told("--name", "ann")) >= {"create user"}
    assert told("--plan", "9") == []
    assert told("--command", "drop") == ["drop database"]
    assert told("--until", "now-1h") == []
    assert prod("history", "--shard", "999").code == 3
    assert prod("history", "--follow", "-o", "csv").code == 2


def test_history_is_followed(etcd_cluster: Cluster, etcd_prefix: str, store: MetaStore) -> None:
    store.init_cluster()
    store.create_database("first")
    environ = {"ETCDMETA_ENDPOINTS": ",".join(etcd_cluster.endpoints), "ETCDMETA_CLUSTER": etcd_prefix}
    with Process("history", "--follow", "-n", "1", "-o", "jsonl", env=environ) as following:
        following.read_until("'first'.*\n")
        play(store)
        following.read_until("'end'.*\n")
        assert following.end() == 130
    items = [json.loads(line) for line in following.out.splitlines()]
    told = store.history(limit=len(items))
    assert [item["operationId"] for item in items] == [entry.operation_id for entry in told]
    assert [item["generation"] for item in items] == [entry.generation for entry in told]
    document = {"apiVersion": "etcdmeta/v1", "kind": "HistoryList", "clusterId": None, "generation": 1, "revision": 1}
    validate({**document, "asOf": None, "ageSeconds": None, "summary": {}, "items": items, "warnings": []})


def test_who_took_the_last_owner_away_is_told_when_etcd_has_forgotten(
    prod: Cli, store: MetaStore, etcd_cluster: Cluster
) -> None:
    store.add_node("a:8088")
    store.create_database("metrics", duration="INF")
    (shard,) = store.create_shard_group("metrics", "autogen", NOON).shards
    store.remove_owner(shard.id, 1, force=True, allow_last=True, reason="the disk is gone")
    etcd_cluster.compact(store.read_consistent().revision)
    told = store.history(commands=("remove owner",))[0].summary
    assert "the disk is gone" in told
    ran = prod("shard", "explain", str(shard.id), "-o", "json")
    gap = ran.items[0]["gap"]
    assert f"by tester@here: {told} (all: etcdmeta history --shard {shard.id})" in gap
    assert told in " ".join(prod("shard", "explain", str(shard.id)).out.split())
    assert told in prod("history", "--shard", str(shard.id)).out


def test_a_truncation_is_undone(prod: Cli, store: MetaStore) -> None:
    store.add_node("a:8088")
    store.create_database("metrics", duration="30d")
    group = store.create_shard_group("metrics", "autogen", NOON)
    store.truncate_shard_groups(NOON + 10**9)
    assert prod("group", "truncate", "--undo").code == 2
    assert prod("group", "truncate", "metrics").code == 2
    assert prod("group", "truncate", "metrics", "--undo", "--dry-run").code == 0
    ran = prod("group", "truncate", "--undo", "--group", str(group.id), "--yes", "-o", "json")
    assert ran.code == 0, ran
    assert ran.items[0]["truncatedAt"] is None
    store.truncate_shard_groups(NOON + 10**9)
    later = store.create_shard_group("metrics", "autogen", NOON + 10**10)
    ran = prod("group", "truncate", "metrics", "--undo", "--yes")
    assert ran.code == 4
    assert f"shard group {later.id} holds" in ran.err
