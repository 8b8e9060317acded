"""Files that are there as a whole, or not: written beside their place, private, and renamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from etcdmeta.errors import InvalidInput, Refused


@contextmanager
def atomic(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """A file to write and to read back, mode 0600; it gets its name when the block ends well, and is gone otherwise.

    Raises `Refused` where there is one already and ``overwrite`` is False, also when it came meanwhile; `InvalidInput`
    where it cannot be written, or not to its end; OSError where it is written, and its name is not certain to last.
    """
    if path.exists() and not overwrite:
        raise _there(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            beside.replace(path)
        else:
            try:
                os.link(beside, path)  # which, unlike a rename, does not replace
            except FileExistsError:
                raise _there(path) from None
            beside.unlink()
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError):
            raise InvalidInput(
                f"{path} cannot be written: {error.strerror or error}",
                value=str(path),
                rule="a file goes into a folder that is there, may be written, and has room",
                remedy="name another place; nothing of it is left",
            ) from error
        raise
    _sync_folder(path.parent)  # the file is there by now, whatever comes of this


def _sync_folder(folder: Path) -> None:
    """So that the name lasts, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _there(path: Path) -> Refused:
    return Refused(
        f"{path} is there already",
        value=str(path),
        rule="no file is overwritten without consent",
        remedy="name another one, or add --yes",
    )
