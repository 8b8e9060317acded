"""The services of the cluster in `etcdmeta agent status`: who runs each, since when, what its last pass did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, NamedTuple

from etcdmeta.cli.agent_clusters import by_cluster
from etcdmeta.cli.output import Output
from etcdmeta.cli.screens import AgentItem, ServiceItem, ServiceNoteItem
from etcdmeta.cli.tables import Column, draw
from etcdmeta.model.times import format_time

if TYPE_CHECKING:
    from etcdmeta.store.agents import ServiceReport

NOBODY = "nobody"
_LONGEST = 60


class ServiceRow(NamedTuple):
    """One service, over all agents of one cluster that answered. ``cluster``: which, "" where there is one only.
    ``who``: the leader as people call it; "": nobody, as far as those know. ``told``: by the leader itself; None: it
    did not answer, or stands for nothing any more."""

    cluster: str
    name: str
    who: str
    since: int | None
    told: ServiceItem | None


def item_of_service(said: ServiceReport) -> ServiceItem:
    """A service as its JSON has it."""
    return ServiceItem(
        name=said.name,
        leads=said.leads,
        leader=said.leader or None,
        since=said.since or None,
        every_seconds=said.every or None,
        passes=said.passes,
        failures=said.failures,
        pass_began=said.pass_began or None,
        pass_ended=said.pass_ended or None,
        did=said.did or None,
        did_at=said.did_at or None,
        problem=said.problem or None,
        problem_at=said.problem_at or None,
        failing=said.failing,
        notes=[ServiceNoteItem(text=text, things=things) for text, things in said.notes],
    )


def service_rows(agents: Sequence[AgentItem]) -> list[ServiceRow]:
    """Of one cluster after the other, in the order in which its agents name them; of a leader that does not answer,
    what the others saw of it."""
    clusters, rows = by_cluster(agents), []
    silent = [agent for agent in agents if not agent.answers]
    for cluster in clusters:
        label = cluster.label if len(clusters) > 1 else ""
        names = dict.fromkeys(service.name for agent in cluster.agents for service in agent.services)
        rows += [_row(label, name, [*cluster.agents, *silent]) for name in names]
    return rows


def service_table(output: Output, agents: Sequence[AgentItem]) -> None:
    """Below the agents, for a person; nothing where none of them stands for a service."""
    rows = service_rows(agents)
    if not rows:
        return
    output.lines([""])
    which: list[Column[ServiceRow]] = [Column("CLUSTER", lambda row: row.cluster)] if rows[0].cluster else []
    columns: tuple[Column[ServiceRow], ...] = (
        *which,
        Column("SERVICE", lambda row: row.name),
        Column("LEADER", lambda row: row.who or NOBODY, style=lambda row: "" if row.who else "red"),
        Column("SINCE", lambda row: _time(row.since)),
        Column("LAST PASS", _last_pass),
        Column("DID", lambda row: (row.told and row.told.did) or "-"),
        Column("PROBLEM", _problem, style=lambda _: "red"),
        Column("PASSES", lambda row: "-" if row.told is None else str(row.told.passes), wide=True),
        Column("FAILURES", lambda row: "-" if row.told is None else str(row.told.failures), wide=True),
        Column("LAST PROBLEM", _last_problem, wide=True),
    )
    shown = [column for column in columns if output.format == "wide" or not column.wide]
    draw(output.stream, shown, rows, terminal=output.is_terminal, colour=output.colour)


def service_warnings(agents: Sequence[AgentItem]) -> list[str]:
    """What somebody should know: services that nobody runs, that fail, or that leave something to people."""
    found = []
    for row in service_rows(agents):
        where = f"cluster {row.cluster}: " if row.cluster else ""
        if not row.who:
            found.append(f"{where}nobody runs the service {row.name}")
        found += [f"{where}service {row.name}: {problem}" for problem in _problems(row)]
    return found


def _row(cluster: str, name: str, agents: Sequence[AgentItem]) -> ServiceRow:
    seen: tuple[int, str] = (0, "")
    for agent in agents:
        for service in agent.services:
            if service.name != name:
                continue
            if service.leads:
                who = agent.address if agent.node_id is None else f"n{agent.node_id}"
                return ServiceRow(cluster, name, who, service.since, service)
            seen = max(seen, (service.since or 0, service.leader or ""))
    return ServiceRow(cluster, name, _called(seen[1], agents), seen[0] or None, None)


def _called(leader: str, agents: Sequence[AgentItem]) -> str:
    """``agent host:port`` as its node, where that is known and the agent did not answer: one that did does not lead."""
    address = leader.removeprefix("agent ")
    for agent in agents:
        if agent.address == address:
            return "" if agent.answers else leader if agent.node_id is None else f"n{agent.node_id}"
    return leader


def _problems(row: ServiceRow) -> Iterator[str]:
    if row.told is not None and row.told.failing and row.told.problem:
        yield row.told.problem
    yield from (note.text for note in (() if row.told is None else row.told.notes))


def _problem(row: ServiceRow) -> str:
    """Short: the whole sentences are warnings, on stderr."""
    if row.told is None:
        return ""
    waiting = sum(note.things for note in row.told.notes)
    parts = [shorten(row.told.problem or "", _LONGEST, placeholder=" …")] if row.told.failing else []
    return "; ".join([*parts, *([f"{waiting} waiting"] if waiting else [])])


def _last_pass(row: ServiceRow) -> str:
    told = row.told
    if told is None or told.pass_began is None:
        return "-"
    ended = told.pass_ended or 0
    if told.failing and (told.problem_at or 0) >= max(told.pass_began, ended):
        return f"{_time(told.problem_at)} failed"
    return _time(ended) if ended >= told.pass_began else f"{_time(told.pass_began)} goes on"


def _last_problem(row: ServiceRow) -> str:
    told = row.told
    return "-" if told is None or told.problem is None else f"{_time(told.problem_at)} {told.problem}"


def _time(nanoseconds: int | None) -> str:
    return "-" if nanoseconds is None else format_time(nanoseconds // 10**9 * 10**9)
