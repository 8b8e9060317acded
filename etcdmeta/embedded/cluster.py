"""A cluster of real etcd members on this machine, and the ways to hurt and mend it."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from etcdmeta.embedded.binaries import Binaries, find_binaries
from etcdmeta.embedded.configuration import DEFAULT_START_SECONDS, Layout, Settings, Tls
from etcdmeta.embedded.errors import DataDirectoryMismatch, MemberDidNotStart, PortsTaken
from etcdmeta.embedded.etcdctl import DEFAULT_SECONDS, run_etcdctl, run_etcdutl
from etcdmeta.embedded.guard import Guard
from etcdmeta.embedded.member import Member
from etcdmeta.embedded.ports import PortLease, is_free

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_PORT_TRIES = 5
_MEMBER_PORTS_APART = 10


class Cluster:
    """Members 0 … n-1. Use it in a ``with``, or call ``start`` and ``close``. Not for two threads at once.

    Without ``data_dir`` the data live in a temporary folder that goes with the cluster; with one they stay,
    and the next Cluster on it is the same one again. Without ``port`` the ports are free ones; with one,
    member *i* listens for clients on port + 10 *i* and for its peers one above. However this process ends,
    its members end with it.
    """

    def __init__(
        self,
        members: int = 3,
        *,
        data_dir: Path | None = None,
        port: int | None = None,
        host: str = "127.0.0.1",
        unsafe_no_fsync: bool = False,
        quota_bytes: int | None = None,
        snapshot_count: int | None = None,
        tls: Tls | None = None,
        extra_args: Sequence[str] = (),
        binaries: Binaries | None = None,
    ) -> None:
        """Starts nothing yet. Raises EtcdNotInstalled, and ValueError for a number of members below 1."""
        if members < 1:
            raise ValueError(f"a cluster has at least one member, not {members}")
        self.binaries = binaries or find_binaries()
        self._count = members
        self._host = host
        self._port = port
        self._kept_directory = data_dir
        self._settings = Settings(unsafe_no_fsync, quota_bytes, snapshot_count, tls, tuple(extra_args))
        self._members: tuple[Member, ...] = ()
        self._directory: Path | None = None
        self._layout: Layout | None = None
        self._lease: PortLease | None = None
        self._guard: Guard | None = None
        self._credentials: tuple[str, str] | None = None

    # --- life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, timeout: float = DEFAULT_START_SECONDS) -> None:
        """Starts all members and waits until each serves, at most ``timeout`` seconds.

        Raises MemberDidNotStart, PortsTaken, DataDirectoryMismatch; then nothing is left running.
        """
        if self._guard is not None:
            raise ValueError("the cluster was started already")
        deadline = time.monotonic() + timeout
        try:
            for last_try in (*[False] * (_PORT_TRIES - 1), True):
                self._prepare()
                try:
                    self._start_members(range(self._count), deadline)
                    return
                except MemberDidNotStart as error:
                    if last_try or not self._lost_a_port(error):
                        raise
                    self.close()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the members; removes the data unless ``data_dir`` was given. More than once does nothing."""
        if self._kept_directory is not None:
            self.stop()
        for member in self._members:
            member.kill()
        if self._directory is not None and self._kept_directory is None:
            shutil.rmtree(self._directory)
        self._forget()

    def detach(self) -> tuple[int, ...]:
        """Leaves the members running when this process ends; returns their process ids. The data stay."""
        pids = tuple(pid for member in self._members if (pid := member.release()) is not None)
        self._forget()
        return pids

    def _forget(self) -> None:
        if self._guard is not None:
            self._guard.dismiss()
        if self._lease is not None:
            self._lease.release()
        self._members, self._directory, self._layout = (), None, None
        self._guard, self._lease, self._credentials = None, None, None

    def _prepare(self) -> None:
        self._guard = Guard()
        if self._kept_directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="etcdmeta-etcd-"))
            self._guard.watch_directory(self._directory)
        else:
            self._directory = self._kept_directory.absolute()
            self._directory.mkdir(parents=True, exist_ok=True)
        scheme = "http" if self._settings.tls is None else "https"
        kept = Layout.load(self._directory, scheme)
        if kept is None:
            layout = Layout.of(secrets.token_hex(8), self._host, self._choose_ports(), scheme)
            layout.save(self._directory)
        else:
            layout = kept
            self._check_kept(kept)
        self._layout = layout
        for place in layout.places:
            for port in (place.client_port, place.peer_port):
                if not is_free(place.host, port):
                    remedy = "end what listens there, or choose another with --port"
                    raise PortsTaken(f"port {port} on {place.host} is taken", value=port, remedy=remedy)
        self._members = tuple(
            Member(place, self._directory / place.name, self._settings.tls) for place in layout.places
        )

    def _choose_ports(self) -> tuple[int, ...]:
        if self._port is None:
            self._lease = PortLease(self._host, 2 * self._count)
            return self._lease.ports
        firsts = [self._port + _MEMBER_PORTS_APART * i for i in range(self._count)]
        return tuple(port for first in firsts for port in (first, first + 1))

    def _check_kept(self, kept: Layout) -> None:
        first = kept.places[0]
        asked = (self._count, self._host, self._port if self._port is not None else first.client_port)
        found = (len(kept.places), first.host, first.client_port)
        if asked != found:
            raise DataDirectoryMismatch(
                f"{self._directory} holds a cluster of {found[0]} members on {first.endpoint}",
                value=self._directory,
                rule="members know each other by their addresses, which are part of their data",
                remedy="start it as it was, or choose another data directory",
            )

    def _lost_a_port(self, error: MemberDidNotStart) -> bool:
        chosen_here = self._lease is not None and self._kept_directory is None
        return chosen_here and "address already in use" in str(error)

    # --- the whole

    @property
    def members(self) -> tuple[Member, ...]:
        """All of them, whatever state they are in."""
        return self._members

    @property
    def endpoints(self) -> tuple[str, ...]:
        """``host:port`` of each member."""
        return tuple(member.endpoint for member in self._members)

    @property
    def directory(self) -> Path:
        """Where data and logs are: ``<name of the member>/data`` and ``/log``."""
        if self._directory is None:
            raise ValueError("the cluster was not started")
        return self._directory

    @property
    def tls(self) -> Tls | None:
        """The certificates that a client needs."""
        return self._settings.tls

    def stop(self) -> None:
        """Ends the members in an orderly way; their data and ports stay reserved."""
        # One by one: a leader that is told to stop hands over first, and waits 7 s for others that stop, too.
        for member in self._members:
            member.stop()

    def restart_all(self, timeout: float = DEFAULT_START_SECONDS) -> None:
        """SIGKILL for every member; when all are down, starts them and waits until each serves."""
        for member in self._members:
            member.kill()
        self._start_members(range(self._count), time.monotonic() + timeout)

    # --- one member

    def kill(self, index: int) -> None:
        """SIGKILL; see ``restart``."""
        self._members[index].kill()

    def freeze(self, index: int) -> None:
        """SIGSTOP; see ``thaw``."""
        self._members[index].freeze()

    def thaw(self, index: int) -> None:
        """SIGCONT; see ``wait_until_serving``."""
        self._members[index].thaw()

    def restart(self, index: int, *, timeout: float = DEFAULT_START_SECONDS, wait: bool = True) -> None:
        """Starts a member again (stops it first if it runs) and waits until it serves.

        ``wait=False`` returns at once: needed while there is no majority. Raises MemberDidNotStart.
        """
        self._members[index].stop()
        deadline = time.monotonic() + timeout
        if wait:
            self._start_members([index], deadline)
        else:
            self._spawn(index)

    def wait_until_serving(self, *indices: int, timeout: float = DEFAULT_START_SECONDS) -> None:
        """Until these members (all, if none is named) answer linearizable reads. Raises MemberDidNotStart."""
        deadline = time.monotonic() + timeout
        for index in indices or range(self._count):
            self._members[index].wait_until_serving(deadline)

    def leader(self, timeout: float = DEFAULT_SECONDS) -> int:
        """The index of the member that leads, as a running one sees it. Raises MemberDidNotStart."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            statuses = self._statuses()
            indices = {member_id: index for index, (member_id, _) in statuses.items()}
            for _, leader in statuses.values():
                # A leader that is down or frozen: the others have not noticed yet.
                if leader in indices:
                    return indices[leader]
            time.sleep(0.05)  # an election has no event to wait for from outside
        raise MemberDidNotStart(f"no leader within {timeout:g} s", value=self.endpoints)

    def _start_members(self, indices: Sequence[int], deadline: float) -> None:
        for index in indices:
            self._spawn(index)
        for index in indices:
            self._members[index].wait_until_serving(deadline)

    def _spawn(self, index: int) -> None:
        if self._guard is None or self._layout is None:
            raise ValueError("the cluster was not started")
        member = self._members[index]
        command = [str(self.binaries.etcd), *self._layout.arguments(member.place, member.data)]
        member.start([*command, *self._settings.arguments(self.binaries)], self._guard)

    def _statuses(self) -> dict[int, tuple[int, int]]:
        """Of each running member that serves: its id, and the id of the leader that it follows."""
        found: dict[int, tuple[int, int]] = {}
        for index, member in enumerate(self._members):
            if member.state == "running" and member.serves(1.0):
                answer = self.etcdctl("endpoint", "status", "--write-out=json", endpoints=[member.endpoint])
                status = json.loads(answer)[0]["Status"]
                found[index] = status["header"]["member_id"], status.get("leader", 0)
        return found

    # --- the data

    def etcdctl(
        self,
        *arguments: str,
        endpoints: Sequence[str] | None = None,
        stdin: str = "",
        timeout: float = DEFAULT_SECONDS,
    ) -> str:
        """Runs etcdctl against the running members, with the cluster's certificates and credentials.

        Returns what it prints. ``timeout`` in seconds. Raises EtcdctlFailed.
        """
        if endpoints is None:
            endpoints = [member.endpoint for member in self._members if member.state == "running"]
        return run_etcdctl(
            self.binaries.etcdctl,
            arguments,
            endpoints=endpoints,
            tls=self.tls,
            credentials=self._credentials,
            stdin=stdin,
            timeout=timeout,
        )

    def revision(self) -> int:
        """The newest revision, by a linearizable read."""
        answer = json.loads(self.etcdctl("get", "any key", "--keys-only", "--write-out=json"))
        revision: int = answer["header"]["revision"]
        return revision

    def compact(self, revision: int) -> None:
        """Forgets all history below ``revision``; returns when it is done on disk. Raises EtcdctlFailed."""
        self.etcdctl("compact", str(revision), "--physical")

    def snapshot(self, path: Path) -> None:
        """Writes the whole store, as one member has it, to a file. Raises EtcdctlFailed."""
        running = [member.endpoint for member in self._members if member.state == "running"]
        self.etcdctl("snapshot", "save", str(path), endpoints=running[:1])

    def restore(self, path: Path, timeout: float = DEFAULT_START_SECONDS) -> None:
        """Stops all members and starts them, under the same names and addresses, with what ``path`` holds.

        The revision goes back to the snapshot's. Raises EtcdctlFailed, MemberDidNotStart.
        """
        if self._layout is None:
            raise ValueError("the cluster was not started")
        for member in self._members:
            member.kill()
        for member in self._members:
            shutil.rmtree(member.data)
            arguments = (
                *("snapshot", "restore", str(path), f"--name={member.name}", f"--data-dir={member.data}"),
                *self._layout.bootstrap_arguments(member.place),
            )
            run_etcdutl(self.binaries.etcdutl or self.binaries.etcdctl, arguments)
        self._start_members(range(self._count), time.monotonic() + timeout)

    def enable_auth(self, password: str, user: str = "root") -> None:
        """Makes the root user and switches authentication on; ``etcdctl`` and the others here then use it.

        Raises EtcdctlFailed, and ValueError for a password with white space: etcdctl reads only up to there.
        """
        if password.split() != [password]:
            raise ValueError("etcdctl takes no password that is empty or has white space in it")
        self.etcdctl("user", "add", user, "--interactive=false", stdin=password + "\n")
        self.etcdctl("user", "grant-role", user, "root")
        self.etcdctl("auth", "enable")
        self._credentials = (user, password)
