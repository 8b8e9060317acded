"""The table [agent] of the file of settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdmeta.agent.trust import Rules
from etcdmeta.cli.settings import Settings
from etcdmeta.errors import ConfigurationInvalid

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
