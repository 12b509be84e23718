"""Watches operations where the platform can be watched, one task an operation.

Each change wakes the reconciler and is kept for it, the last one only. A watch that fails is kept as
its failure and begun anew when the reconciler asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from echelon.kube.controller import Request
from echelon.kube.tasks import cancel
from echelon.upgrade.providers.contract import Member, Progress, Provider, ProviderError


class _Follower(msgspec.Struct, gc=False):
    handle: str
    task: asyncio.Task[None]
    latest: Progress | None = None

    @property
    def has_lost_sight(self) -> bool:
        """Whether the watch has ended, with no failure, before the operation did."""
        over = self.task.done() and not self.task.cancelled() and self.task.exception() is None
        return over and not (self.latest is not None and self.latest.ended)


class Followers:
    """``wake`` is called with the request whose operation has changed."""

    def __init__(self, wake: Callable[[Request], None]) -> None:
        self._wake = wake
        self._followers: dict[Request, _Follower] = {}

    def follow(self, request: Request, provider: Provider, member: Member, handle: str) -> Progress | None:
        """How far an operation was last seen; None if nothing is known of it yet, but will be.

        Raises:
            ProviderError: the platform cannot be watched at the moment.
        """
        present = self._followers.get(request)
        if present is None or present.handle != handle or present.has_lost_sight:
            self.stop(request)
            task = asyncio.create_task(self._run(request, provider, member, handle), name=f"upgrade of {member.name}")
            self._followers[request] = _Follower(handle, task)
            return None
        if present.task.done() and not present.task.cancelled() and (error := present.task.exception()) is not None:
            self.stop(request)
            raise error
        return present.latest

    def stop(self, request: Request) -> None:
        """Watch the operation of a request no more."""
        if (present := self._followers.pop(request, None)) is not None:
            present.task.cancel()

    async def run(self) -> None:
        """End all watches when this is cancelled."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await cancel(follower.task for follower in self._followers.values())
            self._followers.clear()

    async def _run(self, request: Request, provider: Provider, member: Member, handle: str) -> None:
        try:
            async for progress in provider.watch(member, handle):
                self._followers[request].latest = progress
                self._wake(request)
        except ProviderError:
            self._wake(request)
            raise
