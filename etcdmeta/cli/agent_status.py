"""``etcdmeta agent status``: how agents are, each asked by its own address, and who runs the cluster's services."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli.agent import app
from etcdmeta.cli.agent_clusters import cluster_labels, cluster_warnings
from etcdmeta.cli.agent_services import item_of_service, service_table, service_warnings
from etcdmeta.cli.exits import DEGRADED, UNAVAILABLE
from etcdmeta.cli.frame import verb
from etcdmeta.cli.output import Listing
from etcdmeta.cli.screens import AgentItem
from etcdmeta.cli.session import CONNECT_SECONDS, Session
from etcdmeta.cli.shard_cells import age_text
from etcdmeta.cli.tables import Column
from etcdmeta.cli.waiting import waiting
from etcdmeta.errors import ConfigurationInvalid, EtcdMetaError, InvalidInput, LimitReached
from etcdmeta.model.times import format_time

if TYPE_CHECKING:
    from etcdmeta.cli.output import Picture
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store.agents import AgentStatus

_AWAY = "unreachable"
_BUSY = "busy"
_LONGEST = 200  # characters of what an agent says is wrong, in a table
_SCHEMES = ("agent://", "agents://")


@verb(app, "status", epilog="Exit code: 0 all answer, 10 some do not, 11 none does.")
def status(
    ctx: typer.Context,
    addresses: Annotated[
        list[str] | None,
        typer.Argument(metavar="ADDRESS", help="host:port of agents; without: all that the live nodes name."),
    ] = None,
) -> None:
    """Ask agents how they, their pictures and their sources are.

    Agents of several clusters are told apart: the services below them are those of each.
    """
    from etcdmeta.store.agents import agent_statuses

    session = Session.of(ctx)
    picture: Picture | None = None
    nodes: dict[str, int] = {}
    given = [part.strip() for address in addresses or () for part in address.split(",") if part.strip()]
    if not given:
        with session.store() as store:
            snapshot, picture = session.look(store)
        nodes = named_by(snapshot)
    asked = list(dict.fromkeys(given or [*nodes, *_configured(session)]))
    seconds = session.remaining(CONNECT_SECONDS) or CONNECT_SECONDS
    with waiting(session, f"asking {len(asked)} agents"):
        said = agent_statuses(
            asked,
            timeout=seconds,
            ca=session.settings.get("cacert"),
            cert=session.settings.get("cert"),
            key=session.settings.get("key"),
        )
    _raise_mistakes(said, given)
    items = [item_of(address, answer, nodes.get(address)) for address, answer in said.items()]
    session.output.listing(listing(items, None if picture is None else picture.cluster_id), picture)
    if session.output.is_table:
        service_table(session.output, items)
    answering = sum(item.answers for item in items)
    if answering < len(items):
        raise typer.Exit(DEGRADED if answering else UNAVAILABLE)


def named_by(snapshot: Snapshot) -> dict[str, int]:
    """Address of an agent → its node, of all that are live and name one, in the order of nodes."""
    found = {}
    for node in snapshot.nodes():
        liveness = snapshot.liveness(node.id)
        if liveness is not None and liveness.agent_address:
            found[liveness.agent_address] = node.id
    return found


def listing(items: list[AgentItem], own: int | None = None) -> Listing[AgentItem]:
    """The agents in every format. ``own``: the cluster whose nodes name them, where nobody gave their addresses."""
    labels = cluster_labels(items)
    which: list[Column[AgentItem]] = [Column("CLUSTER", lambda item: labels.get(item.address, "-"))] if labels else []
    return Listing(
        kind="AgentList",
        items=items,
        columns=(
            Column("NODE", lambda item: "-" if item.node_id is None else f"n{item.node_id}", right=True),
            Column("ADDRESS", lambda item: item.address),
            *which,
            Column("STATE", _state, style=lambda item: "" if item.state == "live" else "red"),
            Column("GENERATION", lambda item: _number(item.generation), right=True),
            Column("AGE", _age, right=True),
            Column("SOURCE", _source),
            Column("STREAMS", lambda item: _number(item.streams), right=True),
            Column("VERSION", lambda item: item.version or "-"),
            Column("PROBLEM", _problem, style=lambda _: "red"),
            Column("HOST", lambda item: item.host or "-", wide=True),
            Column("REVISION", lambda item: _number(item.revision), right=True, wide=True),
            Column("REQUESTS", lambda item: _number(item.requests), right=True, wide=True),
            Column("QUARANTINED", lambda item: _number(item.quarantined), right=True, wide=True),
            Column("STARTED", lambda item: "-" if item.started is None else format_time(item.started), wide=True),
        ),
        fields=AgentItem.fields(),
        plain=AgentItem.plain,
        name=lambda item: item.address,
        things="agents",
        flat={"services": _flat_services},
        summary={"agents": len(items), "answering": sum(item.answers for item in items)},
        warnings=[*cluster_warnings(items, own), *service_warnings(items)],
    )


def item_of(address: str, said: AgentStatus | EtcdMetaError, node_id: int | None) -> AgentItem:
    """One agent as its JSON has it. ``node_id``: whose it is by the picture, where that is known."""
    if isinstance(said, EtcdMetaError):
        return _silent(address, said, node_id)
    return AgentItem(
        address=address,
        answers=True,
        node_id=said.node_id or None,
        host=said.host or None,
        cluster=said.cluster,
        cluster_id=said.cluster_id or None,
        state=said.state,
        generation=said.generation,
        revision=said.revision,
        age_seconds=None if said.age is None else round(said.age, 3),
        live=said.live,
        source=said.source,
        source_address=said.source_address or None,
        streams=said.streams,
        requests=said.requests,
        quarantined=said.quarantined,
        version=said.version,
        started=said.started or None,
        participates=said.participates,
        etcd_endpoints=list(said.etcd_endpoints),
        agents=list(said.agents),
        counters=said.counters,
        problem=said.problem or None,
        services=list(map(item_of_service, said.services)),
    )


def _silent(address: str, error: EtcdMetaError, node_id: int | None) -> AgentItem:
    unknown = dict.fromkeys(AgentItem.model_fields)
    state = _BUSY if isinstance(error, LimitReached) else None  # it is there, and takes nothing more on
    known = {"address": address, "answers": False, "node_id": node_id, "state": state, "problem": error.message}
    return AgentItem.model_validate(
        {**unknown, "etcd_endpoints": [], "agents": [], "counters": {}, "services": [], **known}
    )


def _configured(session: Session) -> list[str]:
    """The agents that the store itself is served by: they may be of no node."""
    endpoints = session.settings.endpoints
    if not endpoints.startswith(_SCHEMES):
        return []
    return [part.strip() for part in endpoints.partition("://")[2].split(",") if part.strip()]


def _raise_mistakes(said: dict[str, AgentStatus | EtcdMetaError], given: list[str]) -> None:
    """What the caller wrote wrongly is no agent's trouble; what a node's record holds is."""
    for address, answer in said.items():
        if isinstance(answer, ConfigurationInvalid) or (address in given and isinstance(answer, InvalidInput)):
            raise answer


def _state(item: AgentItem) -> str:
    return item.state or ("-" if item.answers else _AWAY)


def _problem(item: AgentItem) -> str:
    return shorten(item.problem or "", _LONGEST, placeholder=" …")


def _flat_services(item: AgentItem) -> str:
    return ",".join(f"{service.name}={'leads' if service.leads else 'stands by'}" for service in item.services)


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _age(item: AgentItem) -> str:
    return "-" if item.age_seconds is None else age_text(item.age_seconds)


def _source(item: AgentItem) -> str:
    if item.source in (None, "unknown"):
        return "-"
    return f"{item.source} {item.source_address}" if item.source_address else str(item.source)
