"""TLS between a real server and real clients: who gets in, who may do what, and certificates that rotate."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import pytest

from etcdmeta.agent.certificates import ServerCertificates, ServerTls
from etcdmeta.agent.trust import Rules, Trust
from etcdmeta.commands.database import CreateDatabase
from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.errors import PermissionDenied, Unauthenticated, Unavailable
from etcdmeta.store import new_operation_id
from etcdmeta.testing.agents import serve_agent
from etcdmeta.testing.stores import local_store
from etcdmeta.wire.commands import to_wire
from etcdmeta.wire.failures import DETAILS_KEY, from_status
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.pb import agent_pb2_grpc
from tests.agent.certs import Authority, Shown, client_credentials, replace, write
from tests.agent.talking import SECONDS, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore
    from etcdmeta.testing.agents import Serving


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def store() -> Iterator[MetaStore]:
    with local_store() as store:
        yield store


@contextmanager
def agent(store: MetaStore, tls: ServerTls, rules: Rules | None = None) -> Iterator[tuple[Serving, ServerCertificates]]:
    certificates = ServerCertificates(tls)
    trust = Trust(rules or Rules(), tls)
    with serve_agent(store, authorise=trust, credentials=certificates.credentials()) as serving:
        yield serving, certificates


@contextmanager
def stub(serving: Serving, trusted: bytes, shown: Shown | None) -> Iterator[agent_pb2_grpc.MetadataStub]:
    """A connection of its own; what the agent refuses in our form is raised as our error."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.secure_channel(serving.address, client_credentials(trusted, shown), options) as channel:
        try:
            yield agent_pb2_grpc.MetadataStub(channel)
        except grpc.RpcError as error:
            if any(key == DETAILS_KEY for key, _ in error.trailing_metadata() or ()):
                raise from_status(status_of(error)) from None
            raise


def ask(serving: Serving, trusted: bytes, shown: Shown | None) -> str:
    with stub(serving, trusted, shown) as service:
        return service.Status(pb.StatusRequest(), timeout=SECONDS).cluster


def execute(serving: Serving, trusted: bytes, shown: Shown | None, database: str) -> pb.ExecuteResponse:
    operation = pb.Operation(id=new_operation_id(), command=to_wire(CreateDatabase(name=database)))
    with stub(serving, trusted, shown) as service:
        return service.Execute(pb.ExecuteRequest(operations=[operation], actor="me"), timeout=SECONDS)


@pytest.fixture(scope="module")
def mutual(store: MetaStore, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    tls = write(tmp_path_factory.mktemp("mutual"), authority.server(), authority.pem)
    rules = Rules.parse(execute=["ops.db.example", "node-*.db.example"], join=["node-*.db.example"])
    with agent(store, tls, rules) as (serving, _):
        yield serving


# --- who gets in


def test_any_certificate_of_the_client_authority_reads(mutual: Serving, authority: Authority) -> None:
    assert ask(mutual, authority.pem, authority.client("dashboard.example")) == "default"
    assert ask(mutual, authority.pem, authority.client("dashboard.example", common_name="dashboard")) == "default"


@pytest.mark.parametrize("kind", ["no certificate", "expired", "another authority", "another authority's ops"])
def test_others_do_not_get_in_and_the_client_says_what_to_do(
    mutual: Serving, authority: Authority, kind: str, tmp_path: Path
) -> None:
    shown = {
        "no certificate": lambda: None,
        "expired": lambda: authority.client("ops.db.example", expired=True),
        "another authority": lambda: Authority().client("dashboard.example"),
        "another authority's ops": lambda: Authority().client("ops.db.example"),
    }[kind]()
    with pytest.raises(grpc.RpcError) as caught:
        ask(mutual, authority.pem, shown)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(Unavailable, match=r"--cert") as told:
        strategy_status(mutual, tmp_path, authority.pem, shown)
    assert mutual.address in str(told.value)
    assert ask(mutual, authority.pem, authority.client("dashboard.example")) == "default"


@pytest.mark.parametrize(("kind", "says"), [("unknown", "local issuer"), ("expired", "expired")])
def test_a_client_refuses_an_agent_that_it_cannot_trust_and_says_so(
    store: MetaStore, authority: Authority, kind: str, says: str, tmp_path: Path
) -> None:
    tls = write(tmp_path / "agent", authority.server(expired=kind == "expired"), authority.pem)
    trusted = authority.pem if kind == "expired" else Authority().pem
    with agent(store, tls) as (serving, _), pytest.raises(Unavailable, match="--cacert") as caught:
        strategy_status(serving, tmp_path, trusted, authority.client("a.example"))
    assert says in str(caught.value)


def strategy_status(serving: Serving, directory: Path, trusted: bytes, shown: Shown | None) -> None:
    """As a process does that uses ``agents://`` with certificate files."""
    paths = {"ca": directory / "trusted.pem", "cert": directory / "shown.pem", "key": directory / "shown.key"}
    replace(paths["ca"], trusted)
    if shown is not None:
        replace(paths["cert"], shown.cert)
        replace(paths["key"], shown.key)
    strategy = AgentStrategy(
        f"agents://{serving.address}", **{name: str(path) for name, path in paths.items() if path.exists()}
    )
    try:
        strategy.status(serving.address, deadline=time.monotonic() + SECONDS)
    finally:
        strategy.close()


# --- who may do what


def names(snapshot: Snapshot) -> set[str]:
    return {database.name for database in snapshot.databases()}


def test_wrong_name_reads_and_does_not_execute(mutual: Serving, authority: Authority, store: MetaStore) -> None:
    shown = authority.client("x.ops.db.example", common_name="dashboard")
    assert ask(mutual, authority.pem, shown) == "default"
    with pytest.raises(PermissionDenied, match="--allow-execute") as caught:
        execute(mutual, authority.pem, shown, "stolen")
    assert caught.value.value == "dashboard"
    assert "x.ops.db.example" in str(caught.value)
    assert "stolen" not in names(store.snapshot())


def test_an_explicit_rule_allows_and_the_name_stands_in_the_history(
    mutual: Serving, authority: Authority, store: MetaStore
) -> None:
    answer = execute(mutual, authority.pem, authority.client("node-7.db.example"), "allowed")
    assert answer.outcomes[0].changed
    store.wait_for(lambda snapshot: "allowed" in names(snapshot), timeout=SECONDS)
    newest = store.history()[-1]
    assert "me" in newest.actor
    assert "node-7.db.example" in newest.actor


def test_a_rule_to_execute_is_none_to_join(mutual: Serving, authority: Authority) -> None:
    with (
        pytest.raises(PermissionDenied, match="--allow-join"),
        stub(mutual, authority.pem, authority.client("ops.db.example")) as service,
    ):
        service.Join(pb.JoinRequest(), timeout=SECONDS)


def test_a_stream_needs_the_right_to_read(store: MetaStore, authority: Authority, tmp_path: Path) -> None:
    tls = write(tmp_path, authority.server(), authority.pem)
    with agent(store, tls, Rules.parse(read=["*.readers.example"])) as (serving, _):
        with stub(serving, authority.pem, authority.client("a.readers.example")) as service:
            assert next(service.Fetch(pb.FetchRequest(), timeout=SECONDS)).revision > 0
        with (
            pytest.raises(PermissionDenied, match="--allow-read"),
            stub(serving, authority.pem, authority.client("a.example")) as service,
        ):
            next(service.Watch(pb.WatchRequest(), timeout=SECONDS))


def test_without_a_client_authority_nobody_is_known(store: MetaStore, authority: Authority, tmp_path: Path) -> None:
    tls = write(tmp_path, authority.server(), None)
    with agent(store, tls) as (serving, _), pytest.raises(Unauthenticated, match="--tls-client-ca"):
        ask(serving, authority.pem, None)
    with agent(store, tls, Rules.parse(read=["*"])) as (serving, _):
        assert ask(serving, authority.pem, None) == "default"
        # What nobody has checked is no name, whatever it says.
        assert ask(serving, authority.pem, Authority().client("ops.db.example")) == "default"
        with pytest.raises(Unauthenticated, match="--tls-client-ca"):
            execute(serving, authority.pem, Authority().client("ops.db.example"), "stolen")


# --- rotation


@pytest.mark.parametrize("how", ["by itself", "reload"])
def test_certificates_rotate_while_running(store: MetaStore, authority: Authority, tmp_path: Path, how: str) -> None:
    """First the agent's certificate, from an authority that its clients did not know before; then its clients'."""
    other = Authority()
    tls = write(tmp_path, authority.server(), authority.pem)

    def rotated(certificates: ServerCertificates) -> None:
        if how == "reload":
            assert certificates.reload()

    with (
        agent(store, tls) as (serving, certificates),
        stub(serving, authority.pem, authority.client("a.example")) as standing,
    ):
        assert standing.Status(pb.StatusRequest(), timeout=SECONDS).cluster == "default"
        write(tmp_path, other.server(), authority.pem)
        rotated(certificates)
        assert ask(serving, other.pem, authority.client("a.example")) == "default"
        refused(lambda: ask(serving, authority.pem, authority.client("a.example")))
        write(tmp_path, other.server(), other.pem)
        rotated(certificates)
        assert ask(serving, other.pem, other.client("a.example")) == "default"
        refused(lambda: ask(serving, other.pem, authority.client("a.example")))
        # A connection that stands goes on as it began.
        assert standing.Status(pb.StatusRequest(), timeout=SECONDS).cluster == "default"


def test_a_broken_rotation_changes_nothing_and_its_repair_is_found(
    store: MetaStore, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other, client = Authority(), authority.client("a.example")
    tls = write(tmp_path, authority.server(), authority.pem)
    with agent(store, tls) as (serving, _):
        fresh = other.server()
        replace(tls.cert, fresh.cert)  # and the key is the old one's for now
        for _ in range(3):
            assert ask(serving, authority.pem, client) == "default"
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == 1, "once for each state of the files, not for each client"
        assert "the old ones stay" in warnings[0]
        replace(tls.key, fresh.key)
        assert ask(serving, other.pem, client) == "default"


def test_two_ports_of_the_same_files_both_rotate(store: MetaStore, authority: Authority, tmp_path: Path) -> None:
    other, client = Authority(), authority.client("a.example")
    tls = write(tmp_path, authority.server(), authority.pem)
    certificates = ServerCertificates(tls)
    trust = Trust(Rules(), tls)
    with (
        serve_agent(store, authorise=trust, credentials=certificates.credentials()) as first,
        serve_agent(store, authorise=trust, credentials=certificates.credentials()) as second,
    ):
        for serving in (first, second):
            assert ask(serving, authority.pem, client) == "default"
        write(tmp_path, other.server(), authority.pem)
        for serving in (first, second):
            assert ask(serving, other.pem, client) == "default"


def refused(call: Callable[[], object]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
