"""The event loop of commands that serve: uvloop where it is, asyncio's own elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    try:
        import uvloop
    except ImportError:  # it does not exist for Windows
        return asyncio.run(main)
    return uvloop.run(main)
