"""The follower: keeps a picture of the cluster current from lists and watches. Sans-IO.

Everything that affects the state lives here and in the modules beside it. It is told what happened
(`etcdmeta.replica.inputs`), with the time as an argument, and answers with what is to be done
(`etcdmeta.replica.actions`); chance comes from the caller. It holds no thread, clock or connection, and
belongs to one thread at a time.

The way of a connection::

    IDLE ─► [LISTING ─► VERIFYING] ─► OPENING ─► PROVING ─► CATCHING_UP ─► FOLLOWING
      ▲                                                                       │
      └──────── the member is left, or the picture is to be listed anew ◄─────┘

With a picture in hand the watch is resumed behind its revision, and no list is made. Continuity (danger 9)
is proven *after* the watch was opened, its events being held back until then: if it were proven before,
etcd could be restored between the proof and the watch. For the same reason a list is proven after it was
read, and before it is published.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from etcdmeta.errors import ConfigurationInvalid, EtcdMetaError
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.replica import actions, inputs
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.replica.counters import Counters
from etcdmeta.replica.link import Link
from etcdmeta.replica.machine import Machine
from etcdmeta.replica.picture import Picture
from etcdmeta.replica.states import UNCONNECTED, FollowerState, Phase, state_of


class Follower:
    """``prefix`` is the cluster's (`Keyspace.prefix`), ``random`` gives numbers in [0, 1).

    ``snapshot`` and its age in seconds come from the cache file, where there is one. Raises
    `ConfigurationInvalid` without an endpoint.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        prefix: bytes,
        *,
        random: Callable[[], float],
        config: FollowerConfig | None = None,
        snapshot: Snapshot | None = None,
        snapshot_age: float | None = None,
    ) -> None:
        if not endpoints:
            raise ConfigurationInvalid("no endpoint of etcd is given", remedy="give one with --endpoints")
        config = config or FollowerConfig()
        first = int(random() * max(1, len(endpoints) - config.last_resorts))
        self._link = Link(endpoints, prefix, config, member=first)
        self._picture = Picture(len(prefix), config.reader_version, snapshot)
        self._machine = machine = Machine(self._link, self._picture, config, random, len(prefix))
        self._snapshot_age = snapshot_age
        self._seen: tuple[object, ...] = ()
        self._shown: tuple[FollowerState, str, str | None] | None = None
        self._armed: float | None = None
        self._handlers: dict[type[inputs.Input], Callable[[Any], None]] = {
            inputs.Started: machine.on_started,
            inputs.Tick: machine.on_tick,
            inputs.Closed: machine.on_closed,
            inputs.Distrusted: machine.on_distrusted,
            inputs.ListPage: machine.on_list_page,
            inputs.ListEnded: machine.on_list_ended,
            inputs.ListCompacted: machine.on_list_compacted,
            inputs.ListFailed: machine.on_list_failed,
            inputs.ReadAnswered: machine.on_read,
            inputs.ReadCompacted: machine.on_read,
            inputs.ReadAhead: machine.on_read,
            inputs.ReadFailed: machine.on_read,
            inputs.WatchAnswer: machine.on_watch_answer,
            inputs.WatchBroke: machine.on_watch_broke,
        }

    # --- what callers see

    @property
    def state(self) -> FollowerState:
        """How far the picture can be trusted."""
        state = state_of(self.phase, self._machine.standing)
        return FollowerState.STALE if state is FollowerState.LIVE and not self._machine.source.live else state

    @property
    def phase(self) -> Phase:
        """Finer than `state`, for diagnosis."""
        return self._machine.phase

    @property
    def snapshot(self) -> Snapshot | None:
        """What was published last; before that, the cache file's."""
        return self._picture.snapshot

    @property
    def problem(self) -> EtcdMetaError | None:
        """The gravest: the stored world's, then an unaccepted restore, then the connection's."""
        machine, picture = self._machine, self._picture
        of_world = machine.world_problem or picture.rootless or picture.restored
        return of_world or machine.source.problem or machine.link_problem

    @property
    def abandoned(self) -> Snapshot | None:
        """The last picture before a restore: accepting it raises the ids above all that were in use here."""
        return self._picture.abandoned

    @property
    def endpoint(self) -> str | None:
        """The member in use; None between two."""
        return None if self.phase in UNCONNECTED else self._link.endpoint

    @property
    def counters(self) -> Counters:
        """What went wrong so far."""
        return self._link.counters

    def age(self, now: float) -> float:
        """Seconds since the picture was last proven current; infinite where it never was."""
        proven_at = self._machine.proven_at
        return math.inf if proven_at is None else max(0.0, now - proven_at)

    def receive(self, item: inputs.Input, now: float) -> list[actions.Action]:
        """What is to be done about it. ``now`` is in seconds, of a clock that never goes back."""
        out = self._link.out = []
        if self.phase is not Phase.CLOSED:
            self._machine.now = now
            if isinstance(item, inputs.Started) and self._snapshot_age is not None:
                self._machine.proven_at = now - self._snapshot_age
            self._handlers[type(item)](item)
            self._report()
            self._arm(now, ticked=isinstance(item, inputs.Tick))
        return out

    def _report(self) -> None:
        seen = (self._machine.phase, self._machine.standing, self.problem, self.endpoint)
        if seen == self._seen:
            return  # the usual case, told by identity
        self._seen = seen
        report = actions.Report(self.state, self.problem, self.endpoint)
        shown = (report.state, str(report.problem), report.endpoint)
        if shown != self._shown:
            self._shown = shown
            self._link.out.append(report)

    def _arm(self, now: float, *, ticked: bool) -> None:
        """One timer, moved only when it has to ring earlier: a `Tick` that comes too early is harmless.

        Every tick is answered, since a driver may have forgotten the timer when it rang.
        """
        wake = self._machine.wake()
        if wake is None:
            self._armed = None
        elif ticked or self._armed is None or self._armed <= now or wake < self._armed:
            self._armed = wake
            self._link.out.append(actions.WakeAt(wake))
