"""The service ``precreation``: makes the groups that will be needed soon, ahead of the first point that needs them.

Source: InfluxDB's precreator, which looks every 10 minutes and makes what begins within 30.
"""

from __future__ import annotations

from etcdmeta.commands.group_upkeep import PrecreateShardGroups
from etcdmeta.commands.plan import Command
from etcdmeta.services.service import Turn

AHEAD = 30 * 60 * 10**9


class Precreation:
    """``every``: seconds; ``ahead``: nanoseconds."""

    name = "precreation"

    def __init__(self, *, every: float = 600.0, ahead: int = AHEAD) -> None:
        self.every = every
        self._ahead = ahead

    def run(self, turn: Turn) -> str:
        made = 0
        command: Command = PrecreateShardGroups(until=turn.now() + self._ahead)
        while not turn.stopping.is_set():
            outcome = turn.store.execute(command, fence=turn.fence())
            made += len(outcome.result["group_ids"])
            if not outcome.more:
                break
            command = command.following(outcome.result)
        return f"precreated {made} shard groups" if made else ""

    def doing(self) -> str:
        """Its passes are told when they are over."""
        return ""

    def interrupt(self) -> None:
        """A pass is short."""
