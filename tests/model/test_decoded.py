"""The cache of decoded records: bounded, and never wrong."""

from __future__ import annotations

import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from etcdmeta.model.decoded import DecodedCache


class Decode:
    """Counts; makes a new model each time."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, row: Any, *arguments: Any) -> tuple[Any, ...]:
        self.calls += 1
        return (row, *arguments)


def row(number: int) -> tuple[int]:
    """A new object each time, though equal ones are equal."""
    return (int(str(number)),)


def test_a_row_is_decoded_once() -> None:
    cache, decode, one = DecodedCache(), Decode(), row(1)
    model = cache.get("key", one, decode, 7)
    assert model == (one, 7)
    assert cache.get("key", one, decode, 7) is model
    assert decode.calls == 1


def test_an_equal_row_of_another_picture_is_another_row() -> None:
    """After a restore of etcd the same counters may stand for another value: only the very object counts."""
    cache, decode = DecodedCache(), Decode()
    first, second = row(1), row(1)
    assert first == second
    assert cache.get("key", first, decode) is not cache.get("key", second, decode)
    assert decode.calls == 2


def test_two_keys_may_have_one_row() -> None:
    cache, decode, one = DecodedCache(), Decode(), row(1)
    assert cache.get("a", one, decode, "a") == (one, "a")
    assert cache.get("b", one, decode, "b") == (one, "b")


@given(st.lists(st.integers(0, 30), max_size=300), st.integers(1, 8))
def test_it_holds_at_most_twice_its_limit_and_is_never_wrong(asked: list[int], limit: int) -> None:
    cache, decode = DecodedCache(limit), Decode()
    rows = [row(number) for number in range(31)]
    for number in asked:
        assert cache.get(number, rows[number], decode) == (rows[number],)
        assert held(cache) <= 2 * limit
    assert decode.calls >= len(set(asked))


def held(cache: DecodedCache) -> int:
    return len(cache._young) + len(cache._old)


def test_what_is_in_use_stays() -> None:
    """The newest few are asked for all the time, while a scan goes through everything."""
    cache, decode, hot = DecodedCache(10), Decode(), row(0)
    model = cache.get("hot", hot, decode)
    for number in range(1, 200):
        cache.get(number, row(number), decode)
        assert cache.get("hot", hot, decode) is model
    assert decode.calls == 200


def test_any_thread_may_use_it() -> None:
    cache, rows = DecodedCache(4), [row(number) for number in range(20)]
    wrong: list[object] = []
    gate = threading.Barrier(4)

    def work(step: int) -> None:
        gate.wait(10)
        for turn in range(3000):
            number = (turn * step) % 20
            found = cache.get(number, rows[number], Decode(), number)
            if found != (rows[number], number):
                wrong.append((number, found))

    threads = [threading.Thread(target=work, args=(step,)) for step in (1, 3, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert wrong == []
