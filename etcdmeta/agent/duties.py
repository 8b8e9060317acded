"""The services of the cluster that an agent stands for: which there are, and starting and stopping them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from etcdmeta.errors import ConfigurationInvalid
from etcdmeta.services.plans import Plans
from etcdmeta.services.precreation import Precreation
from etcdmeta.services.pruning import LedgerPruning
from etcdmeta.services.repairing import Repairing
from etcdmeta.services.retention import Retention
from etcdmeta.services.runner import ServiceRunner
from etcdmeta.services.service import Service
from etcdmeta.services.stuck import StuckCopies
from etcdmeta.store import MetaStore

REPAIR = "repair"
SERVICES: Mapping[str, Callable[[], Service]] = MappingProxyType(
    {
        "plans": Plans,
        "precreation": Precreation,
        "retention": Retention,
        "stuck": StuckCopies,
        "ledger": LedgerPruning,
        REPAIR: Repairing,
    }
)
"""By the names of their elections."""
USUAL = tuple(name for name in SERVICES if name != REPAIR)
"""What ``all`` means: what nobody has to decide about."""


def parse_services(text: str) -> tuple[str, ...]:
    """``all``, ``none``, or names with commas between. Raises `ConfigurationInvalid`."""
    if text == "all":
        return USUAL
    if text == "none":
        return ()
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    check_services(names)
    return names


def check_services(names: Sequence[str]) -> None:
    """Raises `ConfigurationInvalid` for one that there is not."""
    for name in names:
        if name not in SERVICES:
            raise ConfigurationInvalid(
                f"there is no service {name!r}", value=name, rule=f"all, none, or some of {', '.join(SERVICES)}"
            )


def duties(store: MetaStore, names: Sequence[str], *, who: str, node_id: int) -> ServiceRunner:
    """Of an agent that reaches etcd; not started."""
    return ServiceRunner(store, [SERVICES[name]() for name in names], who=who, node_id=node_id)
