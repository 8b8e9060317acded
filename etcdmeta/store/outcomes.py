"""Outcomes ↔ the agents' messages."""

from __future__ import annotations

import json

from etcdmeta.errors import Defect
from etcdmeta.store.ledger import clean
from etcdmeta.store.operations import Outcome
from etcdmeta.wire.pb import agent_pb2 as pb


def outcome_to_wire(outcome: Outcome) -> pb.Outcome:
    """The result as JSON text, since numbers of a ``google.protobuf.Struct`` end at 2^53."""
    message = pb.Outcome(
        operation_id=outcome.operation_id,
        revision=outcome.revision,
        changed=outcome.changed,
        more=outcome.more,
        result=json.dumps(dict(outcome.result)),
        summary=clean(outcome.summary),
        notices=[clean(notice) for notice in outcome.notices],
    )
    if outcome.generation is not None:
        message.generation = outcome.generation
    return message


def outcome_from_wire(message: pb.Outcome) -> Outcome:
    """Raises `Defect` where the result is no JSON object: no agent of this project made it."""
    try:
        result = json.loads(message.result) if message.result else {}
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise Defect(f"an agent answered operation {message.operation_id} with a result that cannot be read")
    return Outcome(
        operation_id=message.operation_id,
        generation=message.generation if message.HasField("generation") else None,
        revision=message.revision,
        changed=message.changed,
        result=result,
        summary=message.summary,
        more=message.more,
        notices=tuple(message.notices),
    )
