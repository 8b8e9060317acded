"""How far long work is."""

from __future__ import annotations

import io

import pytest

from etcdmeta.cli import progress as module
from etcdmeta.cli.progress import Progress, progress
from etcdmeta.cli.session import Session
from tests.cli.conftest import Terminal


def test_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "monotonic", lambda: 100.0)
    shown = Progress("loading", records=5_000, size=6 << 20)
    assert shown.text(100.0) == "loading: 0 of 5,000 records"
    shown.report(1_000, 3 << 19)
    assert shown.text(102.0) == "loading: 1,000 of 5,000 records, 1.5 MiB of 6.0 MiB, 500 records/s, 8 s left"
    shown.step("checking")
    shown.report(10)
    assert shown.text(101.0) == "checking: 10 records, 10 records/s"


def test_it_is_drawn_on_terminals_only_and_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENT", 0.0)
    monkeypatch.setattr(module, "_EVERY", 0.0)

    class Watched(Terminal):
        def write(self, text: str) -> int:
            written = super().write(text)
            if "of 9" in self.getvalue():
                seen.set()
            return written

    seen = module.threading.Event()
    terminal = Watched()
    with progress(Session({}, io.StringIO(), io.StringIO(), terminal), "loading", records=9) as shown:
        shown.report(3)
        assert seen.wait(10)
    assert terminal.getvalue().endswith("\r\x1b[K")
    pipe = io.StringIO()
    with progress(Session({}, io.StringIO(), io.StringIO(), pipe), "loading") as shown:
        shown.report(3)
    assert pipe.getvalue() == ""
