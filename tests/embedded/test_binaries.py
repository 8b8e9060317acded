"""Where etcd is looked for, and what is said when it is nowhere."""

from pathlib import Path

import pytest

from etcdmeta.embedded import EtcdNotInstalled, find_binaries
from etcdmeta.embedded import binaries as module


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_wheel_is_found() -> None:
    found = find_binaries()
    assert found.etcd.is_file()
    assert found.etcdctl.is_file()
    assert found.version >= (3, 5, 0)
    assert found.version_text == ".".join(map(str, found.version))


def test_without_the_wheel_path_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "etcd", "echo 'etcd Version: 3.6.14'")
    script(tmp_path / "etcdctl", "")
    monkeypatch.setattr(module, "_wheel_directory", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))  # alone: what else is on the machine's must not matter
    found = find_binaries()
    assert (found.etcd, found.version, found.etcdutl) == (tmp_path / "etcd", (3, 6, 14), None)


def test_the_error_names_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_wheel_directory", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EtcdNotInstalled, match=r"etcdmeta\[embedded\].*PATH"):
        find_binaries()


@pytest.mark.parametrize(("text", "words"), [("exit 3", "does not run"), ("echo hello", "does not say")])
def test_something_else_called_etcd_is_refused(tmp_path: Path, text: str, words: str) -> None:
    script(tmp_path / "etcd", text)
    script(tmp_path / "etcdctl", "")
    with pytest.raises(EtcdNotInstalled, match=words):
        find_binaries(tmp_path)
