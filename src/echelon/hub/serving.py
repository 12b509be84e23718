"""Web faces of a hub, beside its controllers: the portal, and the fleet for clients of ARM.

Every replica serves them, whether it leads or stands by: they keep nothing but sessions, and ask the cluster with the
token of whoever they serve.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from echelon.kube.probes import CannotListen

_GRACE = 5  # seconds for requests that are under way when serving ends


def certificate(chain: str, key: str) -> ssl.SSLContext:
    """TLS with a certificate, those that vouch for it, and its key: PEM files.

    Raises:
        OSError: a file cannot be read.
        ssl.SSLError: they are no certificate and key, or not of each other.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain, key)
    return context


def _nothing() -> None:
    """There are no streams to end."""


@asynccontextmanager
async def serving(
    application: Any,
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    before_stop: Callable[[], None] = _nothing,
) -> AsyncIterator[int]:
    """Serve an ASGI application while the context lasts; gives the port, which is a free one for 0.

    Without ``host`` it is served on all addresses. ``before_stop`` ends open streams.

    Raises:
        CannotListen: the address cannot be used.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        application,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    config.load()
    config.ssl = tls
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield listener.getsockname()[1]
    finally:
        before_stop()
        await server.shutdown(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        if not host and socket.has_dualstack_ipv6():
            listener = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener
