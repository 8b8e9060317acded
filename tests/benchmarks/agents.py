"""Agents: many that watch one, nodes that join at once, and Fetch, against what etcd alone takes for the same.

The agent, those who watch it and the writer are processes of their own: with two cores all of them share what there is,
and the bare watch of etcd that they are compared with runs at the same time, under the same load.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc

from etcdmeta.agent.facts import Facts
from etcdmeta.agent.joining import Joining
from etcdmeta.consensus.etcd.messages import rpc
from etcdmeta.embedded import Cluster
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Transaction
from etcdmeta.store import MetaStore, new_operation_id
from etcdmeta.testing.agents import serve_agent
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.pb import agent_pb2_grpc
from tests.benchmarks.commands import Turns
from tests.benchmarks.measure import Pair, Result, Scale, Spread, alternate, ratio, seconds
from tests.benchmarks.raw import RawCommand, RawMember
from tests.benchmarks.world import make_cluster, open_store

_NAME = "agent"
_RATE = 50
"""Changes a second."""
_CHANNELS = 50
_PATIENCE = 120.0
_METHOD = "/etcdmeta.agent.v1.Metadata/Watch"
_UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1))


def run(scale: Scale) -> Iterator[Result]:
    yield from _watching(scale)
    yield from _joining(scale)
    yield from _fetching(scale)


# --- 500 streams


def _watching(scale: Scale) -> Iterator[Result]:
    streams = min(500, max(5, scale.groups // 20))
    with Cluster(members=1, unsafe_no_fsync=True) as cluster:
        endpoint = cluster.endpoints[0]
        keyspace = make_cluster([endpoint], _NAME, min(1_000, scale.groups))
        store, strategy = open_store([endpoint], _NAME)
        with store:
            Turns(store, 1).run()
            recorded = strategy.transaction
        pairs: dict[str, list[Pair]] = {"p50": [], "p99": []}
        with (
            _process(_agent, [endpoint]) as agent,
            _process(_watchers, agent.recv(), streams) as watchers,
            _process(_writer, endpoint, recorded, keyspace) as writer,
        ):
            idle = _ask(agent, "memory")
            before = _watchers_of(endpoint)
            _ask(watchers, "open")
            held = _ask(agent, "memory")
            after = _watchers_of(endpoint)
            for count in (scale.operations // 4, *[scale.operations] * min(3, scale.rounds)):
                with closing(_Direct(endpoint, keyspace)) as direct:
                    sent = _ask(writer, count)
                    there = direct.until(sent)
                latencies = _ask(watchers, sent)
                pairs["p50"].append(_pair(latencies, there, 50))
                pairs["p99"].append(_pair(latencies, there, 99))
    setting = f"{streams} streams, {_RATE} changes/s"
    for name, measured in pairs.items():
        what = f"change → in every `Watch` stream of one agent, {name} ÷ direct etcd watch"
        yield ratio(10, what, setting, measured[1:], unit="ms", reach=None)
    per_stream = (held - idle) / streams
    yield Result(10, "memory of the agent per stream", setting, Spread.of([per_stream / 1024]), "KiB", 32)
    yield Result(10, "watchers that etcd counts, with all streams and with none", setting,
                 Spread.of([float(after)]), "", float(before))  # fmt: skip


def _pair(ours: list[float], floor: list[float], percentile: int) -> Pair:
    def of(values: list[float]) -> float:
        ordered = sorted(values)
        return 1e3 * ordered[min(len(ordered) - 1, len(ordered) * percentile // 100)]

    return Pair(of(ours), of(floor))


def _watchers_of(endpoint: str) -> int:
    """What etcd says itself."""
    address = endpoint if endpoint.startswith("http") else f"http://{endpoint}"
    with urllib.request.urlopen(f"{address}/metrics", timeout=_PATIENCE) as answer:
        lines = answer.read().decode().splitlines()
    return int(next(float(line.split()[1]) for line in lines if line.startswith("etcd_debugging_mvcc_watcher_total ")))


class _Direct:
    """A bare watch on etcd, beside the agent's."""

    def __init__(self, endpoint: str, keyspace: Keyspace) -> None:
        self._member = RawMember(endpoint)
        self._watch = self._member.watch(*keyspace.state_range)
        self._seen: dict[int, float] = {}
        self._arrived = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            for answer in self._watch:
                moment = time.perf_counter()
                with self._arrived:
                    for event in answer.events:
                        self._seen.setdefault(event.kv.mod_revision, moment)
                    self._arrived.notify()
        except grpc.RpcError as error:  # the end of the measurement cancels it
            if "CANCELLED" not in str(error):
                raise

    def until(self, sent: dict[int, float]) -> list[float]:
        with self._arrived:
            if not self._arrived.wait_for(lambda: sent.keys() <= self._seen.keys(), _PATIENCE):
                raise RuntimeError("the bare watch missed changes")
            return [self._seen[revision] - moment for revision, moment in sent.items()]

    def close(self) -> None:
        self._watch.close()
        self._reader.join(_PATIENCE)
        self._member.close()


def _agent(pipe: Connection, endpoints: list[str]) -> None:
    """One agent; says its address, then its resident memory in bytes whenever asked."""
    with MetaStore.open(endpoints, cluster=_NAME, timeout=30.0) as store, serve_agent(store) as serving:
        pipe.send(serving.address)
        while pipe.recv() is not None:
            pipe.send(_resident())


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _watchers(pipe: Connection, address: str, streams: int) -> None:
    asyncio.run(_watch_all(pipe, address, streams))


async def _watch_all(pipe: Connection, address: str, streams: int) -> None:
    channels = [grpc.aio.insecure_channel(address, _UNLIMITED) for _ in range(min(_CHANNELS, streams))]
    seen: list[dict[int, float]] = [{} for _ in range(streams)]
    opened = asyncio.Semaphore(0)

    async def watch(number: int) -> None:
        method = channels[number % len(channels)].unary_stream(
            _METHOD,
            request_serializer=pb.WatchRequest.SerializeToString,
            response_deserializer=pb.WatchResponse.FromString,
        )
        async for message in method(pb.WatchRequest(cluster=_NAME)):
            moment = time.perf_counter()
            if message.opened:
                opened.release()
            for revision in message.revisions:
                if revision.revision in seen[number]:
                    raise RuntimeError("a stream saw a change twice")
                seen[number][revision.revision] = moment

    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []
    while (question := await loop.run_in_executor(None, pipe.recv)) is not None:
        if question == "open":
            tasks = [asyncio.create_task(watch(number)) for number in range(streams)]
            for _ in range(streams):
                await asyncio.wait_for(opened.acquire(), _PATIENCE)
            pipe.send(len(tasks))
            continue
        deadline = time.monotonic() + _PATIENCE
        while not all(question.keys() <= stream.keys() for stream in seen):
            if time.monotonic() > deadline or any(task.done() for task in tasks):
                raise RuntimeError("not every stream saw every change")
            await asyncio.sleep(0.05)
        pipe.send([stream[revision] - moment for stream in seen for revision, moment in question.items()])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for channel in channels:
        await channel.close()


def _writer(pipe: Connection, endpoint: str, recorded: Transaction, keyspace: Keyspace) -> None:
    """So many changes, one each 20 ms; answers which revision was sent when."""
    member = RawMember(endpoint)
    command = RawCommand(recorded, keyspace, keyspace)
    command.begin(member)
    while (count := pipe.recv()) is not None:
        sent: dict[int, float] = {}
        begun = time.perf_counter()
        for number in range(count):
            request = command.prepare()
            time.sleep(max(0.0, begun + number / _RATE - time.perf_counter()))
            moment = time.perf_counter()
            sent[command.send(member, request)] = moment
        pipe.send(sent)
    member.close()


@contextmanager
def _process(target: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """A process that is spoken to through a pipe, and ends at None."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield pipe
        pipe.send(None)
        process.join(_PATIENCE)
    finally:
        process.terminate()
        process.join(_PATIENCE)


def _ask(pipe: Connection, question: object) -> Any:
    pipe.send(question)
    if not pipe.poll(_PATIENCE):
        raise RuntimeError("a process of the measurement does not answer")
    return pipe.recv()


# --- joining


def _joining(scale: Scale) -> Iterator[Result]:
    nodes = 50 if scale.groups >= 10_000 else 5
    pairs = []
    with Cluster(members=1, unsafe_no_fsync=True) as cluster:
        endpoint = cluster.endpoints[0]
        for number in range(min(3, scale.rounds) + 1):
            name = f"join{number}"
            store, strategy = open_store([endpoint], name)
            with store:
                store.init_cluster()
                store.add_node("first:1")
                recorded = strategy.transaction
                facts = Facts(version="bench")
                with serve_agent(store, facts=facts, joining=Joining(store, facts)) as serving:
                    ours = _join_at_once(serving.address, name, nodes)
            floor = _send_at_once(endpoint, recorded, Keyspace(name), nodes)
            pairs.append(Pair(1e3 * ours, 1e3 * floor))
    what = f"{nodes} nodes that join at the same moment through one agent ÷ {nodes} raw transactions"
    yield ratio(11, what, "1 member", pairs[1:], unit="ms", reach=None)


def _join_at_once(address: str, cluster: str, nodes: int) -> float:
    with grpc.insecure_channel(address, _UNLIMITED) as channel:
        stub = agent_pb2_grpc.MetadataStub(channel)  # type: ignore[no-untyped-call]
        stub.Status(pb.StatusRequest(), timeout=_PATIENCE)
        gate = threading.Barrier(nodes + 1)

        def join(number: int) -> tuple[int, int]:
            request = pb.JoinRequest(
                cluster=cluster,
                host=f"node-{number}:1",
                secret=secrets.token_bytes(32),
                operation_id=new_operation_id(),
            )
            gate.wait()
            answer = stub.Join(request, timeout=_PATIENCE)
            return answer.node_id, answer.cluster_id

        with ThreadPoolExecutor(nodes) as pool:
            answers = [pool.submit(join, number) for number in range(nodes)]
            gate.wait()
            took = seconds(lambda: [answer.result() for answer in answers])
    joined = [answer.result() for answer in answers]
    if len({node for node, _ in joined}) != nodes or len({each for _, each in joined}) != 1:
        raise RuntimeError("ids were not unique, or there was more than one cluster")
    return took


def _send_at_once(endpoint: str, recorded: Transaction, keyspace: Keyspace, count: int) -> float:
    """The same number of transactions of the same kind, each of which only compares the guard."""
    members = [RawMember(endpoint) for _ in range(count)]
    requests = []
    for member in members:
        command = RawCommand(recorded, keyspace, keyspace)
        command.begin(member)
        request = command.prepare()
        for compare in [c for c in request.compare if c.target == rpc.Compare.CREATE]:
            request.compare.remove(compare)
        requests.append(request)
    gate = threading.Barrier(count + 1)

    def send(member: RawMember, request: Any) -> None:
        gate.wait()
        member.txn(request, timeout=_PATIENCE)

    with ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(send, *each) for each in zip(members, requests, strict=True)]
        gate.wait()
        took = seconds(lambda: [answer.result() for answer in answers])
    for member in members:
        member.close()
    return took


# --- Fetch


def _fetching(scale: Scale) -> Iterator[Result]:
    with Cluster(members=1, unsafe_no_fsync=True) as cluster:
        endpoint = cluster.endpoints[0]
        keyspace = make_cluster([endpoint], _NAME, scale.groups)
        with (
            closing(RawMember(endpoint)) as member,
            _process(_agent, [endpoint]) as agent,
            grpc.insecure_channel(agent.recv(), _UNLIMITED) as channel,
        ):
            stub = agent_pb2_grpc.MetadataStub(channel)  # type: ignore[no-untyped-call]
            expected = member.read_all(*keyspace.state_range, page=10_000)

            def fetch() -> float:
                got = 0

                def all_of_it() -> None:
                    nonlocal got
                    for piece in stub.Fetch(pb.FetchRequest(cluster=_NAME), timeout=_PATIENCE):
                        got += len(piece.records)

                took = seconds(all_of_it)
                if got != expected:
                    raise RuntimeError(f"{got} records came instead of {expected}")
                return 1e3 * took

            def read() -> float:
                return 1e3 * seconds(lambda: member.read_all(*keyspace.state_range, page=10_000))

            pairs = [alternate(read, fetch, 1) for _ in range(scale.rounds + 1)]
            what = "Fetch of the whole picture ÷ raw list of the same records"
            yield ratio(12, what, f"{scale.groups:,} groups, pages of 10,000", pairs[1:], unit="ms", reach=None)
            yield from _waking(scale, endpoint, keyspace, stub)


def _waking(scale: Scale, endpoint: str, keyspace: Keyspace, stub: Any) -> Iterator[Result]:
    store, strategy = open_store([endpoint], _NAME)
    with store:
        Turns(store, 1).run()
        recorded = strategy.transaction
    rounds = []
    with closing(RawMember(endpoint)) as member:
        command = RawCommand(recorded, keyspace, keyspace)
        command.begin(member)
        for _ in range(min(3, scale.rounds) + 1):
            ours, floor = [], []
            with closing(_Direct(endpoint, keyspace)) as direct:
                position = stub.Status(pb.StatusRequest(cluster=_NAME), timeout=_PATIENCE).position
                for _ in range(max(4, scale.operations // 4)):
                    request = pb.FetchRequest(cluster=_NAME, position=position, wait=True)
                    answer = stub.Fetch(request, timeout=_PATIENCE)
                    time.sleep(0.005)  # it waits at the agent by now
                    change = command.prepare()
                    moment = time.perf_counter()
                    revision = command.send(member, change)
                    first = next(iter(answer))
                    ours.append(time.perf_counter() - moment)
                    if revision not in {each.revision for each in first.revisions}:
                        raise RuntimeError("Fetch woke up without the change")
                    position = first.position
                    floor += direct.until({revision: moment})
            rounds.append(Pair(1e3 * statistics.median(ours), 1e3 * statistics.median(floor)))
    what = "a blocking Fetch's wake-up, from the change's sending, ÷ raw watch event"
    yield ratio(13, what, "1 member", rounds[1:], unit="ms", reach=None)
