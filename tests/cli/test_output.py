"""One listing in every format; what is piped is plain, and hostile names stay text."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
import yaml

from etcdmeta.cli.output import Listing, Output, Picture
from etcdmeta.cli.tables import Column, block, draw

PICTURE = Picture(cluster_id=5577006791947779410, generation=7, revision=9, as_of=1_700_000_000_000_000_001, age=0.25)
ITEMS: list[dict[str, Any]] = [
    {"id": "1", "name": "metrics", "live": True, "tags": ["a", "b"], "labels": {"zone": "x"}},
    {"id": "12", "name": "lögs\t\x1b[31m", "live": None, "tags": [], "labels": {}},
]


def listing(items: list[dict[str, Any]]) -> Listing[dict[str, Any]]:
    return Listing(
        kind="ThingList",
        items=items,
        columns=(
            Column("ID", lambda item: item["id"], right=True),
            Column("NAME", lambda item: item["name"]),
            Column("TAGS", lambda item: ",".join(item["tags"]), wide=True),
        ),
        fields=("id", "name", "live", "tags", "labels"),
        plain=lambda item: item,
        name=lambda item: item["name"],
        things="things",
    )


class Latin(io.StringIO):
    encoding = "iso-8859-1"


def shown(form: str, items: list[dict[str, Any]] = ITEMS, stream: io.StringIO | None = None) -> tuple[str, str]:
    notes: list[str] = []
    out = stream or io.StringIO()
    output = Output(out, format=form, colour=False, ascii_only=False, quiet=False, note=notes.append)
    output.listing(listing(items), PICTURE)
    return out.getvalue(), "\n".join(notes)


def test_table_in_a_pipe() -> None:
    assert shown("table")[0] == "ID  NAME\n 1  metrics\n12  lögs\\t\\x1b[31m\n"


def test_wide() -> None:
    assert shown("wide")[0].splitlines()[:2] == ["ID  NAME            TAGS", " 1  metrics         a,b"]


def test_wide_letters_keep_columns_straight() -> None:
    items = [{**ITEMS[0], "name": "日本"}, {**ITEMS[0], "name": "abcd"}]
    lines = shown("wide", items)[0].splitlines()
    assert lines[1] == " 1  日本  a,b"
    assert lines[2] == " 1  abcd  a,b"


def test_nothing_to_show_is_a_header_and_a_note() -> None:
    assert shown("table", []) == ("ID  NAME\n", "no things")
    assert shown("csv", []) == ("id,name,live,tags,labels\n", "")
    assert shown("name", []) == ("", "")


def test_json() -> None:
    assert json.loads(shown("json")[0]) == {
        "apiVersion": "etcdmeta/v1",
        "kind": "ThingList",
        "clusterId": "5577006791947779410",
        "generation": 7,
        "revision": 9,
        "asOf": "2023-11-14T22:13:20.000000001Z",
        "ageSeconds": 0.25,
        "summary": {},
        "items": ITEMS,
        "warnings": [],
    }


def test_jsonl_is_an_item_a_line() -> None:
    assert [json.loads(line) for line in shown("jsonl")[0].splitlines()] == ITEMS


def test_yaml_says_the_same_as_json() -> None:
    assert yaml.safe_load(shown("yaml")[0]) == json.loads(shown("json")[0])


def test_csv_and_tsv() -> None:
    csv = shown("csv")[0].splitlines()
    assert csv[:2] == ["id,name,live,tags,labels", '1,metrics,true,"a,b",zone=x']
    tsv = shown("tsv")[0].splitlines()
    assert tsv[1] == "1\tmetrics\ttrue\ta,b\tzone=x"
    assert tsv[2].split("\t")[1] == "lögs\\t\x1b[31m"


def test_name() -> None:
    assert shown("name")[0].splitlines()[0] == "metrics"


def test_json_where_the_locale_knows_no_such_letters() -> None:
    text = shown("json", [{**ITEMS[0], "name": "日"}], Latin())[0]
    assert text.isascii()
    assert json.loads(text)["items"][0]["name"] == "日"


@pytest.mark.parametrize("name", ["\udcff", "a\nb", "\x9b31m", "\u202eabc"])
def test_no_name_moves_the_cursor(name: str) -> None:
    text = shown("table", [{**ITEMS[0], "name": name}])[0]
    assert len(text.splitlines()) == 2
    assert all(character.isprintable() for character in text.replace("\n", ""))


def test_block() -> None:
    assert block([("Id", "1"), ("Name", "a\nb")]) == "Id:    1\nName:  a\\nb\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("width", "whole", "titles"),
    [
        (40, False, ["ID", "NAME", "WHEN", "NOTE"]),
        (28, False, ["ID", "NAME", "NOTE"]),
        (18, False, ["ID", "NAME"]),
        (5, False, ["ID", "NAME"]),
        (28, True, ["ID", "NAME", "WHEN", "NOTE"]),
    ],
)
def test_on_a_narrow_terminal_columns_go_in_the_order_of_their_rank(
    width: int, whole: bool, titles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    columns: tuple[Column[str], ...] = (
        Column("ID", lambda item: item),
        Column("NAME", lambda _: "a database"),
        Column("WHEN", lambda _: "2026-11-24", rank=2),
        Column("NOTE", lambda _: "x" * 8, rank=1),
    )
    out = Terminal()
    draw(out, columns, ["1"], terminal=True, colour=False, whole=whole)
    printed = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    if width > 10:
        assert printed.splitlines()[0].split() == titles
    assert ("WHEN" in printed) is ("WHEN" in titles)


def test_without_colour_there_is_no_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bold header is one, too: NO_COLOR is set by who cannot have any."""
    monkeypatch.setenv("TERM", "xterm")
    columns: tuple[Column[str], ...] = (Column("NAME", str, style=lambda _: "red"),)
    for colour in (False, True):
        out = Terminal()
        draw(out, columns, ["1"], terminal=True, colour=colour)
        assert ("\x1b" in out.getvalue()) is colour


def test_ascii_is_for_terminals() -> None:
    for stream, utf8 in ((Terminal(), False), (io.StringIO(), True)):
        output = Output(stream, format="table", colour=False, ascii_only=True, quiet=False, note=str)
        assert output.utf8 is utf8
        assert not output.marks
