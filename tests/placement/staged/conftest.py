"""A hub with a placement that is ready to be rolled out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from ..hub import Hub

Prepare = Callable[..., Awaitable[None]]


@pytest.fixture
def prepare(hub: Hub) -> Prepare:
    """Let members join, and place something on them; ``members`` is a name, or a name with labels."""

    async def prepare(*members: str | tuple[str, dict[str, str]], contents: int = 1, **placement: object) -> None:
        for member in members:
            name, labels = member if isinstance(member, tuple) else (member, {})
            await hub.join(name, **labels)
        await hub.configure("content 0")
        await hub.place(**placement)
        for index in range(contents):
            await hub.configure(f"content {index}")
            await hub.until(lambda index=index: f"web-{index}-snapshot" in hub.masters())
        await hub.until(lambda: hub.is_placement("Scheduled", "True"))

    return prepare
