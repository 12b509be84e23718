"""The server: routes requests of all three clouds and of whoever plays, on one port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import web

from echelon.testing.fakeclouds import aks, control, eks, gke
from echelon.testing.fakeclouds.clock import Clock
from echelon.testing.fakeclouds.model import Clouds

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Plays clouds at ``url`` while it is open (``async with``)."""

    def __init__(self, clouds: Clouds, clock: Clock, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.clouds = clouds
        self.clock = clock
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where the clouds are: the endpoint for all of them."""
        assert self._runner is not None
        return f"http://{self._host}:{self._runner.addresses[0][1]}"

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._settled])
        for part in (aks, eks, gke, control):
            app.add_routes(part.routes(self.clouds, self.clock))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @web.middleware
    async def _settled(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.clouds.settle(self.clock.now())
        return await handler(request)
