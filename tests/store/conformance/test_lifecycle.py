"""Opening, closing, forking."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etcdmeta import MetaStore, errors
from etcdmeta.commands.database import CreateDatabase
from tests.store.worlds import SECONDS, World, threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

USES: dict[str, Callable[[MetaStore], object]] = {
    "snapshot": lambda store: store.snapshot(),
    "read_consistent": lambda store: store.read_consistent(),
    "wait_for": lambda store: store.wait_for(lambda _: True),
    "freshness": lambda store: store.freshness(),
    "changes": lambda store: list(store.changes(timeout=0)),
    "execute": lambda store: store.execute(CreateDatabase(name="late")),
    "plan": lambda store: store.plan(CreateDatabase(name="late")),
    "history": lambda store: store.history(),
}


@pytest.mark.parametrize("use", USES)
def test_a_closed_store_says_so(world: World, use: str) -> None:
    store = world.open()
    store.init_cluster()
    store.close()
    store.close()
    with pytest.raises(errors.StoreClosed):
        USES[use](store)


def test_closing_leaves_no_thread(world: World) -> None:
    before = threads(of_agents=False)
    store = world.open()
    store.init_cluster()
    assert threads(of_agents=False) > before
    store.close()
    wait_until(lambda: threads(of_agents=False) <= before, "no thread is left")


def test_closing_wakes_those_who_wait(world: World) -> None:
    store = world.open()
    store.init_cluster()
    news = store.changes()
    ended: list[str] = []

    def listen() -> None:
        list(news)
        ended.append("changes")

    def wait() -> None:
        with pytest.raises(errors.StoreClosed):
            store.wait_for(lambda snapshot: snapshot.find_database("never"), SECONDS)
        ended.append("wait_for")

    threads = [threading.Thread(target=listen), threading.Thread(target=wait)]
    for thread in threads:
        thread.start()
    store.close()
    for thread in threads:
        thread.join(SECONDS / 2)
    assert sorted(ended) == ["changes", "wait_for"]


@pytest.mark.parametrize("kind", ["local", "etcd"])
def test_after_a_fork_every_use_is_refused(kind: str, request: pytest.FixtureRequest, etcd_prefix: str) -> None:
    """In a process of its own, since gRPC's servers, which other tests run in this one, do not survive a fork. Over
    agents: ``tests/consensus/test_agent_calls.py``."""
    etcd = request.getfixturevalue("etcd_cluster") if kind == "etcd" else None
    endpoints = "local://" if etcd is None else ",".join(etcd.endpoints)
    call = f"import sys; from {__name__} import fork_and_use; sys.exit(fork_and_use({endpoints!r}, {etcd_prefix!r}))"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=root, capture_output=True, text=True, timeout=3 * SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr


def fork_and_use(endpoints: str, cluster: str) -> int:
    """0 where all is well."""
    with MetaStore.open(endpoints, cluster=cluster, timeout=SECONDS) as store:
        store.init_cluster()
        child = os.fork()
        if child == 0:
            os._exit(_count_wrong_answers(store))
        _, status = os.waitpid(child, 0)
        assert store.create_database("metrics").name == "metrics", "the parent goes on"
    return os.waitstatus_to_exitcode(status)


def _count_wrong_answers(store: MetaStore) -> int:
    wrong = 0
    for use in USES.values():
        try:
            use(store)
            wrong += 1
        except errors.ForkedProcess:
            pass
        except BaseException:  # noqa: BLE001  (a child of a test: whatever it is, it counts)
            traceback.print_exc()
            wrong += 1
    return wrong


def test_a_store_of_its_own_in_one_line() -> None:
    with MetaStore.open("local://", cluster="mine", actor="me") as store:
        store.init_cluster()
        assert store.create_database("metrics").name == "metrics"
        assert store.cluster_name == "mine"
        assert "mine" in repr(store)
