"""Objects of the hub that are watched while something is shown of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from echelon.kube.cache import SharedCache
from echelon.kube.client import Client, Labels
from echelon.kube.informer import Informer
from echelon.kube.kinds import KindLike

T = TypeVar("T")


class View:
    """Informers, and whether any of them has heard something new."""

    def __init__(self, client: Client) -> None:
        self._cache = SharedCache(client)
        self._change = asyncio.Event()

    def informer(
        self, kind: KindLike[T], *, namespace: str | None = None, labels: Labels = None, fields: str = ""
    ) -> Informer[T]:
        """The objects of a kind, or a part of them; to be asked for before they are watched."""
        informer = self._cache.informer(kind, namespace=namespace, labels=labels, fields=fields)
        informer.add_handler(lambda _: self._change.set())
        return informer

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Watch, from when everything that there is was read to the end of the block."""
        watching = asyncio.create_task(self._cache.run())
        try:
            await self._cache.wait_for_sync()
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def changed(self) -> None:
        """Wait until the hub has said something new."""
        await self._change.wait()
        self._change.clear()
