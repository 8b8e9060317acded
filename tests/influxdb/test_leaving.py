"""Our picture as InfluxDB's data."""

from __future__ import annotations

import pytest

from etcdmeta.influxdb import Counters, Dialect, DialectCannotHold, arrive, decode, depart, encode
from etcdmeta.model.entities import ShardOwner
from etcdmeta.model.owners import OwnerStatus
from tests.commands.conftest import World

MONDAY = 1_440_979_200_000_000_000


@pytest.fixture
def world() -> World:
    made = World()
    made.add_nodes(3)
    made.add_database(replicas=2)
    made.add_group(MONDAY)
    return made


def test_a_picture_goes_out_and_comes_back(world: World) -> None:
    departure = depart(world.snapshot, hashes={}, counters=Counters(7, 8, 9))
    data = departure.data
    assert departure.lost == ()
    assert (data.term, data.index) == (1, world.snapshot.generation)
    assert (data.max_node_id, data.max_shard_group_id, data.max_shard_id) == (7, 8, 9)
    again = decode(encode(data, Dialect.V0_9_6))
    assert again == data
    assert encode(data, Dialect.V0_9_6) == encode(depart(world.snapshot, hashes={}, counters=Counters(7, 8, 9)).data, Dialect.V0_9_6)  # fmt: skip # noqa: E501
    arrival = arrive(again, now=1)
    assert not arrival.oddities.counts
    (ours,) = world.snapshot.groups()
    (theirs,) = arrival.databases[0].policies[0].groups
    assert (theirs.id, theirs.start, theirs.end) == (ours.id, ours.start, ours.end)
    assert theirs.shards == tuple((s.id, tuple(o.node_id for o in s.owners)) for s in ours.shards)
    assert [(n.id, n.host) for n in arrival.nodes] == [(n.id, n.host) for n in world.snapshot.nodes()]
    assert arrival.databases[0].default_policy == "autogen"


def test_owners_that_do_not_serve_stay_behind(world: World) -> None:
    (group,) = world.snapshot.groups()
    shard = group.shards[0]
    owners = (*shard.owners[:1], ShardOwner(node_id=3, status=OwnerStatus.COPYING, source=1, attempt=1))
    world.put_group(group.with_shard(shard.model_copy(update={"owners": owners})))
    departure = depart(world.snapshot, hashes={}, counters=Counters())
    (out,) = departure.data.databases[0].retention_policies[0].shard_groups
    assert out.shards[0].owners == (shard.owners[0].node_id,)
    assert {loss.what for loss in departure.lost} == {"owner's status copying", "owner that does not serve"}
    everyone = depart(world.snapshot, hashes={}, counters=Counters(), all_owners=True).data
    assert everyone.databases[0].retention_policies[0].shard_groups[0].shards[0].owners[-1] == 3


def test_a_user_without_a_hash_does_not_leave(world: World) -> None:
    from etcdmeta.model.entities import User
    from etcdmeta.records import keys

    world.put(keys.user(1), User(id=1, name="u"))
    with pytest.raises(DialectCannotHold, match="hash of user 'u'"):
        depart(world.snapshot, hashes={}, counters=Counters())
    (user,) = depart(world.snapshot, hashes={1: b"$2a$x"}, counters=Counters()).data.users
    assert (user.name, user.hash, user.privileges) == ("u", b"$2a$x", ())
