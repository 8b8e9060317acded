"""What the agent says on stderr: one event a line, as ``key=value`` text or as JSON, with the time in UTC.

Events are standard logging records. Facts of an event are given beside the sentence, ``log.info("joined",
extra=facts(node=1))``, and stand in the line under their own names. What is logged carries no secret: errors have none
by contract (`etcdmeta.errors`), and identities, settings and certificates have no repr that tells one.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

# Ours, and what the libraries below say of our own process.
LOGGERS = ("etcdmeta", "grpc", "asyncio")
_FACTS = "etcdmeta_facts"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/,@+[]")


def facts(**named: object) -> dict[str, Any]:
    """For ``extra``: what a line says besides its sentence."""
    return {_FACTS: named}


@contextmanager
def logging_to(stream: TextIO, *, format: str = "text", level: int = logging.INFO) -> Iterator[None]:  # noqa: A002
    """Ours from ``level`` on, of others warnings; threads that die of an exception, too. Ends with the block."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    before = [(logger := logging.getLogger(name), logger.level, logger.propagate) for name in LOGGERS]
    hook = threading.excepthook
    for logger, _, _ in before:
        logger.addHandler(handler)
        logger.setLevel(level if logger.name == "etcdmeta" else logging.WARNING)
        logger.propagate = False
    threading.excepthook = _thread_died
    try:
        yield
    finally:
        threading.excepthook = hook
        for logger, was, propagated in before:
            logger.removeHandler(handler)
            logger.setLevel(was)
            logger.propagate = propagated


def _thread_died(died: threading.ExceptHookArgs) -> None:
    if died.exc_value is not None and not isinstance(died.exc_value, SystemExit):
        name = died.thread.name if died.thread else "?"
        trace = (died.exc_type, died.exc_value, died.exc_traceback)
        logging.getLogger("etcdmeta.agent").error("the thread %s ended by a defect", name, exc_info=trace)


class _Lines(logging.Formatter):
    def line(self, record: logging.LogRecord) -> dict[str, Any]:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in getattr(record, _FACTS, {}).items():
            if value is not None:
                line.setdefault(name, value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return line


class JsonLines(_Lines):
    """``{"time": "2026-11-23T12:00:00.000Z", "level": "info", "logger": …, "message": …, …}``"""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.line(record), default=str)


class TextLines(_Lines):
    """``time=2026-11-23T12:00:00.000Z level=info logger=etcdmeta.agent message="…" …``"""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={_quoted(value)}" for name, value in self.line(record).items())


def _quoted(value: object) -> str:
    """As JSON quotes, which leaves no line break in it; bare where nothing needs it."""
    text = str(value)
    return text if text and _PLAIN.issuperset(text) else json.dumps(text, ensure_ascii=False)
