"""Every file of real InfluxDBs: imported, compared field by field to what another reader saw in it, exported in its own
dialect, read again and imported again: the same each time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etcdmeta.errors import ImportConflict
from etcdmeta.influxdb import (
    Counters,
    Data,
    Rule,
    SourceUnreadable,
    arrive,
    decode,
    depart,
    detect,
    encode,
    for_dialect,
    hand_on,
)
from etcdmeta.influxdb.errors import InfluxDataInvalid
from etcdmeta.records import keys
from etcdmeta.records.decoding import decode_secret
from etcdmeta.store.importing import Intake, run_import
from etcdmeta.store.restore import read_counters
from etcdmeta.testing import local_store
from tests.importing.interrupted import records
from tests.importing.sources import intake_of, now, seen
from tests.influxdb.worlds import DIALECTS, NEGATIVE, PAIRS, as_raw, name_of

if TYPE_CHECKING:
    from etcdmeta.store import MetaStore


@pytest.mark.parametrize(("path", "truth"), PAIRS, ids=[name_of(path) for path, _ in PAIRS])
def test_imported_exported_and_imported_again(path: Path, truth: Path) -> None:
    dialect = DIALECTS[path.parent.name]
    with local_store(init=False) as store:
        record = run_import(store, intake_of(path), now=now())
        assert record.first_group == record.first_shard == 0  # ids are kept
        data = departure(store)
        picture = seen(store)
    expected = repaired(json.loads(truth.read_text()))
    if record.nodes or data.cluster_id == 0 or expected["ClusterID"]:
        assert data.cluster_id == expected["ClusterID"]
    ours = in_one_order(as_raw(data)) | {"Term": 0, "Index": 0, "ClusterID": 0}
    assert ours == in_one_order(expected) | {"Term": 0, "Index": 0, "ClusterID": 0}
    # Out in its own dialect, and in again.
    written = encode(data, dialect)
    assert written == encode(data, dialect)
    again = decode(written)
    assert again == for_dialect(data, dialect)
    with local_store(init=False) as store:
        run_import(store, Intake("again", b"2" * 32, lambda at: hand_on(arrive(again, now=at))), now=now())
        assert seen(store) == picture
        back = departure(store)
        assert for_dialect(back, dialect) == _with_index(again, back)


@pytest.mark.parametrize("path", sorted(NEGATIVE.glob("*.bin")), ids=lambda path: path.stem)
def test_damaged_files_write_nothing_or_name_what_is_odd(path: Path) -> None:
    """Read and planned like any other; where there is an error, nothing of it stands in etcd."""
    with local_store(init=False) as store:
        cluster = store.strategy.cluster  # type: ignore[attr-defined]
        try:
            source = detect(path.read_bytes())
            arrival = arrive(source.decode(), now=1)
        except (InfluxDataInvalid, SourceUnreadable):  # where and why: tests/influxdb
            assert records(cluster) == {}
            return
        if arrival.oddities.refused:
            assert any(odd.path for odd in arrival.oddities.listed)
            return  # the command line refuses it: tests/cli/test_import.py
        try:
            run_import(store, Intake(path.name, b"1" * 32, lambda _: hand_on(arrival)), now=now())
        except ImportConflict:
            assert records(cluster) == {}
        else:
            assert not store.snapshot().unreadable


def departure(store: MetaStore) -> Data:
    """The picture as InfluxDB's data, hashes and counters included."""
    deadline = time.monotonic() + 20
    snapshot = store.snapshot()
    hashes = {}
    for user in snapshot.users():
        (kv,) = store.strategy.read(store.keyspace.absolute(keys.secret(user.id)), deadline=deadline).kvs
        hashes[user.id] = decode_secret(kv.value)
    counters = {kind: highest for kind, (highest, _) in read_counters(store.strategy, store.keyspace, deadline).items()}
    return depart(
        snapshot,
        hashes=hashes,
        counters=Counters(counters["node"], counters["group"], counters["shard"]),
    ).data


def repaired(raw: dict[str, Any]) -> dict[str, Any]:
    """What the named rules make of the truth: OwnerIDs win (`both-kinds-of-owners`), a default that is not there is
    none (`dangling-default`), privileges on what is not there are left out (`privilege-on-nothing`), and nodes that
    only voted (`meta-node-only`); counters are at least what is in use (`counter-too-low`)."""
    assert {Rule.DANGLING_DEFAULT, Rule.PRIVILEGE_ON_NOTHING, Rule.META_NODE_ONLY, Rule.COUNTER_TOO_LOW} < set(Rule)
    raw.pop("MetaNodes", None)
    used = {node["ID"] for node in (*raw.get("Nodes", ()), *raw.get("DataNodes", ()))}
    for database in raw.get("Databases", ()):
        policies = database.get("RetentionPolicies", ())
        if database["DefaultRetentionPolicy"] not in {policy["Name"] for policy in policies}:
            database["DefaultRetentionPolicy"] = ""
        for policy in policies:
            for group in policy.get("ShardGroups", ()):
                for shard in group.get("Shards", ()):
                    if shard.get("OwnerIDs"):
                        shard["Owners"] = [{"NodeID": node} for node in shard.pop("OwnerIDs")]
                    used |= {owner["NodeID"] for owner in shard.get("Owners", ())}
    names = {database["Name"] for database in raw.get("Databases", ())}
    for user in raw.get("Users", ()):
        kept = [given for given in user.pop("Privileges", ()) if given["Database"] in names]
        if kept:
            user["Privileges"] = kept
    raw["MaxNodeID"] = max(raw["MaxNodeID"], *used, 0) if used else raw["MaxNodeID"]
    return raw


def in_one_order(raw: dict[str, Any]) -> dict[str, Any]:
    """Privileges are a map in InfluxDB: they come in any order."""
    for user in raw.get("Users", ()):
        user.get("Privileges", []).sort(key=lambda given: given["Database"])
    for database in raw.get("Databases", ()):
        for policy in database.get("RetentionPolicies", ()):
            policy.get("ShardGroups", []).sort(key=lambda group: group["ID"])
    return raw


def _with_index(data: Data, like: Data) -> Data:
    """A file's index is the generation of the cluster that wrote it; an empty cluster's id is its own."""
    from dataclasses import replace

    return replace(data, index=like.index, cluster_id=like.cluster_id)
