"""What a command would do, without doing it."""

from __future__ import annotations

from etcdmeta.commands.plan import IdsWanted, Plan
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.store.ids import IdReserver
from etcdmeta.store.limits import check_guard
from etcdmeta.store.operations import Operation
from etcdmeta.store.requests import Request, propose


def preview(operation: Operation, snapshot: Snapshot, ids: IdReserver, now: int, deadline: float) -> Plan:
    """The plan of one operation on that picture; nothing is written, and no id is taken.

    ``now``: nanoseconds since 1970; ``deadline``: monotonic seconds. Raises the command's refusals,
    and the guard's: what it forbids would not be done, either.
    """
    request = Request((operation,), deadline)
    while True:
        try:
            proposal = propose(request, snapshot, now)
        except IdsWanted as lacking:
            request.ids = ids.peek(lacking.wanted, deadline=deadline)
        else:
            check_guard(snapshot, proposal)
            return proposal.plans[0]
