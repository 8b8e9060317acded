"""Carrying plans of moves out, step by step, by one at a time."""

from etcdmeta.services.applying.applier import Applier

__all__ = ["Applier"]
