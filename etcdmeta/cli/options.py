"""Options: the global ones, which go before or after the verb, and those that several verbs share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from etcdmeta.cli.session import Session
from etcdmeta.cli.tree import FORMATS


def _collect(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> None:
    """Keep a global option for the session. Given twice, the later one counts; ``-v`` adds up."""
    if value is None or value is False or value == 0 or not isinstance(ctx.obj, Session):
        return
    name = str(param.name)
    ctx.obj.flags[name] = ctx.obj.flags.get(name, 0) + value if name == "verbose" else value


def _option(*flags: str, **more: Any) -> Any:
    return typer.Option(*flags, callback=_collect, expose_value=False, show_default=False, **more)


_Text = str | None


def global_options(
    endpoints: Annotated[
        _Text, _option("--endpoints", metavar="HOST:PORT,…", help="etcd's members, or agent://HOST:PORT,….")
    ] = None,
    cluster: Annotated[_Text, _option("--cluster", metavar="NAME", help="Which cluster, below /etcdmeta/.")] = None,
    user: Annotated[_Text, _option("--user", metavar="NAME", help="Who signs in to etcd; no password here.")] = None,
    cacert: Annotated[_Text, _option("--cacert", metavar="FILE", help="TLS: whose signature to trust.")] = None,
    cert: Annotated[_Text, _option("--cert", metavar="FILE", help="TLS: our certificate.")] = None,
    key: Annotated[_Text, _option("--key", metavar="FILE", help="TLS: its key.")] = None,
    config: Annotated[_Text, _option("--config", metavar="FILE", help="The file of settings and contexts.")] = None,
    context: Annotated[_Text, _option("--context", metavar="NAME", help="Which context of that file.")] = None,
    timeout: Annotated[_Text, _option("--timeout", metavar="DURATION", help="Bounds the command: 30s, 10m.")] = None,
    output: Annotated[_Text, _option("-o", "--output", metavar="FORMAT", help=" ".join(FORMATS))] = None,
    quiet: Annotated[bool, _option("-q", "--quiet", help="Print nothing but data.")] = False,
    verbose: Annotated[int, _option("-v", "--verbose", count=True, help="Say what is tried; -vv: everything.")] = 0,
    log_format: Annotated[_Text, _option("--log-format", metavar="FORMAT", help="text or json, on stderr.")] = None,
    at_generation: Annotated[
        int | None, _option("--at-generation", metavar="N", min=1, help="Lists and screens as they were then.")
    ] = None,
    ascii: Annotated[bool, _option("--ascii", help="Words instead of marks.")] = False,  # noqa: A002
) -> None:
    """Cluster metadata for a time-series database: etcd is the raft."""


DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be expected and written; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Force = Annotated[bool, typer.Option("--force", help="Break the rule that stands in the way; wants --reason.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the history.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit with the verdict, 10 to 12, where it is not ok.")]
