"""``etcdmeta agent``: what runs beside a database node and serves the picture to others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.session import CONNECT_SECONDS, Session
from etcdmeta.errors import ConfigurationInvalid

app = noun("agent")

_EPILOG = """\
The first agent of a cluster makes it:

  etcdmeta agent run --data-dir /var/lib/etcdmeta --host db-1:8088 --endpoints etcd-1:2379,etcd-2:2379,etcd-3:2379

One that knows only another agent learns the rest from it:

  etcdmeta agent run --data-dir /var/lib/etcdmeta --host db-2:8088 --join db-1:8188

All but --insecure and --delegate may stand in the settings' file, in its table [agent], without the hyphens in front.
--endpoints, --user, --cacert, --cert and --key lead to etcd, and to other agents where those have no certificate of
their own. Ends on SIGTERM and Ctrl-C with exit code 0; SIGHUP reads the certificates anew. Logs to stderr; -q warnings
only, -v more. With another process under the same identity, or a node that was removed, it ends with exit code 4."""

_List = list[str] | None
_TLS = "TLS of the service"


@verb(app, "run", epilog=_EPILOG)
def run(
    ctx: typer.Context,
    data_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Identity, cache file, lock: one directory per node. Made if need be."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where the other nodes reach the database node.")
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Where to serve. Beyond loopback only with TLS, or --insecure.  [default: 127.0.0.1:8188]",
        ),
    ] = None,
    advertise: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where others reach this agent; without: as --listen.")
    ] = None,
    join: Annotated[
        _List, typer.Option(metavar="HOST:PORT,…", help="Agents to ask for membership, instead of --endpoints.")
    ] = None,
    label: Annotated[_List, typer.Option(metavar="KEY=VALUE", help="Of the node, as zone=a; repeatable.")] = None,
    ttl: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION", help="A silent node is down after this, and before twice this.  [default: 10s]"
        ),
    ] = None,
    max_age: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Refuse to serve a picture older than this.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="[HOST:]PORT", help="Serve /metrics, /health, /ready over HTTP; loopback without HOST."),
    ] = None,
    delegate: Annotated[
        bool, typer.Option("--delegate", help="Follow and commit through --join, though etcd may be reached.")
    ] = False,
    services: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Services of the cluster to stand for; each runs at one agent: all (but repair), none, or some of "
            "plans,precreation,retention,stuck,ledger,repair.  [default: all]",
        ),
    ] = None,
    auto_repair: Annotated[
        bool, typer.Option("--auto-repair", help="And repair, by itself, what a node that stays down has lost.")
    ] = False,
    tls_cert: Annotated[str | None, typer.Option(metavar="FILE", help=f"{_TLS}: certificate and chain.")] = None,
    tls_key: Annotated[str | None, typer.Option(metavar="FILE", help=f"{_TLS}: its key.")] = None,
    tls_client_ca: Annotated[
        str | None, typer.Option(metavar="FILE", help=f"{_TLS}: whose signature callers' certificates need.")
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            help="Listen beyond loopback without TLS: whoever reaches the port reads, changes and joins the cluster, "
            "and whoever is on the way listens.",
        ),
    ] = False,
    allow_read: Annotated[
        _List, typer.Option(metavar="PATTERN", help="Certificates that may read; without: all that are accepted.")
    ] = None,
    allow_execute: Annotated[
        _List, typer.Option(metavar="PATTERN", help="Certificates that may change things; without: none.")
    ] = None,
    allow_join: Annotated[
        _List, typer.Option(metavar="PATTERN", help="Certificates that may join as nodes; without: none.")
    ] = None,
) -> None:
    """Run the agent of a database node: join, be alive, serve the picture."""
    import logging

    from etcdmeta.agent import AgentConfig, Rules, ServerTls
    from etcdmeta.agent.logs import logging_to
    from etcdmeta.agent.process import run as run_process
    from etcdmeta.cli.naming import parse_labels
    from etcdmeta.cli.passwords import etcd_password

    session = Session.of(ctx)
    settings = session.settings
    table = settings.file.agent
    endpoints, agents = _whom(session, table.all(join, "join"))
    max_age, metrics = table.one(max_age, "max-age"), table.one(metrics, "metrics")
    password = etcd_password(session) if endpoints else None
    level = logging.WARNING if session.quiet else logging.DEBUG if session.verbosity else logging.INFO
    with logging_to(session.stderr, format=settings.get("log-format") or "text", level=level):
        config = AgentConfig(
            data_dir=Path(table.needed(data_dir, "data-dir")),
            host=table.needed(host, "host"),
            listen=table.one(listen, "listen") or "127.0.0.1:8188",
            advertise=table.one(advertise, "advertise"),
            join=agents,
            endpoints=endpoints,
            cluster=settings.cluster,
            labels=parse_labels(table.all(label, "label")),
            ttl=_seconds(table.one(ttl, "ttl") or "10s", "--ttl"),
            max_age=None if max_age is None else _seconds(max_age, "--max-age"),
            metrics_listen=None if metrics is None else metrics if ":" in metrics else f"127.0.0.1:{metrics}",
            services=_services(table.one(services, "services") or "all", auto_repair=auto_repair),
            delegate=delegate,
            tls=ServerTls.of(
                table.one(tls_cert, "tls-cert"),
                table.one(tls_key, "tls-key"),
                table.one(tls_client_ca, "tls-client-ca"),
            ),
            insecure=insecure,
            rules=Rules.parse(
                read=table.all(allow_read, "allow-read"),
                execute=table.all(allow_execute, "allow-execute"),
                join=table.all(allow_join, "allow-join"),
            ),
            user=settings.user if endpoints else None,
            password=password[1] if password else None,
            cacert=settings.get("cacert"),
            cert=settings.get("cert"),
            key=settings.get("key"),
            timeout=settings.timeout or CONNECT_SECONDS,
        )
        run_process(config)


def _whom(session: Session, join: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Members of etcd, and agents. The default endpoint counts only where no agent is named."""
    agents = _parts(",".join(join))
    setting = session.settings["endpoints"]
    endpoints = session.settings.endpoints
    if endpoints.startswith(("agent://", "agents://")):
        return (), (*agents, *_parts(endpoints.partition("://")[2]))
    if agents and setting.source == "default":
        return (), agents
    return _parts(endpoints), agents


def _services(text: str, *, auto_repair: bool) -> tuple[str, ...]:
    from etcdmeta.agent.duties import REPAIR, parse_services

    names = parse_services(text)
    return tuple(dict.fromkeys((*names, REPAIR))) if auto_repair else names


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _seconds(text: str, flag: str) -> float:
    from etcdmeta.model.durations import Duration

    if text.isdigit():
        raise ConfigurationInvalid(f"{flag} {text} has no unit", value=text, remedy=f"write {text}s")
    return Duration.parse(text) / 1e9


from etcdmeta.cli import agent_status  # noqa: E402, F401 - registers its verb with ``app``
