"""The agent's certificate files: what is refused at the start, and what is kept when they change."""

from __future__ import annotations

import logging
from dataclasses import replace as changed
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from etcdmeta.agent.certificates import ServerCertificates, ServerTls, server_credentials
from etcdmeta.errors import ConfigurationInvalid
from tests.agent.certs import Authority, replace, write


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def tls(tmp_path: Path, authority: Authority) -> ServerTls:
    return write(tmp_path, authority.server(), authority.pem)


def test_settings_come_together() -> None:
    assert ServerTls.of(None, None, None) is None
    assert ServerTls.of("c", "k", None) == ServerTls(Path("c"), Path("k"), None)
    assert ServerTls.of("c", "k", "a") == ServerTls(Path("c"), Path("k"), Path("a"))
    for given in (("c", None, None), (None, "k", None), (None, None, "a"), ("c", None, "a")):
        with pytest.raises(ConfigurationInvalid, match="--tls-cert and --tls-key"):
            ServerTls.of(*given)


@pytest.mark.parametrize("which", ["cert", "key", "client_ca"])
@pytest.mark.parametrize("what", ["missing", "junk", "empty", "directory"])
def test_what_cannot_be_used_is_refused_at_the_start(tls: ServerTls, which: str, what: str) -> None:
    path: Path = getattr(tls, which)
    path.unlink()
    if what == "directory":
        path.mkdir(mode=0o700)
    elif what != "missing":
        replace(path, b"junk\n" if what == "junk" else b"")
    with pytest.raises(ConfigurationInvalid) as caught:
        ServerCertificates(tls)
    assert str(path) in str(caught.value)


def test_the_key_of_another_certificate_is_refused(tls: ServerTls, authority: Authority) -> None:
    replace(tls.key, authority.server().key)
    with pytest.raises(ConfigurationInvalid, match=r"(?i)mismatch"):
        ServerCertificates(tls)


@pytest.mark.parametrize(
    ("mode", "fine"), [(0o600, True), (0o640, True), (0o400, True), (0o644, False), (0o602, False)]
)
def test_a_key_that_everybody_reads_is_refused(tls: ServerTls, mode: int, fine: bool) -> None:
    tls.key.chmod(mode)
    if fine:
        ServerCertificates(tls)
        return
    with pytest.raises(ConfigurationInvalid, match="chmod 600"):
        ServerCertificates(tls)


def test_an_encrypted_key_is_refused_and_nobody_is_asked(tls: ServerTls) -> None:
    key = serialization.load_pem_private_key(tls.key.read_bytes(), None)
    replace(
        tls.key,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"0123456789"),
        ),
    )
    with pytest.raises(ConfigurationInvalid, match="encrypted"):
        ServerCertificates(tls)


def test_reload_keeps_what_works(tls: ServerTls, authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "etcdmeta.agent")
    certificates = server_credentials(tls)
    certificates.credentials()
    assert certificates.reload()
    replace(tls.cert, b"junk")
    assert not certificates.reload()
    assert not certificates.reload()  # asked for by a person: each time an answer
    replace(tls.cert, (fresh := authority.server()).cert)
    assert not certificates.reload()  # the key is still the old one's
    replace(tls.key, fresh.key, mode=0o644)
    assert not certificates.reload()
    tls.key.chmod(0o600)
    assert certificates.reload()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["INFO", "WARNING", "WARNING", "WARNING", "WARNING", "INFO"]
    assert "chmod 600" in caplog.records[-2].getMessage()
    assert not any("PRIVATE" in record.getMessage() for record in caplog.records)


def test_nothing_secret_is_shown(tls: ServerTls) -> None:
    assert "PRIVATE" not in repr(tls) + repr(ServerCertificates(tls))


def test_without_an_authority_no_file_of_it_is_looked_for(tls: ServerTls) -> None:
    assert tls.client_ca is not None
    tls.client_ca.unlink()
    ServerCertificates(changed(tls, client_ca=None)).credentials()
