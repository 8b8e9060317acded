"""``etcdmeta user``: users, their passwords, and what they may do where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.items import GrantItem, UserItem
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.passwords import new_password
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column
from etcdmeta.cli.text import counted
from etcdmeta.commands.user import CreateUser, DropUser, GrantPrivilege, RevokePrivilege, SetPassword
from etcdmeta.errors import InvalidInput, Refused
from etcdmeta.model.entities import User
from etcdmeta.model.owners import Privilege
from etcdmeta.model.snapshot import Snapshot

app = noun("user")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user.")]
Database = Annotated[str, typer.Argument(metavar="DB", help="The database.")]
PasswordFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="First line of a file that only you can read; - is standard input."),
]
_PASSWORDS = "The password: --password-file, else ETCDMETA_USER_PASSWORD, else you are asked."


@verb(app, "list")
def list_(ctx: typer.Context) -> None:
    """List users, in the order they were created."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        session.output.listing(listing(snapshot, snapshot.users()), picture)


@verb(app, "create", epilog=_PASSWORDS)
def create(
    ctx: typer.Context,
    name: Name,
    admin: Annotated[bool, typer.Option("--admin", help="May do everything.")] = False,
    password_file: PasswordFile = None,
    dry_run: DryRun = False,
) -> None:
    """Create a user."""
    session = Session.of(ctx)
    hashed = _hashed_new(session, password_file)
    with session.store() as store:
        carry_out(
            session,
            store,
            [CreateUser(name=name, password_hash=hashed, admin=admin)],
            dry_run=dry_run,
            show=lambda snap: listing(snap, [snap.user(name)]),
        )


@verb(app, "drop")
def drop(ctx: typer.Context, name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Drop a user; all rights are void at once. Asks first."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, _ = session.look(store)
        user = snapshot.user(name)
        if not dry_run:
            rights = "an administrator" if user.admin else counted(len(snapshot.privileges(user)), "privilege")
            confirm(session, f"this drops user {name!r} with {rights}", yes=yes)
        dropped = listing(snapshot, [user])
        carry_out(session, store, [DropUser(name=name)], dry_run=dry_run, show=dropped)


@verb(app, "passwd", epilog=_PASSWORDS)
def passwd(ctx: typer.Context, name: Name, password_file: PasswordFile = None, dry_run: DryRun = False) -> None:
    """Set a user's password."""
    session = Session.of(ctx)
    hashed = _hashed_new(session, password_file)
    with session.store() as store:
        carry_out(
            session,
            store,
            [SetPassword(name=name, password_hash=hashed)],
            dry_run=dry_run,
            show=lambda snap: listing(snap, [snap.user(name)]),
        )


@verb(app, "verify", epilog=_PASSWORDS)
def verify(ctx: typer.Context, name: Name, password_file: PasswordFile = None) -> None:
    """Is this the user's password? Exit 0 when it is, 4 when not."""
    session = Session.of(ctx)
    password = new_password(password_file, session, twice=False)
    with session.store() as store:
        snapshot, picture = session.look(store)
        user = snapshot.user(name)
        if not store.verify_password(name, password):
            raise Refused(f"that is not the password of user {name!r}", value=name)
        if session.output.is_table:
            session.output.sentence(f"that is the password of user {name!r}")
        else:
            session.output.listing(listing(snapshot, [user]), picture)


@verb(app, "grant")
def grant(
    ctx: typer.Context,
    name: Name,
    database: Database,
    privilege: Annotated[str, typer.Argument(metavar="read|write|all", help="What the user may do there.")],
    dry_run: DryRun = False,
) -> None:
    """Give a user a privilege on a database, in place of the one it has."""
    session = Session.of(ctx)
    command = GrantPrivilege(user=name, database=database, privilege=_privilege(privilege))
    with session.store() as store:
        carry_out(session, store, [command], dry_run=dry_run, show=lambda snap: grants_of(snap, [snap.user(name)]))


@verb(app, "revoke")
def revoke(
    ctx: typer.Context,
    name: Name,
    database: Database,
    privilege: Annotated[str, typer.Argument(metavar="read|write|all", help="What to take; all.")] = "all",
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Take a user's privilege on a database. Asks first."""
    session = Session.of(ctx)
    command = RevokePrivilege(user=name, database=database, privilege=_privilege(privilege))
    with session.store() as store:
        if not dry_run:
            confirm(session, f"this takes {privilege} on {database!r} from user {name!r}", yes=yes)
        carry_out(session, store, [command], dry_run=dry_run, show=lambda snap: grants_of(snap, [snap.user(name)]))


@verb(app, "grants")
def grants(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Only of these users.")] = None,
) -> None:
    """List who may do what where."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        users = [snapshot.user(name) for name in names] if names else snapshot.users()
        for user in users:
            if user.admin:
                session.note(f"{user.name!r} is an administrator and may do everything")
        session.output.listing(grants_of(snapshot, users), picture)


def listing(snapshot: Snapshot, users: Iterable[User]) -> Listing[UserItem]:
    """The users in every format."""
    return Listing(
        kind="UserList",
        items=[
            UserItem(
                id=user.id,
                name=user.name,
                admin=user.admin,
                privileges={name: str(privilege) for name, privilege in snapshot.privileges(user).items()},
            )
            for user in users
        ],
        columns=(
            Column("NAME", lambda item: item.name),
            Column("ADMIN", lambda item: "yes" if item.admin else ""),
            Column("DATABASES", lambda item: str(len(item.privileges)), right=True),
            Column("ID", lambda item: str(item.id), right=True, wide=True),
            Column("PRIVILEGES", lambda item: ",".join(f"{db}={p}" for db, p in item.privileges.items()), wide=True),
        ),
        fields=UserItem.fields(),
        plain=UserItem.plain,
        name=lambda item: item.name,
        things="users",
    )


def grants_of(snapshot: Snapshot, users: Iterable[User]) -> Listing[GrantItem]:
    """The users' privileges in every format."""
    return Listing(
        kind="GrantList",
        items=[
            GrantItem(user=user.name, database=database, privilege=str(privilege))
            for user in users
            for database, privilege in snapshot.privileges(user).items()
        ],
        columns=(
            Column("USER", lambda item: item.user),
            Column("DATABASE", lambda item: item.database),
            Column("PRIVILEGE", lambda item: item.privilege),
        ),
        fields=GrantItem.fields(),
        plain=GrantItem.plain,
        name=lambda item: item.database,
        things="privileges",
    )


def _hashed_new(session: Session, file: str | None) -> bytes:
    from etcdmeta.store.passwords import hash_password  # with all of the store: not for --help

    return hash_password(new_password(file, session, twice=True))


def _privilege(word: str) -> Privilege:
    if word.lower() not in ("read", "write", "all"):
        raise InvalidInput(f"privilege {word!r}", value=word, rule="read, write or all")
    return Privilege(word.lower())
