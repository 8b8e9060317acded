"""The follower's smaller parts, where a case would say it less plainly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdmeta.errors import ConfigurationInvalid
from etcdmeta.replica import actions, inputs
from etcdmeta.replica.backoff import Backoff, Pauses
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.replica.follower import Follower
from etcdmeta.replica.states import FollowerState, Phase, Standing, state_of
from tests.replica.world import PREFIX


def test_without_an_endpoint_there_is_nothing_to_follow() -> None:
    with pytest.raises(ConfigurationInvalid):
        Follower([], PREFIX, random=lambda: 0.0)


@pytest.mark.parametrize(("chance", "endpoint"), [(0.0, "a"), (0.34, "b"), (0.99, "c")])
def test_chance_spreads_followers_over_the_members(chance: float, endpoint: str) -> None:
    first = Follower(["a", "b", "c"], PREFIX, random=lambda: chance).receive(inputs.Started(), 0.0)[0]
    assert isinstance(first, actions.List)
    assert first.endpoint == endpoint


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=2000))
def test_no_wait_is_longer_than_the_cap(jitters: list[float]) -> None:
    backoff = Backoff(free=2, first=0.05, base=0.5, cap=30.0)
    waits = [backoff.failed(jitter) for jitter in jitters]
    limits = [0.05, 0.05] + [min(30.0, 0.5 * 2**n) for n in range(20)] + [30.0] * 2000
    assert all(0 <= wait <= limit for wait, limit in zip(waits, limits, strict=False))


def test_the_longest_waits_double_up_to_the_cap() -> None:
    backoff = Backoff(free=1, first=0.05, base=0.5, cap=3.0)
    assert [backoff.failed(1.0) for _ in range(6)] == [0.05, 0.5, 1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(("healthy", "wait"), [(119.0, 1.0), (120.0, 0.5)])
def test_two_minutes_of_health_begin_the_back_off_anew(healthy: float, wait: float) -> None:
    pauses = Pauses(FollowerConfig(), 1, lambda: 1.0)
    assert pauses.before_next_member(0.0) == 0.5
    pauses.healthy(1.0)
    assert pauses.before_next_member(1.0 + healthy) == wait


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("standing", Standing)
def test_only_what_is_followed_is_live(phase: Phase, standing: Standing) -> None:
    assert (state_of(phase, standing) is FollowerState.LIVE) == (phase is Phase.FOLLOWING)


def test_the_age_of_nothing_is_infinite() -> None:
    follower = Follower(["a"], PREFIX, random=lambda: 0.0)
    follower.receive(inputs.Started(), 5.0)
    assert follower.age(6.0) == float("inf")
    assert follower.state is FollowerState.SYNCING
