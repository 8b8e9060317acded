"""The table [agent] of the file of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdmeta.agent import AgentConfig
from etcdmeta.agent.trust import Rules
from etcdmeta.cli.main import run
from etcdmeta.cli.session import Session
from etcdmeta.cli.settings import Settings
from etcdmeta.errors import ConfigurationInvalid
from etcdmeta.testing.certificates import make_certificates

TABLE = """
cluster = "prod"
[agent]
listen = "10.0.0.7:8188"
tls-cert = "agent.pem"
tls-key = "/etc/agent.key"
tls-client-ca = "~/nodes-ca.pem"
allow-execute = ["ops.db.example", "node-*.db.example"]
allow-join = "node-*.db.example"
"""


def write_config(environ: dict[str, str], text: str) -> Path:
    path = Path(environ["XDG_CONFIG_HOME"]) / "etcdmeta" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_values_and_where_they_stand(environ: dict[str, str]) -> None:
    path = write_config(environ, TABLE)
    settings = Settings({}, environ)
    agent = settings.file.agent
    assert settings.cluster == "prod"
    assert agent.lookup("listen") == (f"{path}, table agent", ("10.0.0.7:8188",))
    assert agent.lookup("tls-cert")[1] == (str(path.parent / "agent.pem"),)
    assert agent.lookup("tls-key")[1] == ("/etc/agent.key",)
    assert agent.lookup("tls-client-ca")[1] == (str(Path("~/nodes-ca.pem").expanduser()),)
    assert agent.lookup("allow-read") == ("not set", ())
    rules = Rules.parse(execute=agent.lookup("allow-execute")[1], join=agent.lookup("allow-join")[1])
    assert [str(pattern) for pattern in rules.execute] == ["ops.db.example", "node-*.db.example"]
    assert [str(pattern) for pattern in rules.join] == ["node-*.db.example"]


@pytest.mark.parametrize("text", ["", "[contexts.p]\ncluster = 'c'\n[agent]\n"])
def test_without_it_nothing_is_set(environ: dict[str, str], text: str) -> None:
    assert Settings({}, environ).file.agent.lookup("listen") == ("not set", ())
    write_config(environ, text)
    assert Settings({}, environ).file.agent.lookup("listen") == ("not set", ())


def test_it_is_there_whatever_context_is_chosen(environ: dict[str, str]) -> None:
    write_config(environ, TABLE + "[contexts.p]\ncluster = 'c'\n")
    settings = Settings({"context": "p"}, environ)
    assert settings.cluster == "c"
    assert settings.file.agent.lookup("listen")[1] == ("10.0.0.7:8188",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("agent = 1", "not a table"),
        ("[agent]\nallow-exec = 'a'", "did you mean allow-execute"),
        ("[agent]\ninsecure = true", "flags alone"),
        ("[agent]\nlisten = ['a']", "listen is not a text"),
        ("[agent]\nallow-read = 1", "neither a text nor a list"),
        ("[agent]\nallow-read = ['a', 1]", "neither a text nor a list"),
        ("[contexts.p]\nagent = 1", "nobody knows 'agent'"),
    ],
)
def test_what_cannot_be_used(environ: dict[str, str], text: str, says: str) -> None:
    write_config(environ, text)
    with pytest.raises(ConfigurationInvalid, match=says):
        Settings({}, environ)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[AgentConfig]:
    """What agents were started with; none of them runs."""
    configs: list[AgentConfig] = []
    monkeypatch.setattr("etcdmeta.agent.process.run", configs.append)
    return configs


def test_the_agent_runs_with_it_and_flags_win(
    environ: dict[str, str], started: list[AgentConfig], tmp_path: Path
) -> None:
    certificate = make_certificates(tmp_path)
    write_config(
        environ,
        f"""
        cluster = "prod"
        [agent]
        data-dir = "node"
        host = "db-7:8088"
        listen = "127.0.0.1:8189"
        ttl = "6s"
        label = ["zone=a", "rack=7"]
        tls-cert = "{certificate.cert}"
        tls-key = "{certificate.key}"
        tls-client-ca = "{certificate.ca}"
        allow-execute = ["ops.db.example"]
        allow-join = "node-*.db.example"
        """,
    )
    assert run(Session(environ), ["agent", "run"]) == 0
    flags = ["--ttl", "9s", "--allow-execute", "*.admin", "--label", "zone=b"]
    assert run(Session(environ), ["agent", "run", *flags]) == 0
    by_table, by_flags = started
    assert by_table.data_dir == Path(environ["XDG_CONFIG_HOME"]) / "etcdmeta" / "node"
    assert (by_table.host, by_table.listen, by_table.cluster) == ("db-7:8088", "127.0.0.1:8189", "prod")
    assert (by_table.ttl, by_flags.ttl) == (6.0, 9.0)
    assert (dict(by_table.labels), dict(by_flags.labels)) == ({"zone": "a", "rack": "7"}, {"zone": "b"})
    assert by_table.tls is not None
    assert by_table.rules == Rules.parse(execute=["ops.db.example"], join=["node-*.db.example"])
    assert by_flags.rules == Rules.parse(execute=["*.admin"], join=["node-*.db.example"])


@pytest.mark.parametrize("missing", ["data-dir", "host"])
def test_what_has_no_default_is_asked_for(
    environ: dict[str, str], started: list[AgentConfig], missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"data-dir": "d", "host": "h:1"}
    del given[missing]
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    assert run(Session(environ), ["agent", "run", *words]) == 2
    assert f"--{missing} is not given" in capsys.readouterr().err
    assert not started
