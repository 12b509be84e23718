"""HTTP for ASGI applications: uvicorn, with the client's certificate in the scope.

``scope["extensions"]["tls"]["peer_certificate"]`` holds the certificate (DER) that a client showed
and the TLS layer verified. The server takes no signals: whoever started it stops it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_GRACE = 5


class PeerCertificateProtocol(HttpToolsProtocol):
    """HTTP/1.1 that tells the application which certificate the client showed."""

    _tls: dict[str, Any] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self._tls = {"peer_certificate": certificate} if certificate else None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._tls is not None:
            self.scope["extensions"] = {"tls": cast("dict[object, object]", self._tls)}


class RunningServer:
    """A server that accepts connections on ``port``."""

    def __init__(self, server: uvicorn.Server, listener: socket.socket, before_stop: Callable[[], None]) -> None:
        self.port: int = listener.getsockname()[1]
        self._server = server
        self._listener = listener
        self._before_stop = before_stop
        self._stopped = False

    async def stop(self) -> None:
        """Let ``before_stop`` end what streams, finish the requests under way and close all connections."""
        if self._stopped:
            return
        self._stopped = True
        self._before_stop()
        await self._server.shutdown(sockets=[self._listener])


async def serve(
    app: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    before_stop: Callable[[], None] = lambda: None,
) -> RunningServer:
    """Serve an ASGI application; returns once connections are accepted.

    ``port`` 0 takes a free one. ``before_stop`` should end open watches (``ApiServer.end_streams``).

    Raises:
        OSError: the address cannot be used.
    """
    config = uvicorn.Config(
        app,
        http=PeerCertificateProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE,
    )
    config.load()
    config.ssl = tls
    listener = _listen(host, port)
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    server.server_state.default_headers = config.encoded_headers
    await server.startup(sockets=[listener])
    return RunningServer(server, listener, before_stop)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY on TCP only
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
