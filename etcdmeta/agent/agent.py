"""`Agent`: a node's agent as a library, on a loop of the caller's, or in a thread of its own.

::

    with Agent(AgentConfig(data_dir=Path("/var/lib/etcdmeta"), host="db-1:8088", endpoints=("etcd-1:2379",))) as agent:
        agent.store.snapshot()          # the node's own picture, in memory
        agent.address                   # where other processes reach it: MetaStore.open(f"agent://{agent.address}")

`etcdmeta agent run` is the same as a process of its own, with signals and systemd.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Self

from etcdmeta.agent.assembly import Assembly
from etcdmeta.agent.config import AgentConfig
from etcdmeta.errors import EtcdMetaError, StoreClosed, WaitTimedOut
from etcdmeta.store import Fence, MetaStore

START_SECONDS = 60.0
STOP_SECONDS = 10.0


class Agent:
    """One life: from `run`, or from `start` to `stop`. Not both, and not twice.

    What keeps it from going on is raised by `run`, `start` and `stop`: `NodeAlreadyRunning`, `NodeRemoved` and the
    other `NodeIdentityRefused`, `WrongCluster`, `ConfigurationInvalid`, `AccessRefused`, `SchemaTooNew`. That etcd is
    away is none of it: it is waited for, and logged (loggers below ``etcdmeta``).
    """

    def __init__(self, config: AgentConfig) -> None:
        self.config = config
        self._assembly = Assembly(config)
        self._thread: threading.Thread | None = None
        self._settled = threading.Event()
        self._failure: BaseException | None = None

    # --- while it runs

    @property
    def store(self) -> MetaStore:
        """The agent's own picture, and the node's way to write; the agent's to close. Raises `Unavailable` before the
        agent has come so far."""
        return self._assembly.store

    @property
    def address(self) -> str:
        """Where others reach it; "" before it listens."""
        return self._assembly.facts.address

    @property
    def node_id(self) -> int:
        """0 before it joined."""
        return self._assembly.facts.node_id

    def fence(self) -> Fence | None:
        """The node's liveness, for what is committed as the node: ``Copying(…, fence=agent.fence)``. None while it is
        not live for certain. From any thread."""
        return self._assembly.facts.fence()

    @property
    def metrics_port(self) -> int | None:
        """Of ``/metrics``, ``/health`` and ``/ready``; None where they are not served."""
        return self._assembly.metrics_port

    async def reload(self) -> None:
        """Read the certificates of the service anew; on the loop of `run`. They are also looked at by themselves."""
        await self._assembly.reload()

    # --- on a loop of the caller's

    async def run(self) -> None:
        """Until `end`, or until the task is cancelled; all of it has ended then. Signals stay the caller's."""
        await self._assembly.serve()

    def end(self) -> None:
        """Ask it to end, from any thread; `run` returns when it has."""
        self._assembly.end()

    # --- in a thread of its own

    def start(self, timeout: float = START_SECONDS) -> None:
        """Returns when it is ready: it serves, and the node has joined, or has a picture from before and etcd is away.

        Raises `WaitTimedOut` after ``timeout`` seconds, having stopped it, and what keeps it from going on.
        """
        if self._thread is not None:
            raise StoreClosed("an agent is started once", remedy="make another")
        self._thread = threading.Thread(target=self._live, name="etcdmeta-agent", daemon=True)
        self._thread.start()
        if not self._settled.wait(timeout):
            self.stop()
            raise WaitTimedOut(
                f"the agent was not ready in {timeout:g} s", value=timeout, remedy="see its log; etcd may be away"
            )
        self._raise_failure()

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Drain, give the lease back, save the picture. Raises what made it end before, `WaitTimedOut`."""
        if self._thread is None:
            return
        self._assembly.end()
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise WaitTimedOut(f"the agent did not end in {timeout:g} s", value=timeout)
        self._raise_failure()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _live(self) -> None:
        try:
            asyncio.run(self._assembly.serve(on_ready=self._settled.set))
        except BaseException as error:  # noqa: BLE001 - raised by who waits, in `start` or `stop`
            self._failure = error
        finally:
            self._settled.set()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if isinstance(failure, EtcdMetaError):
            raise failure
        if failure is not None:
            raise RuntimeError("the agent's thread ended in an unforeseen way") from failure
