"""What the library logs, shown on stderr while a verb works on a store."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session


@contextmanager
def logging_to(session: Session) -> Iterator[None]:
    """Warnings always, with ``-v`` what is tried, with ``-vv`` everything. Ends with the block."""
    handler = logging.StreamHandler(session.stderr)
    handler.setFormatter(_Json() if session.settings.get("log-format") == "json" else _Text())
    logger = logging.getLogger("etcdmeta")
    before = logger.level
    logger.setLevel({0: logging.WARNING, 1: logging.INFO}.get(session.verbosity, logging.DEBUG))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        return f"{level}{record.getMessage()}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()})
