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

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger(__name__)

_GRACE = 5
STALL_SECONDS = 30.0
"""How long a client may read nothing of what waits for it, before its connection is cut."""


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 that tells the application which certificate the client showed, and cuts off who does not read."""

    _tls: dict[str, Any] | None = None
    _stall: asyncio.TimerHandle | None = None
    stall_seconds = STALL_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self._tls = {"peer_certificate": certificate} if certificate else None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._tls is not None:
            self.scope["extensions"] = {"tls": cast("dict[object, object]", self._tls)}

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        self._forget_stall()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_stall()
        super().connection_lost(exc)

    def _expect_progress(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._stall = asyncio.get_running_loop().call_later(self.stall_seconds, self._cut_unless_read, waiting)

    def _forget_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _cut_unless_read(self, waited: int) -> None:
        if self.transport.get_write_buffer_size() < waited:
            self._expect_progress()
        else:
            log.info("cut a client off that does not read", client=self.client, bytes=waited)
            self.transport.abort()


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
        http=Protocol,
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
