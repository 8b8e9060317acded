"""Failures as they leave the agent: always google.rpc.Status, always with an incident that stands in the log.

Of refusals that come in crowds, while etcd is away or the agent is full, the log has one line in a while, and how many
were left out; at the level debug it has them all.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import NoReturn

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

from etcdmeta.agent.refusals import Refusals
from etcdmeta.consensus.protocol import Ambiguous, Compacted, FutureRevision
from etcdmeta.errors import EtcdMetaError, LimitReached, Unavailable
from etcdmeta.wire.failures import DETAILS_KEY, DOMAIN, to_status

log = logging.getLogger("etcdmeta.agent")

COMPACTED = "COMPACTED"
FUTURE_REVISION = "FUTURE_REVISION"
AMBIGUOUS = "AMBIGUOUS"
"""Reasons beside the error tree's: what only strategies say to each other."""
COMPACT_REVISION_KEY = "compactRevision"

_IN_CROWDS = (Unavailable, LimitReached, TimeoutError)
"""What befalls every caller alike for as long as it lasts."""
_CODES = {code.value[0]: code for code in grpc.StatusCode}


async def refuse(
    context: grpc.aio.ServicerContext,
    error: Exception,
    *,
    refusals: Refusals,
    method: str,
    client: str,
    operation_id: str = "",
) -> NoReturn:
    """End the call with that error; one that is none of the tree is a defect of ours, of which only the log tells.

    Raises `asyncio.CancelledError` where the caller is gone, so that there is nobody to tell.
    """
    incident = secrets.token_hex(8)
    status = status_of(error, incident=incident, operation_id=operation_id)
    if status.code == code_pb2.INTERNAL:
        log.error("incident %s: %s for %s failed: %s", incident, method, client, _named(error), exc_info=error)
    else:
        crowd = isinstance(error, _IN_CROWDS)
        left_out = refusals.worth_telling((method, type(error), client)) if crowd else 0
        level = logging.DEBUG if left_out is None else logging.INFO
        more = f" ({left_out} more like it were not told)" if left_out else ""
        log.log(level, "incident %s: %s for %s: %s%s", incident, method, client, _named(error), more)
    trailers = ((DETAILS_KEY, status.SerializeToString()),)
    try:
        await context.abort(_CODES[status.code], status.message, trailers)
    except grpc.aio.InternalError as gone:  # the call has just ended: its deadline, or its connection
        raise asyncio.CancelledError from gone
    raise AssertionError("abort always raises")


def status_of(error: Exception, *, incident: str, operation_id: str) -> status_pb2.Status:
    """What is answered for an error."""
    match error:
        case Compacted():
            return _internal(COMPACTED, code_pb2.OUT_OF_RANGE, str(error), incident, error.compact_revision)
        case FutureRevision():
            return _internal(FUTURE_REVISION, code_pb2.OUT_OF_RANGE, "that revision does not exist yet", incident)
        case Ambiguous():
            return _internal(AMBIGUOUS, code_pb2.UNKNOWN, "etcd did not say whether it was done", incident)
        case TimeoutError() if not isinstance(error, EtcdMetaError):
            error = Unavailable("there was not enough time", rule="the caller's deadline was near")
    return to_status(error, incident=incident, operation_id=operation_id)


def _internal(reason: str, code: int, message: str, incident: str, compact_revision: int = 0) -> status_pb2.Status:
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata={"incident": incident})
    if compact_revision:
        info.metadata[COMPACT_REVISION_KEY] = str(compact_revision)
    status = status_pb2.Status(code=code, message=message)
    status.details.add().Pack(info)
    return status


def _named(error: Exception) -> str:
    reason = error.reason if isinstance(error, EtcdMetaError) else type(error).__name__
    return f"{reason}: {error}"
