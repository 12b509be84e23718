"""The event loop of commands that serve: uvloop where it is, asyncio's own elsewhere.

A hub holds many small objects for long and makes more of them all the time. By Python's own thresholds the
garbage collector walks over those that stay again and again to find next to nothing, as hardly anything here
is part of a cycle: it took a third of the processor of a busy hub. So it looks more rarely, and never at what
was there before the loop, which are modules for the most part.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_THRESHOLDS = (20_000, 20, 50)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        import uvloop
    except ImportError:  # it does not exist for Windows
        return asyncio.run(main)
    return uvloop.run(main)
