"""The tree of nouns and the words of formats: what ``etcdmeta --help`` needs, without importing any noun."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

FORMATS = ("table", "wide", "json", "jsonl", "yaml", "csv", "tsv", "name")
LOG_FORMATS = ("text", "json")


class Branch(NamedTuple):
    """One noun, or one verb that stands alone. ``module`` holds its typer application as ``app``."""

    name: str
    module: str
    help: str


TREE: tuple[Branch, ...] = (
    Branch("health", "etcdmeta.cli.health", "Are etcd, the picture of it and the nodes well? Verdict as exit code."),
    Branch("check", "etcdmeta.cli.check", "The same for monitoring systems: one line, exit codes 0 to 3."),
    Branch("watch", "etcdmeta.cli.watch", "Print what others change, as it happens."),
    Branch("history", "etcdmeta.cli.history", "Who changed what, when: the ledger."),
    Branch("export", "etcdmeta.cli.export", "Write the metadata to a file: for InfluxDB, or as JSON."),
    Branch("import", "etcdmeta.cli.import_", "Take metadata in: InfluxDB's, of any version, or our own."),
    Branch("backup", "etcdmeta.cli.backup", "All that lasts of the cluster in one file, at one revision."),
    Branch("restore", "etcdmeta.cli.restore", "Put a backup back, in an empty place: all of it, or nothing."),
    Branch("demo", "etcdmeta.cli.demo", "Play the main job on a real etcd of three members."),
    Branch("cluster", "etcdmeta.cli.cluster", "The cluster itself: make it, ask who it is."),
    Branch("node", "etcdmeta.cli.node", "Database nodes: join, label, drain, replace, remove."),
    Branch("agent", "etcdmeta.cli.agent", "What runs beside a node and serves the picture to others: run, status."),
    Branch("db", "etcdmeta.cli.db", "Databases."),
    Branch("rp", "etcdmeta.cli.rp", "Retention policies: how long, how many copies."),
    Branch("group", "etcdmeta.cli.group", "Shard groups: spans of time of a policy."),
    Branch("shard", "etcdmeta.cli.shard", "Shards and their owners: what serves, what does not, what to do."),
    Branch("plan", "etcdmeta.cli.plan", "Plans of moves: which owners go where, carried out step by step."),
    Branch("cq", "etcdmeta.cli.cq", "Continuous queries."),
    Branch("sub", "etcdmeta.cli.sub", "Subscriptions."),
    Branch("user", "etcdmeta.cli.user", "Users, their passwords and privileges."),
    Branch("etcd", "etcdmeta.cli.etcd", "An embedded etcd for trying out. Not for production."),
    Branch("config", "etcdmeta.cli.config", "Settings: each value and where it came from."),
    Branch("version", "etcdmeta.cli.version", "Versions: ours, Python's, etcd's."),
    Branch("completion", "etcdmeta.cli.completion", "The shell's completion script."),
)

ELSEWHERE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "plan replace": "node replace",
        "plan repair": "shard repair",
        "plan drain": "node drain",
        "plan cancel": "plan abort",
        "plan stop": "plan pause",
        "plan resume": "plan apply",
        "plan run": "plan apply",
        "node decommission": "node drain",
        "node repair": "shard repair",
        "node status": "node list",
        "node add": "node join",
        "shard list": "shard status",
        "shard replace": "node replace",
        "shard kill": "shard cancel",
        "status": "shard status",
        "show": "node list",
        "show-shards": "shard status -o wide",
        "copy-shard": "shard copy",
        "copy-shard-status": "shard status --copying",
        "kill-copy-shard": "shard cancel",
        "remove-shard": "shard remove-owner",
        "truncate-shards": "group truncate",
        "add-data": "node join",
        "remove-data": "node remove",
        "update-data": "node replace",
    }
)
"""What somebody types who knows ``influxd-ctl``, or looks under another noun: what does that here."""
