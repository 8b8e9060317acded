"""`TimeIndex` against a sorted list."""

from __future__ import annotations

import random
from array import array
from bisect import insort
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdmeta.errors import Defect
from etcdmeta.model.timeindex import Entry, TimeIndex
from etcdmeta.model.times import MAX_TIME, MIN_TIME

SIZES = [0, 1, 2, 63, 64, 65, 128, 129, 64 * 64, 64 * 64 + 1, 10_000]


def find(entries: Iterable[Entry], time: int) -> int | None:
    return next((i for start, end, i in entries if start <= time < end), None)


def at_or_before(entries: Iterable[Entry], time: int) -> Entry | None:
    return max((entry for entry in entries if entry[0] <= time), key=order, default=None)


def overlapping(entries: Iterable[Entry], low: int, high: int) -> list[Entry]:
    return [(start, end, i) for start, end, i in entries if start <= high and end > low]


def matches(index: TimeIndex, entries: list[Entry], times: Iterable[int]) -> None:
    assert len(index) == len(entries)
    assert list(index) == entries
    for time in times:
        assert index.find(time) == find(entries, time)
        assert index.at_or_before(time) == at_or_before(entries, time)
        assert list(index.range(time, time + 7)) == overlapping(entries, time, time + 7)
    assert list(index.range(MIN_TIME, MAX_TIME)) == overlapping(entries, MIN_TIME, MAX_TIME)


def order(entry: Entry) -> tuple[int, int]:
    return entry[0], entry[2]


@st.composite
def spans(draw: st.DrawFn) -> list[Entry]:
    """Spans that do not overlap, with gaps and with empty ones, which lie anywhere and may share starts."""
    cuts = sorted(draw(st.sets(st.integers(-100, 100), max_size=30)))
    entries = [(a, b, n) for n, (a, b) in enumerate(pairwise(cuts), 1)]
    kept = [entry for entry in entries if draw(st.integers(0, 3))]
    empty = draw(st.lists(st.tuples(st.integers(-110, 110), st.integers(0, 20)), max_size=12))
    kept += [(start, start - before, 1_000 + n) for n, (start, before) in enumerate(empty)]
    return kept


@given(spans(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_any_order_of_adding_gives_the_same(entries: list[Entry], chance: random.Random) -> None:
    chance.shuffle(entries)
    index = TimeIndex()
    for start, end, identity in entries:
        index = index.add(start, end, identity)
    entries.sort(key=order)
    matches(index, entries, range(-120, 120))
    matches(TimeIndex.from_sorted(entries), entries, range(-120, 120))


@pytest.mark.parametrize("size", SIZES)
def test_sizes(size: int) -> None:
    entries = [(n * 10, n * 10 + 8, n + 1) for n in range(size)]  # with gaps
    loaded = TimeIndex.from_sorted(entries)
    added = TimeIndex()
    for entry in entries:
        added = added.add(*entry)
    for index in (loaded, added):
        assert list(index) == entries
        assert len(index) == size
        for n in (*range(0, size, 97), size - 1):
            if 0 <= n < size:
                assert index.find(n * 10) == index.find(n * 10 + 7) == n + 1
                assert index.find(n * 10 + 8) is None
                assert index.at_or_before(n * 10 + 9) == entries[n]
                assert list(index.range(n * 10 + 8, n * 10 + 20)) == entries[n + 1 : n + 3]
        assert index.find(-1) is None
        assert index.at_or_before(-1) is None
        assert list(index.range(-100, -1)) == []


def test_adding_at_the_end_leaves_full_leaves() -> None:
    """What 100,000 groups cost in memory depends on it."""
    index = TimeIndex()
    for n in range(10_000):
        index = index.add(n, n + 1, n)
    leaves = [len(starts) for _, leaves in index._branches for starts, _, _ in leaves]
    assert set(leaves[:-1]) == {64}


def test_many_random_changes(seed: int) -> None:
    chance = random.Random(seed)
    entries: list[Entry] = [(n * 10, n * 10 + 10, n) for n in range(6_000)]
    index = TimeIndex.from_sorted(entries)
    pictures = []
    for step in range(6_000):
        if chance.random() < 0.45:
            start, end, identity = entries.pop(chance.randrange(len(entries)))
            index = index.remove(start, identity)
        elif chance.random() < 0.5:
            start = chance.randrange(60_000)  # an empty one, with others of that start
            entry = (start, start - chance.randrange(3), 10_000 + step)
            insort(entries, entry, key=order)
            index = index.add(*entry)
        else:
            n = chance.choice([n for n in range(len(entries)) if entries[n][2] < 10_000])
            start, end, identity = entries[n]
            end = start + chance.randrange(11)  # down to an empty one, or up to the next
            entries[n] = (start, end, identity)
            index = index.replace_end(start, identity, end)
        if step % 1_000 == 0:
            pictures.append((index, list(entries)))
    pictures.append((index, entries))
    for picture, held in pictures:
        assert list(picture) == held
        assert len(picture) == len(held)
    for _ in range(200):
        time = chance.randrange(-5, 60_010)
        assert index.find(time) == find(entries, time)
        assert index.at_or_before(time) == at_or_before(entries, time)
        assert list(index.range(time, time + 50)) == overlapping(entries, time, time + 50)
    while entries:
        start, _, identity = entries.pop(chance.randrange(len(entries)))
        index = index.remove(start, identity)
    assert list(index) == []
    assert index.find(0) is None


def test_runs(seed: int) -> None:
    """At the end, at the beginning, into gaps, across others, and out of order: as one by one."""
    chance = random.Random(seed)
    for _ in range(30):
        index, entries, identity = TimeIndex(), [], 0
        for _ in range(60):
            step = chance.choice([0, 1, 1, 3, 50])
            start, run = chance.choice([-5_000, 0, 5_000, 10_000]) + chance.randrange(200), []
            for _ in range(chance.choice([0, 1, 5, 97, 300])):
                identity += 1
                run.append((start, start, identity))
                start += step
            if chance.random() < 0.2:
                chance.shuffle(run)
            columns = [array(kind, [entry[n] for entry in run]) for n, kind in enumerate("qqQ")]
            before = list(index)
            grown = index.add_run(*columns)
            assert list(index) == before
            index, entries = grown, sorted(entries + run, key=order)
            assert list(index) == entries
            assert len(index) == len(entries)
        assert all(0 < len(leaves) <= 64 for _, leaves in index._branches)
        assert all(0 < len(starts) <= 64 for _, leaves in index._branches for starts, _, _ in leaves)
        for start, _, identity in chance.sample(entries, len(entries) // 2):
            index = index.remove(start, identity)
        time = chance.randrange(-6_000, 12_000)
        assert index.at_or_before(time) == at_or_before(list(index), time)


def test_runs_at_the_end_leave_full_leaves() -> None:
    index = TimeIndex()
    for n in range(0, 9_700, 97):
        columns = array("q", range(n, n + 97)), array("q", range(n + 1, n + 98)), array("Q", range(n, n + 97))
        index = index.add_run(*columns)
    leaves = [len(starts) for _, leaves in index._branches for starts, _, _ in leaves]
    assert set(leaves[:-1]) == {64}


def test_many_of_one_start() -> None:
    """More than a branch holds, so that equal starts lie on both sides of every border."""
    count = 64 * 64 + 100
    numbers = list(range(count))
    random.Random(7).shuffle(numbers)
    index = TimeIndex.from_sorted([(5, 5, n) for n in range(count)])
    for n in numbers[: count // 2]:
        index = index.remove(5, n)
    for n in numbers[: count // 2]:
        index = index.add(5, 5, n)
    assert list(index) == [(5, 5, n) for n in range(count)]
    assert index.add(0, 10, 9_999).find(7) == 9_999


def test_extreme_times_and_ids() -> None:
    index = TimeIndex().add(MIN_TIME, 0, 2**64 - 1).add(0, MAX_TIME, 1)
    assert index.find(MIN_TIME) == 2**64 - 1
    assert index.find(MAX_TIME - 1) == 1
    assert index.find(MAX_TIME) is None


def test_refuses_what_cannot_be() -> None:
    index = TimeIndex().add(0, 10, 1)
    with pytest.raises(Defect):
        index.add(0, 5, 1)
    with pytest.raises(Defect):
        TimeIndex.from_sorted([(1, 2, 1), (0, 1, 2)])
    with pytest.raises(Defect):
        index.add_run(array("q", [0, 1]), array("q", [0, 2]), array("Q", [1, 2]))
    for change in (
        lambda: index.remove(0, 2),
        lambda: TimeIndex().remove(0, 1),
        lambda: index.replace_end(1, 1, 5),
    ):
        with pytest.raises(KeyError):
            change()
