"""What an agent says of the services of the cluster that it stands for: in its status, and in its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from etcdmeta.services.runner import ServiceStatus
from etcdmeta.wire.pb import agent_pb2 as pb


def service_to_wire(status: ServiceStatus) -> pb.ServiceStatus:
    """For `Status`."""
    return pb.ServiceStatus(
        name=status.name,
        leads=status.leads,
        leader=status.leader,
        since=status.since,
        every=status.every,
        passes=status.passes,
        failures=status.failures,
        pass_began=status.pass_began,
        pass_ended=status.pass_ended,
        did=status.did,
        did_at=status.did_at,
        problem=status.problem,
        problem_at=status.problem_at,
        failing=status.last_error is not None,
        notes=[pb.ServiceStatus.Note(text=note.text, things=note.things) for note in status.notes],
    )


def service_metrics(services: Sequence[ServiceStatus]) -> Iterator[Metric]:
    """None where the agent stands for no service."""
    if not services:
        return
    leads = _gauge("leads", "1: this agent runs the service of the cluster.")
    began = _gauge("pass_began_timestamp_seconds", "When its last pass here began; 0: never.")
    ended = _gauge("pass_ended_timestamp_seconds", "When the last pass here that did not fail ended; 0: never.")
    passes = CounterMetricFamily("etcdmeta_service_passes", "Passes made here.", labels=("service",))
    failures = CounterMetricFamily("etcdmeta_service_failures", "Passes here that failed.", labels=("service",))
    waiting = _gauge("waiting", "What its last pass left to people: groups held back by a cap, copies that are stuck.")
    for status in services:
        name = (status.name,)
        leads.add_metric(name, status.leads)
        began.add_metric(name, status.pass_began / 1e9)
        ended.add_metric(name, status.pass_ended / 1e9)
        passes.add_metric(name, status.passes)
        failures.add_metric(name, status.failures)
        waiting.add_metric(name, sum(note.things for note in status.notes))
    yield from (leads, began, ended, passes, failures, waiting)


def _gauge(name: str, help_: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"etcdmeta_service_{name}", help_, labels=("service",))
