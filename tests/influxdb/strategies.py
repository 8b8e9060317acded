"""Any `Data` that the encoding can hold."""

from __future__ import annotations

from hypothesis import strategies as st

from etcdmeta.influxdb.data import (
    ContinuousQueryInfo,
    Data,
    DatabaseInfo,
    NodeInfo,
    RetentionPolicyInfo,
    ShardGroupInfo,
    ShardInfo,
    SubscriptionInfo,
    UserInfo,
    UserPrivilege,
)

U64 = st.integers(0, 2**64 - 1) | st.integers(0, 5)
I64 = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
TEXT = st.binary(max_size=6).map(lambda raw: raw.decode("utf-8", "surrogateescape")) | st.sampled_from(["a", "b", ""])


def tuples(of, most=3):
    return st.lists(of, max_size=most).map(tuple)


NODES = tuples(st.builds(NodeInfo, U64, TEXT, st.none() | TEXT))
SHARDS = tuples(st.builds(ShardInfo, U64, tuples(U64), tuples(U64)))
GROUPS = tuples(st.builds(ShardGroupInfo, U64, I64, I64, I64, st.none() | I64, SHARDS))
SUBSCRIPTIONS = tuples(st.builds(SubscriptionInfo, TEXT, TEXT, tuples(TEXT)))
POLICIES = tuples(st.builds(RetentionPolicyInfo, TEXT, I64, I64, st.integers(0, 2**32 - 1), GROUPS, SUBSCRIPTIONS))
QUERIES = tuples(st.builds(ContinuousQueryInfo, TEXT, TEXT))
DATABASES = tuples(st.builds(DatabaseInfo, TEXT, TEXT, POLICIES, QUERIES))
PRIVILEGES = tuples(st.builds(UserPrivilege, TEXT, st.integers(-(2**31), 2**31 - 1) | st.integers(0, 3)))
USERS = tuples(st.builds(UserInfo, TEXT, st.binary(max_size=4), st.booleans(), PRIVILEGES))
DATA = st.builds(Data, U64, U64, U64, NODES, DATABASES, USERS, U64, U64, U64, NODES, NODES)
