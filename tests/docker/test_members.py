"""docker-compose.yml: the members are healthy, the cluster goes on without one, and that one catches up."""

import time
from collections.abc import Callable

import pytest

from etcdmeta.embedded import EtcdctlFailed
from tests.docker.compose import NAMES, Compose

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker"), pytest.mark.timeout(240)]


def read(compose: Compose, name: str, key: str) -> str:
    """Of this member alone; a linearizable read needs the others, too."""
    return compose.etcdctl("get", key, "--print-value-only", on=[name]).strip()


def write(compose: Compose, key: str, value: str, *, on: list[str]) -> None:
    """Until it is written: what is asked of a leader that dies at that moment times out, and etcdctl gives up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            compose.etcdctl("put", key, value, on=on)
            return
        except EtcdctlFailed:
            if time.monotonic() > deadline:
                raise


def others(name: str) -> list[str]:
    return [each for each in NAMES if each != name]


def test_all_are_healthy_and_form_one_cluster(compose: Compose) -> None:
    assert [compose.state(name) for name in NAMES] == [("running", "healthy")] * 3
    compose.etcdctl("put", "everywhere", "yes")
    assert [read(compose, name, "everywhere") for name in NAMES] == ["yes"] * 3


Hurt = Callable[[Compose, str], None]
WAYS: dict[str, tuple[Hurt, Hurt]] = {
    "stop": (lambda c, n: c.docker("stop", n), lambda c, n: c.docker("start", n)),
    "kill": (lambda c, n: c.docker("kill", n), lambda c, n: c.docker("start", n)),
    "pause": (lambda c, n: c.docker("pause", n), lambda c, n: c.docker("unpause", n)),
    "network": (lambda c, n: c.cut_off(n), lambda c, n: c.connect(n)),
}


@pytest.mark.parametrize("name", ["etcd-1", "etcd-3"])
@pytest.mark.parametrize("way", WAYS)
def test_the_cluster_goes_on_without_one_and_it_catches_up(compose: Compose, way: str, name: str) -> None:
    hurt, mend = WAYS[way]
    key = f"{way}-{name}"
    hurt(compose, name)
    try:
        write(compose, key, "written meanwhile", on=others(name))
        with pytest.raises(EtcdctlFailed):
            compose.etcdctl("get", key, on=[name], timeout=1.0)
    finally:
        mend(compose, name)
    compose.wait_for_health(name)
    assert read(compose, name, key) == "written meanwhile"


def test_data_outlive_the_containers(compose: Compose) -> None:
    compose.etcdctl("put", "kept", "in the volumes")
    compose.compose("down", "--timeout", "5")
    compose.up()
    assert read(compose, "etcd-2", "kept") == "in the volumes"
