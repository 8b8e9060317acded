"""All that a server holds, also what SHOW … does not say: deleted and truncated groups, hashes, counters."""

from __future__ import annotations

from dataclasses import replace

from etcdmeta.influxdb import Data, detect
from etcdmeta.influxdb.asking import ask_server
from etcdmeta.influxdb.data import DatabaseInfo, UserInfo, UserPrivilege
from tests.influxdb_server.server import InfluxServer

SECONDS = 60.0


def stored(server: InfluxServer) -> Data:
    """What it answers to ``influxdb://``."""
    return detect(ask_server(server.backup_address, timeout=SECONDS)).decode()


def comparable(data: Data) -> Data:
    """Without what a server changes on its own: it takes a cluster id where there is none, has no nodes, keeps a user's
    privileges as a map without order, and does not tell a truncation at 0 from none. It takes groups in any order, and
    sorts them by time when it makes one: we write them sorted."""
    return replace(
        data,
        cluster_id=0,
        max_node_id=0,
        databases=tuple(map(_database, data.databases)),
        users=tuple(map(_user, data.users)),
    )


def _database(database: DatabaseInfo) -> DatabaseInfo:
    policies = tuple(
        replace(
            policy,
            shard_groups=tuple(
                group._replace(truncated_at=group.truncated_at or None)
                for group in sorted(policy.shard_groups, key=lambda group: (group.start_time, group.end_time, group.id))
            ),
        )
        for policy in database.retention_policies
    )
    return replace(database, retention_policies=policies)


def _user(user: UserInfo) -> UserInfo:
    last = {given.database: given.privilege for given in user.privileges}
    return replace(user, privileges=tuple(UserPrivilege(*given) for given in sorted(last.items())))
