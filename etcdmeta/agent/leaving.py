"""A node leaves the cluster for good, by its own word: the other end of joining."""

from __future__ import annotations

from pathlib import Path

from etcdmeta.agent.datadir import DataDirectory
from etcdmeta.agent.facts import Facts
from etcdmeta.agent.identity import Identity, load
from etcdmeta.agent.joining import Joining
from etcdmeta.errors import ConfigurationInvalid
from etcdmeta.store import MetaStore, new_operation_id
from etcdmeta.wire.pb import agent_pb2 as pb


def identity_in(data_dir: Path) -> Identity:
    """Who the directory's node is. Raises `ConfigurationInvalid` where no node of a cluster is."""
    path = data_dir / "node.json"
    identity = load(path)
    if identity is None or not identity.node_id:
        raise ConfigurationInvalid(
            f"{data_dir} holds no node that joined",
            value=str(data_dir),
            rule="a node proves who it is by the secret in its data directory",
            remedy="name the --data-dir of its agent; an operator removes a node with `etcdmeta node remove`",
        )
    return identity


def leave(store: MetaStore, data_dir: Path, *, timeout: float) -> None:
    """Returns when the cluster has taken note; gone already is no error. Works on etcd, and through agents.

    The node's agent must not run: it would be put out. Raises `NodeAlreadyRunning` where it does, `NodeOwnsShards`,
    `NodeIdentityRefused`, `WrongCluster`, and what committing raises.
    """
    identity = identity_in(data_dir)
    with DataDirectory(data_dir):
        request = pb.LeaveRequest(
            cluster=store.cluster_name,
            node_id=identity.node_id,
            secret=identity.secret,
            operation_id=new_operation_id(),
        )
        Joining(store, Facts(node_id=identity.node_id)).leave(request, "", timeout=timeout)
        store.wait_for(lambda snapshot: snapshot.node(identity.node_id).state == "removed", timeout)
