"""The command line run in this process, with streams and an environment of the test's own."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from etcdmeta.cli.main import run
from etcdmeta.cli.session import Session
from etcdmeta.embedded import Cluster

SCHEMAS = Path(__file__).parents[2] / "schemas" / "json"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Ran:
    """How one command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The envelope on stdout, checked against the published schema of its kind."""
        document: dict[str, Any] = json.loads(self.out)
        validate(document)
        return document

    @property
    def items(self) -> list[dict[str, Any]]:
        return list(self.json["items"])

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def validate(document: Mapping[str, Any]) -> None:
    schema = json.loads((SCHEMAS / f"{document['kind']}.json").read_text())
    jsonschema.validate(document, schema, jsonschema.Draft202012Validator)


Cli = Callable[..., Ran]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """No setting of the machine the test runs on."""
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def cli(environ: dict[str, str]) -> Cli:
    """``cli("db", "list", env={…}, stdin="y\\n", terminal=True)``."""

    def call(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", terminal: bool = False) -> Ran:
        stream = Terminal if terminal else io.StringIO
        session = Session({**environ, **(env or {})}, stream(stdin), stream(), stream())
        code = run(session, list(arguments))
        out, err = session.stdout, session.stderr
        assert isinstance(out, io.StringIO)
        assert isinstance(err, io.StringIO)
        return Ran(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def prod(cli: Cli, etcd_cluster: Cluster, etcd_prefix: str) -> Cli:
    """The command line on a real etcd, under a cluster name that no other test uses."""
    settings = {"ETCDMETA_ENDPOINTS": ",".join(etcd_cluster.endpoints), "ETCDMETA_CLUSTER": etcd_prefix}

    def call(*arguments: str, env: Mapping[str, str] | None = None, **more: Any) -> Ran:
        return cli(*arguments, env={**settings, **(env or {})}, **more)

    return call
