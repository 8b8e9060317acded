"""Each case of ``cases/*.yaml``: what is given, what comes in, and what must come out of it. See `script`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.replica.script import Play

_CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted(Path(__file__).with_name("cases").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text())
]
_WORDS = {"name", "given", "inputs", "actions", "published", "changes", "counts", "age", "wakes", "position"}


@pytest.mark.parametrize("case", _CASES)
def test_case(case: dict[str, Any]) -> None:
    assert not case.keys() - _WORDS, "a word that no check looks at"
    play = Play(case.get("given", {}))
    for line in case["inputs"]:
        play.step(line)
    said = play.said if case.get("wakes") else [s for s in play.said if not s.startswith("wake")]
    if "actions" in case:
        assert said == case["actions"]
    if "published" in case:
        assert play.published == [str(p) for p in case["published"]]
    if "changes" in case:
        assert play.changes == case["changes"]
    for counter, number in case.get("counts", {}).items():
        assert getattr(play.follower.counters, counter) == number, counter
    if "age" in case:
        assert play.follower.age(play.now) == pytest.approx(case["age"])
    if "position" in case:
        snapshot = play.follower.snapshot
        assert snapshot is not None
        assert list(snapshot.position) == case["position"]


def test_there_are_enough_cases_and_no_two_of_a_name() -> None:
    names = [case.id for case in _CASES]
    assert len(names) >= 60
    assert len(set(names)) == len(names)
