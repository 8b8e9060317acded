"""The labels of a node: single ones set and taken away, the others left alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from etcdmeta.commands.node import check_labels, present_node
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.errors import InvalidInput
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode

LABELS_NAMED = 8


class LabelNode(Command):
    """Some labels of a node get a value, some go; who changes others at the same time loses nothing.

    ``labels``: set to these values, whatever they were; ``without``: taken away, also where they are not there. Plans
    spread owners by labels (``zone``), but those that exist move nothing by this. Nothing to change: unchanged.

    Compares: ``mod(node/N)``. Writes: ``node/N``. Result: ``node_id``. Errors: `NodeNotFound` (a removed one, too),
    `InvalidInput` (a label that is none, too many, or set and taken away at once).
    """

    NAME: ClassVar[str] = "label node"

    node_id: int
    labels: Mapping[str, str] = Field(default_factory=dict)
    without: tuple[str, ...] = ()

    def plan(self, context: Context) -> Plan:
        node = present_node(context.snapshot, self.node_id)
        check_labels(self.labels)
        both = sorted(set(self.labels) & set(self.without))
        if both:
            raise InvalidInput(
                f"label {both[0]!r} is set and taken away", value=both[0], rule="one or the other, not both at once"
            )
        before = dict(node.labels)
        after = {key: value for key, value in {**before, **self.labels}.items() if key not in self.without}
        result = {"node_id": node.id}
        if after == before:
            return unchanged(f"node {node.id} has these labels already", result)
        check_labels(after)  # they may be too many now
        builder = PlanBuilder().require_modified(keys.node(node.id), node.mod_revision)
        builder.put(keys.node(node.id), encode(node.model_copy(update={"labels": after})))
        changes = [f"{key}={value}" for key, value in self.labels.items() if before.get(key) != value]
        changes += [f"{key}-" for key in dict.fromkeys(self.without) if key in before]
        named = " ".join(changes[:LABELS_NAMED])
        more = f" and {len(changes) - LABELS_NAMED} more" if len(changes) > LABELS_NAMED else ""
        return builder.build(f"labelled node {node.id} ({node.host}): {named}{more}", result)
