"""Who may do what: the table of trust.py, without a network."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etcdmeta.agent.certificates import ServerTls
from etcdmeta.agent.patterns import NamePattern
from etcdmeta.agent.trust import RIGHTS, Right, Rules, Trust, require_loopback
from etcdmeta.errors import ConfigurationInvalid, InvalidAddress, PermissionDenied, Unauthenticated
from etcdmeta.wire.pb import agent_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MUTUAL = ServerTls(Path("cert"), Path("key"), Path("ca"))
SERVER_ONLY = ServerTls(Path("cert"), Path("key"))


class Context:
    """As gRPC shows a caller with a certificate of these names."""

    def __init__(self, common_name: str | bytes | None = None, *others: str) -> None:
        self._properties: dict[str, list[bytes]] = {
            "transport_security_type": [b"ssl"],
            "x509_pem_cert": [b"-----BEGIN CERTIFICATE-----"],
            "x509_subject_alternative_name": [name.encode() for name in others],
        }
        if common_name is not None:
            name = common_name if isinstance(common_name, bytes) else common_name.encode()
            self._properties["x509_common_name"] = [name]

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        return self._properties


class Stranger:
    """A caller without a certificate, over TLS or not."""

    def __init__(self, transport: bytes = b"ssl") -> None:
        self._transport = transport

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        return {"transport_security_type": [self._transport]}


# --- patterns


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("node-1.db.example", "node-1.db.example", True),
        ("node-1.db.example", "NODE-1.DB.Example", True),
        ("node-1.db.example", "node-1.db.example.org", False),
        ("node-1.db.example", "node-1xdb.example", False),  # a dot is a dot
        ("node-1.db.example", "node-1.db.example\n", False),
        ("*.db.example", "node-1.db.example", True),
        ("*.db.example", "db.example", False),
        ("*.db.example", ".db.example", False),
        ("*.db.example", "a.b.db.example", False),
        ("*.db.example", "node-1.db.example.evil", False),
        ("*.*.example", "a.b.example", True),
        ("node-*.db.example", "node-17.db.example", True),
        ("node-*.db.example", "node-.db.example", False),
        ("node-*.db.example", "node-1.evil.db.example", False),
        ("node-*", "node-1", True),
        ("node-*", "node-1.db.example", False),
        ("10.0.0.*", "10.0.0.7", True),
        ("spiffe://db.example/ns/*", "spiffe://db.example/ns/node", True),
        ("spiffe://db.example/ns/*", "spiffe://db.example/ns/node/deeper", False),
        ("spiffe://*/admin", "spiffe://evil/x/admin", False),
        ("*@db.example", "ops@db.example", True),
        ("*.db.example", "ops@x.db.example", False),
        ("[ab].example", "a.example", False),  # nothing but * is special
        ("[ab].example", "[ab].example", True),
        ("?.example", "a.example", False),
        ("*", "node-1.db.example", True),
        ("*", "spiffe://db.example/ns/node", True),
    ],
)
def test_a_star_stays_within_its_label(pattern: str, name: str, matches: bool) -> None:
    assert NamePattern(pattern).matches(name) is matches


@pytest.mark.parametrize("text", ["", " ", "a b", "**", "**.example", "a\tb", "a,b", "a\n"])
def test_what_cannot_be_a_pattern_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="no pattern"):
        NamePattern(text)


def test_several_patterns_in_one_text() -> None:
    rules = Rules.parse(execute=["a.example, b.example", "c.example"])
    assert [str(pattern) for pattern in rules.execute] == ["a.example", "b.example", "c.example"]
    with pytest.raises(ConfigurationInvalid):
        Rules.parse(read=["a.example,,b.example"])


# --- rights


def test_every_method_of_the_service_has_a_right() -> None:
    methods = {method.name for method in agent_pb2.DESCRIPTOR.services_by_name["Metadata"].methods}
    assert methods == set(RIGHTS)


NODE = ("node-1", "node-1.db.example")


@pytest.mark.parametrize(
    ("rules", "caller", "allowed"),
    [
        # Mutual TLS alone reads.
        ({}, NODE, {Right.READ}),
        # An explicit rule, for exactly what it says, and to read; by common name or any other.
        ({"execute": ["*.db.example"]}, NODE, {Right.READ, Right.EXECUTE}),
        ({"execute": ["node-1"]}, NODE, {Right.READ, Right.EXECUTE}),
        ({"join": ["*.db.example"]}, NODE, {Right.READ, Right.JOIN}),
        ({"execute": ["*.db.example"], "join": ["node-*"]}, NODE, {Right.READ, Right.EXECUTE, Right.JOIN}),
        ({"execute": ["ops.example"]}, NODE, {Right.READ}),
        # With a rule for reading, only whom it names, and who may do more.
        ({"read": ["dashboard.example"]}, NODE, set()),
        ({"read": ["*.db.example"]}, NODE, {Right.READ}),
        ({"read": ["dashboard.example"], "join": ["*.db.example"]}, NODE, {Right.READ, Right.JOIN}),
        ({"read": ["dashboard.example"], "execute": ["node-1"]}, NODE, {Right.READ, Right.EXECUTE}),
        # Everybody, even without any name.
        ({"execute": ["*"]}, (None,), {Right.READ, Right.EXECUTE}),
        ({"execute": ["node-*"]}, (None,), {Right.READ}),
    ],
)
def test_rules_with_mutual_tls(rules: dict[str, list[str]], caller: tuple[str, ...], allowed: set[Right]) -> None:
    trust = Trust(Rules.parse(**rules), MUTUAL)
    for method, right in RIGHTS.items():
        for called in (method, f"/etcdmeta.agent.v1.Metadata/{method}"):
            if right in allowed:
                assert trust.check(called, Context(*caller)) == (caller[0] or "a certificate without a name")
            else:
                with pytest.raises(PermissionDenied) as caught:
                    trust.check(called, Context(*caller))
                assert f"--allow-{right.value}" in (caught.value.remedy or "")
                assert method in str(caught.value)
                assert str(caught.value.value) in str(caught.value)


def test_a_caller_is_named_by_its_common_name_or_else_by_its_first_other() -> None:
    trust = Trust(Rules(), MUTUAL)
    assert trust.check("Fetch", Context("node-1", "a.example")) == "node-1"
    assert trust.check("Fetch", Context(None, "a.example", "b.example")) == "a.example"


def test_a_name_cannot_write_a_line_of_its_own_in_the_log() -> None:
    trust = Trust(Rules(), MUTUAL)
    assert trust.check("Fetch", Context("a\nINFO all is well\x1b[2J")) == "a\\nINFO all is well\\x1b[2J"
    assert trust.check("Fetch", Context(b"\xff")) == "\\xff"
    assert len(trust.check("Fetch", Context("a" * 10_000))) == 256


def test_no_method_is_open_because_it_was_forgotten() -> None:
    for trust in (Trust(Rules(), None), Trust(Rules.parse(execute="*"), MUTUAL)):
        with pytest.raises(PermissionDenied, match="Reboot"):
            trust.check("Reboot", Context("node-1"))


def test_nobody_without_a_certificate_with_mutual_tls() -> None:
    trust = Trust(Rules.parse(read="*", execute="*", join="*"), MUTUAL)
    for caller in (Stranger(), Stranger(b"insecure"), Stranger(b"")):
        with pytest.raises(Unauthenticated, match="--cert"):
            trust.check("Fetch", caller)


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ({}, set()),
        ({"read": ["*"]}, {Right.READ}),
        ({"execute": ["*"]}, {Right.READ, Right.EXECUTE}),
        ({"join": ["*"]}, {Right.READ, Right.JOIN}),
    ],
)
def test_tls_without_a_client_authority_opens_what_is_open_to_everybody(
    rules: dict[str, list[str]], allowed: set[Right]
) -> None:
    trust = Trust(Rules.parse(**rules), SERVER_ONLY)
    for method, right in RIGHTS.items():
        if right in allowed:
            assert trust.check(method, Stranger()) == ""
        else:
            with pytest.raises(Unauthenticated, match="--tls-client-ca"):
                trust.check(method, Stranger())


def test_plaintext_trusts_the_machine() -> None:
    trust = Trust(Rules(), None)
    assert {trust.check(method, Stranger(b"insecure")) for method in RIGHTS} == {""}


@pytest.mark.parametrize(
    ("rules", "tls"),
    [
        (Rules.parse(execute=["*.db.example"]), None),
        (Rules.parse(read=["*"]), None),
        (Rules.parse(join=["*", "*.db.example"]), SERVER_ONLY),
    ],
)
def test_rules_that_would_be_void_are_refused(rules: Rules, tls: ServerTls | None) -> None:
    with pytest.raises(ConfigurationInvalid, match="but no"):
        Trust(rules, tls)


# --- where an agent may listen

LOOPBACK = ["127.0.0.1:8188", "127.9.9.9:1", "localhost:8188", "LOCALHOST:0", "[::1]:8188", "[::ffff:127.0.0.1]:1"]
REACHABLE = [
    "0.0.0.0:8188",
    "[::]:8188",
    ":8188",
    "10.0.0.1:8188",
    "node-1:8188",
    "localhost.evil:1",
    "*:8188",
    "[::ffff:10.0.0.1]:1",
]


@pytest.mark.parametrize("listen", LOOPBACK)
def test_loopback_needs_nothing(listen: str, caplog: pytest.LogCaptureFixture) -> None:
    for insecure in (False, True):
        require_loopback(listen, None, insecure)
    assert not caplog.records


@pytest.mark.parametrize("listen", REACHABLE)
def test_elsewhere_needs_tls_or_says_what_it_gives_up(listen: str, caplog: pytest.LogCaptureFixture) -> None:
    require_loopback(listen, MUTUAL, False)
    assert not caplog.records
    with pytest.raises(ConfigurationInvalid, match="--insecure"):
        require_loopback(listen, None, False)
    require_loopback(listen, None, True)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("INSECURE")


@pytest.mark.parametrize("listen", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:²"])
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(InvalidAddress):
        require_loopback(listen, MUTUAL, True)
