"""`OverlayMap` against a dict."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from etcdmeta.model import overlay
from etcdmeta.model.overlay import OverlayMap

keys = st.integers(0, 20)
values = st.integers() | st.none()  # None is a value like any other


def matches(found: OverlayMap[int, int | None], model: dict[int, int | None]) -> None:
    assert len(found) == len(model)
    assert dict(found.items()) == model
    assert sorted(found) == sorted(found.keys()) == sorted(model)
    assert len(list(found.values())) == len(model)
    assert found.holds_any(range(21)) == bool(model)
    assert not found.holds_any([key for key in range(21) if key not in model])
    for key in range(21):
        assert (key in found) == (key in model)
        assert found.get(key, -1) == model.get(key, -1)
        if key in model:
            assert found[key] == model[key]
        else:
            with pytest.raises(KeyError):
                found[key]


class Against(RuleBasedStateMachine):
    """Every map ever made keeps what it held."""

    maps = Bundle("maps")

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[OverlayMap[int, int | None], dict[int, int | None]]] = []

    @initialize(target=maps, model=st.dictionaries(keys, values))
    def load(self, model: dict[int, int | None]) -> int:
        return self.keep(OverlayMap.from_dict(dict(model)), model)

    @rule(target=maps, index=maps, key=keys, value=values)
    def put(self, index: int, key: int, value: int | None) -> int:
        old, model = self.made[index]
        return self.keep(old.set(key, value), {**model, key: value})

    @rule(target=maps, index=maps, new=st.dictionaries(keys, values))
    def put_many(self, index: int, new: dict[int, int | None]) -> int:
        old, model = self.made[index]
        return self.keep(old.update(new), {**model, **new})

    @rule(target=maps, index=maps, key=keys)
    def remove(self, index: int, key: int) -> int:
        old, model = self.made[index]
        if key not in model:
            with pytest.raises(KeyError):
                old.remove(key)
            return index
        return self.keep(old.remove(key), {k: v for k, v in model.items() if k != key})

    @invariant()
    def all_as_they_were(self) -> None:
        for found, model in self.made[-3:] + self.made[:1]:
            matches(found, model)

    def keep(self, found: OverlayMap[int, int | None], model: dict[int, int | None]) -> int:
        self.made.append((found, model))
        return len(self.made) - 1


Against.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAgainst = Against.TestCase


class AgainstInPages(Against):
    """The same, where a few keys are a page and a few more are folded."""

    def __init__(self) -> None:
        self.few = mock.patch.multiple(overlay, _PAGE=2, _YOUNG=3, _SMALLEST_FOLD=6)
        self.few.start()
        super().__init__()

    def teardown(self) -> None:
        self.few.stop()


AgainstInPages.TestCase.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
TestAgainstInPages = AgainstInPages.TestCase


def test_folds_itself_and_leaves_the_old_maps_alone() -> None:
    base = {key: key for key in range(2_000)}
    first = found = OverlayMap.from_dict(dict(base))
    model = dict(base)
    for step in range(5_000):
        key = step * 7 % 3_000
        if step % 3 == 2 and key in model:
            del model[key]
            found = found.remove(key)
        else:
            model[key] = step
            found = found.set(key, step)
        assert len(found) == len(model)
    assert dict(found.items()) == model
    assert "over 2000" not in repr(found)  # it has another base by now
    assert dict(first.items()) == base
