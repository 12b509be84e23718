"""The transport of commands that ask a few things and end.

It does what ``echelon.kube.http`` does, with nothing but the standard library, since loading a whole
HTTP client takes longer than all that such a command does. Requests go out one after the other over
one connection. For a proxy, or a certificate of another name, the whole client is taken after all.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlencode, urlsplit

from echelon.kube.credentials import CredentialsError, Identity
from echelon.kube.errors import Unauthorized, Unreachable
from echelon.kube.kubeconfig import Connection
from echelon.kube.tls import client_context
from echelon.kube.transport import EMPTY, Response, Stream, Transport, fold_headers

_PROXIES = ("https_proxy", "http_proxy", "all_proxy")
_FAILURES = (http.client.HTTPException, OSError)
_CHUNK = 65536


def brief_transport(connection: Connection) -> Transport:
    """The transport to a server for a command that ends soon."""
    if (
        connection.proxy
        or connection.server_name
        or any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES)
    ):
        from echelon.kube.http import HttpTransport  # here, for what it takes to load

        return HttpTransport(connection)
    return BriefTransport(connection)


class BriefTransport:
    """One connection to a server, opened with the first request."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._server = urlsplit(connection.server)
        self._lock = threading.Lock()
        self._open: http.client.HTTPConnection | None = None
        self._identity = Identity()

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
        target = _target(path, query)

        async def once(identity: Identity) -> Response:
            return await asyncio.to_thread(self._request, identity, method, target, headers, body, timeout)

        identity = await self._identify()
        answer = await once(identity)
        if answer.status == 401 and self._connection.credentials.rejected(identity):
            renewed = await self._identify()
            if renewed != identity:
                answer = await once(renewed)
        return answer

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
        identity = await self._identify()
        opened = self._connect(identity, timeout)
        try:
            answer = await asyncio.to_thread(self._send, opened, identity, method, _target(path, query), headers, None)
            chunk = partial(asyncio.to_thread, answer.read1, _CHUNK)
            yield Stream(answer.status, fold_headers(answer.getheaders()), chunk)
        except _FAILURES as error:
            raise self._unreachable(error) from error
        finally:
            opened.close()

    async def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _request(
        self,
        identity: Identity,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: float | None,
    ) -> Response:
        with self._lock:
            if self._open is None or identity != self._identity:
                self._open, self._identity = self._connect(identity, timeout), identity
            try:
                answer = self._send(self._open, identity, method, target, headers, body)
                return Response(answer.status, fold_headers(answer.getheaders()), answer.read())
            except _FAILURES as error:
                self._open.close()
                self._open = None
                raise self._unreachable(error) from error

    def _connect(self, identity: Identity, timeout: float | None) -> http.client.HTTPConnection:
        host, port = self._server.hostname or "", self._server.port
        if self._server.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=timeout)
        context = client_context(self._connection, identity)
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)

    def _send(
        self,
        opened: http.client.HTTPConnection,
        identity: Identity,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> http.client.HTTPResponse:
        sent = {**self._connection.headers, **headers}
        if identity.authorization:
            sent["Authorization"] = identity.authorization
        opened.request(method, self._server.path.rstrip("/") + target, body, sent)
        return opened.getresponse()

    async def _identify(self) -> Identity:
        try:
            return await self._connection.credentials.identity()
        except CredentialsError as error:
            raise Unauthorized(str(error)) from error

    def _unreachable(self, error: BaseException) -> Unreachable:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Unreachable(f"{self._connection.server}: {why or type(error).__name__}")


def _target(path: str, query: Mapping[str, str]) -> str:
    return path + ("?" + urlencode(query) if query else "")
