"""The transport over a socket: HTTP/1.1 on aiohttp, connections kept alive.

Identities may change while the transport lives (a token is renewed, a plugin gives another client
certificate); a 401 makes it ask the credentials once more before the answer is passed on. A dead
peer is noticed by TCP keep-alive within a minute, also on a watch that is silent for hours.
"""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from yarl import URL

from echelon.kube.credentials import CredentialsError, Identity
from echelon.kube.errors import Unauthorized, Unreachable
from echelon.kube.kubeconfig import Connection
from echelon.kube.tls import client_context
from echelon.kube.transport import EMPTY, Response, Stream, fold_headers

CONNECT_TIMEOUT = 30.0
KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}  # seconds, seconds, probes
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError)


class HttpTransport:
    """A pool of connections to one server; as many as are needed at once, since every stream takes one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._server = connection.server.rstrip("/")
        self._proxy = connection.proxy or _environment_proxy(self._server)
        self._certificate = b""
        self._session: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.ClientSession] = []
        self._closed = False

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT)
        try:
            async with await self._call(method, path, query, headers, body, limits) as answer:
                content = await answer.read()
        except _FAILURES as error:
            raise self._unreachable(error, timeout) from error
        return Response(answer.status, fold_headers(answer.headers.items()), content)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        timeout: float | None = None,
    ) -> AsyncIterator[Stream]:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=timeout)
        try:
            answer = await self._call(method, path, query, headers, None, limits)
        except _FAILURES as error:
            raise self._unreachable(error, timeout) from error
        try:
            yield Stream(answer.status, fold_headers(answer.headers.items()), partial(self._chunk, answer, timeout))
        finally:
            if answer.connection is not None and answer.connection.protocol is not None:
                answer.connection.protocol.abort()  # a farewell by TLS would outlive this call, and perhaps the loop
            answer.close()

    async def close(self) -> None:
        self._closed = True
        for session in [*self._retired, *([self._session] if self._session else [])]:
            await session.close()
        self._session, self._retired = None, []
        await asyncio.sleep(0)  # aiohttp closes its sockets in the next turn of the loop

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Send a request, once more if the server rejects an identity that can be renewed."""
        url = URL(self._server + path + ("?" + urlencode(query) if query else ""), encoded=True)
        identity = await self._identity()
        answer = await self._send(method, url, headers, body, limits, identity)
        if answer.status == 401 and self._connection.credentials.rejected(identity):
            renewed = await self._identity()
            if renewed != identity:
                answer.close()
                answer = await self._send(method, url, headers, body, limits, renewed)
        return answer

    async def _send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        limits: aiohttp.ClientTimeout,
        identity: Identity,
    ) -> aiohttp.ClientResponse:
        sent = {**self._connection.headers, **headers}
        if identity.authorization:
            sent["Authorization"] = identity.authorization
        return await self._session_for(identity).request(
            method,
            url,
            headers=sent,
            data=body,
            timeout=limits,
            allow_redirects=False,
            proxy=self._proxy or None,
            server_hostname=self._connection.server_name or None,
        )

    async def _chunk(self, answer: aiohttp.ClientResponse, silence: float | None) -> bytes:
        try:
            return await answer.content.readany()
        except _FAILURES as error:
            raise self._unreachable(error, silence) from error

    async def _identity(self) -> Identity:
        try:
            return await self._connection.credentials.identity()
        except CredentialsError as error:
            raise Unauthorized(str(error)) from error

    def _session_for(self, identity: Identity) -> aiohttp.ClientSession:
        """The session for a client certificate. Another certificate retires the session, whose streams go on."""
        if self._closed:
            raise Unreachable("the transport is closed")
        if self._session is None or identity.certificate != self._certificate:
            if self._session is not None:
                self._retired.append(self._session)
            connector = aiohttp.TCPConnector(
                limit=0,
                ssl=client_context(self._connection, identity) if self._server.startswith("https:") else False,
                socket_factory=_open_socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=["Content-Type"]
            )
            self._certificate = identity.certificate
        return self._session

    def _unreachable(self, error: BaseException, timeout: float | None) -> Unreachable:
        if isinstance(error, TimeoutError):
            return Unreachable(f"{self._server}: no answer within {timeout or CONNECT_TIMEOUT:g} s")
        return Unreachable(f"{self._server}: {error or type(error).__name__}")


def _environment_proxy(server: str) -> str:
    """The proxy that the environment names for a server (HTTPS_PROXY, NO_PROXY)."""
    address = urlsplit(server)
    if urllib.request.proxy_bypass(address.hostname or ""):
        return ""
    return urllib.request.getproxies().get(address.scheme, "")


def _open_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket that notices when the peer is gone."""
    family, kind, protocol = address[:3]
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):  # macOS has no TCP_KEEPIDLE
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return opened
