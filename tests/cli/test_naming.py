"""DB.POLICY and its quotes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdmeta.cli.naming import parse_full_policy, parse_id, parse_labels, parse_policy, policy_name
from etcdmeta.errors import InvalidInput, InvalidName
from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("metrics.autogen", ("metrics", "autogen")),
        ("metrics", ("metrics", "")),
        ('"my.db".autogen', ("my.db", "autogen")),
        ('metrics."1.5 d"', ("metrics", "1.5 d")),
        (r'"a\"b"."c\\d"', ('a"b', r"c\d")),
        ("données.日", ("données", "日")),
    ],
)
def test_read(text: str, parts: tuple[str, str]) -> None:
    assert parse_policy(text) == parts


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a.b.c", '"a', 'a"b"', '"a"b', "a..b", '"a".'])
def test_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        parse_policy(text)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(names, names)
def test_what_is_shown_can_be_typed(database: str, policy: str) -> None:
    assert parse_full_policy(policy_name(database, policy)) == (database, policy)


def test_policy_has_to_be_named() -> None:
    with pytest.raises(InvalidName, match=r"write metrics\.POLICY"):
        parse_full_policy("metrics")


def test_labels() -> None:
    assert parse_labels(["zone=a", "rack=b=c", "x="]) == {"zone": "a", "rack": "b=c", "x": ""}
    for bad in ("zone", "=a", ""):
        with pytest.raises(InvalidInput):
            parse_labels([bad])


@pytest.mark.parametrize("text", ["-1", "x", "", "1.0", "٣", str(2**64)])
def test_ids(text: str) -> None:
    assert parse_id("18446744073709551615", "shard group") == 2**64 - 1
    with pytest.raises(InvalidInput):
        parse_id(text, "shard group")


@pytest.mark.parametrize("words", [("shard", "status"), ("history",)], ids=" ".join)
def test_a_span_that_holds_nothing_is_no_empty_answer(cli: Cli, words: tuple[str, ...]) -> None:
    """The two taken for one another would read as: nothing is there, and all is well."""
    ran = cli(*words, "--since", "now", "--until", "now-1d")
    assert ran.code == 2
    assert "--since now-1d --until now" in ran.err
