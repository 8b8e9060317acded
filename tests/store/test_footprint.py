"""Whether two plans may stand in one transaction, against every key of a small world."""

from __future__ import annotations

import random
from collections.abc import Sequence

from etcdmeta.records.transaction import Compare, Delete, DeleteRange, Put, Write
from etcdmeta.store.merging import Footprint

KEYS = [b"%x" % n for n in range(7)]

Made = tuple[Sequence[Compare], Sequence[Write]]


def some(chance: random.Random) -> Made:
    def span() -> tuple[bytes, bytes]:
        start, end = sorted(chance.sample(range(len(KEYS)), 2))
        return KEYS[start], KEYS[end]

    kinds = chance.choices(["absent", "none in", "put", "delete", "delete range"], k=chance.randrange(4))
    compares: list[Compare] = []
    writes: list[Write] = []
    for kind in kinds:
        match kind:
            case "absent":
                compares.append(Compare.absent(chance.choice(KEYS)))
            case "none in":
                compares.append(Compare.none_in(*span()))
            case "put":
                writes.append(Put(chance.choice(KEYS), b"x"))
            case "delete":
                writes.append(Delete(chance.choice(KEYS)))
            case _:
                writes.append(DeleteRange(*span()))
    return compares, writes


def touches(one: Made, other: Made) -> bool:
    """That both delete the same range is no conflict: it is gone either way."""
    for key in KEYS:
        ours, by_range = _writes(one[1], key)
        theirs, by_their_range = _writes(other[1], key)
        compared = any(compare.covers(key) for compare in other[0])
        if (ours or by_range) and (compared or theirs or (by_their_range and ours)):
            return True
    return False


def _writes(writes: Sequence[Write], key: bytes) -> tuple[bool, bool]:
    """By itself, and by a range."""
    ranges = [write for write in writes if isinstance(write, DeleteRange)]
    single = any(write.key == key for write in writes if not isinstance(write, DeleteRange))
    return single, any(r.start <= key < r.end for r in ranges)


def test_footprints_touch_where_a_key_says_so(seed: int) -> None:
    chance = random.Random(seed)
    found = {True: 0, False: 0}
    for _ in range(4_000):
        one, other, third = some(chance), some(chance), some(chance)
        first, second = Footprint(*one), Footprint(*other)
        assert first.writes_touch(second) == touches(one, other), (one, other)
        assert first.is_disjoint(second) == (not touches(one, other) and not touches(other, one))
        both = Footprint()
        both.add(first)
        both.add(Footprint(*third))
        assert both.writes_touch(second) == (touches(one, other) or touches(third, other))
        assert both.size == first.size + Footprint(*third).size
        found[touches(one, other)] += 1
    assert min(found.values()) > 400
