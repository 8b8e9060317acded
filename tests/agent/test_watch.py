"""Watch: complete revisions, combined, never lost and never twice; lag, heartbeats, resumption, restores."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import grpc
import pytest

from etcdmeta.agent import feed as feed_module
from etcdmeta.agent.limits import Limits
from etcdmeta.commands.database import DropDatabase
from etcdmeta.errors import AgentBehind, InvalidInput, Unavailable
from etcdmeta.model.snapshot import Position
from etcdmeta.records import keys
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.replica.listing import listing
from etcdmeta.wire.failures import from_status
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import decode_position, encode_position
from tests.agent.talking import SECONDS, Client, Stream, info_of, refusal, status_of, wait_until

if TYPE_CHECKING:
    from etcdmeta.store import MetaStore
    from tests.agent.conftest import Agents


class Kept:
    """The records that a reader holds who knows the schema's rules alone."""

    def __init__(self, client: Client) -> None:
        fetched = client.fetch()
        self.position = fetched.head.position
        self.rows = {key: (r.value, r.mod_revision, r.create_revision) for key, r in fetched.records.items()}

    def take(self, message: pb.WatchResponse) -> None:
        if message.lagged:
            self.rows = {}
        for record in message.records:
            self.rows[record.key] = record.value, record.mod_revision, record.create_revision
        for revision in message.revisions:
            for event in revision.events:
                if event.type == pb.Event.DELETE:
                    self.rows.pop(event.kv.key, None)
                else:
                    self.rows[event.kv.key] = event.kv.value, event.kv.mod_revision, event.kv.create_revision
        self.position = message.position or self.position

    def equals(self, store: MetaStore) -> bool:
        rows = listing(store.snapshot())
        return self.rows == {store.keyspace.absolute(key): (value, mod, create) for key, value, mod, create in rows}


def crowd(client: Client, count: int) -> list[Stream]:
    return [client.watch() for _ in range(count)]


def test_a_stream_tells_every_revision_once_and_whole(agents: Agents, client: Client) -> None:
    kept = Kept(client)
    stream = client.watch(kept.position)
    assert stream.opened.position == kept.position
    assert stream.opened.freshness.live
    for number in range(20):
        client.create(f"db{number}")
    client.execute(DropDatabase(name="db3"))
    while stream.generations[-1:] != [22]:
        kept.take(stream.next())
    assert stream.generations == list(range(2, 23))
    assert stream.revisions == sorted(set(stream.revisions))
    assert kept.equals(agents.stores[0])
    assert decode_position(stream.position) == agents.stores[0].snapshot().position


def test_from_nothing_it_begins_now(client: Client) -> None:
    client.create("before")
    stream = client.watch()
    assert stream.opened.generation == 2
    client.create("after")
    stream.until(lambda m: m.revisions)
    assert stream.generations == [3]


def test_a_position_in_the_past_begins_there(client: Client) -> None:
    start = client.fetch().head
    client.create("a")
    client.create("b")
    stream = client.watch(start.position)
    assert (stream.opened.position, stream.opened.generation) == (start.position, 1)
    first = stream.next()
    assert [r.generation for r in first.revisions] == [2, 3]  # what it lacks comes in one message


def test_a_revision_without_an_epoch_begins_behind_it(client: Client) -> None:
    start = client.fetch().head
    made = client.create("a")
    client.create("b")
    assert client.watch(revision=start.revision).until(lambda m: m.revisions).revisions[0].generation == 2
    assert client.watch(revision=made.outcomes[0].revision).until(lambda m: m.revisions).revisions[0].generation == 3


def test_it_begins_in_one_way(client: Client) -> None:
    start = client.fetch().head
    error, _ = refusal(lambda: Stream(client.stub.Watch(pb.WatchRequest(position=start.position, revision=1))))
    assert isinstance(error, InvalidInput)
    error, _ = refusal(lambda: client.watch(revision=-1))
    assert isinstance(error, InvalidInput)


def test_what_happens_close_together_is_one_message(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "FEW_STREAMS", 0)
    client = agents.add(limits=Limits(combine=1.5, heartbeat=60.0))
    stream = client.watch()
    # One after the other, and the wait for the first wakes nobody before all are there.
    for number in range(10):
        client.create(f"db{number}")
    message = stream.next()
    assert len(message.revisions) >= 2, "nothing was combined"
    while stream.generations[-1] != 11:
        stream.next()
    assert stream.generations == list(range(2, 12))


def test_with_few_streams_nothing_is_held_back(agents: Agents) -> None:
    client = agents.add(limits=Limits(combine=60.0, heartbeat=120.0))
    stream = client.watch()
    client.create("metrics")
    assert stream.next().revisions[0].generation == 2


def test_the_bytes_are_made_once_for_all(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    from etcdmeta.agent import revisionlog

    made: list[int] = []
    encode = revisionlog.encode_step

    def counting(*args: object) -> bytes:
        made.append(1)
        return encode(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(revisionlog, "encode_step", counting)
    client = agents.add()
    streams = crowd(client, 30)
    before = len(made)
    client.create("metrics")
    for stream in streams:
        stream.until(lambda m: m.revisions)
        assert stream.generations == [2]
    assert len(made) == before + len(agents.stores)


def test_silence_is_filled_with_heartbeats(agents: Agents) -> None:
    client = agents.add(limits=Limits(heartbeat=0.2))
    stream = client.watch()
    for _ in range(3):
        beat = stream.next()
        assert not beat.revisions
        assert not beat.records
        assert beat.position == stream.opened.position
        assert (beat.generation, beat.revision) == (1, stream.opened.revision)
        assert beat.freshness.live
        assert beat.freshness.source == pb.Freshness.ETCD
    agents.links[0].disconnect()
    stale = stream.until(lambda m: not m.freshness.live)
    older = stream.until(lambda m: m.freshness.age > stale.freshness.age)
    assert older.position == stream.opened.position
    agents.links[0].reconnect()
    stream.until(lambda m: m.freshness.live)


def test_a_reader_that_the_log_left_behind_gets_the_picture_anew(agents: Agents) -> None:
    client = agents.add(limits=Limits(log_entries=4, piece_bytes=1000))
    kept = Kept(client)
    for number in range(10):
        client.create(f"db{number}")
    stream = client.watch(kept.position)
    assert not stream.opened.position, "it is nowhere before the picture is there"
    pieces = [stream.next()]
    while not pieces[-1].complete:
        pieces.append(stream.next())
    assert [p.lagged for p in pieces] == [True] + [False] * (len(pieces) - 1)
    assert len(pieces) > 2
    assert not any(p.position for p in pieces[:-1])
    for piece in pieces:
        kept.take(piece)
    assert kept.equals(agents.stores[0])
    client.create("later")
    kept.take(stream.until(lambda m: m.revisions))
    assert stream.generations == [12]
    assert kept.equals(agents.stores[0])


def test_a_slow_reader_lags_and_holds_no_memory_meanwhile(agents: Agents) -> None:
    client = agents.add(limits=Limits(log_bytes=200_000, piece_bytes=20_000, heartbeat=0.2))
    quick = client.watch()
    # A small window, and nobody reads: gRPC takes what fits, and then holds the stream's writer.
    lazy = agents.client(options=(("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)))
    kept = Kept(lazy)
    stream = lazy.watch(kept.position)
    log = agents.served[0].server._feed.log
    store = agents.stores[0]
    database = store.create_database("metrics")
    assert database
    filler = b"x" * 40_000
    key = store.keyspace.absolute(b"state/zz-later-version")
    for number in range(60):
        # A record of some later version's making: large, and committed with the generation as it must be.
        mark = agents.links[0].read(store.keyspace.absolute(keys.GENERATION), deadline=time.monotonic() + SECONDS)
        puts = (Put(key, filler + b"%d" % number), Put(store.keyspace.absolute(keys.GENERATION), mark.kvs[0].value))
        agents.links[0].transact(Transaction((), puts), deadline=time.monotonic() + SECONDS)
    wait_until(lambda: store.snapshot().generation == 62, "all is published")
    assert log.size[1] <= 200_000
    quick.until(lambda m: m.generation == 62)
    while True:
        message = stream.next()
        kept.take(message)
        if message.generation == 62 and not message.records:
            break
    assert stream.lags >= 1
    assert kept.equals(store)


def test_resumed_at_another_agent_nothing_is_lost_or_repeated(agents: Agents) -> None:
    clients = [agents.add(), agents.add()]
    kept = Kept(clients[0])
    told: list[int] = []
    stopping = threading.Event()

    def write() -> None:
        for number in range(60):
            clients[0].create(f"db{number}")
        stopping.set()

    writer = threading.Thread(target=write)
    writer.start()
    turn = 0
    while not told or told[-1] != 61:
        stream = clients[turn % 2].watch(kept.position)
        turn += 1
        for _ in range(2):
            message = stream.next()
            kept.take(message)
            told += [r.generation for r in message.revisions]
        assert not stream.lags
        stream.cancel()
    writer.join(SECONDS)
    assert told == list(range(2, 62))
    assert turn > 2
    assert kept.equals(agents.stores[0])


def test_resumed_at_an_agent_that_is_cut_off_it_is_sent_elsewhere(agents: Agents) -> None:
    first, second = agents.add(), agents.add(limits=Limits(patience=0.3))
    agents.links[1].disconnect()
    made = first.create("metrics")
    for ask in (
        lambda: second.watch(made.position),
        lambda: second.watch(revision=made.outcomes[0].revision),
    ):
        error, _ = refusal(ask)
        assert isinstance(error, AgentBehind)


def test_a_reader_ahead_by_what_is_nothing_of_ours_is_told_no_earlier_revision(agents: Agents) -> None:
    client = agents.add(limits=Limits(heartbeat=0.2))
    start = client.fetch().head
    for _ in range(3):
        put = Transaction((), (Put(b"/elsewhere", b"1"),))
        agents.links[0].transact(put, deadline=time.monotonic() + SECONDS)
    stream = client.watch(revision=start.revision + 3)
    assert stream.opened.revision == start.revision + 3
    assert stream.next().revision == start.revision + 3
    client.create("metrics")
    stream.until(lambda m: m.revisions)
    assert stream.generations == [2]
    assert stream.lags == 0


def test_a_restore_cuts_the_log(agents: Agents) -> None:
    client = agents.add()
    backup = agents.cluster.save()
    kept = Kept(client)
    stream = client.watch(kept.position)
    client.create("lost")
    kept.take(stream.until(lambda m: m.revisions))
    before = kept.position
    agents.cluster.restore(backup)
    while not stream.lags:
        kept.take(stream.next())
    while kept.position == before:
        kept.take(stream.next())
    assert kept.equals(agents.stores[0])
    assert agents.stores[0].snapshot().find_database("lost") is None
    now, then = decode_position(kept.position), decode_position(before)
    assert now is not None
    assert then is not None
    assert now.epoch != then.epoch
    # Positions of before are of another history: the picture, whatever their revision.
    assert client.fetch(before).kind == pb.FetchResponse.PICTURE
    again = client.watch(before)
    again.until(lambda m: m.complete)
    assert again.lags == 1
    assert again.position == kept.position


def test_past_etcds_own_revision_it_is_another_history(client: Client) -> None:
    start = client.fetch().head
    at = decode_position(start.position)
    assert at is not None
    for stream in (client.watch(encode_position(Position(at.epoch, 10_000))), client.watch(revision=10_000)):
        message = stream.until(lambda m: m.complete)
        assert stream.lags == 1
        assert message.position == start.position


def test_a_listing_that_had_to_bridge_a_gap_is_joined(agents: Agents) -> None:
    client = agents.add()
    other = agents.add()
    stream = client.watch()
    agents.links[0].disconnect()
    made = [other.create(f"db{number}").outcomes[0].revision for number in range(3)]
    agents.cluster.compact(agents.cluster.revision)
    agents.links[0].reconnect()
    message = stream.until(lambda m: m.revisions)
    assert [r.joined for r in message.revisions] == [True]
    assert message.revisions[0].generation == 4
    assert message.generation == 4
    # Who stands inside of the step has what the difference does not mention: the picture.
    inside = client.watch(revision=made[0])
    inside.until(lambda m: m.complete)
    assert inside.lags == 1
    before = client.watch(revision=stream.opened.revision)
    assert before.until(lambda m: m.revisions).revisions[0].joined
    assert before.lags == 0


def test_leaving_frees_the_place(agents: Agents, client: Client) -> None:
    streams = crowd(client, 5)
    server = agents.served[0].server
    assert server.streams == 5
    for stream in streams:
        stream.cancel()
    wait_until(lambda: server.streams == 0, "all are gone")
    assert server._feed.streams == 0
    abrupt = agents.client()
    abrupt.watch()
    abrupt.channel.close()
    wait_until(lambda: server.streams == 0, "it is gone")
    client.create("metrics")  # a wake-up of nobody


def test_shutting_down_sends_readers_elsewhere_with_a_typed_error(agents: Agents, client: Client) -> None:
    stream = client.watch()
    position = stream.position
    serving = agents.served[0]
    serving.stop()
    failure = stream.failure()
    assert failure.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
    assert isinstance(from_status(status_of(failure)), Unavailable)
    assert info_of(failure).metadata["incident"]
    serving.start()
    with Client(serving.address) as again:
        resumed = again.watch(position)
        again.create("metrics")
        resumed.until(lambda m: m.revisions)
        assert resumed.generations == [2]


def test_on_etcd(etcd_store: MetaStore) -> None:
    from etcdmeta.testing.agents import serve_agent

    with serve_agent(etcd_store) as agent, Client(agent.address) as client:
        kept = Kept(client)
        stream = client.watch(kept.position)
        for number in range(5):
            etcd_store.create_database(f"db{number}")
        while stream.generations[-1:] != [6]:
            kept.take(stream.next())
        assert stream.generations == [2, 3, 4, 5, 6]
        assert kept.equals(etcd_store)

