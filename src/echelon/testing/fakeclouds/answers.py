"""Answers of played clouds, and how faults become failures of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from echelon.testing.fakeclouds.model import Refusal

Handler = Callable[[web.Request], Awaitable[web.Response]]
Refuse = Callable[[Refusal], web.Response]


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON."""
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json", headers=headers)


def pause(refusal: Refusal) -> Mapping[str, str]:
    """The header that says when to try again."""
    return {} if refusal.retry_after is None else {"Retry-After": f"{refusal.retry_after:g}"}


def played(handler: Handler, refuse: Refuse) -> Handler:
    """A handler whose refusals are answered in the words of its cloud; a cloud that is down breaks the connection."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            if refusal.reason == "down" and request.transport is not None:
                request.transport.abort()
            return refuse(refusal)

    return handle
