"""``etcdmeta version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.items import VersionItem
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column
from etcdmeta.errors import EtcdMetaError

app = lone_verb()

# What a report of a defect should name: the library that speaks with etcd, and what it stands on.
_PACKAGES = ("etcdmeta", "grpcio", "protobuf", "etcd3", "pydantic", "typer")


@verb(app, "version")
def version_(
    ctx: typer.Context,
    etcd: Annotated[bool, typer.Option("--etcd", help="Ask the endpoints for theirs, too.")] = False,
) -> None:
    """Print versions: etcdmeta's, Python's, the libraries', and with --etcd those of the members."""
    session = Session.of(ctx)
    items = [VersionItem(component=name, version=_version(name)) for name in _PACKAGES]
    items.insert(1, VersionItem(component="python", version=platform.python_version()))
    items.append(VersionItem(component="embedded etcd", version=_embedded()))
    if etcd:
        with session.store() as store:
            for endpoint, answer in store.members(timeout=session.remaining()).items():
                known = f"unknown: {answer}" if isinstance(answer, EtcdMetaError) else answer.version
                items.append(VersionItem(component=f"etcd {endpoint}", version=known))
    session.output.listing(
        Listing(
            kind="VersionList",
            items=items,
            columns=(Column("COMPONENT", lambda item: item.component), Column("VERSION", lambda item: item.version)),
            fields=VersionItem.fields(),
            plain=VersionItem.plain,
            name=lambda item: item.component,
            things="components",
        )
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _embedded() -> str:
    from etcdmeta.embedded import find_binaries

    try:
        return find_binaries().version_text
    except EtcdMetaError:
        return "not installed"
