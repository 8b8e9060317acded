"""What an agent is told, what it says, and how systemd hears of it."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from etcdmeta.agent import AgentConfig, ServerTls
from etcdmeta.agent.config import host_and_port
from etcdmeta.agent.logs import facts, logging_to
from etcdmeta.agent.sources import Sources, connect_agents, keep, open_strategy, recall
from etcdmeta.agent.systemd import Notifier
from etcdmeta.cli.main import run
from etcdmeta.cli.session import Session
from etcdmeta.errors import ConfigurationInvalid, InvalidAddress

SCRIPTS = Path(__file__).parents[2] / "scripts"
GOOD: dict[str, Any] = {"data_dir": Path("/nowhere"), "host": "db-1:8088", "endpoints": ("etcd-1:2379",)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"host": ""}, "no host"),
        ({"endpoints": ()}, "neither etcd nor another agent"),
        ({"delegate": True}, "knows no other agent"),
        ({"listen": "0.0.0.0:8188"}, "without TLS"),
        ({"listen": "10.0.0.1:8188"}, "without TLS"),
        ({"listen": "0.0.0.0:8188", "insecure": True, "data_dir": None, "host": ""}, "--advertise"),
        ({"max_age": 0.0}, "maximum age"),
        ({"timeout": 0.0}, "timeout"),
    ],
)
def test_what_cannot_work_is_refused(change: dict[str, Any], says: str) -> None:
    AgentConfig(**GOOD)
    with pytest.raises(ConfigurationInvalid) as refusal:
        AgentConfig(**{**GOOD, **change})
    assert says in str(refusal.value)
    assert refusal.value.rule


@pytest.mark.parametrize("change", [{"host": "db-1"}, {"join": ("h1",)}, {"advertise": "x"}, {"listen": "x"}])
def test_addresses_are_checked(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidAddress):
        AgentConfig(**{**GOOD, **change})


def test_where_others_reach_it() -> None:
    assert AgentConfig(**GOOD).address(8188) == "127.0.0.1:8188"
    assert AgentConfig(**GOOD, listen="127.0.0.1:0").address(4711) == "127.0.0.1:4711"
    assert AgentConfig(**GOOD, listen="0.0.0.0:8188", insecure=True).address(8188) == "db-1:8188"
    assert AgentConfig(**GOOD, advertise="agent-1:1").address(8188) == "agent-1:1"
    assert host_and_port("[::1]:9188") == ("::1", 9188)


def test_a_password_is_not_shown() -> None:
    assert "hush" not in repr(AgentConfig(**GOOD, user="root", password="hush"))


def test_the_command_line_refuses_with_its_codes(tmp_path: Path) -> None:
    def code(*arguments: str) -> tuple[int, str]:
        said = io.StringIO()
        place = ("--data-dir", str(tmp_path / "n1"), "--host", "db-1:8088")
        session = Session({"HOME": str(tmp_path)}, io.StringIO(), io.StringIO(), said)
        return run(session, ["agent", "run", *place, *arguments]), said.getvalue()

    for arguments, says in (
        (("--listen", "0.0.0.0:8188"), "--insecure"),
        (("--ttl", "10"), "write 10s"),
        (("--label", "zone"), "--label zone=a"),
        (("--tls-cert", "x.pem"), "--tls-key"),
        (("--allow-execute", "ops.example"), "no TLS"),
        (("--join", "nowhere"), "no address"),
    ):
        ended, said = code(*arguments, "--join", "127.0.0.1:1")
        assert (ended, says in said) == (2, True), (arguments, said)
    assert not (tmp_path / "n1" / "node.json").exists()


# --- where it follows


def test_sources_are_kept_privately_and_damage_is_no_reason_not_to_start(tmp_path: Path) -> None:
    path, sources = tmp_path / "sources.json", Sources(True, ("http://e1:2379",), ("h1:8188",))
    assert recall(path) is None
    keep(path, sources)
    assert recall(path) == sources
    assert path.stat().st_mode & 0o777 == 0o600
    for text in ("", "[]", '{"participates": true, "etcd": [], "agents": ["h1:1"]}', "\x00"):
        path.write_text(text)
        assert recall(path) is None


def test_it_does_not_follow_itself() -> None:
    config = AgentConfig(**{**GOOD, "endpoints": (), "join": ("127.0.0.1:8188", "h2:8188")})
    sources = Sources(False, (), ("127.0.0.1:8188", "h2:8188"))
    strategy = open_strategy(config, sources, tuple, lambda: "127.0.0.1:8188")
    assert strategy.endpoints == ("h2:8188",)
    assert strategy._transport.way_on() == (("etcdmeta-via", "127.0.0.1:8188"),)  # type: ignore[attr-defined]
    strategy.close()
    with pytest.raises(ConfigurationInvalid, match="no other agent"):
        open_strategy(config, Sources(False, (), ("127.0.0.1:8188",)), tuple)


def test_it_shows_other_agents_the_certificate_that_it_serves_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr("etcdmeta.consensus.agent.AgentStrategy", lambda _addresses, own, **tls: given.append(tls))
    tls = ServerTls(tmp_path / "cert", tmp_path / "key", tmp_path / "ca")
    connect_agents(AgentConfig(**GOOD, tls=tls, cacert="etcd-ca"), ("h1:8188",))
    connect_agents(AgentConfig(**{**GOOD, "endpoints": (), "join": ("h1:1",)}, cacert="ca", tls=tls), ("h1:1",))
    connect_agents(AgentConfig(**GOOD, cacert="ca", cert="c", key="k"), ("h1:1",))
    served = {name: str(tmp_path / name) for name in ("ca", "cert", "key")}
    assert given == [served, {"ca": "ca", "cert": None, "key": None}, {"ca": "ca", "cert": "c", "key": "k"}]


# --- what it says


@pytest.mark.parametrize("form", ["json", "text"])
def test_one_event_is_one_line(form: str) -> None:
    out = io.StringIO()
    log = logging.getLogger("etcdmeta.test")
    with logging_to(out, format=form):
        log.info("two\nlines of %s", "a=b", extra=facts(node=1, nothing=None, message="not this one"))
        log.debug("not told")
        try:
            raise ValueError("in\nhere")
        except ValueError:
            log.exception("failed")
    log.warning("after the end")
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    if form == "json":
        first, second = map(json.loads, lines)
        assert (first["message"], first["level"], first["node"]) == ("two\nlines of a=b", "info", 1)
        assert first["time"].endswith("Z")
        assert "nothing" not in first
        assert "Traceback" in second["exception"]
    else:
        assert ' level=info logger=etcdmeta.test message="two\\nlines of a=b" node=1' in lines[0]
        assert 'exception="Traceback' in lines[1]


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_is_told(tmp_path: Path, kind: str) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"@etcdmeta-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(20)
        systemd.bind(address.replace("@", "\0"))
        notifier = Notifier.from_environ({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"})
        assert notifier.watchdog == 30
        for tell, heard in (
            (lambda: notifier.ready("fine\nREADY=0"), "READY=1\nSTATUS=fine"),
            (notifier.alive, "WATCHDOG=1"),
            (notifier.stopping, "STOPPING=1\nSTATUS=stopping"),
        ):
            tell()
            assert systemd.recv(4096).decode() == heard


def test_without_systemd_nothing_is_told_and_a_deaf_one_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    Notifier.from_environ({}).ready("fine")
    assert Notifier.from_environ({"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}).watchdog is None
    assert not caplog.records
    Notifier("/nowhere/notify").ready("fine")
    assert "could not be told READY" in caplog.text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_one(tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", SCRIPTS / "etcdmeta-agent.service"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
