"""``etcdmeta config``: what the settings are, where each came from, and whether they work."""

from __future__ import annotations

import typer

from etcdmeta.cli.exits import code_of
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.items import MemberItem, SettingItem
from etcdmeta.cli.output import Listing
from etcdmeta.cli.passwords import password_source
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column
from etcdmeta.errors import EtcdMetaError

app = noun("config")


@verb(app, "show", epilog="Order: flag, ETCDMETA_*, ETCDCTL_*, the file's context, the file, default.")
def show(ctx: typer.Context) -> None:
    """Show each setting and where it came from. Passwords are not shown, only whether there is one."""
    session = Session.of(ctx)
    settings, file = session.settings, session.settings.file
    items = [
        SettingItem(name="config", value=str(file.path) if file.path else None, source=file.path_source),
        SettingItem(name="context", value=file.context, source=file.context_source),
        *(SettingItem(name=s.name, value=settings.shown(s), source=s.source) for s in settings),
    ]
    source = password_source(session)
    items.append(SettingItem(name="password", value="(set)" if source else None, source=source or "not set"))
    session.output.listing(
        Listing(
            kind="SettingList",
            items=items,
            columns=(
                Column("SETTING", lambda item: item.name),
                Column("VALUE", lambda item: "-" if item.value is None else item.value),
                Column("FROM", lambda item: item.source),
            ),
            fields=SettingItem.fields(),
            plain=SettingItem.plain,
            name=lambda item: item.name,
            things="settings",
        )
    )


@verb(app, "test")
def test(ctx: typer.Context) -> None:
    """Try the settings: ask every endpoint who it is, then open the cluster."""
    session = Session.of(ctx)
    with session.store() as store:
        answers = store.members(timeout=session.remaining())
        items = [
            MemberItem(endpoint=endpoint, version=None, problem=str(answer))
            if isinstance(answer, EtcdMetaError)
            else MemberItem(endpoint=endpoint, version=answer.version, problem=None)
            for endpoint, answer in answers.items()
        ]
        session.output.listing(
            Listing(
                kind="EndpointList",
                items=items,
                columns=(
                    Column("ENDPOINT", lambda item: item.endpoint),
                    Column("ETCD", lambda item: item.version or "-"),
                    Column("PROBLEM", lambda item: item.problem or ""),
                ),
                fields=MemberItem.fields(),
                plain=MemberItem.plain,
                name=lambda item: item.endpoint,
                things="endpoints",
            )
        )
        problems = [answer for answer in answers.values() if isinstance(answer, EtcdMetaError)]
        if problems:
            raise typer.Exit(code_of(problems[0]))
        snapshot, _ = session.look(store)
        assert snapshot.cluster is not None  # look raises where there is none
        where = f"id {snapshot.cluster.cluster_id}, generation {snapshot.generation}"
        session.note(f"cluster {session.settings.cluster!r}: {where}")
