"""What a page of an import may hold, record by record, and that groups are made the same whatever came before."""

from __future__ import annotations

import random

import pytest

from etcdmeta.commands.importing.incoming import (
    Incoming,
    IncomingDatabase,
    IncomingGroup,
    IncomingOwner,
    IncomingPolicy,
    IncomingShard,
)
from etcdmeta.commands.importing.pages import put_below
from etcdmeta.commands.importing.shipment import Shipment
from etcdmeta.commands.plan import PlanBuilder
from etcdmeta.errors import InvalidInput
from etcdmeta.model.imports import Import, ImportState
from etcdmeta.records import keys
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.store.importing import preview_import
from etcdmeta.testing import local_store
from tests.importing.sources import RICH, intake_of, now

RECORD = Import(
    id=1,
    state=ImportState.LOADING,
    digest=b"",
    source="x",
    first_database=3,
    databases=2,
    first_policy=5,
    policies=2,
    nodes={n: 10 + n for n in range(1, 5)},
)
GROUP = pb.ShardGroup(id=7, start=100, end=110).SerializeToString()
KEY = keys.group(3, 5, 100, 7)
POLICY = keys.groups_span(3, 5)[0]


@pytest.mark.parametrize("first", [True, False], ids=["first", "behind another"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        (keys.group(3, 5, 101, 7), GROUP),
        (keys.group(3, 5, 100, 8), GROUP),
        (keys.group(5, 5, 100, 7), GROUP),  # not its database
        (POLICY + b"x/" + KEY.removeprefix(POLICY), GROUP),
        (KEY + b"0", GROUP),
        (KEY, b"\xff"),
        (POLICY, GROUP),
    ],
)
def test_a_group_is_the_one_that_its_key_says(key: bytes, value: bytes, first: bool) -> None:
    before = [] if first else [(KEY, GROUP)]
    put_below(PlanBuilder(), RECORD, [*before, (KEY, GROUP)])
    with pytest.raises(InvalidInput):
        put_below(PlanBuilder(), RECORD, [*before, (key, value)])


def test_groups_are_made_as_if_each_were_the_first(seed: int) -> None:
    chance = random.Random(seed)
    odd = IncomingOwner(2, "copying", 1, 3, 99, "why")
    owners = [(), (IncomingOwner(1),), (IncomingOwner(2), IncomingOwner(1)), (IncomingOwner(1), odd)]

    def some(number: int) -> IncomingGroup:
        shards = tuple(
            IncomingShard(10 * number + n, chance.choice(owners), chance.choice([0, 0, 7]))
            for n in range(chance.randrange(4))
        )
        deleted_at, truncated_at = (chance.choice([None, None, 0, 5]) for _ in range(2))
        return IncomingGroup(number, number, number + 1, deleted_at, truncated_at, shards)

    groups = tuple(some(number) for number in range(1, 200))
    assert _written(groups) == [pair for group in groups for pair in _written((group,))]


@pytest.mark.parametrize("anew", [False, True], ids=["ids kept", "ids anew"])
def test_own_pages_would_pass_the_look_that_they_are_spared(anew: bool) -> None:
    with local_store() as store:
        preview = preview_import(store, intake_of(RICH), now=now())
    given = {"first_group": 70_000, "first_shard": 90_000} if anew else {}
    record = preview.record.model_copy(update=given)
    shipment = Shipment(preview.incoming, record)
    pages = [*shipment.frame(), *shipment.groups_of_all()]
    for page in pages:
        put_below(PlanBuilder(), record, page.records)
    groups = {key for page in pages for key, _ in page.records if key.startswith(b"state/db/") and b"/group/" in key}
    assert len(groups) == record.groups > 300


def _written(groups: tuple[IncomingGroup, ...]) -> list[tuple[bytes, bytes]]:
    incoming = Incoming(databases=(IncomingDatabase("d", 0, (IncomingPolicy("p", 0, 1, 1, groups),)),))
    shipment = Shipment(incoming, RECORD)
    written = [pair for page in shipment.groups_of_all() for pair in page.records if pair[0].startswith(POLICY)]
    for (_, value), group in zip(written, groups, strict=True):
        made = pb.ShardGroup.FromString(value)
        assert (made.id, made.start, made.end) == group[:3]
        assert (made.deleted_at if made.HasField("deleted_at") else None) == group.deleted_at
        assert (made.truncated_at if made.HasField("truncated_at") else None) == group.truncated_at
        for found, shard in zip(made.shards, group.shards, strict=True):
            assert (found.id, found.last_attempt) == (shard.id, shard.last_attempt)
            for owner, wanted in zip(found.owners, shard.owners, strict=True):
                assert owner.node_id == RECORD.nodes[wanted.node_id]
                assert owner.source == RECORD.nodes.get(wanted.source, 0)
                assert (owner.status, owner.attempt, owner.reason) == (wanted.status, wanted.attempt, wanted.reason)
                assert (owner.since if owner.HasField("since") else None) == wanted.since
    return written
