"""Users, their passwords' hashes, and what they may do in each database.

A hash is made before the plan, since bcrypt draws a random salt; it goes into ``secret/U`` and nowhere else:
into no summary, result, error, fingerprint or ``repr``.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from pydantic import Field

from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.quarantine import require_readable_key
from etcdmeta.errors import InvalidInput, RecordUnreadable, UserExists
from etcdmeta.model.entities import Grant, User
from etcdmeta.model.names import check_label_name
from etcdmeta.model.owners import Privilege
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.views import DatabaseView
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_name_ref, encode_secret

# InfluxDB reads bcrypt with this prefix only: two digits of cost, then salt and hash.
_BCRYPT: Final = re.compile(rb"\$2a\$[0-9]{2}\$[./A-Za-z0-9]{53}")


class CreateUser(Command):
    """Make a user, with the bcrypt hash of its password.

    A user that is there with the same admin flag is unchanged, and keeps its password: the plan cannot see
    hashes, which no cache holds.

    Compares: ``create(name/user/E)=0``, ``create(user/U)=0``. Writes: ``name/user/E``, ``user/U``,
    ``secret/U``.
    Result: ``user_id``. Errors: `UserExists`, `InvalidName`, `InvalidInput` (the hash), `RecordUnreadable`.
    Source: InfluxDB 1.x, CREATE USER; which compares the password, too.
    """

    NAME: ClassVar[str] = "create user"
    SECRET: ClassVar[frozenset[str]] = frozenset({"password_hash"})

    name: str
    password_hash: bytes = Field(repr=False)
    admin: bool = False

    def plan(self, context: Context) -> Plan:
        check_label_name(self.name, "user")
        _check_hash(self.password_hash)
        snapshot = context.snapshot
        _require_readable_user(snapshot, self.name)
        existing = snapshot.find_user(self.name)
        if existing is not None:
            return self._made_before(existing)
        user_id = context.ids.take(user=1)["user"][0]
        name_key = keys.user_name(self.name)
        builder = PlanBuilder()
        builder.require_absent(name_key).require_absent(keys.user(user_id))
        builder.put(name_key, encode_name_ref(user_id))
        builder.put(keys.user(user_id), encode(User(id=user_id, name=self.name, admin=self.admin)))
        builder.put(keys.secret(user_id), encode_secret(self.password_hash))
        return builder.build(f"created {'admin ' if self.admin else ''}user {self.name!r}", {"user_id": user_id})

    def _made_before(self, user: User) -> Plan:
        if user.admin != self.admin:
            raise UserExists(
                f"user {self.name!r} exists and is {'an' if user.admin else 'no'} admin",
                value=self.name,
                rule="making the same user again changes nothing; another one cannot have its name",
                remedy="change the admin flag of the one that is there, or choose another name",
            )
        return unchanged(f"user {self.name!r} is there already", {"user_id": user.id}, ["its password stays as it was"])


class DropUser(Command):
    """Drop a user. Its grants are void at once, since they name an id that is never used again; swept later.

    Compares: ``mod(name/user/E)``, ``create(user/U)``. Writes: deletes ``name/user/E``, ``user/U``,
    ``secret/U``.
    Result: ``user_id``. Errors: `UserNotFound`, `RecordUnreadable`. Source: InfluxDB 1.x, DROP USER.
    """

    NAME: ClassVar[str] = "drop user"

    name: str

    @property
    def lasting(self) -> bool:
        """Who dropped whom is known for ever (bounded)."""
        return True

    def plan(self, context: Context) -> Plan:
        user = _user(context, self.name)
        builder = PlanBuilder()
        name_key = keys.user_name(self.name)
        builder.require_modified(name_key, context.snapshot.user_name_revision(self.name))
        builder.require_created(keys.user(user.id), user.create_revision)
        builder.delete(name_key).delete(keys.user(user.id)).delete(keys.secret(user.id))
        return builder.build(f"dropped user {self.name!r}", {"user_id": user.id})


class SetPassword(Command):
    """Put another hash of a user's password.

    Compares: ``create(user/U)``. Writes: ``secret/U``. Result: ``user_id``.
    Errors: `UserNotFound`, `InvalidInput` (the hash), `RecordUnreadable`. Source: InfluxDB 1.x, SET PASSWORD.
    """

    NAME: ClassVar[str] = "set password"
    SECRET: ClassVar[frozenset[str]] = frozenset({"password_hash"})

    name: str
    password_hash: bytes = Field(repr=False)

    def plan(self, context: Context) -> Plan:
        _check_hash(self.password_hash)
        user = _user(context, self.name)
        builder = PlanBuilder().require_created(keys.user(user.id), user.create_revision)
        builder.put(keys.secret(user.id), encode_secret(self.password_hash))
        return builder.build(f"set the password of user {self.name!r}", {"user_id": user.id})


class SetAdmin(Command):
    """Make a user an admin, who may do everything, or no longer one. Its grants stay. Already so: unchanged.

    Compares: ``mod(user/U)``. Writes: ``user/U``. Result: ``user_id``. Errors: `UserNotFound`,
    `RecordUnreadable`.
    Source: InfluxDB 1.x, GRANT and REVOKE ALL PRIVILEGES without ON.
    """

    NAME: ClassVar[str] = "set admin"

    name: str
    admin: bool

    def plan(self, context: Context) -> Plan:
        user = _user(context, self.name)
        result = {"user_id": user.id}
        state = "an admin" if self.admin else "no admin"
        if user.admin == self.admin:
            return unchanged(f"user {self.name!r} is {state} already", result)
        key = keys.user(user.id)
        builder = PlanBuilder().require_modified(key, user.mod_revision)
        builder.put(key, encode(user.model_copy(update={"admin": self.admin})))
        return builder.build(f"user {self.name!r} is {state} now", result)


class GrantPrivilege(Command):
    """Give a user a privilege in a database, in place of the one it has there. The same again: unchanged.

    Compares: ``create(db/D/info)``, ``create(user/U)``; ``mod`` of the grant that is rewritten. Writes:
    ``db/D/grant/U``. Result: ``user_id``, ``database_id``.
    Errors: `UserNotFound`, `DatabaseNotFound`, `InvalidInput` (no privilege), `RecordUnreadable`.
    Source: InfluxDB 1.x, GRANT … ON … TO, which sets the privilege and does not add to it.
    """

    NAME: ClassVar[str] = "grant privilege"

    user: str
    database: str
    privilege: Privilege

    def plan(self, context: Context) -> Plan:
        if self.privilege is Privilege.NONE:
            raise InvalidInput(
                "no privilege to grant",
                value=self.privilege.value,
                rule="read, write or all is granted",
                remedy="`etcdmeta user revoke` takes privileges away",
            )
        user = _user(context, self.user)
        database = context.snapshot.database(self.database)
        present = _grant(context, user, database)
        if present is not None and present.privilege == self.privilege:
            return unchanged(
                f"user {self.user!r} has {self.privilege} on database {self.database!r} already",
                _ids(user, database),
            )
        return _put_grant(user, database, present, self.privilege)


class RevokePrivilege(Command):
    """Take a privilege in a database from a user: write of all leaves read. Nothing to take: unchanged.

    What is left is written even where it is none: a grant's record goes with its database only.

    Compares: ``create(db/D/info)``, ``create(user/U)``, ``mod(db/D/grant/U)``. Writes: ``db/D/grant/U``.
    Result: ``user_id``, ``database_id``. Errors: `UserNotFound`, `DatabaseNotFound`, `RecordUnreadable`.
    Source: InfluxDB 1.x, REVOKE … ON … FROM, which clears the privilege's bits.
    """

    NAME: ClassVar[str] = "revoke privilege"

    user: str
    database: str
    privilege: Privilege = Privilege.ALL

    def plan(self, context: Context) -> Plan:
        user = _user(context, self.user)
        database = context.snapshot.database(self.database)
        present = _grant(context, user, database)
        left = Privilege.NONE if present is None else self._left_of(present.privilege)
        if present is None or left == present.privilege:
            return unchanged(
                f"user {self.user!r} has no {self.privilege} on database {self.database!r}",
                _ids(user, database),
            )
        return _put_grant(user, database, present, left)

    def _left_of(self, present: Privilege | str) -> Privilege:
        if self.privilege is Privilege.ALL:
            return Privilege.NONE
        if not isinstance(present, Privilege):
            raise RecordUnreadable(
                f"user {self.user!r} has privilege {present!r}, which this version does not know",
                value=present,
                rule="a part is taken of a known privilege only",
                remedy="revoke all, or use the version that granted it",
            )
        return Privilege.from_number(present.number & ~self.privilege.number)


def _user(context: Context, name: str) -> User:
    """Raises `UserNotFound`, `RecordUnreadable`."""
    _require_readable_user(context.snapshot, name)
    return context.snapshot.user(name)


def _require_readable_user(snapshot: Snapshot, name: str) -> None:
    what = f"cannot tell whether user {name!r} is there"
    require_readable_key(snapshot, keys.user_name(name), what)
    row = snapshot.tables.user_names.get(name)
    if row is not None:
        require_readable_key(snapshot, keys.user(snapshot.decoder.named_id(row)), what)


def _grant(context: Context, user: User, database: DatabaseView) -> Grant | None:
    key = keys.grant(database.id, user.id)
    require_readable_key(context.snapshot, key, f"cannot tell what user {user.name!r} may do")
    return database.grant(user.id)


def _put_grant(user: User, database: DatabaseView, present: Grant | None, privilege: Privilege) -> Plan:
    builder = PlanBuilder()
    builder.require_created(keys.database_info(database.id), database.create_revision)
    builder.require_created(keys.user(user.id), user.create_revision)
    key = keys.grant(database.id, user.id)
    if present is None:
        grant = Grant(database_id=database.id, user_id=user.id, privilege=privilege)
    else:
        builder.require_modified(key, present.mod_revision)
        grant = present.model_copy(update={"privilege": privilege})
    builder.put(key, encode(grant))
    what = "no privilege" if privilege is Privilege.NONE else privilege
    return builder.build(f"user {user.name!r} has {what} on database {database.name!r} now", _ids(user, database))


def _ids(user: User, database: DatabaseView) -> dict[str, int]:
    return {"user_id": user.id, "database_id": database.id}


def _check_hash(password_hash: bytes) -> None:
    """Raises `InvalidInput`, without the hash."""
    if _BCRYPT.fullmatch(password_hash) is None:
        raise InvalidInput(
            "that is no hash of a password",
            rule="bcrypt with prefix $2a$, as InfluxDB reads it",
            remedy="make it with etcdmeta.store.passwords.hash_password",
        )
