"""Planners: from a picture to the moves that would make a better one. Pure; nothing is stored here."""

from etcdmeta.commands.planning.balance import Balance, balance
from etcdmeta.commands.planning.draft import LeftOut, PlanDraft
from etcdmeta.commands.planning.draining import decommission, replace
from etcdmeta.commands.planning.rebalancing import rebalance
from etcdmeta.commands.planning.replicas import repair, replication
from etcdmeta.commands.planning.undoing import undo

__all__ = [
    "Balance",
    "LeftOut",
    "PlanDraft",
    "balance",
    "decommission",
    "rebalance",
    "repair",
    "replace",
    "replication",
    "undo",
]
