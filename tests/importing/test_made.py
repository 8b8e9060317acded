"""Groups in columns are the rows that went in, whatever is asked of them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from etcdmeta.commands.importing.made import Columns, Made, bare

Row = tuple[Any, ...]


def some_rows(chance: random.Random, *, plain: bool) -> tuple[Columns, list[Row]]:
    columns, rows = Columns(), []
    for number in range(chance.randrange(40)):
        start = 10 * number - 50
        owners = tuple(range(chance.randrange(1, 4)))
        row: Row = (2**64 - 1 - number, start, start + 10, None, None, ((2**63 + number, owners),))
        if plain or chance.random() < 0.7:
            columns.add(row[0], row[1], row[2], row[5][0][0], owners)
        else:
            shards = tuple((n, owners) for n in range(chance.randrange(3)))
            row = (number, start, start + 10, chance.choice([None, 7]), chance.choice([None, 3]), shards)
            columns.add_row(row)
        rows.append(row)
    return columns, rows


@pytest.mark.parametrize("plain", [True, False])
def test_columns_are_the_rows_that_went_in(plain: bool, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        columns, rows = some_rows(chance, plain=plain)
        assert len(columns) == len(rows)
        assert list(columns) == rows
        assert [columns[place] for place in range(len(rows))] == rows
        low, high = sorted(chance.randrange(-45, 45) for _ in range(2))
        assert columns[low:high:2] == tuple(rows[low:high:2])
        assert columns.is_plain or not plain
        assert list(bare(Made(columns, list))) == list(bare(rows)) == rows
        with pytest.raises(IndexError):
            columns[len(rows)]
        if rows:
            assert columns[-1] == rows[-1]
            place = chance.randrange(len(rows))
            rows[place] = (*rows[place][:4], 99, rows[place][5])
            columns.replace(place, rows[place])
            assert list(columns) == rows
            assert columns[place] == rows[place]
            assert not columns.is_plain


@pytest.mark.parametrize(
    ("second", "plain"),
    [((20, 30), True), ((25, 30), True), ((19, 30), False), ((10, 30), False), ((5, 9), False)],
    ids=["next", "later", "overlaps", "same start", "before"],
)
def test_groups_are_plain_where_none_reaches_into_the_next(second: tuple[int, int], plain: bool) -> None:
    columns = Columns()
    columns.add(1, 10, 20, 1, (1,))
    columns.add(2, *second, 2, (1,))
    assert columns.is_plain is plain
