"""The agent's metrics for Prometheus, in a registry of their own. Names and units follow its conventions.

Nearly everything is read when it is asked for, from what counts it anyway. What nobody counts is counted here: the
duration of commands, and the events that were applied.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from etcdmeta import errors
from etcdmeta.agent.dutyreport import service_metrics
from etcdmeta.agent.facts import Facts
from etcdmeta.agent.liveness import Liveness, LivenessState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.replica.states import FollowerState
from etcdmeta.store import MetaStore, Outcome
from etcdmeta.store.listeners import Publication
from etcdmeta.store.operations import Operation
from etcdmeta.wire.pb import agent_pb2 as pb

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from a transaction on one fast member to an election and more."""

LEFT = {"silences": "silence", "stalls": "stall", "cut_offs": "cut_off", "older": "older"}
"""Counter of the follower → why a member was left; the rest are plain failures."""
RELISTS = {
    "compactions": "compaction",
    "gaps": "gap",
    "foreign": "foreign",
    "distrust": "distrust",
    "divergences": "divergence",
}
"""Counter of the follower → why the picture was listed anew."""
TROUBLES = ("duplicates", "superseded", "older", "alarms", "restores", "destroyed")
"""Counters of the follower that are shown as they are."""

# The first that fits counts; of a class that none fits, "error".
_OUTCOMES: tuple[tuple[type[errors.EtcdMetaError], str], ...] = (
    (errors.Refused, "refused"),
    (errors.NotFound, "not_found"),
    (errors.InvalidInput, "invalid"),
    (errors.ClusterProblem, "refused"),
    (errors.Unavailable, "unavailable"),
    (errors.OutcomeUnknown, "unknown"),
    (errors.ConflictPersists, "conflict"),
    (errors.WaitTimedOut, "timeout"),
    (errors.Defect, "defect"),
)


class Serves(Protocol):
    """Of the server, what is counted."""

    @property
    def streams(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def bytes_sent(self) -> int: ...


@dataclass(slots=True)
class Observed:
    """Where numbers are read; each is there from some moment on."""

    facts: Facts
    store: MetaStore | None = None
    server: Serves | None = None
    liveness: Liveness | None = None


class Metrics:
    """Of one agent. ``registry`` has all of them."""

    def __init__(self, sources: Observed) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.events = 0
        self._commands = Histogram(
            "etcdmeta_command_seconds",
            "Time from a command's arrival until the own picture shows it, or it failed.",
            ("command", "outcome"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_Readings(sources, self))
        ProcessCollector(registry=self.registry)

    def heard(self, publication: Publication) -> None:
        """For `MetaStore.tap`."""
        self.events += len(publication.events)

    def ran(self, commands: Iterable[str], seconds: float, outcome: str) -> None:
        """Commands that were one transaction: each took as long as it."""
        for command in commands:
            self._commands.labels(command, outcome).observe(seconds)


def outcome_of(error: BaseException | None) -> str:
    """The label for how a command ended; None: it is done."""
    if error is None:
        return "done"
    return next((word for kind, word in _OUTCOMES if isinstance(error, kind)), "error")


class _Readings(Collector):
    def __init__(self, sources: Observed, metrics: Metrics) -> None:
        self._sources = sources
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        sources = self._sources
        yield _info(sources.facts)
        yield GaugeMetricFamily("etcdmeta_start_time_seconds", "When the agent began.", sources.facts.started / 1e9)
        if sources.store is not None:
            try:
                yield from self._picture(sources.store)
            except errors.StoreClosed:
                return  # a scrape while the agent stops
        if sources.server is not None:
            yield from _service(sources.server)
        if sources.liveness is not None:
            yield from _liveness(sources.liveness)
        yield from service_metrics(sources.facts.services())

    def _picture(self, store: MetaStore) -> Iterator[Metric]:
        fresh, counters = store.freshness(), store.counters()
        yield _gauge("generation", "Commits in the picture.", fresh.generation)
        yield _gauge("revision", "etcd's revision that the picture is at.", fresh.revision)
        yield _gauge("cache_age_seconds", "Since the picture was last proven current; +Inf: never.", fresh.age)
        states = [state for state in FollowerState if state is not FollowerState.CLOSED]
        yield _one_of("state", "How far the picture can be trusted.", states, fresh.state)
        source = pb.Freshness.Source.Name(self._sources.facts.source_of(fresh.endpoint)).lower()
        yield _one_of("source", "Where the picture comes from at this moment.", ("etcd", "agent", "cache"), source)
        problem = GaugeMetricFamily("etcdmeta_problem", "1: what is wrong with the picture.", labels=("reason",))
        if fresh.problem is not None:
            problem.add_metric((fresh.problem.reason,), 1)
        yield problem
        reconnects = CounterMetricFamily(
            "etcdmeta_reconnects", "Times that a member of etcd, or an agent, was left.", labels=("reason",)
        )
        for reason, count in _reconnects(counters).items():
            reconnects.add_metric((reason,), count)
        yield reconnects
        relists = CounterMetricFamily("etcdmeta_relists", "Times that the picture was listed anew.", labels=("reason",))
        for counter, reason in RELISTS.items():
            relists.add_metric((reason,), counters[counter])
        yield relists
        troubles = CounterMetricFamily("etcdmeta_troubles", "What the follower met, and survived.", labels=("kind",))
        for counter in TROUBLES:
            troubles.add_metric((counter,), counters[counter])
        yield troubles
        yield CounterMetricFamily("etcdmeta_events", "Records' changes that were applied.", self._metrics.events)
        yield _gauge("quarantined_records", "Records that cannot be read.", counters["unreadable"])
        try:
            snapshot = store.snapshot()
        except errors.StoreClosed:
            raise
        except errors.EtcdMetaError:
            return  # there is none yet, or it is older than it may be, which the age tells
        yield from _contents(snapshot)


def _contents(snapshot: Snapshot) -> Iterator[Metric]:
    records = GaugeMetricFamily("etcdmeta_records", "Records in the picture.", labels=("kind",))
    tables = snapshot.tables
    counted = {
        "node": len(tables.nodes),
        "user": len(tables.users),
        "database": len(tables.databases),
        "policy": sum(len(database.policies) for database in tables.databases.values()),
        "group": len(tables.groups),
        "shard": len(tables.shards),
        "liveness": len(tables.liveness),
        "progress": len(tables.progress),
    }
    for kind, count in counted.items():
        records.add_metric((kind,), count)
    yield records
    nodes = {"live": 0, "down": 0, "unreported": 0}
    for node in snapshot.nodes():
        live = snapshot.is_live(node.id)
        nodes["unreported" if live is None else "live" if live else "down"] += 1
    family = GaugeMetricFamily("etcdmeta_nodes", "Database nodes, by their liveness.", labels=("liveness",))
    for word, count in nodes.items():
        family.add_metric((word,), count)
    yield family


def _service(server: Serves) -> Iterator[Metric]:
    yield _gauge("streams", "Open streams, of all clients.", server.streams)
    yield _gauge("requests_in_flight", "Requests that are no streams.", server.requests)
    yield CounterMetricFamily("etcdmeta_bytes_sent", "Messages to clients, before encryption.", server.bytes_sent)


def _liveness(liveness: Liveness) -> Iterator[Metric]:
    status = liveness.status()
    yield _gauge("live", "1: this node holds its lease.", status.state is LivenessState.LIVE)
    yield CounterMetricFamily("etcdmeta_lease_renewals", "Of this node's lease.", status.renewals)
    yield CounterMetricFamily("etcdmeta_lease_losses", "Times that this node was down unasked.", status.losses)
    yield CounterMetricFamily("etcdmeta_lease_failures", "Attempts that failed to keep it live.", status.failures)


def _reconnects(counters: dict[str, int]) -> dict[str, int]:
    named = {reason: counters[counter] for counter, reason in LEFT.items()}
    return {"failure": max(0, counters["reconnects"] - sum(named.values())), **named}


def _info(facts: Facts) -> Metric:
    info = GaugeMetricFamily("etcdmeta_build_info", "Which program this is.", labels=("version", "python"))
    info.add_metric((facts.version, platform.python_version()), 1)
    return info


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"etcdmeta_{name}", help_, value)


def _one_of(name: str, help_: str, words: Iterable[str], chosen: str) -> Metric:
    family = GaugeMetricFamily(f"etcdmeta_{name}", f"{help_} 1 for one of them.", labels=(name,))
    for word in words:
        family.add_metric((str(word),), word == chosen)
    return family


class MeasuredStore(MetaStore):
    """A store whose commands are measured, whoever sent them."""

    metrics: Metrics | None = None

    def submit(self, operations: Sequence[Operation], *, timeout: float | None = None) -> tuple[Outcome, ...]:
        """As `MetaStore.submit`."""
        names = [operation.command.NAME for operation in operations]
        began, failure = time.monotonic(), None
        try:
            return super().submit(operations, timeout=timeout)
        except BaseException as error:
            failure = error
            raise
        finally:
            if self.metrics is not None:
                self.metrics.ran(names, time.monotonic() - began, outcome_of(failure))
