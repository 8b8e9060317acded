"""Users and privileges: InfluxDB 1.x's rules, the protocol's compares and writes, and where hashes may be."""

from __future__ import annotations

import json

import pytest

from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.plan import Command
from etcdmeta.commands.user import CreateUser, DropUser, GrantPrivilege, RevokePrivilege, SetAdmin, SetPassword
from etcdmeta.errors import (
    DatabaseNotFound,
    EtcdMetaError,
    InvalidInput,
    InvalidName,
    RecordUnreadable,
    UserExists,
    UserNotFound,
)
from etcdmeta.model.owners import Privilege
from etcdmeta.records import keys
from etcdmeta.records.decoding import decode_secret
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import Compare, Delete, Put

from .conftest import World

HASH = b"$2a$10$" + b"x" * 53
OTHER_HASH = b"$2a$10$" + b"y" * 53
NONE, READ, WRITE, ALL = Privilege.NONE, Privilege.READ, Privilege.WRITE, Privilege.ALL


@pytest.fixture
def world(world: World) -> World:
    """The database ``m`` and the user ``u``."""
    world.run(CreateDatabase(name="m"))
    world.run(CreateUser(name="u", password_hash=HASH))
    return world


def secret(world: World, name: str = "u") -> bytes:
    return decode_secret(world.kvs[keys.secret(world.snapshot.user(name).id)].value)


# --- users


def test_create_compares_and_writes(world: World) -> None:
    plan = world.run(CreateUser(name="a/b", password_hash=HASH, admin=True))
    u = plan.result["user_id"]
    assert set(plan.compares) == {Compare.absent(keys.user_name("a/b")), Compare.absent(keys.user(u))}
    written = [write.key for write in plan.writes if isinstance(write, Put)]
    assert written == [keys.user_name("a/b"), keys.user(u), keys.secret(u)]
    assert world.snapshot.user("a/b").admin
    assert secret(world, "a/b") == HASH


def test_the_same_again_is_unchanged_and_keeps_its_password(world: World) -> None:
    again = world.run(CreateUser(name="u", password_hash=OTHER_HASH))
    assert not again.changed
    assert again.notices
    assert secret(world) == HASH


def test_another_one_under_its_name_is_refused(world: World) -> None:
    with pytest.raises(UserExists):
        world.run(CreateUser(name="u", password_hash=HASH, admin=True))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": ""}, InvalidName),
        ({"name": "\0"}, InvalidName),
        ({"name": "x" * 256}, InvalidName),
        ({"name": "\udcff"}, InvalidName),
        ({"password_hash": b""}, InvalidInput),
        ({"password_hash": b"s3cret"}, InvalidInput),
        ({"password_hash": b"$2b$10$" + b"s3cret" + b"x" * 47}, InvalidInput),
        ({"password_hash": HASH + b"\n"}, InvalidInput),
        ({"password_hash": ["s3cret"]}, InvalidInput),
    ],
)
def test_bad_input(world: World, fields: dict[str, object], error: type[EtcdMetaError]) -> None:
    before = dict(world.kvs)
    with pytest.raises(error) as refused:
        world.run(CreateUser(**{"name": "v", "password_hash": HASH, **fields}))
    assert "s3cret" not in f"{refused.value} {refused.value!r} {refused.value.value!r} {refused.value.__cause__!r}"
    assert world.kvs == before


def test_drop_compares_and_writes(world: World) -> None:
    user = world.snapshot.user("u")
    name_key = keys.user_name("u")
    plan = world.run(DropUser(name="u"))
    assert set(plan.compares) == {
        Compare.modified(name_key, user.mod_revision),
        Compare.created(keys.user(user.id), user.create_revision),
    }
    assert set(plan.writes) == {Delete(name_key), Delete(keys.user(user.id)), Delete(keys.secret(user.id))}
    assert world.snapshot.users() == ()


def test_the_grants_of_a_dropped_user_are_void_at_once(world: World) -> None:
    world.run(GrantPrivilege(user="u", database="m", privilege=ALL))
    user = world.snapshot.user("u")
    world.run(DropUser(name="u"))
    assert world.snapshot.database("m").grants() == ()
    assert not world.snapshot.allows(user, READ, "m")
    world.run(CreateUser(name="u", password_hash=HASH))
    assert not world.snapshot.allows("u", READ, "m")


def test_set_password_compares_and_writes(world: World) -> None:
    user = world.snapshot.user("u")
    plan = world.run(SetPassword(name="u", password_hash=OTHER_HASH))
    assert plan.compares == (Compare.created(keys.user(user.id), user.create_revision),)
    assert [write.key for write in plan.writes if isinstance(write, Put)] == [keys.secret(user.id)]
    assert secret(world) == OTHER_HASH


def test_set_password_to_what_is_no_hash(world: World) -> None:
    with pytest.raises(InvalidInput) as refused:
        world.run(SetPassword(name="u", password_hash=b"s3cret"))
    assert "s3cret" not in repr(refused.value)


def test_set_admin_compares_and_writes(world: World) -> None:
    user = world.snapshot.user("u")
    plan = world.run(SetAdmin(name="u", admin=True))
    assert plan.compares == (Compare.modified(keys.user(user.id), user.mod_revision),)
    assert [write.key for write in plan.writes if isinstance(write, Put)] == [keys.user(user.id)]
    assert world.snapshot.user("u").admin
    assert not world.run(SetAdmin(name="u", admin=True)).changed
    assert world.run(SetAdmin(name="u", admin=False)).changed
    assert not world.snapshot.user("u").admin


@pytest.mark.parametrize(
    "command",
    [
        CreateUser(name="new", password_hash=HASH),
        SetPassword(name="u", password_hash=HASH),
    ],
    ids=lambda command: command.NAME,
)
def test_a_hash_is_in_the_secret_and_nowhere_else(world: World, command: Command) -> None:
    plan = world.run(command)
    assert HASH.decode() not in f"{command!r} {command} {plan.summary} {plan.notices} {plan.compares}"
    assert HASH.decode() not in json.dumps([dict(plan.result), command.public()])
    other = command.model_copy(update={"password_hash": OTHER_HASH})
    assert command.fingerprint() == other.fingerprint()
    holders = {key for key, kv in world.kvs.items() if HASH in kv.value}
    assert holders
    assert all(key.startswith(b"secret/") for key in holders)


@pytest.mark.parametrize(
    "command",
    [
        DropUser(name="nobody"),
        DropUser(name="\udcff"),
        SetPassword(name="nobody", password_hash=HASH),
        SetAdmin(name="nobody", admin=True),
        GrantPrivilege(user="nobody", database="m", privilege=READ),
        RevokePrivilege(user="nobody", database="m"),
    ],
    ids=lambda command: command.NAME,
)
def test_of_a_user_that_is_not_there(world: World, command: Command) -> None:
    with pytest.raises(UserNotFound):
        world.run(command)


# --- privileges


def test_grant_compares_and_writes(world: World) -> None:
    user, database = world.snapshot.user("u"), world.snapshot.database("m")
    parents = {
        Compare.created(keys.database_info(database.id), database.create_revision),
        Compare.created(keys.user(user.id), user.create_revision),
    }
    key = keys.grant(database.id, user.id)
    first = world.run(GrantPrivilege(user="u", database="m", privilege=READ))
    assert set(first.compares) == parents
    assert [write.key for write in first.writes if isinstance(write, Put)] == [key]
    second = world.run(GrantPrivilege(user="u", database="m", privilege=WRITE))
    assert set(second.compares) == parents | {Compare.modified(key, world.kvs[key].mod_revision - 1)}
    assert world.snapshot.privileges(user) == {"m": WRITE}


def test_the_same_grant_again_is_unchanged(world: World) -> None:
    world.run(GrantPrivilege(user="u", database="m", privilege=READ))
    assert not world.run(GrantPrivilege(user="u", database="m", privilege=READ)).changed


@pytest.mark.parametrize(
    ("has", "revoked", "left"),
    [
        (ALL, ALL, NONE),
        (ALL, READ, WRITE),
        (ALL, WRITE, READ),
        (READ, READ, NONE),
        (READ, ALL, NONE),
        (READ, WRITE, READ),
        (WRITE, READ, WRITE),
        (WRITE, NONE, WRITE),
    ],
)
def test_revoke(world: World, has: Privilege, revoked: Privilege, left: Privilege) -> None:
    world.run(GrantPrivilege(user="u", database="m", privilege=has))
    grant = world.snapshot.database("m").grant(1)
    assert grant is not None
    key = keys.grant(1, 1)
    plan = world.run(RevokePrivilege(user="u", database="m", privilege=revoked))
    assert plan.changed == (has != left)
    if plan.changed:
        assert Compare.modified(key, grant.mod_revision) in plan.compares
        assert len(plan.compares) == 3
        assert [write.key for write in plan.writes if isinstance(write, Put)] == [key]
    assert world.snapshot.privileges(world.snapshot.user("u")) == {"m": left}
    assert world.snapshot.allows("u", READ, "m") == left.allows(READ)


def test_revoke_of_what_was_never_granted_is_unchanged(world: World) -> None:
    assert not world.run(RevokePrivilege(user="u", database="m")).changed
    world.run(GrantPrivilege(user="u", database="m", privilege=READ))
    world.run(RevokePrivilege(user="u", database="m"))
    assert not world.run(RevokePrivilege(user="u", database="m")).changed


def test_no_privilege_is_not_granted(world: World) -> None:
    with pytest.raises(InvalidInput):
        world.run(GrantPrivilege(user="u", database="m", privilege=NONE))
    with pytest.raises(InvalidInput):
        GrantPrivilege(user="u", database="m", privilege="owner")


def test_on_a_database_that_is_not_there(world: World) -> None:
    with pytest.raises(DatabaseNotFound):
        world.run(GrantPrivilege(user="u", database="nothing", privilege=READ))
    with pytest.raises(DatabaseNotFound):
        world.run(RevokePrivilege(user="u", database="nothing"))


def test_a_privilege_of_a_later_version_is_kept_until_it_is_replaced(world: World) -> None:
    world.write([Put(keys.grant(1, 1), pb.Grant(privilege="audit").SerializeToString()), Put(keys.GENERATION, b"2")])
    assert world.snapshot.privileges(world.snapshot.user("u")) == {"m": "audit"}
    assert not world.snapshot.allows("u", READ, "m")
    with pytest.raises(RecordUnreadable):
        world.run(RevokePrivilege(user="u", database="m", privilege=READ))
    world.run(RevokePrivilege(user="u", database="m"))
    assert world.snapshot.privileges(world.snapshot.user("u")) == {"m": NONE}


LATE: list[tuple[Command, Command]] = [
    (DropUser(name="u"), GrantPrivilege(user="u", database="m", privilege=READ)),
    (DropUser(name="u"), SetPassword(name="u", password_hash=HASH)),
    (DropUser(name="u"), SetAdmin(name="u", admin=True)),
    (DropUser(name="u"), DropUser(name="u")),
    (DropDatabase(name="m"), GrantPrivilege(user="u", database="m", privilege=READ)),
    (CreateUser(name="v", password_hash=HASH), CreateUser(name="v", password_hash=HASH, admin=True)),
    (SetAdmin(name="u", admin=True), SetAdmin(name="u", admin=True)),
]


@pytest.mark.parametrize(("first", "second"), LATE, ids=lambda command: command.NAME)
def test_what_was_planned_before_does_not_commit_after(world: World, first: Command, second: Command) -> None:
    late = world.plan(second)
    world.run(first)
    before = dict(world.kvs)
    assert not world.commit(late)
    assert world.kvs == before


def test_two_that_revoke_parts_take_both(world: World) -> None:
    world.run(GrantPrivilege(user="u", database="m", privilege=ALL))
    late = world.plan(RevokePrivilege(user="u", database="m", privilege=READ))
    world.run(RevokePrivilege(user="u", database="m", privilege=WRITE))
    assert not world.commit(late)
    world.run(RevokePrivilege(user="u", database="m", privilege=READ))
    assert world.snapshot.privileges(world.snapshot.user("u")) == {"m": NONE}


@pytest.mark.parametrize("key", [keys.user_name("u"), keys.user(1)])
@pytest.mark.parametrize(
    "command",
    [
        CreateUser(name="u", password_hash=HASH),
        DropUser(name="u"),
        SetPassword(name="u", password_hash=HASH),
        SetAdmin(name="u", admin=True),
        GrantPrivilege(user="u", database="m", privilege=READ),
    ],
    ids=lambda command: command.NAME,
)
def test_an_unreadable_record_is_not_taken_for_absent(world: World, key: bytes, command: Command) -> None:
    world.write([Put(key, b"\xff\xff"), Put(keys.GENERATION, b"2")])
    with pytest.raises(RecordUnreadable):
        world.run(command)


def test_an_unreadable_grant_is_not_overwritten(world: World) -> None:
    world.write([Put(keys.grant(1, 1), b"\xff\xff"), Put(keys.GENERATION, b"2")])
    with pytest.raises(RecordUnreadable):
        world.run(GrantPrivilege(user="u", database="m", privilege=READ))
