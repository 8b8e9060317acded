"""What can be wrong with a file of our own making.

::

    InvalidInput
    ├── ArchiveDamaged      a backup that is not as it was written; where
    │   └── ArchiveTooNew   or that a newer etcdmeta wrote
    └── DocumentInvalid     a JSON document that is none of ours, or says what cannot be; where
"""

from __future__ import annotations

from etcdmeta.errors import InvalidInput


class ArchiveDamaged(InvalidInput):
    """``offset``: the byte at which the block, or what is missing, begins."""

    def __init__(
        self,
        message: str,
        *,
        offset: int | None = None,
        value: object = None,
        rule: str | None = None,
        remedy: str | None = None,
    ) -> None:
        if offset is not None:  # else it is told anew, and says where it was
            message += f" (byte {offset})"
        super().__init__(
            message,
            value=offset if value is None else value,
            rule=rule or "a backup is read as it was written, or not at all",
            remedy=remedy or "take another copy of the file, or another backup",
        )
        self.offset = offset or 0


class ArchiveTooNew(ArchiveDamaged):
    """Its format asks for a newer reader; nothing is wrong with it."""


class DocumentInvalid(InvalidInput):
    """``path``: as ``databases[2].policies[0].groups[7].end``; empty for the document itself."""

    def __init__(
        self, why: str, *, path: str = "", value: object = None, rule: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(f"{path}: {why}" if path else why, value=value, rule=rule, remedy=remedy)
        self.path = path
