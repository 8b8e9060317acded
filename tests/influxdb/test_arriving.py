"""InfluxDB's data as our records will hold them, and what is odd in them."""

from __future__ import annotations

import json
import random

import pytest

from etcdmeta.influxdb import RULES, Rule, Treatment, arrive, decode
from etcdmeta.influxdb.arriving_groups import Groups
from etcdmeta.influxdb.data import (
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
from etcdmeta.model.owners import Privilege
from etcdmeta.model.times import MAX_TIME, MIN_TIME
from tests.influxdb.worlds import FIXTURES, NEGATIVE

NOW = 1_800_000_000_000_000_000
HASH = b"$2a$10$" + b"x" * 53


def data_of(*groups: ShardGroupInfo, **fields) -> Data:
    policy = RetentionPolicyInfo("p", 0, 10, 1, groups)
    fields = {"max_node_id": 9, "max_shard_group_id": 9, "max_shard_id": 9} | fields
    return Data(nodes=(NodeInfo(1, "a:1"),), databases=(DatabaseInfo("d", "p", (policy,)),), **fields)


def group(group_id: int, start: int, end: int, *shards: ShardInfo, deleted_at: int = 0, truncated_at=None):
    return ShardGroupInfo(
        group_id, start, end, deleted_at, truncated_at, shards or (ShardInfo(group_id, (), (1,)),)
    )


@pytest.mark.parametrize(
    ("file", "rules", "refused"),
    [
        ("odd-duplicate-database", {Rule.DUPLICATE_NAME, Rule.DUPLICATE_SHARD_ID}, True),
        ("odd-duplicate-shard-id", {Rule.DUPLICATE_SHARD_ID}, True),
        ("odd-start-after-end", {Rule.START_AFTER_END}, True),
        ("odd-overlapping-groups", {Rule.OVERLAPPING_GROUPS}, True),
        ("odd-max-ids-too-low", {Rule.COUNTER_TOO_LOW}, False),
        ("odd-owner-is-no-node", {Rule.OWNER_IS_NO_NODE}, False),
        ("odd-default-rp-dangling", {Rule.DANGLING_DEFAULT}, False),
        ("odd-privileges", {Rule.PRIVILEGE_UNKNOWN, Rule.PRIVILEGE_TWICE, Rule.PRIVILEGE_ON_NOTHING}, False),
        ("odd-empty-names", {Rule.EMPTY_NAME, Rule.EMPTY_USER}, True),
        ("odd-invalid-utf8-database-name", {Rule.UNREADABLE_NAME}, False),
    ],
)
def test_odd_files(file: str, rules: set[Rule], refused: bool) -> None:
    arrival = arrive(decode((NEGATIVE / f"{file}.bin").read_bytes()), now=NOW)
    assert rules <= set(arrival.oddities.counts)
    assert arrival.oddities.refused is refused


def test_every_rule_says_what_is_done() -> None:
    assert set(RULES) == set(Rule)


def test_owners_are_those_that_influxdb_decodes() -> None:
    raw = (FIXTURES / "v0.9-owners" / "mixed.bin").read_bytes()
    decoded = json.loads((FIXTURES / "v0.9-owners" / "mixed.decoded.json").read_text())
    truth = {
        shard["ID"]: [owner["NodeID"] for owner in shard["Owners"] or ()]
        for d in decoded["Databases"]
        for p in d["RetentionPolicies"] or ()
        for g in p["ShardGroups"] or ()
        for shard in g["Shards"] or ()
    }
    arrival = arrive(decode(raw), now=NOW)
    ours = {s: list(owners) for d in arrival.databases for p in d.policies for g in p.groups for s, owners in g.shards}
    assert ours == truth
    assert {node.id for node in arrival.nodes if node.removed} == {2, 101, 102}


def test_split_nodes_are_merged() -> None:
    arrival = arrive(decode((FIXTURES / "v0.10.0" / "rich.bin").read_bytes()), now=NOW)
    assert [(node.id, node.host) for node in arrival.nodes][:2] == [
        (4, "tcp-node2.example.invalid:8088"),
        (6, "tcp-node3.example.invalid:8088"),
    ]
    assert arrival.nodes[0].http_host == "node2.example.invalid:8088"
    assert arrival.highest_node == 9
    both = Data(data_nodes=(NodeInfo(1, "a:80", "a:1"),), meta_nodes=(NodeInfo(1, "m", "a:1"), NodeInfo(2, "n", "b:1")))
    arrival = arrive(both, now=NOW)
    assert [(node.id, node.host, node.http_host) for node in arrival.nodes] == [(1, "a:1", "a:80")]
    assert [odd.path for odd in arrival.oddities.listed if odd.rule is Rule.META_NODE_ONLY] == ["MetaNodes[1]"]
    assert arrival.highest_node == 2  # its id is not given out again


def test_times_that_are_unset_are_none() -> None:
    arrival = arrive(data_of(group(1, 1, 10, deleted_at=7), group(2, 10, 20, truncated_at=0)), now=NOW)
    one, other = arrival.databases[0].policies[0].groups
    assert (one.deleted_at, one.truncated_at, other.deleted_at, other.truncated_at) == (7, None, None, None)
    assert not arrival.oddities.counts


def test_overlapping_groups_are_parted_by_truncation() -> None:
    arrival = arrive(data_of(group(2, 8, 18), group(1, 1, 10), group(3, 9, 12, deleted_at=1)), now=NOW)
    assert [g.truncated_at for g in arrival.databases[0].policies[0].groups] == [None, 8, None]
    (odd,) = arrival.oddities.listed
    assert (odd.rule, odd.path) == (Rule.OVERLAPPING_GROUPS, "Databases[0].RetentionPolicies[0].ShardGroups[1]")
    assert odd.treatment is Treatment.REPAIRED
    assert odd.what == "groups 1 and 2 overlap from 1970-01-01T00:00:00.000000008Z on"


def test_a_password_in_a_destination_is_named_and_not_repeated() -> None:
    """InfluxDB takes it, and shows it to whoever may see subscriptions; nothing is changed without a word, though."""
    urls = ("http://a:1/x@y", "http://me:s3cret@b:1/w?p=1", "udp://s3cret@c:2")
    policy = RetentionPolicyInfo("p", 0, 10, 1, (), (SubscriptionInfo("s", "ALL", urls),))
    arrival = arrive(Data(databases=(DatabaseInfo("db", "p", (policy,)),)), now=NOW)
    assert arrival.databases[0].policies[0].subscriptions[0].destinations == urls
    found = [odd for odd in arrival.oddities.listed if odd.rule is Rule.SECRET_IN_DESTINATION]
    place = "Databases[0].RetentionPolicies[0].Subscriptions[0].Destinations"
    assert [(odd.path, odd.treatment) for odd in found] == [(f"{place}[{n}]", Treatment.KEPT) for n in (1, 2)]
    assert "s3cret" not in repr(found)


def test_ownerless_shards_stay_so_unless_an_owner_is_named() -> None:
    raw = (FIXTURES / "v1.6" / "meta.db").read_bytes()
    alone = arrive(decode(raw), now=NOW)
    assert alone.oddities.counts[Rule.SHARD_WITHOUT_OWNERS] == 222
    owned = arrive(decode(raw), now=NOW, owner=7)
    shards = [shard for d in owned.databases for p in d.policies for g in p.groups for shard in g.shards]
    assert {owners for _, owners in shards} == {(7,)}
    assert Rule.SHARD_WITHOUT_OWNERS not in owned.oddities.counts
    assert not owned.nodes


def test_a_real_server_arrives_as_it_showed_itself() -> None:
    truth = json.loads((FIXTURES / "v1.6" / "truth.json").read_text())
    arrival = arrive(decode((FIXTURES / "v1.6" / "meta.db").read_bytes()), now=NOW)
    shown = json.dumps(truth, ensure_ascii=False)
    assert len(arrival.databases) == 15
    assert sum(len(d.policies) for d in arrival.databases) == 26
    assert all(json.dumps(d.name, ensure_ascii=False) in shown for d in arrival.databases)
    both = next(user for user in arrival.users if user.name == "both")
    names = {arrival.databases[place].name: privilege for place, privilege in both.grants}
    assert names == {"метрики": Privilege.ALL, 'quo"ted': Privilege.READ, "telegraf": Privilege.ALL}


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (data_of(group(1, 1, 2, ShardInfo(1, (), (1, 1)))), Rule.OWNER_TWICE),
        (data_of(group(1, 1, 2, ShardInfo(0, (), (1,)))), Rule.ID_ZERO),
        (data_of(ShardGroupInfo(1, 1, 2)), Rule.GROUP_WITHOUT_SHARDS),
        (data_of(group(1, -(2**63), 5)), Rule.TIME_OUT_OF_RANGE),
        (data_of(group(1, 0, 5)), Rule.TIME_UNSET),
        (data_of(group(1, 1, 2), group(1, 2, 3, ShardInfo(2, (), (1,)))), Rule.DUPLICATE_GROUP_ID),
        (data_of(max_shard_id=2**64 - 1), Rule.NO_IDS_LEFT),
        (data_of(users=(UserInfo("u", HASH), UserInfo("u", HASH))), Rule.DUPLICATE_USER),
        (data_of(users=(UserInfo("u", HASH, False, (UserPrivilege("d", 9),)),)), Rule.PRIVILEGE_UNKNOWN),
        (Data(nodes=(NodeInfo(1, "a:1"), NodeInfo(2, "a:1")), max_node_id=2), Rule.DUPLICATE_NODE),
        (Data(nodes=(NodeInfo(1, "\udcff:1"),), max_node_id=1), Rule.UNREADABLE_ADDRESS),
        (Data(databases=(DatabaseInfo("d", "", (RetentionPolicyInfo("p", -1, 1, 1),)),)), Rule.DURATION_NEGATIVE),
        (Data(databases=(DatabaseInfo("d", "", (RetentionPolicyInfo("p", 0, 0, 1),)),)), Rule.GROUP_DURATION_UNSET),
        (Data(databases=(DatabaseInfo("d", "", (RetentionPolicyInfo("p", 0, 1, 0),)),)), Rule.NO_REPLICAS),
        (Data(databases=(DatabaseInfo("a/b"),)), Rule.UNUSUAL_NAME),
    ],
)
def test_each_rule_by_itself(data: Data, rule: Rule) -> None:
    arrival = arrive(data, now=NOW)
    assert set(arrival.oddities.counts) == {rule}
    assert arrival.oddities.refused is (RULES[rule][0] is Treatment.REFUSED)
    assert all(odd.what and odd.done and odd.path for odd in arrival.oddities.listed)


def test_a_second_database_of_a_name_is_renamed_around_those_that_are_there() -> None:
    data = Data(databases=(DatabaseInfo("d"), DatabaseInfo("d"), DatabaseInfo("d~2"), DatabaseInfo("")))
    assert [d.name for d in arrive(data, now=NOW).databases] == ["d", "d~3", "d~2", "unnamed"]


def test_what_is_usual_arrives_as_if_it_were_looked_at(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The short cut for groups without oddities takes none for usual that is odd, and changes nothing of the others."""
    chance = random.Random(seed)

    def shard(usual: int) -> ShardInfo:
        ids = tuple(chance.choice([(1,), (1,), (1, 2), (2, 1, 3)]))
        owner_ids, owners = chance.choice([((), ids)] * 6 + [(ids, ())] * 2 + [(ids, ids), ((), (1, 1)), ((), ())])
        return ShardInfo(chance.choice([usual] * 9 + [0, 1]), owner_ids, owners)

    def some(number: int) -> ShardGroupInfo:
        start = chance.choice([10 * number] * 9 + [0, MIN_TIME - 1, MAX_TIME])
        end = chance.choice([10 * number + 10] * 9 + [0, 10 * number, MAX_TIME + 1, 10 * number + 25])
        shards = tuple(shard(100 * number + n) for n in range(chance.choice([1, 1, 1, 2, 0])))
        truncated_at = chance.choice([None, None, None, 0, 10 * number + 5])
        return ShardGroupInfo(
            chance.choice([number] * 9 + [0, 1]), start, end, chance.choice([0, 0, 0, 7]), truncated_at, shards
        )

    for _ in range(300):
        data = data_of(*(some(n) for n in range(1, chance.randrange(2, 12))))
        owner = chance.choice([None, 4])
        arrival = arrive(data, now=NOW, owner=owner)
        with monkeypatch.context() as without:
            without.setattr(Groups, "_take_plain", lambda *_: False)
            without.setattr(Groups, "_usual", lambda *_: None)
            assert arrival == arrive(data, now=NOW, owner=owner)
