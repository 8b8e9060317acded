"""The agent beside a database node: it serves the picture to others, joins, and says that the node is alive.

`Agent` runs one in the user's own process. Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etcdmeta.agent.agent import Agent
    from etcdmeta.agent.certificates import ServerTls
    from etcdmeta.agent.config import AgentConfig
    from etcdmeta.agent.limits import Limits
    from etcdmeta.agent.trust import Rules

__all__ = ["Agent", "AgentConfig", "Limits", "Rules", "ServerTls"]

_HOMES = {
    "Agent": "agent",
    "AgentConfig": "config",
    "Limits": "limits",
    "Rules": "trust",
    "ServerTls": "certificates",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__]
