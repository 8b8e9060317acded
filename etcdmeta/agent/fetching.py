"""Fetch: what the caller lacks, as changes or as the whole picture; with ``wait``, as soon as there is any."""

from __future__ import annotations

from etcdmeta.agent.call import Call
from etcdmeta.agent.feed import Feed
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.pictures import Pictures
from etcdmeta.agent.revisionlog import Step, Tip
from etcdmeta.agent.standing import Standing
from etcdmeta.agent.writing import send_piece
from etcdmeta.model.snapshot import Position
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import decode_position, encode_position


class Fetching:
    """Of one agent, on its loop."""

    def __init__(self, feed: Feed, standing: Standing, pictures: Pictures, limits: Limits) -> None:
        self._feed = feed
        self._standing = standing
        self._pictures = pictures
        self._limits = limits

    async def fetch(self, call: Call, request: pb.FetchRequest) -> None:
        asked = decode_position(request.position)
        placed = await self._standing.place(asked, call.before(self._limits.catch_up))
        self._feed.require_fresh()
        if asked is None or placed.revision is None:
            await self._send_picture(call, placed.tip)
            return
        place = self._feed.log.place_after(placed.revision)
        if place is None:
            await self._send_picture(call, self._feed.tip())
            return
        deadline = call.before(self._limits.max_deadline)
        steps = self._feed.log.steps_from(place)
        while request.wait and steps == [] and await self._feed.news(deadline):
            self._feed.check_open()
            self._feed.require_fresh()
            steps = self._feed.log.steps_from(place)
        if steps is None:
            await self._send_picture(call, self._feed.tip())
        elif not steps:
            await self._send_current(call, asked)
        else:
            await self._send_changes(call, steps)

    async def _send_current(self, call: Call, asked: Position) -> None:
        snapshot = self._feed.tip().snapshot
        # Where nothing of ours lies between, the caller may stand at a later revision than our picture does.
        revision = max(asked.revision, snapshot.revision)
        answer = self._head(pb.FetchResponse.CURRENT, Position(asked.epoch, revision), snapshot.generation)
        await send_piece(call.context, answer.SerializeToString())

    async def _send_changes(self, call: Call, steps: list[Step]) -> None:
        """Each message holds whole steps; the position is that of the last."""
        answer = self._head(pb.FetchResponse.CHANGES, steps[-1].position, steps[-1].generation)
        size = 0
        for step in steps:
            if size and size + len(step.payload) > self._limits.piece_bytes:
                await send_piece(call.context, answer.SerializeToString())
                answer, size = pb.FetchResponse(), 0
            answer.revisions.extend(pb.WatchResponse.FromString(step.payload).revisions)
            size += len(step.payload)
        await send_piece(call.context, answer.SerializeToString())

    async def _send_picture(self, call: Call, at_least: Tip) -> None:
        """The newest; or one that is being sent already, and was not published before this call."""

        def fits(tip: Tip) -> bool:
            return tip.place >= at_least.place

        async with self._pictures.read(pb.FetchResponse, self._feed.tip, fits) as picture:
            snapshot = picture.tip.snapshot
            head = self._head(pb.FetchResponse.PICTURE, snapshot.position, snapshot.generation).SerializeToString()
            async for piece in picture.pieces():
                await send_piece(call.context, head + piece)
                head = b""
            if head:
                await send_piece(call.context, head)

    def _head(self, kind: pb.FetchResponse.Kind, position: Position, generation: int) -> pb.FetchResponse:
        return pb.FetchResponse(
            kind=kind,
            position=encode_position(position),
            generation=generation,
            freshness=self._feed.freshness(),
            revision=position.revision,
        )
