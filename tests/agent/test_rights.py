"""What an Execute needs beside the right to execute: commands that make a node a member need the right to join."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etcdmeta.agent.executing import also_called
from etcdmeta.agent.trust import RIGHTS, Right, Rules, Trust
from etcdmeta.commands.database import CreateDatabase
from etcdmeta.commands.joining import JoinNode
from etcdmeta.commands.node import AddNode
from etcdmeta.errors import PermissionDenied
from etcdmeta.store import MetaStore, new_operation_id
from etcdmeta.wire.commands import COMMANDS
from etcdmeta.wire.pb import agent_pb2 as pb
from tests.agent.talking import SECONDS, refusal

if TYPE_CHECKING:
    from etcdmeta.commands.plan import Command
    from tests.agent.conftest import Agents

MEMBERS = (
    JoinNode(host="h9:1", identity_hash=b"\x01" * 32, cluster_id=1, epoch=1),
    AddNode(host="h9:1", cluster_id=1, epoch=1),
    AddNode(host="h9:1", identity_hash=b"\x01" * 32, cluster_id=1, epoch=1),
)


class Allowed:
    """An `Authorise` by the rights alone, for one caller."""

    def __init__(self, *rights: Right) -> None:
        self._rights = rights

    def check(self, method: str, context: object) -> str:
        if RIGHTS[method] not in self._rights:
            raise PermissionDenied(f"ops may not {RIGHTS[method].value} at this agent ({method})", value="ops")
        return "ops"


@pytest.mark.parametrize("command", MEMBERS, ids=["join node", "add node", "add node, identity"])
def test_to_make_a_node_a_member_takes_the_right_to_join(agents: Agents, command: Command) -> None:
    executes = agents.add(authorise=Allowed(Right.READ, Right.EXECUTE))
    both = agents.add(authorise=Allowed(*Right))
    joins = agents.add(authorise=Allowed(Right.READ, Right.JOIN))
    for commands in ((command,), (CreateDatabase(name="beside"), command)):
        error, _ = refusal(lambda: executes.execute(*commands))  # noqa: B023
        assert isinstance(error, PermissionDenied)
        assert "may not join" in error.message
        error, _ = refusal(lambda: joins.execute(*commands))  # noqa: B023
        assert isinstance(error, PermissionDenied)
        assert "may not execute" in error.message
    snapshot = agents.stores[0].read_consistent()
    assert (snapshot.nodes(), snapshot.find_database("beside")) == ((), None)
    executes.create("metrics")
    assert both.execute(command).outcomes[0].changed
    (entry, *_) = agents.stores[0].history(limit=1)
    assert entry.actor.endswith(", ops")
    assert [node.host for node in agents.stores[0].read_consistent().nodes()] == ["h9:1"]


def test_an_operators_store_joins_where_it_may(agents: Agents) -> None:
    agents.add(authorise=Allowed(Right.READ, Right.EXECUTE))
    agents.add(authorise=Allowed(*Right))
    refusing, taking = (MetaStore.open(f"agent://{served.address}", timeout=SECONDS) for served in agents.served)
    with refusing, taking:
        with pytest.raises(PermissionDenied, match="may not join"):
            refusing.add_node("h1:1")
        taking.add_node("h1:1")
        assert [node.host for node in taking.read_consistent().nodes()] == ["h1:1"]


def test_without_tls_everybody_may(agents: Agents) -> None:
    client = agents.add(authorise=Trust(Rules(), None))
    assert client.execute(MEMBERS[0]).outcomes[0].changed


def test_no_other_command_needs_it() -> None:
    def asked(name: str) -> pb.ExecuteRequest:
        return pb.ExecuteRequest(operations=[pb.Operation(id=new_operation_id(), command=pb.Command(name=name))])

    assert {name for name in COMMANDS if also_called(asked(name))} == {"join node", "add node"}
    assert also_called(asked("JOIN NODE")) == (), "which is no command, and is refused as such"
    assert also_called(pb.ExecuteRequest()) == ()
