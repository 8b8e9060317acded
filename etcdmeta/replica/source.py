"""What feeds the follower: etcd itself, or an agent, whose picture has an age of its own.

An agent's word counts for the picture as its answers do: it has proven continuity and currency for its own, and says
with each answer how old that is. So the age goes all the way through (the agent's and the time since it spoke), and a
follower of an agent that is cut off from etcd is stale, though its stream is well.
"""

from __future__ import annotations

from etcdmeta.errors import Unavailable
from etcdmeta.records.transaction import RawWatchResponse, ReadResult, Relayed


class Source:
    """Of one connection. Times are seconds of the follower's clock."""

    def __init__(self, endpoint: str = "") -> None:
        self.relayed = False
        self.problem: Unavailable | None = None
        """Set while an agent says that it does not follow."""
        self._endpoint = endpoint
        self._proven_at: float | None = None
        self._revision: int | None = None
        self._stale_since: float | None = None

    @property
    def live(self) -> bool:
        """False: an agent feeds us that does not follow anything itself at this moment."""
        return self.problem is None

    def listed(self, page: ReadResult, now: float) -> None:
        """A page of a list; etcd's own says nothing of age."""
        if page.age is not None:
            self._proven_at = now - page.age

    def heard(self, answer: RawWatchResponse, now: float) -> None:
        """Anything from the watch. The answer that opens one says nothing of what may follow at once."""
        if not isinstance(answer, Relayed):
            return
        self.relayed = True
        if answer.live:
            self.problem = self._stale_since = None
        elif self.problem is None:
            self.problem = Unavailable(
                f"{self._endpoint} is cut off from etcd",
                value=self._endpoint,
                remedy="what it has is served, as old as it is; see `etcdmeta agent status`",
            )
            self._stale_since = now
        if not answer.created:
            self._revision = answer.header.revision
            if answer.age is not None:
                self._proven_at = now - answer.age

    def is_reached(self, revision: int) -> bool:
        """Whether a picture at that revision is all that the agent has."""
        return self._revision is not None and revision >= self._revision

    def proven_at(self, now: float, before: float | None) -> float | None:
        """When the picture was last proven current, where everything heard is in it; ``before``: as known until now."""
        return self.listed_at(before) if self.relayed else now

    def listed_at(self, before: float | None) -> float | None:
        """The same by what an agent has said, where it said anything."""
        return before if self._proven_at is None else self._proven_at

    def is_cut_off(self, now: float, patience: float) -> bool:
        """Whether the agent has been without etcd for so long that another is worth asking."""
        return self._stale_since is not None and now >= self._stale_since + patience
