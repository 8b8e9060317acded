"""The metrics, who serves them, and the rules and the dashboard that are made of them."""

from __future__ import annotations

import http.client
import json
import platform
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from etcdmeta import errors
from etcdmeta.agent.exposition import THREADS, Exposition, Verdict
from etcdmeta.agent.facts import Facts
from etcdmeta.agent.liveness import Liveness
from etcdmeta.agent.metrics import MeasuredStore, Metrics, Observed, outcome_of
from etcdmeta.consensus.local import LocalStrategy
from etcdmeta.errors import DatabaseNotFound, EtcdMetaError
from etcdmeta.services.runner import ServiceStatus
from etcdmeta.services.service import Note

SCRIPTS = Path(__file__).parents[2] / "scripts"
SECONDS = 20.0


class Serving:
    streams, requests, bytes_sent = 3, 1, 4711


@pytest.fixture
def world() -> Iterator[tuple[MeasuredStore, Metrics]]:
    services = (
        ServiceStatus("retention", leads=True, passes=7, pass_ended=1795392000 * 10**9, notes=(Note("look", 213),)),
        ServiceStatus("plans", failures=2),
    )
    observed = Observed(Facts(version="1.2.3", services=lambda: services))
    metrics = Metrics(observed)
    with MeasuredStore(LocalStrategy(), timeout=SECONDS) as store:
        store.wait_live()
        store.metrics = metrics
        store.tap(metrics.heard)
        observed.store, observed.server = store, Serving()
        store.init_cluster()
        node = store.add_node("db-1:8088").id
        observed.liveness = Liveness(store, node, host="db-1:8088", version="1.2.3")
        yield store, metrics


def samples(metrics: Metrics) -> dict[tuple[str, str], float]:
    """(name, value of its last label) → value."""
    from prometheus_client import generate_latest

    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_numbers_are_those_of_the_parts(world: tuple[MeasuredStore, Metrics]) -> None:
    store, metrics = world
    before = samples(metrics)
    store.create_database("metrics")
    with pytest.raises(DatabaseNotFound):
        store.create_policy("other", "raw", duration="1d", replicas=1)
    found = samples(metrics)
    fresh = store.freshness()
    assert found["etcdmeta_generation", ""] == fresh.generation == before["etcdmeta_generation", ""] + 1
    assert found["etcdmeta_revision", ""] == fresh.revision
    assert found["etcdmeta_build_info", f"{platform.python_version()},1.2.3"] == 1
    assert [found["etcdmeta_state", state] for state in ("live", "stale")] == [1, 0]
    assert found["etcdmeta_events_total", ""] > before["etcdmeta_events_total", ""]
    assert (found["etcdmeta_records", "database"], before["etcdmeta_records", "database"]) == (1, 0)
    assert found["etcdmeta_command_seconds_count", "create database,done"] == 1
    assert found["etcdmeta_command_seconds_count", "create policy,not_found"] == 1
    assert found["etcdmeta_streams", ""] == 3
    assert found["etcdmeta_bytes_sent_total", ""] == 4711
    assert found["etcdmeta_live", ""] == 0, "its keeper was not started"
    assert found["etcdmeta_nodes", "unreported"] == 1


def test_the_services_of_the_cluster(world: tuple[MeasuredStore, Metrics]) -> None:
    _, metrics = world
    found = samples(metrics)
    assert [found["etcdmeta_service_leads", name] for name in ("retention", "plans")] == [1, 0]
    assert found["etcdmeta_service_passes_total", "retention"] == 7
    assert found["etcdmeta_service_failures_total", "plans"] == 2
    assert found["etcdmeta_service_waiting", "retention"] == 213
    assert found["etcdmeta_service_pass_ended_timestamp_seconds", "retention"] == 1795392000
    assert found["etcdmeta_service_pass_began_timestamp_seconds", "plans"] == 0


def test_a_scrape_before_the_start_and_after_the_end(world: tuple[MeasuredStore, Metrics]) -> None:
    store, metrics = world
    assert ("etcdmeta_generation", "") not in samples(Metrics(Observed(Facts())))
    store.close()
    assert ("etcdmeta_generation", "") not in samples(metrics)


def every_error() -> Iterator[type[EtcdMetaError]]:
    found = [EtcdMetaError]
    for kind in found:
        found += kind.__subclasses__()
        yield kind


def test_every_outcome_has_a_word_and_they_are_few() -> None:
    words = set()
    for kind in every_error():
        more = {"operation_id": "x"} if issubclass(kind, errors.OutcomeUnknown) else {}
        words.add(outcome_of(kind("it failed", **more)))
    assert outcome_of(None) == "done"
    assert len(words) <= 10, "each is a label, with all buckets, of every command"
    assert {"refused", "not_found", "unknown", "unavailable", "defect"} <= words


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:etcdmeta|process)_[a-z_]+", expression))


def expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((SCRIPTS / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads((SCRIPTS / "grafana-dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_rules_and_dashboard_use_what_there_is(world: tuple[MeasuredStore, Metrics]) -> None:
    store, metrics = world
    store.create_database("metrics")
    there = {name for name, _ in samples(metrics)} | {"etcdmeta_problem"}  # no sample while nothing is wrong
    used = [(where, name) for where, expression in expressions() for name in names_in(expression)]
    assert len(used) > 30
    assert [(where, name) for where, name in used if name not in there] == []
    ours = {name for name in there if name.startswith("etcdmeta_")}
    beside = {"etcdmeta_command_seconds_sum", "etcdmeta_command_seconds_created"}
    unused = ours - {name for _, name in used} - beside - {"etcdmeta_revision", "etcdmeta_start_time_seconds"}
    assert unused == set(), "the dashboard or a rule should show it"


def test_the_rules_are_rules() -> None:
    for group in yaml.safe_load((SCRIPTS / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}
            assert rule["annotations"]["summary"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", SCRIPTS / "alerts.yml"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def exposition(world: tuple[MeasuredStore, Metrics]) -> Iterator[Exposition]:
    served = Exposition(
        ("127.0.0.1", 0),
        world[1].registry,
        health=lambda: Verdict(True, {"status": "ok"}),
        ready=lambda: Verdict(False, {"status": "not ready"}),
    )
    served.start()
    yield served
    served.stop()


def ask(port: int, method: str, path: str, **headers: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_it_is_served_over_http(exposition: Exposition, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: Any) -> str:
        raise AssertionError("a host name was looked up")

    for name in ("getfqdn", "gethostbyaddr", "getnameinfo"):
        monkeypatch.setattr(socket, name, look_up)
    code, kind, body = ask(exposition.port, "GET", "/metrics?x=y")
    assert (code, kind.split(";")[0]) == (200, "text/plain")
    assert b"etcdmeta_generation" in body
    code, kind, body = ask(exposition.port, "GET", "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert (code, kind.split(";")[0], body.splitlines()[-1]) == (200, "application/openmetrics-text", b"# EOF")
    assert ask(exposition.port, "GET", "/health")[0] == 200
    assert ask(exposition.port, "GET", "/ready")[0] == 503
    assert ask(exposition.port, "HEAD", "/metrics")[2] == b""
    assert ask(exposition.port, "GET", "/other")[0] == 404
    assert ask(exposition.port, "POST", "/metrics")[0] == 501


def test_those_who_say_nothing_are_few(exposition: Exposition) -> None:
    silent = [socket.create_connection(("127.0.0.1", exposition.port), SECONDS) for _ in range(THREADS)]
    with socket.create_connection(("127.0.0.1", exposition.port), SECONDS) as late:
        assert late.recv(1) == b"", "closed at once"
    silent[0].close()
    for attempt in range(200):  # its thread ends in a moment
        try:
            assert ask(exposition.port, "GET", "/health")[0] == 200
            break
        except (OSError, http.client.HTTPException):
            assert attempt < 199
    for each in silent:
        each.close()


def test_an_address_that_cannot_be_had_is_told(exposition: Exposition, world: tuple[MeasuredStore, Metrics]) -> None:
    def well() -> Verdict:
        return Verdict(True, {})

    with pytest.raises(errors.ConfigurationInvalid, match="cannot be served"):
        Exposition(("127.0.0.1", exposition.port), world[1].registry, health=well, ready=well)
