"""Worlds of the store's tests."""

from __future__ import annotations

from tests.store.conftest import local, world

__all__ = ["local", "world"]
