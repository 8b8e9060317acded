"""Watch: everything from a position on, in complete revisions, for as long as the caller listens.

A stream is a place in the log, and nothing else: what is new is taken from there when the one before was sent. So a
slow reader costs no memory; one whose place is gone is told that it lagged, and given the picture anew.
"""

from __future__ import annotations

import time

from etcdmeta.agent.call import Call
from etcdmeta.agent.feed import Feed
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.pictures import Pictures
from etcdmeta.agent.revisionlog import Tip
from etcdmeta.agent.standing import Standing
from etcdmeta.agent.writing import send_piece
from etcdmeta.errors import InvalidInput
from etcdmeta.model.snapshot import Position
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import decode_position, encode_position

_TRAILER_SECONDS = 0.01
"""For so long the streams that are woken together share the bytes that end their messages."""


class _Stream:
    """Where one reader stands. ``place`` None: nowhere that is known. ``floor``: it began at a later revision than our
    picture had, nothing of ours lying between; it is never told an earlier one."""

    def __init__(self, call: Call, tip: Tip, floor: int) -> None:
        self.context = call.context
        self.floor = floor
        self.stand_at(tip)

    def stand_at(self, tip: Tip) -> None:
        self.place: int | None = tip.place
        self.position = tip.snapshot.position
        self.generation = tip.snapshot.generation
        self.sent_at = time.monotonic()


class Watching:
    """Of one agent, on its loop."""

    def __init__(self, feed: Feed, standing: Standing, pictures: Pictures, limits: Limits) -> None:
        self._feed = feed
        self._standing = standing
        self._pictures = pictures
        self._limits = limits
        self._trailers: dict[tuple[Position, int], bytes] = {}
        self._trailers_until = 0.0

    async def watch(self, call: Call, request: pb.WatchRequest) -> None:
        """Ends when the caller goes, or with the agent. Raises `AgentBehind`."""
        asked, any_epoch = _asked(request)
        placed = await self._standing.place(asked, call.before(self._limits.catch_up), any_epoch=any_epoch)
        self._feed.require_fresh()
        stream = _Stream(call, placed.tip, 0)
        if placed.revision is None:
            stream.place = None
        elif asked is not None:
            stream.place = self._feed.log.place_after(placed.revision)
            stream.floor = asked.revision
        if asked is not None and stream.place is not None:
            stream.position = Position(placed.tip.snapshot.position.epoch, asked.revision)
            stream.generation = self._feed.log.generation_before(stream.place)
        opened = pb.WatchResponse(opened=True).SerializeToString()
        self._feed.streams += 1
        try:
            # Without a position where the picture is still to come: the caller is nowhere yet.
            await stream.context.write(opened if stream.place is None else opened + self._trailer(stream))
            while True:
                self._feed.check_open()
                self._feed.check_readable()
                if not await self._send_news(stream):
                    await self._feed.wake_up()
        finally:
            self._feed.streams -= 1

    async def _send_news(self, stream: _Stream) -> bool:
        """False: there was nothing to send."""
        run = None if stream.place is None else self._feed.log.run_from(stream.place)
        if run is None:
            await self._send_picture(stream)
            return True
        if not run.steps and time.monotonic() - stream.sent_at < self._limits.heartbeat * 0.75:
            return False
        if not run.steps:
            self._feed.require_fresh()
        stream.place, stream.position, stream.generation = run.place, run.position, run.generation
        await stream.context.write(run.payload + self._trailer(stream))
        stream.sent_at = time.monotonic()
        return True

    async def _send_picture(self, stream: _Stream) -> None:
        """Anew, in pieces; what was published while they were sent follows."""
        head = pb.WatchResponse(lagged=True).SerializeToString()

        def fits(tip: Tip) -> bool:
            return self._feed.log.run_from(tip.place) is not None

        async with self._pictures.read(pb.WatchResponse, self._feed.tip, fits) as picture:
            async for piece in picture.pieces():
                self._feed.check_open()
                await send_piece(stream.context, head + piece)
                head = b""
            stream.floor = 0
            stream.stand_at(picture.tip)
        complete = pb.WatchResponse(complete=True).SerializeToString()
        await stream.context.write(head + complete + self._trailer(stream))
        stream.sent_at = time.monotonic()

    def _trailer(self, stream: _Stream) -> bytes:
        """Where the reader is after the message that this ends."""
        epoch, revision = stream.position
        where = Position(epoch, max(revision, stream.floor)), stream.generation
        now = time.monotonic()
        if now >= self._trailers_until:
            self._trailers.clear()
            self._trailers_until = now + _TRAILER_SECONDS
        trailer = self._trailers.get(where)
        if trailer is None:
            position, generation = where
            trailer = self._trailers[where] = pb.WatchResponse(
                position=encode_position(position),
                generation=generation,
                freshness=self._feed.freshness(),
                revision=position.revision,
            ).SerializeToString()
        return trailer


def _asked(request: pb.WatchRequest) -> tuple[Position | None, bool]:
    """The position, and whether its epoch is not to be looked at."""
    position = decode_position(request.position)
    if not request.revision:
        return position, False
    if position is not None or request.revision < 0:
        raise InvalidInput(
            "a watch begins at a position, or after a revision",
            value=request.revision,
            rule="one of the two is given, and a revision is positive",
        )
    return Position(0, request.revision), True
