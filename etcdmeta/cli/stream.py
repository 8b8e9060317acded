"""Output that does not end: one JSON object a piece of news, each in one line and at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etcdmeta.cli.output import Output, Picture, envelope
from etcdmeta.errors import InvalidInput

FORMATS = ("json", "jsonl")


def check_format(output: Output) -> None:
    """Raises InvalidInput for formats that need to know the end before they begin."""
    if not output.is_table and output.format not in FORMATS:
        raise InvalidInput(
            f"what does not end cannot be told as {output.format}",
            value=output.format,
            remedy="-o table, json or jsonl",
        )


def emit(output: Output, kind: str, item: Mapping[str, Any], picture: Picture) -> None:
    """``jsonl``: the item alone, as lists print it; ``json``: in its envelope. Read by a pipe, so flushed."""
    line = item if output.format == "jsonl" else envelope(kind, [item], picture, {}, ())
    output.lines([output.json_line(line)])
    output.stream.flush()
