"""``--at-generation N``: which verbs can show a picture of the past, and that picture."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from etcdmeta.cli.output import Picture
from etcdmeta.model.times import format_time

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore

_LISTED = frozenset({"node", "db", "rp", "group", "cq", "sub", "user", "shard", "plan"})
_WORDS = frozenset({"list", "show"})
_SCREENS = frozenset({("shard", "status"), ("shard", "map"), ("user", "grants")})


def check_past(ctx: Any, session: Session) -> None:
    """Usage error where a verb that has nothing to do with the past was asked for it: what changes something acts on
    the present, and what waits or watches looks ahead."""
    if session.at_generation is None:
        return
    words = ctx.command_path.split()[1:]
    verb = (words[0] if words else "", words[-1] if words else "")
    shows = (verb[0] in _LISTED and verb[1] in _WORDS) or verb in _SCREENS
    if not shows or ctx.params.get("watch"):
        what = " ".join(words) + (" --watch" if shows else "")
        ctx.fail(f"{what} is about the present: --at-generation is for list, show, user grants, shard status and map")


def look_back(session: Session, store: MetaStore, generation: int) -> tuple[Snapshot, Picture]:
    """The picture of then, and what an envelope says of it. ``age`` is how long ago it was; infinite where the ledger
    does not know the time any more. Raises what `MetaStore.snapshot_at` raises."""
    snapshot = store.snapshot_at(generation, timeout=session.remaining())
    issued = store.generation_time(snapshot, timeout=session.remaining())
    when = "" if issued is None else f", of {format_time(issued // 10**9 * 10**9)}"
    session.note(f"a picture of the past: generation {generation}{when}")
    picture = Picture(
        cluster_id=snapshot.cluster.cluster_id if snapshot.cluster else 0,
        generation=generation,
        revision=snapshot.revision,
        as_of=issued or 0,
        age=math.inf if issued is None else max(0.0, (time.time_ns() - issued) / 1e9),
    )
    return snapshot, picture
