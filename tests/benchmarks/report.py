"""The numbers as a Markdown table and as JSON."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from etcdmeta.embedded.binaries import find_binaries
from tests.benchmarks.measure import Result, Scale

_HEAD = ("what", "where", "measured (min–max of rounds)", "ours", "floor", "goal", "reached")


def machine() -> dict[str, str]:
    """What it was measured on."""
    return {
        "cores": str(os.cpu_count()),
        "cpu": _cpu(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "etcd": _etcd(),
        **{name: version(name) for name in ("grpcio", "protobuf", "pydantic", "rpds-py")},
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _etcd() -> str:
    program = str(find_binaries().etcd)
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True, timeout=10).stdout
    return said.splitlines()[0].partition(":")[2].strip()


def as_json(results: Sequence[Result], scale: Scale) -> dict[str, object]:
    return {
        "machine": machine(),
        "scale": asdict(scale),
        "results": [{**asdict(result), "reached": result.reached} for result in results],
    }


def as_markdown(results: Sequence[Result], scale: Scale) -> str:
    about = machine()
    line = f"{about.pop('cores')} cores, {about.pop('cpu')}, {about.pop('system')}"
    versions = ", ".join(f"{name} {number}" for name, number in about.items())
    rows = [_HEAD, tuple("---" for _ in _HEAD), *map(_row, results)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{table}\n\nMedians of {scale.rounds} interleaved rounds. {line}; {versions}.\n"


def _row(result: Result) -> tuple[str, ...]:
    goal = "" if result.reach is None else f"{'≥' if result.at_least else '≤'} {_number(result.reach, result.unit)}"
    spread = result.measured
    ends = f"({_number(spread.low)}–{_number(spread.high)})"
    reached = {True: "yes", False: "**no**", None: "—"}[result.reached]
    measured = f"{_number(spread.median, result.unit)} {ends}"
    return result.what, result.setting, measured, result.ours, result.floor, goal, reached


def _number(value: float, unit: str = "") -> str:
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text if unit in {"", "×"} else f"{text} {unit}"
