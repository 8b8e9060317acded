"""The files of the play: written where the owners are, and compared at the end with what the metadata say."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etcdmeta.demo.database import files_of
from etcdmeta.errors import Defect
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.testing.transfers import checksum

BYTES = {"points": 256 * 1024, "index": 64 * 1024}
"""Of each shard."""


@dataclass(frozen=True)
class Written:
    """The checksums of shards by their ids."""

    checksums: Mapping[int, str]
    copies: int

    @property
    def told(self) -> str:
        kib = sum(BYTES.values()) // 1024
        return f"{len(self.checksums)} shards of {kib} KiB, each at its {self.copies // len(self.checksums)} owners"


def write_files(folder: Path, snapshot: Snapshot) -> Written:
    """Bytes that are nowhere else, the same at all owners of a shard."""
    checksums, copies = {}, 0
    for shard_id, nodes in _owners(snapshot).items():
        made = {name: os.urandom(size) for name, size in BYTES.items()}
        for node_id in nodes:
            place = files_of(folder, node_id) / str(shard_id)
            place.mkdir(parents=True)
            for name, data in made.items():
                (place / name).write_bytes(data)
            checksums[shard_id] = checksum(place)
            copies += 1
    return Written(checksums, copies)


def compare(folder: Path, snapshot: Snapshot, written: Written, patience: float) -> str:
    """A sentence. Raises `Defect` where a file is not as it was, or files stay in ``patience`` seconds where no owner
    is."""
    owners = _owners(snapshot)
    wanted = {(node_id, shard_id) for shard_id, nodes in owners.items() for node_id in nodes}
    for node_id, shard_id in sorted(wanted):
        if checksum(files_of(folder, node_id) / str(shard_id)) != written.checksums[shard_id]:
            raise Defect(f"the files of shard {shard_id} at node {node_id} are not what was written")
    deadline = time.monotonic() + patience
    while (there := _there(folder)) != wanted:
        if time.monotonic() > deadline:
            raise Defect(f"files are where no owner is: (node, shard) {sorted(there - wanted)}")
        time.sleep(0.1)
    nodes = len({node_id for node_id, _ in wanted})
    return f"{len(wanted)} copies of {len(owners)} shards on {nodes} nodes: all checksums are as they were written"


def _owners(snapshot: Snapshot) -> dict[int, list[int]]:
    """Node ids by shard ids: of those that serve."""
    shards = [shard for group in snapshot.groups() for shard in group.shards]
    return {shard.id: [owner.node_id for owner in shard.owners if owner.serves] for shard in shards}


def _there(folder: Path) -> set[tuple[int, int]]:
    """(node, shard)"""
    names = (path.relative_to(folder).parts for path in folder.glob("node-*/*"))
    return {(int(node.removeprefix("node-")), int(shard)) for node, shard in names if shard.isdigit()}
