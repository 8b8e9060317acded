"""The states of a follower, as callers see them, and its phases, as the machine goes through them."""

from __future__ import annotations

from enum import Enum, StrEnum


class FollowerState(StrEnum):
    """How far the picture can be trusted."""

    COLD = "cold"
    """No picture, and no member reached yet."""
    SYNCING = "syncing"
    """The first picture is being read."""
    LIVE = "live"
    """Proven to lie in etcd's history, caught up, and followed by a watch."""
    STALE = "stale"
    """A picture of a known age: from the cache file, or while no member is followed."""
    CLOSED = "closed"


class Phase(Enum):
    """What the machine is waiting for; the words end a sentence that begins with "no"."""

    NEW = "start"
    IDLE = "pause between two attempts"
    LISTING = "page of the list"
    VERIFYING = "proof that the list continues the picture"
    OPENING = "confirmation of the watch"
    PROVING = "proof that the watch continues the picture"
    """Its events are held back until then."""
    CATCHING_UP = "generation that a probe has seen"
    FOLLOWING = "events"
    HALTED = "nothing more"
    """This program cannot read what is stored."""
    CLOSED = "end"


class Standing(Enum):
    """What picture there is."""

    EMPTY = 0
    NEW = 1
    """Listed in this run, and not yet followed."""
    KNOWN = 2
    """Followed before, or from the cache file."""


# Tuples, since finding an Enum in a set calls its __hash__, which is Python, at every event.
UNCONNECTED = (Phase.NEW, Phase.IDLE, Phase.HALTED, Phase.CLOSED)
"""Phases in which no member is in use."""

TRUSTING = (Phase.FOLLOWING, Phase.CATCHING_UP)
"""Phases in which events are published as they come."""

_COLD, _SYNCING, _STALE = FollowerState.COLD, FollowerState.SYNCING, FollowerState.STALE
_RESTING = (_COLD, _STALE, _STALE)
_WORKING = (_SYNCING, _SYNCING, _STALE)
_STATES = {
    Phase.NEW: _RESTING,
    Phase.IDLE: _RESTING,
    Phase.LISTING: _WORKING,
    Phase.VERIFYING: _WORKING,
    Phase.OPENING: _WORKING,
    Phase.PROVING: _WORKING,
    Phase.CATCHING_UP: _WORKING,
    Phase.FOLLOWING: (FollowerState.LIVE,) * 3,
    Phase.HALTED: _RESTING,
    Phase.CLOSED: (FollowerState.CLOSED,) * 3,
}


def state_of(phase: Phase, standing: Standing) -> FollowerState:
    """What callers are told in this phase, with this picture."""
    return _STATES[phase][standing.value]
