"""The table of owner transitions, and the words of the records."""

from __future__ import annotations

import itertools

import pytest

from etcdmeta.errors import TransitionRefused
from etcdmeta.model.owners import (
    RULES,
    SERVING,
    TRANSITIONS,
    Condition,
    OwnerStatus,
    Privilege,
    check_transition,
    owner_status,
    transitions_from,
)

A, C, L, F = OwnerStatus.ACTIVE, OwnerStatus.COPYING, OwnerStatus.LEAVING, OwnerStatus.FAILED

# The design's table, spelled out once more, so that a changed row is noticed.
ALLOWED = {
    (None, A): Condition.GROUP_CREATED,
    (None, C): Condition.COPY_BEGINS,
    (C, A): Condition.SAME_ATTEMPT,
    (C, F): Condition.COPY_FAILED,
    (F, C): Condition.COPY_AGAIN,
    (C, None): Condition.COPY_CANCELLED,
    (F, None): Condition.COPY_CANCELLED,
    (A, L): Condition.MOVE_BEGINS,
    (L, A): Condition.MOVE_CALLED_OFF,
    (A, F): Condition.CANNOT_SERVE,
    (L, None): Condition.OWNER_GOES,
    (A, None): Condition.OWNER_GOES,
}
EVERY = list(itertools.product([None, *OwnerStatus], repeat=2))


@pytest.mark.parametrize(("before", "after"), EVERY)
def test_table(before: OwnerStatus | None, after: OwnerStatus | None) -> None:
    if (before, after) in ALLOWED:
        row = check_transition(before, after)
        assert (row.before, row.after, row.condition) == (before, after, ALLOWED[before, after])
        assert row.rule
    else:
        with pytest.raises(TransitionRefused) as refused:
            check_transition(before, after)
        assert "next step is one of" in (refused.value.rule or "")


def test_no_row_stands_twice_and_every_condition_has_its_rule() -> None:
    assert len({(row.before, row.after) for row in TRANSITIONS}) == len(TRANSITIONS) == len(ALLOWED)
    assert set(RULES) == set(Condition) == {row.condition for row in TRANSITIONS}


def test_a_status_of_a_later_version_is_not_left_or_entered() -> None:
    for step in (("resting", A), ("resting", None), (A, "resting"), (None, "resting")):
        with pytest.raises(TransitionRefused):
            check_transition(*step)
    assert transitions_from("resting") == ()
    with pytest.raises(TransitionRefused, match="later version"):
        check_transition("resting", A)


def test_words() -> None:
    assert check_transition("active", "leaving").condition is Condition.MOVE_BEGINS
    assert frozenset({A, L}) == SERVING
    assert owner_status("") is A
    assert owner_status("failed") is F
    assert owner_status("resting") == "resting"


@pytest.mark.parametrize(
    ("has", "number", "allowed"),
    [
        (Privilege.NONE, 0, {Privilege.NONE}),
        (Privilege.READ, 1, {Privilege.NONE, Privilege.READ}),
        (Privilege.WRITE, 2, {Privilege.NONE, Privilege.WRITE}),
        (Privilege.ALL, 3, set(Privilege)),
    ],
)
def test_privileges(has: Privilege, number: int, allowed: set[Privilege]) -> None:
    assert has.number == number
    assert Privilege.from_number(number) is has
    assert {wanted for wanted in Privilege if has.allows(wanted)} == allowed


def test_no_other_privilege_has_a_number() -> None:
    with pytest.raises(ValueError, match="4"):
        Privilege.from_number(4)
