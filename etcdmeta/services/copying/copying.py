"""`Copying`: makes the copies that the metadata wants of a node, by the node's own transfer.

Nothing of it is remembered here: what is to be copied, from whom, at which attempt, is what the owners say, so that a
process that crashed begins its copies again when it is back, and one that was cancelled learns so by the watch. A copy
that ends says so with the attempt that it was given; where that is not the owner's any more nothing changes. A node
that is to be emptied takes its copies back: it would only have to hand them on. One shard is in one pair of hands at a
time: an attempt that is slow to end, or files that are being dropped, are waited for before the next attempt begins.

A source that is down is given up where another owner serves and is live. The next attempt of a copy that a plan at work
makes is begun by who carries that plan out, at once, since only one at a time can hold the plan's limits: another copy
may have taken the place, and nodes that lost the same source would each find the same room at the next. Under a paused
plan that is when it goes on. Any other copy goes over to its new source in one transaction, so that it is never seen as
not running.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from etcdmeta.commands.copying import BeginCopy, CancelCopy, FinishCopy
from etcdmeta.commands.owner import FailOwner
from etcdmeta.commands.plan import Command
from etcdmeta.commands.shard_edit import LONGEST_REASON
from etcdmeta.errors import EtcdMetaError, Fenced, NotFound, Refused, StoreClosed
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.services.copying.dropping import Unowned
from etcdmeta.services.copying.reporting import Reporter
from etcdmeta.services.copying.transfer import CopyJob, CopySource, ShardTransfer
from etcdmeta.services.copying.wanted import Copies, Wanted, is_going, is_planned, other_source
from etcdmeta.store import Fence, MetaStore, SystemClock
from etcdmeta.store.clock import Clock
from etcdmeta.store.listeners import Publication

log = logging.getLogger(__name__)

AT_ONCE = 2
GRACE = 24 * 3600.0
LOOK_EVERY = 60.0
_FIRST_REST, _LONGEST_REST = 0.2, 10.0


class Copying:
    """From `start` to `stop`, in a thread with an asyncio loop of its own, which `transfer` runs in.

    ``at_once``: copies at a time. ``grace``: seconds that the files of a shard stay that the node owns no more; None:
    for ever. ``look_every``: seconds between two looks for such files. ``fence``: what the node's commits compare, and
    None while there is none: then they wait. Where an agent keeps the node live it is that agent's, `AgentFence` or, in
    its process, ``Agent.fence``, so that what another instance of the node has replaced changes nothing any more;
    without it they compare nothing of the kind.
    The node's lease is renewed by its agent, in a thread of its own, however long a copy takes. ``clock``,
    ``monotonic`` are for tests.
    """

    def __init__(
        self,
        store: MetaStore,
        node_id: int,
        transfer: ShardTransfer,
        *,
        at_once: int = AT_ONCE,
        grace: float | None = GRACE,
        look_every: float = LOOK_EVERY,
        fence: Callable[[], Fence | None] | None = None,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._node_id = node_id
        self._transfer = transfer
        self._at_once = at_once
        self._look_every = look_every
        self._fence = fence
        self._clock = clock or SystemClock()
        self._monotonic = monotonic
        self._unowned = None if grace is None else Unowned(store, node_id, grace, monotonic)
        self._copies = Copies(node_id)
        self._running: dict[tuple[int, int, int], asyncio.Task[None]] = {}
        self._dropping: set[int] = set()
        """Shards whose files are on their way out."""
        self._reported: dict[tuple[int, int, int], float] = {}
        """When each copy was reported last: carried anew, it is the same copy."""
        self._settling: set[tuple[int, int, int]] = set()
        """Those of which the metadata is told something: not to be cancelled when it shows that it was."""
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"etcdmeta-copying-{node_id}", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Cancel what is being copied, without a word in the metadata: the next process begins it again."""
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    # --- following the picture

    def _run(self) -> None:
        untap = self._store.tap(self._hear)
        try:
            asyncio.run(self._follow())
        except StoreClosed:
            log.info("node %d copies no more: the store was closed", self._node_id)
        except Exception:
            log.exception("node %d copies no more, for a reason that nobody foresaw", self._node_id)
            raise
        finally:
            untap()

    def _hear(self, publication: Publication) -> None:
        self._copies.hear(publication)
        self._wake()

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._news.set)
            except RuntimeError:  # it has just ended
                return

    async def _follow(self) -> None:
        self._loop = asyncio.get_running_loop()
        dropping = asyncio.ensure_future(self._drop_for_ever())
        try:
            while not self._stopping.is_set():
                self._news.clear()
                self._take_in(self._store.latest())
                waiting = asyncio.ensure_future(self._news.wait())
                await asyncio.wait((waiting, dropping), return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if dropping.done():
                    dropping.result()
        finally:
            tasks = [dropping, *self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _take_in(self, snapshot: Snapshot) -> None:
        """Cancel what is not wanted any more, begin what there is room for."""
        wanted = {each.key: each for each in self._copies.wanted(snapshot)}
        self._reported = {key: at for key, at in self._reported.items() if key in wanted}
        for key, task in self._running.items():
            if key not in wanted and key not in self._settling:
                _cancel(task)
        for key, each in wanted.items():
            running = self._running.get(key)
            if running is None and len(self._running) < self._at_once and not self._in_hand(each.shard.id):
                task = self._running[key] = asyncio.ensure_future(self._carry(each))
                task.add_done_callback(partial(self._ended, key))
            elif running is not None and key not in self._settling and self._is_in_vain(snapshot, each):
                _cancel(running)  # carried anew, it is given up, or taken from elsewhere

    def _in_hand(self, shard_id: int) -> bool:
        """Whether an earlier attempt has not ended yet, or the shard's files are being dropped."""
        return shard_id in self._dropping or any(key[0] == shard_id for key in self._running)

    def _is_in_vain(self, snapshot: Snapshot, wanted: Wanted) -> bool:
        return is_going(snapshot, self._node_id) or other_source(snapshot, wanted, self._node_id) != 0

    def _ended(self, key: tuple[int, int, int], task: asyncio.Task[None]) -> None:
        del self._running[key]
        self._settling.discard(key)
        self._news.set()
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, StoreClosed):
            log.error("copying shard %d ended in an unforeseen way", key[0], exc_info=error)

    # --- one copy

    async def _carry(self, wanted: Wanted) -> None:
        shard_id, attempt = wanted.shard.id, wanted.attempt
        snapshot = self._store.latest()
        if is_going(snapshot, self._node_id):
            self._settling.add(wanted.key)
            log.info("node %d is to be emptied: shard %d is not copied to it", self._node_id, shard_id)
            await self._commit(CancelCopy(shard_id=shard_id, node_id=self._node_id, attempt=attempt))
            return
        other = other_source(snapshot, wanted, self._node_id)
        if other:
            self._settling.add(wanted.key)
            await self._take_other_source(wanted, other)
            return
        log.info("copying shard %d from node %d, attempt %d", shard_id, wanted.source, attempt)
        reporter = Reporter(
            self._store, wanted, self._node_id, self._clock, self._monotonic,
            last=self._reported.get(wanted.key), fence=self._fence_now,
        )  # fmt: skip
        why: BaseException | None = None
        try:
            if not wanted.incarnation:  # deleted by hand, say: others count running copies by their records
                await asyncio.to_thread(reporter.write, None, None)
            await self._transfer.copy(self._job(snapshot, wanted, reporter))
        except StoreClosed:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            why = error  # nobody here did: something of its own was cancelled
        except Exception as error:  # noqa: BLE001 - the transfer is somebody else's: whatever it was, the copy failed
            why = error
        finally:
            if reporter.last is not None:
                self._reported[wanted.key] = reporter.last
        if why is None:
            await self._commit(FinishCopy(shard_id=shard_id, node_id=self._node_id, attempt=attempt))
        elif reporter.ended is not None:
            log.info("%s", reporter.ended.message)
        else:
            reason = _reason(why)
            log.warning("copying shard %d, attempt %d, failed: %s", shard_id, attempt, reason)
            command = FailOwner(shard_id=shard_id, node_id=self._node_id, reason=reason, attempt=attempt)
            await self._commit(command)

    async def _take_other_source(self, wanted: Wanted, other: int) -> None:
        """A new attempt, or the word that one is to be begun; where somebody else has done so meanwhile, theirs."""
        shard_id, attempt = wanted.shard.id, wanted.attempt
        gone = f"its source, node {wanted.source}, is gone"
        fail = FailOwner(shard_id=shard_id, node_id=self._node_id, reason=gone, attempt=attempt)
        if is_planned(self._store.latest(), wanted, self._node_id):
            log.info("shard %d: %s; the plan that it is copied by goes on with it", shard_id, gone)
            await self._commit(fail)
        else:
            log.info("shard %d: %s; it is copied from node %d", shard_id, gone, other)
            await self._commit(fail, BeginCopy(shard_id=shard_id, source=other, target=self._node_id))

    def _job(self, snapshot: Snapshot, wanted: Wanted, reporter: Reporter) -> CopyJob:
        node, liveness = snapshot.find_node(wanted.source), snapshot.liveness(wanted.source)
        source = CopySource(
            wanted.source, "" if node is None else node.host, "" if liveness is None else liveness.agent_address
        )
        return CopyJob(wanted.shard, wanted.group, source, wanted.attempt, reporter.report)

    async def _commit(self, *commands: Command) -> None:
        """All at once, until it is done, or refused for good, which is no error: the metadata wants something else by
        now.
        """
        names = ", ".join(command.NAME for command in commands)
        rest = _FIRST_REST
        while True:
            try:
                await asyncio.to_thread(self._execute, commands)
                return
            except (Refused, NotFound) as late:
                log.info("%s: changes nothing any more: %s", names, late.message)
                return
            except StoreClosed:
                raise
            except EtcdMetaError as error:
                log.warning("%s: has to wait: %s", names, error.message)
            await asyncio.sleep(rest)
            rest = min(_LONGEST_REST, 2 * rest)

    def _execute(self, commands: Sequence[Command]) -> None:
        self._store.execute_all(commands, fence=self._fence_now())

    def _fence_now(self) -> Fence | None:
        """Raises `Fenced` where there should be one, and is none at the moment."""
        fence = None if self._fence is None else self._fence()
        if self._fence is not None and fence is None:
            raise Fenced(
                f"node {self._node_id} is not live at the moment",
                rule="what a node commits as itself compares the key of its liveness",
                remedy="it is tried again when the node is live",
            )
        return fence

    # --- what is here and owned no more

    async def _drop_for_ever(self) -> None:
        while True:
            if self._unowned is not None:
                try:
                    await self._drop(self._unowned)
                except StoreClosed:
                    raise
                except EtcdMetaError as error:
                    log.info("no files are dropped for now: %s", error.message)
                except Exception:
                    log.exception("dropping files failed; it is tried again")
            await asyncio.sleep(self._look_every)

    async def _drop(self, gone: Unowned) -> None:
        for shard_id in await asyncio.to_thread(gone.may_go, await self._transfer.shards()):
            if self._in_hand(shard_id):
                continue  # a copy that was cancelled, and has not ended yet
            self._dropping.add(shard_id)
            try:
                if await asyncio.to_thread(gone.still, [shard_id]):  # proven anew for each: dropping may take long
                    log.info("dropping the files of shard %d, which node %d owns no more", shard_id, self._node_id)
                    await self._transfer.drop(shard_id)
            finally:
                self._dropping.discard(shard_id)
                self._news.set()


def _cancel(task: asyncio.Task[None]) -> None:
    """Once: what it does to end in peace is not cancelled by the next picture."""
    if not task.cancelling():
        task.cancel()


def _reason(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable.encode("utf-8", "replace")[: LONGEST_REASON // 2].decode("utf-8", "ignore")
