"""Passwords as InfluxDB keeps them: bcrypt, prefix ``$2a$``, cost 10. Made outside of plans, which know no chance."""

from __future__ import annotations

import bcrypt

from etcdmeta.errors import InvalidInput

COST = 10
MAX_BYTES = 72
UNKNOWN_USER = b"$2a$10$......................OOOOOOOOOOOOOOOOOOOOOOOOOOOOOOO"
"""A well-formed hash that no password has: checking against it takes as long as against a real one."""


def hash_password(password: str) -> bytes:
    """Takes some 50 ms, by design. Raises `InvalidInput` where it is empty, or longer than bcrypt reads."""
    raw = password.encode()
    if not 1 <= len(raw) <= MAX_BYTES or b"\0" in raw:
        # The value stays out of the error: it is a password.
        raise InvalidInput(
            "the password cannot be used",
            rule=f"1 to {MAX_BYTES} bytes of UTF-8, without NUL: bcrypt reads no more",
            remedy="choose another",
        )
    return bcrypt.hashpw(raw, bcrypt.gensalt(COST, prefix=b"2a"))


def verify(password: str, stored: bytes) -> bool:
    """Whether the hash is of that password. A hash that is none of bcrypt's verifies nothing."""
    raw = password.encode()
    if len(raw) > MAX_BYTES or b"\0" in raw:
        return False
    try:
        return bcrypt.checkpw(raw, stored)
    except ValueError:
        return False
