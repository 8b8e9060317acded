"""What etcd's members say of themselves and of one another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALARM = re.compile(r"alarm:(\w+)")


@dataclass(frozen=True, slots=True)
class EtcdMemberStatus:
    """One member's own view; `etcdmeta.consensus.protocol.MemberStatus` says what the fields are."""

    endpoint: str
    version: str
    db_size: int
    is_leader: bool
    leader: int
    member_id: int
    revision: int
    alarms: tuple[str, ...]

    @classmethod
    def from_response(cls, endpoint: str, response: Any) -> EtcdMemberStatus:
        """From a ``StatusResponse``; its ``errors`` hold the alarms, which asked for apart need a quorum."""
        header = response.header
        return cls(
            endpoint=endpoint,
            version=response.version,
            db_size=response.dbSize,
            is_leader=response.leader != 0 and response.leader == header.member_id,
            leader=response.leader,
            member_id=header.member_id,
            revision=header.revision,
            alarms=tuple(sorted(_alarms(response.errors))),
        )


def _alarms(errors: Iterable[str]) -> set[str]:
    # "memberID:123 alarm:NOSPACE", but also sentences such as "etcdserver: no leader", which `leader` says,
    # too.
    return {found for error in errors for found in _ALARM.findall(error)}


@dataclass(frozen=True, slots=True)
class Member:
    """One voter or learner, as the cluster knows it. ``name`` is empty until it has started once."""

    member_id: int
    name: str
    client_urls: tuple[str, ...]
    peer_urls: tuple[str, ...]

    @classmethod
    def from_message(cls, message: Any) -> Member:
        """From etcd's own message."""
        return cls(message.ID, message.name, tuple(message.clientURLs), tuple(message.peerURLs))
