"""Flag > ETCDMETA_* > ETCDCTL_* > file > default, and where each value says it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etcdmeta.cli.passwords import etcd_password, from_file, password_source
from etcdmeta.cli.session import Session
from etcdmeta.cli.settings import Settings
from etcdmeta.errors import ConfigurationInvalid, InvalidDuration


def write_config(environ: dict[str, str], text: str) -> Path:
    path = Path(environ["XDG_CONFIG_HOME"]) / "etcdmeta" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


PROD = """
current-context = "prod"
cluster = "from-file"
timeout = "10s"
[contexts.prod]
endpoints = ["a:2379", "b:2379"]
cacert = "ca.pem"
user = "ops"
password-file = "secret"
[contexts.test]
endpoints = "t:2379"
cluster = "test"
"""


def test_order_of_sources(environ: dict[str, str]) -> None:
    path = write_config(environ, PROD)
    layers: list[tuple[dict[str, Any], dict[str, str], str, str]] = [
        ({"endpoints": "f:1"}, {"ETCDMETA_ENDPOINTS": "m:1", "ETCDCTL_ENDPOINTS": "c:1"}, "f:1", "flag --endpoints"),
        ({}, {"ETCDMETA_ENDPOINTS": "m:1", "ETCDCTL_ENDPOINTS": "c:1"}, "m:1", "ETCDMETA_ENDPOINTS"),
        ({}, {"ETCDMETA_ENDPOINTS": "", "ETCDCTL_ENDPOINTS": "c:1"}, "c:1", "ETCDCTL_ENDPOINTS"),
        ({}, {}, "a:2379,b:2379", f"{path}, context prod"),
        ({"context": "test"}, {}, "t:2379", f"{path}, context test"),
    ]
    for flags, variables, value, source in layers:
        setting = Settings(flags, environ | variables)["endpoints"]
        assert (setting.value, setting.source) == (value, source)


def test_default_where_nobody_says(environ: dict[str, str]) -> None:
    settings = Settings({}, environ)
    assert (settings["endpoints"].value, settings["endpoints"].source) == ("localhost:2379", "default")
    assert settings.cluster == "default"
    assert settings.timeout is None
    assert settings.user is None


def test_context_over_common_keys(environ: dict[str, str]) -> None:
    path = write_config(environ, PROD)
    prod, test = Settings({}, environ), Settings({}, environ | {"ETCDMETA_CONTEXT": "test"})
    assert (prod.cluster, test.cluster) == ("from-file", "test")
    assert prod.timeout == test.timeout == 10.0
    assert prod.get("cacert") == str(path.parent / "ca.pem"), "relative to the file"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = ", "is not TOML"),
        ('endpoint = "a"', "did you mean endpoints"),
        ('password = "geheim"', "holds a password"),
        ("[contexts.p]\npassword = 'geheim'", "context p holds a password"),
        ('current-context = "nope"', "'nope'"),
        ("timeout = 5", "timeout is not a text"),
        ("contexts = 1", "not a table of tables"),
    ],
)
def test_file_that_cannot_be_used(environ: dict[str, str], text: str, says: str) -> None:
    write_config(environ, text)
    with pytest.raises(ConfigurationInvalid) as caught:
        Settings({}, environ)
    assert says in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_named_file_must_be_there(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationInvalid, match="flag --config"):
        Settings({"config": "/nowhere/config.toml"}, environ)


def test_context_without_file(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationInvalid, match="no file that could hold it"):
        Settings({"context": "prod"}, environ)


@pytest.mark.parametrize(
    ("text", "error"), [("5", ConfigurationInvalid), ("0s", ConfigurationInvalid), ("soon", InvalidDuration)]
)
def test_timeout_that_is_none(environ: dict[str, str], text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        _ = Settings({"timeout": text}, environ).timeout


def test_timeout_in_seconds(environ: dict[str, str]) -> None:
    assert Settings({"timeout": "1m30s"}, environ).timeout == 90.0


def test_certificate_needs_its_key(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationInvalid, match="TLS needs both"):
        Settings({"cert": "c.pem"}, environ)


@pytest.mark.parametrize(("name", "value"), [("ETCDMETA_OUTPUT", "xml"), ("ETCDMETA_LOG_FORMAT", "xml")])
def test_word_that_is_none(environ: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=name):
        Settings({}, environ | {name: value})


def test_password_never_in_a_flag(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        Settings({"user": "root:geheim"}, environ)
    assert "geheim" not in str(caught.value)


def session(environ: dict[str, str], **flags: Any) -> Session:
    import io

    made = Session(environ, io.StringIO(), io.StringIO(), io.StringIO())
    made.flags.update(flags)
    return made


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"ETCDCTL_USER": "root:a:b"}, ("ETCDCTL_USER", "a:b")),
        ({"ETCDCTL_USER": "root:a", "ETCDMETA_PASSWORD": "p"}, ("ETCDMETA_PASSWORD", "p")),
        ({"ETCDMETA_USER": "root", "ETCDCTL_PASSWORD": "q"}, ("ETCDCTL_PASSWORD", "q")),
        ({"ETCDMETA_PASSWORD": "p"}, None),
    ],
)
def test_where_the_password_comes_from(
    environ: dict[str, str], variables: dict[str, str], found: tuple[str, str] | None
) -> None:
    asked = session(environ | variables)
    assert etcd_password(asked) == found
    assert password_source(asked) == (found[0] if found else None)


def test_password_of_another_user_is_not_used(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationInvalid, match="no password for etcd's user 'ops'") as caught:
        etcd_password(session(environ | {"ETCDCTL_USER": "root:geheim"}, user="ops"))
    assert "geheim" not in str(caught.value)


def test_password_file(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("geheim\nnot this\n")
    file.chmod(0o600)
    found = etcd_password(session(environ | {"ETCDMETA_USER": "ops", "ETCDMETA_PASSWORD_FILE": str(file)}))
    assert found is not None
    assert found[1] == "geheim"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_password_file_that_others_can_read(environ: dict[str, str], tmp_path: Path, mode: int) -> None:
    file = tmp_path / "secret"
    file.write_text("geheim\n")
    file.chmod(mode)
    with pytest.raises(ConfigurationInvalid, match="chmod 600") as caught:
        from_file(str(file), session(environ).stdin)
    assert "geheim" not in str(caught.value)


def test_config_show_names_sources_and_hides_secrets(cli: Any, environ: dict[str, str]) -> None:
    ran = cli("config", "show", "-o", "json", "--cluster", "x", env={"ETCDCTL_USER": "root:geheim"})
    found = {item["name"]: (item["value"], item["source"]) for item in ran.items}
    assert found["user"] == ("root", "ETCDCTL_USER")
    assert found["password"] == ("(set)", "ETCDCTL_USER")
    assert found["cluster"] == ("x", "flag --cluster")
    assert found["endpoints"] == ("localhost:2379", "default")
    assert "geheim" not in ran.out + ran.err
