"""Runs the themes in order, and shows what they found."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import (
    agents,
    applying,
    cold_start,
    commands,
    delivery,
    importing,
    influxdb,
    memory_gc,
    planning,
    snapshot,
    startup,
)
from tests.benchmarks.measure import FULL, QUICK, Result, Scale
from tests.benchmarks.report import as_json, as_markdown

THEMES: dict[str, Callable[[Scale], Iterator[Result]]] = {
    "commands": commands.run,
    "delivery": delivery.run,
    "cold_start": cold_start.run,
    "snapshot": snapshot.run,
    "memory_gc": memory_gc.run,
    "startup": startup.run,
    "agents": agents.run,
    "planning": planning.run,
    "applying": applying.run,
    "influxdb": influxdb.run,
    "importing": importing.run,
}


def measure(scale: Scale, only: Sequence[str] = ()) -> Iterator[Result]:
    """The results of all themes, or of those named, as they come."""
    for name in only or THEMES:
        yield from THEMES[name](scale)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=(__doc__ or "").strip())
    parser.add_argument("--quick", action="store_true", help="a tenth of the groups, fewer rounds: a first look")
    parser.add_argument("--only", action="append", choices=sorted(THEMES), help="one theme; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON, too")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"instead of {FULL.rounds} ({QUICK.rounds}, if quick)")
    options = parser.parse_args(arguments)
    scale = QUICK if options.quick else FULL
    if options.rounds:
        scale = replace(scale, rounds=options.rounds)
    results = []
    for result in measure(scale, options.only or ()):
        results.append(result)
        print(f"{result.what} [{result.setting}]: {result.measured.median:.3g} {result.unit}", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(as_json(results, scale), indent=2, ensure_ascii=False) + "\n")
    print(as_markdown(results, scale), end="")
