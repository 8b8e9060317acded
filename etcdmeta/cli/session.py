"""One run of the command line: what was asked for, where it prints, and the store it works on."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO, overload

if TYPE_CHECKING:
    import typer

    from etcdmeta.cli.output import Output, Picture
    from etcdmeta.cli.settings import Settings
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore

CONNECT_SECONDS = 5.0


def _locale_is_plain(environ: Mapping[str, str]) -> bool:
    """Whether the locale is C or POSIX. Python writes UTF-8 there all the same (PEP 540), which not all show.

    ``PYTHONUTF8`` set: somebody asked for that.
    """
    return bool(sys.flags.utf8_mode) and not environ.get("PYTHONUTF8")


class Session:
    """Everything that a verb needs. Settings, output and store are made when first asked for."""

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.environ = os.environ if environ is None else environ
        self.stdin = stdin or sys.stdin
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self.flags: dict[str, Any] = {}
        self._began = time.monotonic()

    @classmethod
    def of(cls, ctx: typer.Context) -> Session:
        """The session that a verb runs in."""
        session = ctx.obj
        assert isinstance(session, cls)
        return session

    @cached_property
    def settings(self) -> Settings:
        """Raises ConfigurationInvalid."""
        from etcdmeta.cli.settings import Settings

        return Settings(self.flags, self.environ)

    @cached_property
    def output(self) -> Output:
        """Where data goes, in the format that was asked for."""
        from etcdmeta.cli.output import Output

        return Output(
            self.stdout,
            format=self.settings.get("output") or "table",
            colour=self.stdout.isatty() and not self.environ.get("NO_COLOR"),
            ascii_only=bool(self.flags.get("ascii")) or (self.stdout is sys.stdout and _locale_is_plain(self.environ)),
            quiet=self.quiet,
            note=self.note,
        )

    @property
    def quiet(self) -> bool:
        """Print nothing but data."""
        return bool(self.flags.get("quiet"))

    @property
    def at_generation(self) -> int | None:
        """Show this generation instead of the present."""
        return self.flags.get("at_generation")

    @property
    def verbosity(self) -> int:
        """How often ``-v`` was given."""
        return int(self.flags.get("verbose", 0))

    @property
    def can_ask(self) -> bool:
        """Whether a person sits at both ends."""
        return self.stdin.isatty() and self.stderr.isatty()

    @overload
    def remaining(self, default: float) -> float: ...
    @overload
    def remaining(self, default: None = None) -> float | None: ...
    def remaining(self, default: float | None = None) -> float | None:
        """Seconds left of ``--timeout``, not below 0; ``default`` where none was set."""
        timeout = self.settings.timeout
        return default if timeout is None else max(0.0, timeout - (time.monotonic() - self._began))

    def note(self, text: str, *, level: str = "info") -> None:
        """Say something on stderr that is not data. Warnings are said with ``-q``, too, the rest is not."""
        if self.quiet and level not in ("warning", "error"):
            return
        if self.flags.get("log_format") == "json" or self.settings.get("log-format") == "json":
            import json

            text = json.dumps({"level": level, "message": text})
        elif level == "warning":
            text = f"warning: {text}"
        self.stderr.write(text + "\n")
        self.stderr.flush()

    def trace(self, text: str) -> None:
        """What is tried, with ``-v``."""
        if self.verbosity:
            self.note(text, level="debug")

    @contextmanager
    def store(self, *, wait: bool = True) -> Iterator[MetaStore]:
        """The store that the settings name, closed at the end. Raises ConfigurationInvalid and what opening raises.

        ``wait`` False: whether or not its picture comes.
        """
        from etcdmeta.cli.logs import logging_to
        from etcdmeta.cli.passwords import etcd_password
        from etcdmeta.cli.waiting import waiting

        settings = self.settings
        password = etcd_password(self)
        self.trace(f"trying {settings.describe('endpoints', 'cluster', 'user', 'cacert', 'cert', 'key')}")
        if password is not None:
            self.trace(f"password from {password[0]}")
        with logging_to(self), ExitStack() as stack:
            with waiting(self, f"connecting to {settings.endpoints}"):
                from etcdmeta.store import MetaStore

                store = MetaStore.open(
                    settings.endpoints,
                    cluster=settings.cluster,
                    timeout=self.remaining(CONNECT_SECONDS),
                    user=settings.user,
                    password=password[1] if password else None,
                    cacert=settings.get("cacert"),
                    cert=settings.get("cert"),
                    key=settings.get("key"),
                    wait=wait,
                )
                stack.enter_context(store)
            if wait and self.verbosity:
                fresh = store.freshness()
                where = f"generation {fresh.generation}, revision {fresh.revision}"
                self.trace(f"{fresh.endpoint}: {where}, {time.monotonic() - self._began:.3f} s")
            if wait:
                self._tell_age(store)
            yield store

    def _tell_age(self, store: MetaStore) -> None:
        """Say so where what will be shown is not current: an agent that is cut off from etcd serves what it has."""
        from etcdmeta.model.health import span_text

        fresh = store.freshness()
        if fresh.state != "live":
            age = f"{span_text(fresh.age)} old" if math.isfinite(fresh.age) else "of an unknown age"
            why = f": {fresh.problem.message}" if fresh.problem is not None else ""
            self.note(f"the picture is {age}{why}", level="warning")

    def look(self, store: MetaStore) -> tuple[Snapshot, Picture]:
        """The store's picture, or with ``--at-generation`` that of then, and what the envelope of an output says of it.

        Raises NotInitialised where no cluster stands under the name yet, and what `MetaStore.snapshot_at` raises.
        """
        from etcdmeta.cli.output import Picture
        from etcdmeta.errors import NotInitialised

        snapshot, fresh = store.snapshot(), store.freshness()
        if snapshot.cluster is None:
            raise NotInitialised(
                f"no cluster {self.settings.cluster!r} yet ({self.settings['cluster'].source})",
                value=self.settings.cluster,
                remedy="the first `etcdmeta node join` makes it, or `etcdmeta cluster init`",
            )
        if self.at_generation is not None:
            from etcdmeta.cli.past import look_back

            return look_back(self, store, self.at_generation)
        picture = Picture(
            cluster_id=snapshot.cluster.cluster_id,
            generation=snapshot.generation,
            revision=snapshot.revision,
            as_of=time.time_ns() - (int(fresh.age * 1e9) if math.isfinite(fresh.age) else 0),
            age=fresh.age,
        )
        return snapshot, picture
