"""What the lines ``wrong:``, ``where:`` and ``moving:`` of `shard status` say, for a script: in the envelope's summary.

Without the cuts that a screen makes: every kind, node, database, reason, plan and copy.
"""

from __future__ import annotations

from typing import Any

from etcdmeta.cli.plan_tally import IN_ORDER, Tally
from etcdmeta.cli.shard_motion import copies_by_node
from etcdmeta.cli.shard_trouble import shards_in_trouble, troubles
from etcdmeta.cli.shard_view import StatusView
from etcdmeta.model.snapshot import Snapshot


def facts_json(view: StatusView) -> dict[str, Any]:
    """``wrong``: a kind of trouble each (down, gone, failed, unknown, no owners, few, copying, surplus; a shard counts
    once in a kind), with the nodes and reasons that it is about. ``where``: databases. ``moving.plans``: those at work;
    null where a filter selects shards that they may not be about. ``moving.copies``: who copies, and from whom, null
    where nobody said.
    """
    return {
        "wrong": [
            {
                "kind": trouble.kind,
                "shards": trouble.shards,
                "nodes": [{"nodeId": str(node), "owners": n} for node, n in trouble.nodes.most_common()],
                "reasons": [{"reason": reason, "owners": n} for reason, n in trouble.reasons.most_common()],
            }
            for trouble in troubles(view.statuses)
        ],
        "where": [
            {"database": name, "shards": shards} for name, shards in shards_in_trouble(view.statuses).most_common()
        ],
        "moving": {
            "plans": None if view.filtered else _plans(view.snapshot),
            "copies": [
                {
                    "nodeId": str(node),
                    "copies": sources.total(),
                    "sources": [{"nodeId": str(s) if s else None, "copies": n} for s, n in sources.most_common()],
                }
                for node, sources in copies_by_node(view.statuses).items()
            ],
        },
    }


def _plans(snapshot: Snapshot) -> list[dict[str, Any]]:
    plans = []
    for plan in snapshot.plans():
        if plan.is_active:
            counts = Tally(snapshot, plan).counts
            states = {str(state): counts[state] for state in IN_ORDER if counts[state]}
            kind, state = str(plan.kind), str(plan.state)
            plans.append({"id": str(plan.id), "kind": kind, "state": state, "moves": plan.moves, "moveStates": states})
    return plans
