"""Files get their names when they are whole, and what is told of them is so."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from etcdmeta.errors import InvalidInput
from etcdmeta.store import filing


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with filing.atomic(tmp_path / "backup", overwrite=False) as file:
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InvalidInput, match="No space left") as caught:
        write()
    assert "nothing of it is left" in str(caught.value.remedy)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_name_that_may_not_last_is_not_told_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(filing, "_sync_folder", fail)
    with pytest.raises(OSError, match="Input/output"), filing.atomic(tmp_path / "backup", overwrite=overwrite) as file:
        file.write(b"all of it")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"all of it"]
