"""Users and their privileges, as methods."""

from __future__ import annotations

from etcdmeta.commands.user import CreateUser, DropUser, GrantPrivilege, RevokePrivilege, SetAdmin, SetPassword
from etcdmeta.model.entities import User
from etcdmeta.model.owners import Privilege
from etcdmeta.store.operations import Outcome
from etcdmeta.store.passwords import hash_password
from etcdmeta.store.shortcuts.basis import Executes, word


class UserShortcuts:
    """One method a command."""

    def create_user(self: Executes, name: str, password: str, *, admin: bool = False) -> User:
        """The password is hashed here (bcrypt, some 50 ms) and never leaves the process otherwise."""
        self.execute(CreateUser(name=name, password_hash=hash_password(password), admin=admin))
        return self.snapshot().user(name)

    def set_password(self: Executes, name: str, password: str) -> Outcome:
        return self.execute(SetPassword(name=name, password_hash=hash_password(password)))

    def set_admin(self: Executes, name: str, admin: bool) -> Outcome:
        return self.execute(SetAdmin(name=name, admin=admin))

    def drop_user(self: Executes, name: str) -> Outcome:
        """With the password; its grants are void at once."""
        return self.execute(DropUser(name=name))

    def grant(self: Executes, user: str, database: str, privilege: Privilege | str) -> Outcome:
        return self.execute(GrantPrivilege(user=user, database=database, privilege=word(Privilege, privilege)))

    def revoke(self: Executes, user: str, database: str, privilege: Privilege | str = Privilege.ALL) -> Outcome:
        return self.execute(RevokePrivilege(user=user, database=database, privilege=word(Privilege, privilege)))
