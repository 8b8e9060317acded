"""The shard groups of a picture as their stored messages: they come by the 100,000, and no model is made of any."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.decoding import parse_group
from etcdmeta.records.pb import records_pb2 as pb


def group_values(snapshot: Snapshot, database_id: int, policy_id: int) -> Iterator[bytes]:
    """In order of time, then of id; deleted ones, too, until they are pruned."""
    tables = snapshot.tables
    policy = tables.policy(database_id, policy_id)
    if policy is None:
        return
    row = tables.groups.getter()
    if not (policy.truncated or policy.deleted):  # what serves does not overlap: its starts are in order, each once
        yield from map(itemgetter(0), map(row, policy.serving.ids()))
        return
    ids = {(entry[0], entry[2]) for index in (policy.serving, policy.truncated, policy.deleted) for entry in index}
    for _, group_id in sorted(ids):
        yield row(group_id)[0]


def group_messages(snapshot: Snapshot, database_id: int, policy_id: int) -> Iterator[pb.ShardGroup]:
    """The same, decoded."""
    return map(parse_group, group_values(snapshot, database_id, policy_id))
