"""Blocking work of the loop's callers, in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(pool: Executor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``work`` gives. A caller that is cancelled no longer waits; work that has begun goes on to its end."""
    return await asyncio.wrap_future(pool.submit(work, *args, **kwargs))
