"""What can be wrong with metadata in InfluxDB's own encoding.

::

    InvalidInput
    ├── InfluxDataInvalid       the bytes are no InfluxDB metadata; where, and in which field
    │   └── InfluxDataTooLarge  they may be, but hold more than a limit allows
    ├── SourceUnreadable        what wraps the metadata (a backup, a response, a snapshot) cannot be read
    └── DialectCannotHold (also Refused)  a version of InfluxDB has no place for something
"""

from __future__ import annotations

from etcdmeta.errors import InvalidInput, Refused


class InfluxDataInvalid(InvalidInput):
    """``offset``: the byte in the input at which it was seen; ``path``: the field, as
    ``Databases[2].RetentionPolicies[0].ShardGroups[7].EndTime``, empty for the message itself."""

    def __init__(
        self,
        message: str,
        *,
        offset: int | None = None,
        path: str = "",
        value: object = None,
        rule: str | None = None,
        remedy: str | None = None,
    ) -> None:
        if offset is not None:  # else it is told anew, and says where it was
            message += f" (byte {offset}, {path})" if path else f" (byte {offset})"
        super().__init__(message, value=value, rule=rule, remedy=remedy)
        self.offset = offset or 0
        self.path = path


class InfluxDataTooLarge(InfluxDataInvalid):
    """More bytes, or more of something, than `etcdmeta.influxdb.limits` allows; nothing of it was kept."""


class SourceUnreadable(InvalidInput):
    """A file, folder or response that does not hold metadata as its kind does; the message names what was tried.
    ``offset``: the byte in the input at which it was seen, None where it is about no byte of it."""

    def __init__(
        self,
        message: str,
        *,
        offset: int | None = None,
        value: object = None,
        rule: str | None = None,
        remedy: str | None = None,
    ) -> None:
        if offset is not None:
            message += f" (byte {offset})"
        super().__init__(message, value=value, rule=rule, remedy=remedy)
        self.offset = offset


class DialectCannotHold(Refused, InvalidInput):
    """Something would be lost; ``value`` is the tuple of losses."""
