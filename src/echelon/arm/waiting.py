"""Waiting, for a moment, until the hub has taken notice of a write.

Clients of ARM look at the answer of a write, not at a status that changes later: so an answer waits until what
was written shows in the status, no longer than ``PATIENCE``. Found by watching.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from echelon.api.meta import KubeObject
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, Expired

T = TypeVar("T", bound=KubeObject)
PATIENCE = 10.0  # seconds


async def settled(client: Client, obj: T, is_settled: Callable[[T], bool], patience: float = PATIENCE) -> T | None:
    """The object once it is as wanted, or as it is when patience ends; None when it is gone."""
    if is_settled(obj):
        return obj
    last: list[T | None] = [obj]
    try:
        async with asyncio.timeout(patience):
            while last[0] is not None and not is_settled(last[0]):
                await _follow(client, obj, is_settled, last)
    except TimeoutError:
        pass
    return last[0]


async def gone(client: Client, obj: KubeObject, patience: float = PATIENCE) -> bool:
    """Whether an object that is being deleted has gone before patience ended."""
    return await settled(client, obj, lambda _: False, patience) is None


async def _follow(client: Client, obj: T, is_settled: Callable[[T], bool], last: list[T | None]) -> None:
    """Watch an object until it is as wanted, gone, or the watch ends."""
    name, uid = obj.metadata.name, obj.metadata.uid
    seen = False
    try:
        async with client.watch(type(obj), fields=f"metadata.name={name}", initial_events=True) as watch:
            async for event in watch:
                if event.initial_events_end and not seen:
                    last[0] = None
                    return
                if event.object is None:
                    continue
                seen = True
                last[0] = None if event.type == "DELETED" or event.object.metadata.uid != uid else event.object
                if last[0] is None or is_settled(last[0]):
                    return
    except Expired:
        return
    except ApiError as error:
        if error.code != 410:
            raise
