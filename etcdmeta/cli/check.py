"""``etcdmeta check``: the judgement of `health` in one line, for monitoring systems that run plugins.

The line and the codes are the ones that Nagios and its many heirs agreed on: status and text, a bar, the measured
values as ``'label'=value[unit];warn;crit;min;max``; 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. Whatever goes wrong, a bad
option included, is such a line, too: a plugin that ends otherwise is taken for a critical one.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from etcdmeta.cli.frame import Verb, lone_verb
from etcdmeta.cli.health import Quota
from etcdmeta.cli.health_facts import MAX_AGE, Findings, ask
from etcdmeta.cli.health_verdict import QUOTA_SHARE
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard_cells import age_text
from etcdmeta.cli.sizes import parse_size
from etcdmeta.cli.text import printable, to_ascii
from etcdmeta.errors import EtcdMetaError, Unavailable
from etcdmeta.model.health import Health

app = lone_verb()

WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
"""By exit code."""
_OK, _WARNING, _CRITICAL, _UNKNOWN = range(4)
_CODES = {Health.OK: _OK, Health.UNAVAILABLE: _CRITICAL, Health.UNKNOWN: _UNKNOWN}
_LONGEST = 2048  # characters; older monitoring systems read no more than 4 KiB


class _Plugin(Verb):
    """A command line that cannot be right is a plugin's answer, too."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Raises typer.Exit where the options cannot be read."""
        try:
            return super().make_context(*arguments, **more)
        except TyperException as error:
            session = more["parent"].obj if more.get("parent") is not None else None
            if not isinstance(session, Session):
                raise
            _say(session, _UNKNOWN, error.format_message())
            raise typer.Exit(_UNKNOWN) from None


@app.command(
    "check",
    cls=_Plugin,
    epilog="One line and the exit codes of monitoring plugins: 0 OK, 1 WARNING, "
    "2 CRITICAL, 3 UNKNOWN.\nMore: etcdmeta health.",
)
def check(
    ctx: typer.Context,
    quota: Quota = "2GiB",
    any_version: Annotated[
        bool, typer.Option("--any-version", help="No warning of etcd releases with known defects.")
    ] = False,
) -> None:
    """For monitoring: are etcd, the picture of it and the nodes well? One line, whatever --output says."""
    session = Session.of(ctx)
    try:
        size = parse_size(quota)
        found = ask(session, quota=size, any_version=any_version)
    except EtcdMetaError as error:
        code = _CRITICAL if isinstance(error, Unavailable) else _UNKNOWN
        _say(session, code, str(error))
    except Exception as error:  # noqa: BLE001 - a defect of ours, in the only form that a monitoring system shows
        code = _UNKNOWN
        _say(session, code, f"unexpected: {type(error).__name__}: {error}; see `etcdmeta -vv health`")
    else:
        code = code_of(found)
        _say(session, code, text_of(found), performance(found, quota=size))
    raise typer.Exit(code)


def code_of(found: Findings) -> int:
    """A verdict's; what is fine but for a warning is one."""
    code = _CODES.get(found.verdict, _WARNING)
    return _WARNING if code == _OK and found.warnings else code


def text_of(found: Findings) -> str:
    """What is wrong, worst first, then what is worth knowing; else what was looked at."""
    if told := [*found.reasons, *found.warnings]:
        return "; ".join(told)
    things = "agents" if any(member.is_agent for member in found.members) else "members"
    told = [f"{len(found.answering)} of {len(found.members)} {things} answer"]
    told += [f"{member.endpoint} leads" for member in found.answering if member.is_leader]
    told.append(f"cache {found.cache.state}, {age_text(found.cache.age)} behind")
    reporting = [node for node in found.nodes if node.live is not None]
    if reporting:
        told.append(f"{sum(node.live is True for node in reporting)} of {len(reporting)} nodes live")
    return ", ".join(told)


def performance(found: Findings, *, quota: int) -> list[str]:
    """The measured values. Sizes in bytes, the age in seconds; ``c`` is a counter, ``U`` a value that nobody knows."""
    cache, nodes = found.cache, found.nodes
    age = f"{cache.age:.3f}s" if math.isfinite(cache.age) else "U"
    members = len(found.members)
    values = [f"members={len(found.answering)};{members}:;;0;{members}"]
    if sizes := [member.db_size for member in found.answering if not member.is_agent]:
        values.append(f"db_size={max(sizes)}B;{int(quota * QUOTA_SHARE)};;0;{quota}")
    return [
        *values,
        f"age={age};;{MAX_AGE:g};0",
        f"generation={cache.generation}c",
        f"revision={cache.revision}c",
        f"quarantined={cache.quarantined};0;;0",
        f"nodes={len(nodes)};;;0",
        f"nodes_live={sum(node.live is True for node in nodes)};;;0",
        f"nodes_down={sum(node.live is False for node in nodes)};0;;0",
        f"nodes_flapping={sum(node.flapping for node in nodes)};0;;0",
    ]


def _say(session: Session, code: int, text: str, values: list[str] | None = None) -> None:
    # One line, and one bar: what is behind it is read as values.
    text = " ".join(text.replace("|", "/").split())
    text = printable(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")
    line = f"ETCDMETA {WORDS[code]} - {text}" + (f" | {' '.join(values)}" if values else "")
    utf8 = (getattr(session.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    session.stdout.write((line if utf8 else to_ascii(line)) + "\n")
