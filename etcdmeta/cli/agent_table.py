"""The table ``[agent]`` of the file of settings: what ``etcdmeta agent run`` takes where no flag says otherwise.

::

    [agent]
    listen = "10.0.0.7:8188"
    tls-cert = "agent.pem"                         # relative to this file
    tls-key = "agent.key"
    tls-client-ca = "nodes-ca.pem"
    allow-execute = ["ops.db.example", "node-*.db.example"]
    allow-join = "node-*.db.example"

It is of one machine, and therefore in no context. What gives something up (``--insecure``) is a flag alone, so that
it is seen where the agent is started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from etcdmeta.errors import ConfigurationInvalid

_PATHS = ("data-dir", "tls-cert", "tls-key", "tls-client-ca")
_TEXTS = ("host", "listen", "advertise", "ttl", "max-age", "metrics", "services")
_LISTS = ("join", "label", "allow-read", "allow-execute", "allow-join")
AGENT_KEYS = (*_PATHS, *_TEXTS, *_LISTS)


@dataclass(frozen=True, slots=True)
class AgentTable:
    """What the table holds; empty where there is none."""

    path: Path | None = None
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, table: object, path: Path) -> AgentTable:
        """``path``: the file that it stands in. Raises ConfigurationInvalid for what nobody knows or can use."""
        if not isinstance(table, dict):
            raise ConfigurationInvalid(f"{path}: agent is not a table", remedy="write [agent]")
        return cls(path, {key: _checked(key, value, f"{path}, table agent") for key, value in table.items()})

    def lookup(self, name: str) -> tuple[str, tuple[str, ...]]:
        """(source, values) of a key; without values where it is not set. Paths are absolute, or relative to here."""
        if name not in AGENT_KEYS:
            raise KeyError(name)
        values = self.values.get(name, ())
        if name in _PATHS and self.path is not None:
            values = tuple(str(self.path.parent / Path(value).expanduser()) for value in values)
        return (f"{self.path}, table agent" if values else "not set"), values

    def all(self, flag: Sequence[str] | None, name: str) -> tuple[str, ...]:
        """The flag's values, else those of the table."""
        return tuple(flag) if flag else self.lookup(name)[1]

    def one(self, flag: str | None, name: str, default: str | None = None) -> str | None:
        """The flag's value, else that of the table, else the default."""
        return flag if flag is not None else next(iter(self.lookup(name)[1]), default)

    def needed(self, flag: str | None, name: str) -> str:
        """The same, of what has no default. Raises ConfigurationInvalid."""
        value = self.one(flag, name)
        if not value:
            raise ConfigurationInvalid(
                f"--{name} is not given",
                rule="a node's agent has a data directory, and a host by which the other nodes reach the node",
                remedy=f"give --{name}, or set {name} in the table [agent] of the settings' file",
            )
        return value


def _checked(key: str, value: Any, where: str) -> tuple[str, ...]:
    if key not in AGENT_KEYS:
        near = get_close_matches(key, AGENT_KEYS, n=1)
        raise ConfigurationInvalid(
            f"{where}: nobody knows {key!r}",
            value=key,
            rule="--insecure and --delegate are flags alone" if key in {"insecure", "delegate"} else None,
            remedy=f"did you mean {near[0]}?" if near else f"known are: {', '.join(AGENT_KEYS)}",
        )
    if isinstance(value, str):
        return (value,)
    if key not in _LISTS:
        raise ConfigurationInvalid(f"{where}: {key} is not a text", value=value, remedy=f'write {key} = "…"')
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigurationInvalid(
            f"{where}: {key} is neither a text nor a list of texts", value=value, remedy=f'write {key} = ["…", "…"]'
        )
    return tuple(value)
