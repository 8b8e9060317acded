"""How long `etcdmeta --help` takes, against a Python that imports typer and does nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import Pair, Result, Scale, alternate, ratio, seconds


def run(scale: Scale) -> Iterator[Result]:
    program = Path(sys.executable).with_name("etcdmeta")
    times = max(1, scale.operations // 80)

    def ours() -> float:
        return seconds(lambda: _run([str(program), "--help"]))

    def floor() -> float:
        return seconds(lambda: _run([sys.executable, "-c", "import typer"]))

    alternate(floor, ours, 1)
    pairs = []
    for _ in range(scale.rounds):
        pair = alternate(floor, ours, times)
        pairs.append(Pair(1e3 * pair.ours, 1e3 * pair.floor))
    what = "`etcdmeta --help` ÷ `python -c 'import typer'`"
    yield ratio(9, what, "no etcd", pairs, unit="ms", reach=1.5)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
