"""The fixtures, and what they must hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from etcdmeta.influxdb.data import Data, NodeInfo, RetentionPolicyInfo, ShardGroupInfo
from etcdmeta.influxdb.dialects import Dialect

FIXTURES = Path(__file__).with_name("fixtures")
NEGATIVE = FIXTURES / "negative"

PAIRS = sorted(
    [
        (path, path.with_name(path.name.replace(".bin", ".raw.json")))
        for path in FIXTURES.glob("v*/*.bin")
        if "fetch" not in path.name
    ]
    + [(FIXTURES / "v1.6" / "meta.db", FIXTURES / "v1.6" / "raw.json")]
)  # fmt: skip
"""A bare message, and its fields as another reader saw them."""

DIALECTS = {
    "v0.9-ownerids": Dialect.V0_9_4, "v0.9-server-ownerids": Dialect.V0_9_4, "v0.9-owners": Dialect.V0_9_4,
    "v0.9-server-owners": Dialect.V0_9_4, "v0.9.6": Dialect.V0_9_6, "v0.10.0": Dialect.V0_10, "v1.0.0": Dialect.V1,
    "v1.6-go": Dialect.V1, "v1.6": Dialect.V1,
}  # fmt: skip


def name_of(path: Path) -> str:
    return str(path.relative_to(FIXTURES))


def as_raw(data: Data) -> dict[str, Any]:
    """The form of ``*.raw.json``: InfluxDB's field names, lists only where they are not empty."""
    return _filled(
        {
            "Term": data.term,
            "Index": data.index,
            "ClusterID": data.cluster_id,
            "Nodes": [_node(n) for n in data.nodes],
            "Databases": [
                _filled(
                    {
                        "Name": d.name,
                        "DefaultRetentionPolicy": d.default_retention_policy,
                        "RetentionPolicies": [_policy(p) for p in d.retention_policies],
                        "ContinuousQueries": [{"Name": q.name, "Query": q.query} for q in d.continuous_queries],
                    }
                )
                for d in data.databases
            ],
            "Users": [
                _filled(
                    {
                        "Name": u.name,
                        "Hash": u.hash.decode(),
                        "Admin": u.admin,
                        "Privileges": [{"Database": p.database, "Privilege": p.privilege} for p in u.privileges],
                    }
                )
                for u in data.users
            ],
            "MaxNodeID": data.max_node_id,
            "MaxShardGroupID": data.max_shard_group_id,
            "MaxShardID": data.max_shard_id,
            "DataNodes": [_node(n) for n in data.data_nodes],
            "MetaNodes": [_node(n) for n in data.meta_nodes],
        }
    )


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in ([], None)}


def _node(node: NodeInfo) -> dict[str, Any]:
    return _filled({"ID": node.id, "Host": node.host, "TCPHost": node.tcp_host})


def _policy(policy: RetentionPolicyInfo) -> dict[str, Any]:
    return _filled(
        {
            "Name": policy.name,
            "Duration": policy.duration,
            "ShardGroupDuration": policy.shard_group_duration,
            "ReplicaN": policy.replica_n,
            "ShardGroups": [_group(g) for g in policy.shard_groups],
            "Subscriptions": [
                _filled({"Name": s.name, "Mode": s.mode, "Destinations": list(s.destinations)})
                for s in policy.subscriptions
            ],
        }
    )


def _group(group: ShardGroupInfo) -> dict[str, Any]:
    shards = [
        _filled({"ID": s.id, "OwnerIDs": list(s.owner_ids), "Owners": [{"NodeID": o} for o in s.owners]})
        for s in group.shards
    ]
    return _filled(
        {
            "ID": group.id,
            "StartTime": group.start_time,
            "EndTime": group.end_time,
            "DeletedAt": group.deleted_at,
            "Shards": shards,
            "TruncatedAt": group.truncated_at,
        }
    )


def verdicts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((NEGATIVE / "results.json").read_text())
    return found
