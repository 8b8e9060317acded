"""Users, tokens and certificates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etcdmeta import errors
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.testing.certificates import make_certificates

if TYPE_CHECKING:
    from collections.abc import Callable

    from etcdmeta.embedded import Cluster, Tls
    from etcdmeta.testing.plugin import ClusterFactory
    from tests.consensus.conftest import Client

    Open = Callable[[EtcdStrategy], Client]

PASSWORD = "correct-horse"


@pytest.fixture
def guarded(etcd_cluster_factory: ClusterFactory) -> Cluster:
    """One member that asks for a user; with root, and "reader", who may read under /open/ alone."""
    cluster = etcd_cluster_factory(1)
    cluster.etcdctl("role", "add", "reader")
    cluster.etcdctl("role", "grant-permission", "reader", "--prefix=true", "read", "/open/")
    cluster.etcdctl("user", "add", "reader", "--interactive=false", stdin=f"{PASSWORD}\n")
    cluster.etcdctl("user", "grant-role", "reader", "reader")
    cluster.enable_auth(PASSWORD)
    return cluster


@pytest.fixture
def root(guarded: Cluster, open_client: Open) -> Client:
    return open_client(EtcdStrategy(guarded.endpoints, user="root", password=PASSWORD))


def test_user_and_password(root: Client) -> None:
    reader = root.watch(root.put("a")).created()
    assert [event.kv.key for event in reader.events(1)] == [root.key("a")]
    assert root.names() == ["a"]
    lease = root.strategy.grant_lease(10, deadline=root.soon())
    assert root.strategy.keep_alive(lease, deadline=root.soon()) == 10
    assert root.strategy.status(root.strategy.endpoints[0], deadline=root.soon()).is_leader


def test_a_token_that_etcd_has_forgotten_is_taken_anew(guarded: Cluster, root: Client) -> None:
    first = root.put("a")
    guarded.restart(0)  # tokens live in memory
    assert root.put("b") == first + 1
    guarded.restart(0)
    assert root.names() == ["a", "b"]
    guarded.restart(0)
    assert len(root.watch(first).events(2)) == 2
    guarded.restart(0)
    pages = root.strategy.list(*root.span, page=1, deadline=root.soon())
    next(pages)
    assert len([kv for page in pages for kv in page.kvs]) == 1


def test_a_token_older_than_the_users_is_taken_anew(guarded: Cluster, root: Client) -> None:
    root.put("a")
    guarded.etcdctl("user", "add", "other", "--interactive=false", stdin=f"{PASSWORD}\n")
    assert root.put("b")


@pytest.mark.parametrize(("user", "password"), [("root", "wrong"), ("nobody", PASSWORD), (None, None), ("root", "")])
def test_who_is_not_accepted_is_told(
    guarded: Cluster, open_client: Open, user: str | None, password: str | None
) -> None:
    client = open_client(EtcdStrategy(guarded.endpoints, user=user, password=password))
    for call in (client.names, lambda: client.put("a")):
        with pytest.raises(errors.AccessRefused) as caught:
            call()
        assert caught.value.rule
        assert "wrong" not in str(caught.value)
    assert isinstance(client.watch(1).end(), errors.AccessRefused)


def test_what_is_not_allowed_is_told(guarded: Cluster, root: Client, open_client: Open) -> None:
    root.prefix = b"/open/"
    root.put("a")
    client = open_client(EtcdStrategy(guarded.endpoints, user="reader", password=PASSWORD))
    client.prefix = b"/open/"
    assert client.names() == ["a"]
    assert len(client.watch(1).events(1)) == 1
    with pytest.raises(errors.PermissionDenied):
        client.put("b")
    client.prefix = b"/closed/"
    with pytest.raises(errors.PermissionDenied):
        client.names()
    assert isinstance(client.watch(1).end(), errors.PermissionDenied)


def test_a_user_where_none_is_asked_for_does_no_harm(etcd_cluster: Cluster, open_client: Open) -> None:
    client = open_client(EtcdStrategy(etcd_cluster.endpoints, user="root", password=PASSWORD))
    client.put("a")
    assert client.names() == ["a"]


def test_the_password_is_in_no_repr(root: Client) -> None:
    from etcdmeta.consensus.etcd.auth import Credentials

    assert PASSWORD not in repr(Credentials("root", PASSWORD))
    assert PASSWORD not in repr(vars(root.strategy))


@pytest.mark.parametrize("given", [{"user": "a"}, {"password": "b"}, {"user": "", "password": "b"}])
def test_a_user_without_a_password_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(errors.ConfigurationInvalid) as caught:
        EtcdStrategy("localhost:1", **given)  # type: ignore[arg-type]
    assert "'b'" not in repr(caught.value)


# --- certificates


@pytest.fixture
def certificates(tmp_path: Path) -> Tls:
    return make_certificates(tmp_path / "good")


@pytest.fixture
def secured(etcd_cluster_factory: ClusterFactory, certificates: Tls) -> str:
    """The endpoint of a member that speaks TLS and asks for a certificate."""
    cluster = etcd_cluster_factory(1, tls=certificates)
    return "https://" + cluster.endpoints[0].removeprefix("https://")


def _files(tls: Tls) -> dict[str, str]:
    return {"ca": str(tls.ca), "cert": str(tls.cert), "key": str(tls.key)}


def test_tls_both_ways(secured: str, certificates: Tls, open_client: Open) -> None:
    client = open_client(EtcdStrategy(secured, **_files(certificates)))
    reader = client.watch(client.put("a")).created()
    assert len(reader.events(1)) == 1
    assert client.strategy.endpoints == (secured,)


def test_the_wrong_authority(secured: str, tmp_path: Path, open_client: Open) -> None:
    other = make_certificates(tmp_path / "other")
    client = open_client(EtcdStrategy(secured, **_files(other)))
    with pytest.raises(errors.Unavailable, match="certificate"):
        client.strategy.read(b"x", deadline=client.soon(1))


def test_tls_without_our_certificate(secured: str, certificates: Tls, open_client: Open) -> None:
    client = open_client(EtcdStrategy(secured, ca=str(certificates.ca)))
    with pytest.raises(errors.Unavailable) as caught:
        client.strategy.read(b"x", deadline=client.soon(1))
    assert secured in str(caught.value)


def test_plain_to_tls_and_tls_to_plain(secured: str, etcd_cluster: Cluster, open_client: Open) -> None:
    plain = open_client(EtcdStrategy(secured.replace("https://", "http://")))
    with pytest.raises(errors.Unavailable, match="https://"):
        plain.strategy.read(b"x", deadline=plain.soon(1))
    tls = open_client(EtcdStrategy(f"https://{etcd_cluster.endpoints[0]}"))
    with pytest.raises(errors.Unavailable, match="http://"):
        tls.strategy.read(b"x", deadline=tls.soon(1))


def test_a_renewed_certificate_is_read_again(
    secured: str, certificates: Tls, tmp_path: Path, open_client: Open
) -> None:
    wrong = make_certificates(tmp_path / "other")
    used = {name: tmp_path / f"used.{name}" for name in ("ca", "cert", "key")}
    for name, path in _files(wrong).items():
        used[name].write_bytes(Path(path).read_bytes())
    client = open_client(EtcdStrategy(secured, **{name: str(path) for name, path in used.items()}))
    with pytest.raises(errors.Unavailable):
        client.strategy.read(b"x", deadline=client.soon(1))
    for name, path in _files(certificates).items():
        used[name].write_bytes(Path(path).read_bytes())
    client.put("a")
    assert client.names() == ["a"]


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    strategy = EtcdStrategy("https://localhost:1", ca=missing)
    with pytest.raises(errors.ConfigurationInvalid, match=r"missing\.pem"):
        strategy.read(b"x", deadline=float("inf"))
    with pytest.raises(errors.ConfigurationInvalid):
        EtcdStrategy("https://localhost:1", cert=missing)
    strategy.close()
