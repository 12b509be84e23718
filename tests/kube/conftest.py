"""A server and a client to it, and real servers for what only a socket can show."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import uvicorn

from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.testing import FakeServer


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
async def client(server: FakeServer) -> AsyncIterator[Client]:
    client = Client(AsgiTransport(server))
    yield client
    await client.close()


@contextlib.asynccontextmanager
async def _served(app: Any, **options: Any) -> AsyncIterator[int]:
    """Serve an application on a port of this machine, in this loop."""
    config = uvicorn.Config(app, lifespan="off", log_level="critical", **options)
    config.load()
    running = uvicorn.Server(config)
    running.lifespan = config.lifespan_class(config)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    await running.startup(sockets=[listening])
    try:
        yield listening.getsockname()[1]
    finally:
        for asyncio_server in running.servers:
            asyncio_server.close()
        for connection in list(running.server_state.connections):
            connection.transport.abort()


@pytest.fixture
def served() -> Callable[..., AbstractAsyncContextManager[int]]:
    return _served
