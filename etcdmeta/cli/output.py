"""Data on stdout: one listing, eight formats. All but ``table`` and ``wide`` are stable."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TextIO, TypeVar

from etcdmeta.cli.tables import Column, draw, rule_off
from etcdmeta.cli.text import printable
from etcdmeta.model.times import format_time

API_VERSION = "etcdmeta/v1"

T = TypeVar("T")
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """Which picture an output was made from. ``as_of``: ns since 1970; ``age``: seconds."""

    cluster_id: int
    generation: int
    revision: int
    as_of: int
    age: float


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """What a verb has to say, before any format.

    ``fields`` are the keys of an item's JSON, in order: the header of csv and tsv. ``plain`` makes that JSON.
    ``name`` is what the item is called on a command line. ``flat`` replaces the csv cell of nested fields.
    ``things`` is the plural for the note that there are none.
    """

    kind: str
    items: Sequence[T]
    columns: Sequence[Column[T]]
    fields: Sequence[str]
    plain: Callable[[T], Json]
    name: Callable[[T], str]
    things: str = "items"
    flat: Mapping[str, Callable[[T], str]] = field(default_factory=dict)
    summary: Json = field(default_factory=dict)
    warnings: Sequence[str] = ()


def envelope(
    kind: str, items: Iterable[Json], picture: Picture | None, summary: Json, warnings: Sequence[str]
) -> dict[str, Any]:
    """The JSON around every output; what a cluster would have to say is null where none was asked."""
    dated = picture if picture is not None and math.isfinite(picture.age) else None
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "clusterId": str(picture.cluster_id) if picture else None,
        "generation": picture.generation if picture else None,
        "revision": picture.revision if picture else None,
        "asOf": format_time(dated.as_of) if dated else None,
        "ageSeconds": round(dated.age, 3) if dated else None,
        "summary": dict(summary),
        "items": list(items),
        "warnings": list(warnings),
    }


class Output:
    """Writes listings in the format that was asked for."""

    def __init__(
        self,
        stream: TextIO,
        *,
        format: str,  # noqa: A002
        colour: bool,
        ascii_only: bool,
        quiet: bool,
        note: Callable[[str], None],
    ) -> None:
        """``note`` takes what is not data: that a list is empty."""
        self.stream = stream
        self.format = format
        self.colour = colour
        self.is_terminal = stream.isatty()
        letters = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
        self.utf8 = letters and not (ascii_only and self.is_terminal)
        self.marks = self.is_terminal and self.utf8
        self._quiet = quiet
        self._note = note
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")  # a name that is no UTF-8, or none of this locale's letters

    @property
    def is_table(self) -> bool:
        """Whether a person reads it: ``table`` or ``wide``."""
        return self.format in ("table", "wide")

    def listing(self, listing: Listing[T], picture: Picture | None = None) -> None:
        """Write all of it."""
        if self.is_table:
            for warning in listing.warnings:
                self._note(f"warning: {warning}")
            if not listing.items:
                self._note(f"no {listing.things}")
            columns = [column for column in listing.columns if self.format == "wide" or not column.wide]
            draw(
                self.stream,
                columns,
                listing.items,
                terminal=self.is_terminal,
                colour=self.colour,
                whole=self.format == "wide",
            )
        elif self.format == "name":
            self.lines(listing.name(item) for item in listing.items)
        elif self.format == "jsonl":
            self.lines(self.json_line(listing.plain(item)) for item in listing.items)
        elif self.format in ("csv", "tsv"):
            self._separated(listing)
        else:
            items = map(listing.plain, listing.items)
            self.document(envelope(listing.kind, items, picture, listing.summary, listing.warnings))

    def details(self, listing: Listing[T], texts: Iterable[str], picture: Picture | None = None) -> None:
        """What ``show`` prints: the texts, an empty line between two, for a person; else the listing."""
        if not self.is_table:
            self.listing(listing, picture)
            return
        for number, text in enumerate(texts):
            self.stream.write(("\n" if number else "") + text)

    def document(self, value: Json) -> None:
        """One JSON or YAML document."""
        if self.format == "yaml":
            import yaml

            dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
            yaml.dump(value, self.stream, Dumper=dumper, sort_keys=False, allow_unicode=self.utf8, width=110)
        else:
            self.stream.write(json.dumps(value, indent=2, ensure_ascii=not self.utf8) + "\n")

    def json_line(self, value: Json) -> str:
        """One object in one line."""
        return json.dumps(value, ensure_ascii=not self.utf8)

    def sentence(self, text: str) -> None:
        """What was done, for a person; it is not data, so ``-q`` leaves it out."""
        if self.is_table and not self._quiet:
            self.lines([printable(text)])

    def lines(self, lines: Iterable[str]) -> None:
        """Text as it is, a line each."""
        for line in lines:
            self.stream.write(line + "\n")

    def _separated(self, listing: Listing[T]) -> None:
        rows: list[list[str]] = [list(listing.fields)]
        for item in listing.items:
            plain = listing.plain(item)
            rows.append([_flat(listing, item, plain, name) for name in listing.fields])
        if self.format == "tsv":
            self.lines("\t".join(rule_off(cell) for cell in row) for row in rows)
        else:
            import csv

            csv.writer(self.stream, lineterminator="\n").writerows(rows)


def _flat(listing: Listing[T], item: T, plain: Json, name: str) -> str:
    if name in listing.flat:
        return listing.flat[name](item)
    value = plain[name]
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict():
            return ",".join(f"{key}={part}" for key, part in value.items())
        case list():
            return ",".join(part if isinstance(part, str) else json.dumps(part) for part in value)
        case _:
            return str(value)
