"""From the answers to a proof's reads to its verdict."""

from __future__ import annotations

from etcdmeta.errors import EtcdMetaError
from etcdmeta.replica import inputs
from etcdmeta.replica.continuity import Verdict, compare_ledger, compare_mark, ledger_key
from etcdmeta.replica.link import Pending, Purpose


def conclude(pending: Pending, item: inputs.ReadOutcome) -> Verdict | bytes | EtcdMetaError:
    """The verdict, or the relative key of the ledger entry that decides, or why there is no answer."""
    mark = pending.snapshot.generation_mark
    match item:
        case inputs.ReadFailed(error=error):
            return error
        case inputs.ReadAhead():
            return Verdict.OTHER
        case inputs.ReadCompacted():
            key = ledger_key(mark) if pending.purpose is Purpose.PINNED else None
            return Verdict.UNPROVEN if key is None else key
        case inputs.ReadAnswered(result=result):
            compare = compare_mark if pending.purpose is Purpose.PINNED else compare_ledger
            return compare(mark, result.kvs)
