import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdmeta.commands.placement import place, shard_count

EVEN: dict[int, int] = {}


@pytest.mark.parametrize(
    ("nodes", "replicas", "shards"),
    [(1, 1, 1), (3, 1, 3), (3, 2, 1), (4, 2, 2), (5, 2, 2), (6, 3, 2), (2, 3, 1), (1, 5, 1), (100, 3, 33)],
)
def test_shards_are_nodes_divided_by_replicas_and_at_least_one(nodes: int, replicas: int, shards: int) -> None:
    assert shard_count(nodes, replicas) == shards
    assert len(place(range(1, nodes + 1), replicas, 0, EVEN)) == shards


@pytest.mark.parametrize(
    ("nodes", "replicas", "position", "load", "owners"),
    [
        # Equal load: InfluxDB's deal, from position modulo the number of nodes.
        ([1, 2, 3], 1, 0, EVEN, ((1,), (2,), (3,))),
        ([1, 2, 3], 1, 1, EVEN, ((2,), (3,), (1,))),
        ([1, 2, 3], 2, 2, EVEN, ((3, 1),)),
        ([1, 2, 3], 2, 7, EVEN, ((2, 3),)),
        ([1, 2, 3, 4], 2, 3, EVEN, ((4, 1), (2, 3))),
        ([2, 5, 9], 2, 1, {2: 4, 5: 4, 9: 4}, ((5, 9),)),
        ([1, 2], 3, 1, EVEN, ((2, 1),)),
        # Unequal load: the fewest owners first; the rotation decides between equals.
        ([1, 2, 3], 2, 0, {1: 1, 2: 0, 3: 0}, ((2, 3),)),
        ([1, 2, 3], 1, 1, {1: 0, 2: 5, 3: 5}, ((1,), (2,), (3,))),
        ([1, 2, 3, 4], 3, 2, {1: 9, 2: 3, 3: 3, 4: 3}, ((3, 4, 2),)),
        ([1, 2, 3, 4], 3, 0, {1: 9, 2: 9, 3: 9}, ((4, 1, 2),)),
        # A node that owns nothing gets one owner, not one in every shard.
        ([1, 2, 3, 4, 5], 2, 0, {1: 50, 2: 50, 3: 50, 4: 50}, ((5, 1), (2, 3))),
    ],
)
def test_owners(nodes, replicas, position, load, owners) -> None:
    assert place(nodes, replicas, position, load) == owners


NODES = st.lists(st.integers(1, 500), min_size=1, max_size=60, unique=True).map(sorted)


@settings(deadline=None)
@given(
    NODES,
    st.integers(1, 8),
    st.integers(0, 10**9),
    st.dictionaries(st.integers(1, 500), st.integers(0, 1000)),
)
def test_no_node_twice_and_the_least_loaded_nodes(nodes, replicas, position, load) -> None:
    shards = place(nodes, replicas, position, load)
    owners = [owner for shard in shards for owner in shard]
    assert all(len(shard) == min(replicas, len(nodes)) for shard in shards)
    assert len(set(owners)) == len(owners)
    assert set(owners) <= set(nodes)
    left_out = set(nodes) - set(owners)
    assert max(load.get(n, 0) for n in owners) <= min((load.get(n, 0) for n in left_out), default=10**9)


@settings(deadline=None)
@given(NODES, st.integers(1, 8), st.integers(0, 10**9))
def test_on_equal_load_it_is_the_round_robin_of_the_reference(nodes, replicas, position) -> None:
    index = position % len(nodes)
    expected = []
    for _ in range(shard_count(len(nodes), replicas)):
        shard = []
        for _ in range(min(replicas, len(nodes))):
            shard.append(nodes[index % len(nodes)])
            index += 1
        expected.append(tuple(shard))
    assert place(nodes, replicas, position, EVEN) == tuple(expected)


@settings(deadline=None)
@given(NODES, st.integers(1, 8), st.lists(st.integers(0, 10**6), max_size=60))
def test_group_after_group_the_counts_stay_within_one(nodes, replicas, positions) -> None:
    load: dict[int, int] = {}
    for position in positions:
        for shard in place(nodes, replicas, position, load):
            for owner in shard:
                load[owner] = load.get(owner, 0) + 1
        counts = [load.get(node, 0) for node in nodes]
        assert max(counts) - min(counts) <= 1
