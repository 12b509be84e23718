"""Health, readiness and metrics of a process, over plain HTTP, for whoever looks after it.

``/healthz`` answers as long as the event loop turns. ``/readyz`` answers 200, or 503 with a sentence
that says why the process is not ready. ``/metrics`` is for Prometheus. Nothing else is served, and
nothing of this is secret.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

NotReady = Callable[[], str]
"""Why a process is not ready; empty when it is."""


class CannotListen(Exception):
    """The address of the probes cannot be listened on; the message is one line for the user."""


@asynccontextmanager
async def probes(not_ready: NotReady, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve probes and metrics while the context lasts; gives the port, which is a free one for 0.

    Raises:
        CannotListen: somebody else listens there, or this process may not.
    """

    async def ready(_: web.Request) -> web.Response:
        why = not_ready()
        return web.Response(status=503 if why else 200, text=f"{why or 'ok'}\n")

    application = web.Application()
    application.router.add_get("/healthz", _healthy)
    application.router.add_get("/readyz", ready)
    application.router.add_get("/metrics", _metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise CannotListen(f"cannot listen on {host}:{port} for probes: {error.strerror}") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
