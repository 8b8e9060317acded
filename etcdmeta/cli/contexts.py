"""The file of settings: top-level keys for all contexts, a table for each, as in kubectl.

::

    current-context = "prod"
    timeout = "10s"                      # for every context that does not say otherwise

    [contexts.prod]
    endpoints = ["10.0.0.1:2379", "10.0.0.2:2379"]
    cluster = "prod"
    cacert = "ca.pem"                    # relative to this file
    user = "ops"
    password-file = "~/.etcd-password"   # never the password itself

The table ``[agent]`` is `etcdmeta.cli.agent_table`'s.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from etcdmeta.cli.agent_table import AgentTable
from etcdmeta.errors import ConfigurationInvalid

SYSTEM_FILE = Path("/etc/etcdmeta/config.toml")


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What the file says for the chosen context; empty where there is no file."""

    path: Path | None = None
    path_source: str = "not there"
    context: str | None = None
    context_source: str = "not set"
    contexts: tuple[str, ...] = ()
    common: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    agent: AgentTable = field(default_factory=AgentTable)

    @classmethod
    def load(
        cls,
        *,
        named: tuple[str, str] | None,
        context: tuple[str, str] | None,
        environ: Mapping[str, str],
        known: Collection[str],
    ) -> FileSettings:
        """Read the named file, or the first of the usual ones that exists.

        ``named`` and ``context`` are (source, value). Raises ConfigurationInvalid where a named file or context is
        not there, the file cannot be read, or it holds what nobody knows.
        """
        path, path_source = _find(named, environ)
        if path is None:
            if context is not None:
                raise ConfigurationInvalid(
                    f"context {context[1]!r} ({context[0]}), but there is no file that could hold it",
                    value=context[1],
                    remedy=f"name one with --config, or write {_user_file(environ)}",
                )
            return cls()
        document = _read(path, path_source)
        tables = document.pop("contexts", {})
        current = document.pop("current-context", None)
        agent = AgentTable.of(document.pop("agent", {}), path)
        common = _checked(document, known, f"{path}", also=("contexts", "current-context", "agent"))
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            raise ConfigurationInvalid(f"{path}: contexts is not a table of tables", remedy="write [contexts.NAME]")
        contexts = {name: _checked(table, known, f"{path}, context {name}") for name, table in tables.items()}
        if context is None and current is not None:
            context = (f"{path}, current-context", str(current))
        if context is None:
            return cls(path, path_source, contexts=tuple(contexts), common=common, agent=agent)
        source, name = context
        if name not in contexts:
            raise ConfigurationInvalid(
                f"context {name!r} ({source}) is not in {path}",
                value=name,
                rule=f"it has: {', '.join(contexts) or 'none'}",
                remedy="choose one with --context",
            )
        return cls(path, path_source, name, source, tuple(contexts), common, contexts[name], agent)

    def lookup(self, name: str, *, is_path: bool) -> tuple[str, str | None]:
        """(source, value) of a setting; a relative path is relative to the file."""
        if name in self.chosen:
            source, value = f"{self.path}, context {self.context}", self.chosen[name]
        elif name in self.common:
            source, value = f"{self.path}", self.common[name]
        else:
            return "file", None
        if is_path and self.path is not None:
            value = str(self.path.parent / Path(value).expanduser())
        return source, value


def _find(named: tuple[str, str] | None, environ: Mapping[str, str]) -> tuple[Path | None, str]:
    if named is not None:
        source, value = named
        return Path(value).expanduser(), source
    for path in (_user_file(environ), SYSTEM_FILE):
        if path.exists():
            return path, "usual place"
    return None, "not there"


def _user_file(environ: Mapping[str, str]) -> Path:
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME") or "~", ".config")
    return Path(home).expanduser() / "etcdmeta" / "config.toml"


def _read(path: Path, source: str) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigurationInvalid(
            f"cannot read {path} ({source}): {error.strerror}", value=str(path), remedy="name another with --config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationInvalid(f"{path} is not TOML: {error}", value=str(path)) from error


def _checked(
    table: Mapping[str, Any], known: Collection[str], where: str, also: tuple[str, ...] = ()
) -> dict[str, str]:
    checked: dict[str, str] = {}
    for key, value in table.items():
        if key == "password":
            raise ConfigurationInvalid(
                f"{where} holds a password",
                rule="a password stands in a file of its own that nobody else can read",
                remedy="write it there and name that file as password-file",
            )
        if key not in known:
            near = get_close_matches(key, [*known, *also], n=1)
            raise ConfigurationInvalid(
                f"{where}: nobody knows {key!r}",
                value=key,
                remedy=f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}",
            )
        if key == "endpoints" and isinstance(value, list) and all(isinstance(item, str) for item in value):
            value = ",".join(value)  # noqa: PLW2901
        if not isinstance(value, str):
            raise ConfigurationInvalid(f"{where}: {key} is not a text", value=value, remedy=f'write {key} = "…"')
        checked[key] = value
    return checked
