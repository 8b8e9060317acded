"""Which node has an identity: a unique index beside the nodes' records.

A node is recognised by the hash of its secret, which is a field of its record, and so no key. A plan that finds no
node of an identity relies on that, and has to compare it (law 3). A range compare over all nodes would do, since nodes
are never deleted (law 1), but it would make each join conflict with every other one and with every change of any node:
fifty at once would take fifty rounds, and none could share a transaction. So whoever gives a node an identity creates
a key of its own for it, ``state/name/identity/<digest>``, and compares that it is absent: two joins meet in one key
exactly if they bring the same identity. The key stays with the tombstone of a removed node: an identity that was
removed stays known.

The key holds a digest of the hash, not the hash itself: the ledger lists the keys that were touched, and shows no field
that a command declares secret.
"""

from __future__ import annotations

import hashlib

from etcdmeta.commands.plan import PlanBuilder
from etcdmeta.commands.quarantine import require_readable
from etcdmeta.model.entities import Node
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode_name_ref


def identity_key(identity_hash: bytes) -> bytes:
    """The identity's own key, relative."""
    return keys.identity_name(hashlib.sha256(identity_hash).hexdigest())


def node_of_identity(snapshot: Snapshot, identity_hash: bytes) -> Node | None:
    """Removed ones, too. Raises `RecordUnreadable` where a node's record cannot be read: it may be that one."""
    require_readable(snapshot, *keys.NODES_SPAN, "cannot tell whether a node has this identity")
    nodes = snapshot.nodes(include_removed=True)
    return next((node for node in nodes if node.identity_hash == identity_hash), None)


def claim_identity(builder: PlanBuilder, identity_hash: bytes, node_id: int) -> None:
    """The node gets the identity, which no node has; its own record is the caller's."""
    key = identity_key(identity_hash)
    builder.require_absent(key).put(key, encode_name_ref(node_id))
