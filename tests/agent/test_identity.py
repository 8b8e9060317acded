"""The file that says who a node is, and the directory that one process holds."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from etcdmeta.agent.datadir import DataDirectory
from etcdmeta.agent.identity import SECRET_BYTES, Identity, hash_of, load, new_identity, save
from etcdmeta.errors import ConfigurationInvalid, InvalidInput, NodeAlreadyRunning

IDENTITY = Identity(bytes(range(32)), 2**64 - 1, 2**63 + 5, "prod")
SECRET = IDENTITY.secret.hex()
GOOD = {"version": 1, "nodeId": "3", "clusterId": "7", "cluster": "prod", "secret": SECRET}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, content: object, permissions: int = 0o600) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(permissions)
    return path


def test_saved_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    save(path, new_identity())
    save(path, IDENTITY)
    assert load(path) == IDENTITY
    assert mode(path) == 0o600
    assert json.loads(path.read_text()) == {
        "version": 1,
        "nodeId": "18446744073709551615",
        "clusterId": "9223372036854775813",
        "cluster": "prod",
        "secret": SECRET,
    }
    assert [entry.name for entry in tmp_path.iterdir()] == ["node.json"], "nothing is left beside it"


def test_what_a_crash_left_beside_it_does_no_harm(tmp_path: Path) -> None:
    write(tmp_path / ".node.json.new", '{"half', 0o644)
    save(tmp_path / "node.json", IDENTITY)
    assert load(tmp_path / "node.json") == IDENTITY
    assert mode(tmp_path / "node.json") == 0o600


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """The file that stands there is another one after the save, not the same one written over."""
    path = tmp_path / "node.json"
    save(path, new_identity())
    with path.open() as before:
        save(path, IDENTITY)
        assert json.load(before)["nodeId"] == "0"


def test_no_file_is_no_identity(tmp_path: Path) -> None:
    assert load(tmp_path / "node.json") is None


def test_the_secret_is_not_shown() -> None:
    shown = repr(IDENTITY) + str(IDENTITY)
    assert SECRET not in shown
    assert repr(IDENTITY.secret)[2:-1] not in shown


def test_secrets_are_long_and_never_the_same() -> None:
    made = [new_identity() for _ in range(10)]
    assert len({each.secret for each in made}) == 10
    assert {len(each.secret) for each in made} == {SECRET_BYTES}
    assert {(each.node_id, each.cluster_id) for each in made} == {(0, 0)}


@pytest.mark.parametrize("secret", [b"", b"x", b"\0" * 31, b"\0" * 33])
def test_a_secret_of_another_length(secret: bytes) -> None:
    with pytest.raises(InvalidInput, match=f"of {len(secret)} bytes"):
        hash_of(secret)


# --- files that are not taken


@pytest.mark.parametrize("permissions", [0o640, 0o604, 0o660, 0o601, 0o644])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, permissions: int) -> None:
    path = write(tmp_path / "node.json", GOOD, permissions)
    with pytest.raises(ConfigurationInvalid, match="can be used by others") as refusal:
        load(path)
    assert f"chmod 600 {path}" in str(refusal.value)
    assert SECRET not in str(refusal.value)
    path.chmod(0o400)
    assert load(path) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "node.json", GOOD)
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigurationInvalid, match="belongs to user 12345"):
        load(path)


def test_a_link_a_pipe_and_a_directory_are_refused(tmp_path: Path) -> None:
    real = write(tmp_path / "real.json", GOOD)
    link, pipe, directory = tmp_path / "link", tmp_path / "pipe", tmp_path / "directory"
    link.symlink_to(real)
    os.mkfifo(pipe, 0o600)
    directory.mkdir(0o700)
    for path in (link, pipe, directory):
        with pytest.raises(ConfigurationInvalid) as refusal:
            load(path)
        assert str(path) in str(refusal.value)
        assert refusal.value.remedy


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "\udc80".encode("utf-8", "surrogatepass").decode("latin-1"),
        "[" * 60_000,
        " " * 70_000,
        "7",
        "null",
        [GOOD],
        {},
        {**GOOD, "version": 2},
        {**GOOD, "version": None},
        {**GOOD, "nodeId": 3},
        {**GOOD, "nodeId": "-3"},
        {**GOOD, "nodeId": "03"},
        {**GOOD, "nodeId": str(2**64)},
        {**GOOD, "clusterId": None},
        {**GOOD, "clusterId": "7\n"},
        {**GOOD, "cluster": 7},
        {**GOOD, "secret": SECRET[:-2]},
        {**GOOD, "secret": SECRET + "00"},
        {**GOOD, "secret": SECRET.upper()},
        {**GOOD, "secret": None},
    ],
    ids=lambda content: repr(content)[:60].replace(SECRET, "…"),
)
def test_a_file_that_no_agent_wrote_is_refused(tmp_path: Path, content: object) -> None:
    path = write(tmp_path / "node.json", content)
    with pytest.raises(ConfigurationInvalid) as refusal:
        load(path)
    assert str(path) in refusal.value.message
    assert "move it away" in str(refusal.value)
    assert SECRET[:-2] not in str(refusal.value)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "node.json"
    with pytest.raises(ConfigurationInvalid, match="cannot be written") as refusal:
        save(path, IDENTITY)
    assert str(path) in refusal.value.message


# --- the directory


def test_the_secret_is_saved_before_the_first_join(tmp_path: Path) -> None:
    """A process that dies in between finds the same identity again."""
    with DataDirectory(tmp_path / "data" / "node") as first:
        made = first.identity()
        assert (made.node_id, made.cluster_id) == (0, 0)
    with DataDirectory(tmp_path / "data" / "node") as again:
        assert again.identity() == made
        again.save(IDENTITY)
        assert again.identity() == IDENTITY
    assert mode(tmp_path / "data" / "node") == 0o700
    assert mode(tmp_path / "data" / "node" / "lock") == 0o600


def test_one_agent_at_a_time(tmp_path: Path) -> None:
    first = DataDirectory(tmp_path / "data")
    with pytest.raises(NodeAlreadyRunning, match=f"pid {os.getpid()}"):
        DataDirectory(tmp_path / "data")
    first.close()
    first.close()
    DataDirectory(tmp_path / "data").close()


HOLD = """
import sys
from etcdmeta.agent.datadir import DataDirectory
from etcdmeta.errors import NodeAlreadyRunning
try:
    with DataDirectory(sys.argv[1]):
        print("held", flush=True)
        sys.stdin.read()
except NodeAlreadyRunning as error:
    print(error, flush=True)
"""


def test_a_second_process_is_refused_at_once_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(tmp_path / "data")]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    first = start()
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        second = start()
        output, _ = second.communicate(timeout=60)
        assert f"pid {first.pid}" in output
        assert str(tmp_path / "data") in output
        with pytest.raises(NodeAlreadyRunning):
            DataDirectory(tmp_path / "data")
    finally:
        first.kill()
        first.communicate(timeout=60)
    DataDirectory(tmp_path / "data").close()


def test_a_directory_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    for path, why in ((tmp_path / "file", "cannot be used"), (open_to_all, "can be written by others")):
        with pytest.raises(ConfigurationInvalid, match=why) as refusal:
            DataDirectory(path)
        assert str(path) in refusal.value.message
        assert refusal.value.remedy
