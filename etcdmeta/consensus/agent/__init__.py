"""The consensus strategy over agents: they follow etcd and commit to it for those who do not reach it themselves."""

from etcdmeta.consensus.agent.endpoints import parse_agents
from etcdmeta.consensus.agent.strategy import AgentStrategy

__all__ = ["AgentStrategy", "parse_agents"]
