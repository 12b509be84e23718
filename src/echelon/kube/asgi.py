"""The transport into an API server in the same process: ASGI without a socket.

Each request runs the application in a task of its own, as a server would, so that a client that is
cancelled does not tear a handler apart half-way: the application hears ``http.disconnect`` and ends
in its own time. Streams hold at most ``HIGH_WATER`` unread bytes; then the application waits in
``send``. An application that raises is logged and looks to the client like a server that fails:
500 when nothing was sent yet, a broken connection otherwise.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import unquote, urlencode

import structlog

from echelon.kube.errors import Unreachable
from echelon.kube.transport import EMPTY, Response, Stream, fold_headers

Message = MutableMapping[str, Any]
Application = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

HIGH_WATER = 1 << 16  # unread bytes of a stream at which the application has to wait
CLOSE_GRACE = 5.0  # seconds that requests under way get when the transport is closed

log = structlog.get_logger(__name__)


class AsgiTransport:
    """Calls ``app`` directly.

    ``prefix`` goes before every path, ``headers`` (an ``Authorization``, say) into every request and
    ``state`` into the ``state`` of every scope, for what a server learns from its connection.
    """

    def __init__(
        self,
        app: Application,
        *,
        prefix: str = "",
        headers: Mapping[str, str] = EMPTY,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._app = app
        self._prefix = prefix.rstrip("/")
        self._headers = [_raw_header(name, value) for name, value in headers.items()]
        self._state = state or {}
        self._exchanges: set[_Exchange] = set()
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
        exchange = self._start(_Exchange(body or b"", limit=None), method, path, query, headers)
        timer = exchange.loop.call_later(timeout, exchange.expire, timeout) if timeout is not None else None
        try:
            await exchange.ended
        finally:
            if timer is not None:
                timer.cancel()
            exchange.disconnect()
        return Response(exchange.status, exchange.headers, exchange.take())

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
        exchange = self._start(_Exchange(b"", limit=HIGH_WATER), method, path, query, headers)
        try:
            await exchange.next_step(timeout)
            yield Stream(exchange.status, exchange.headers, partial(exchange.chunk, timeout))
        finally:
            exchange.disconnect()

    async def close(self) -> None:
        self._closed = True
        tasks = [exchange.task for exchange in self._exchanges]
        for exchange in list(self._exchanges):
            exchange.fail("the transport was closed")
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(
        self, exchange: _Exchange, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> _Exchange:
        if self._closed:
            raise Unreachable("the transport is closed")
        path = self._prefix + path
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": path.encode("ascii"),
            "query_string": urlencode(query).encode("ascii") if query else b"",
            "root_path": "",
            "headers": self._headers + [_raw_header(name, value) for name, value in headers.items()],
            "client": None,
            "server": None,
            "state": dict(self._state),
        }
        self._exchanges.add(exchange)
        exchange.task = exchange.loop.create_task(self._run(exchange, scope))
        return exchange

    async def _run(self, exchange: _Exchange, scope: dict[str, Any]) -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            log.exception("application failed", method=scope["method"], path=scope["path"], error=repr(error))
            exchange.crash()
        finally:
            self._exchanges.discard(exchange)
            exchange.fail("the application ended without a whole answer")


def _raw_header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode("latin-1"), value.encode("latin-1")


class _Exchange:
    """One request and its answer, between the client's task and the application's.

    ``ended`` is done once the answer is whole or will never be; ``limit`` is the number of unread
    bytes at which ``send`` waits, None to take whatever comes.
    """

    __slots__ = (
        "_body",
        "_chunks",
        "_disconnected",
        "_limit",
        "_received",
        "_resumed",
        "_size",
        "_step",
        "_wakeup",
        "ended",
        "headers",
        "loop",
        "status",
        "task",
    )

    task: asyncio.Task[None]

    def __init__(self, body: bytes, limit: int | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.status = 0
        self.headers: Mapping[str, str] = EMPTY
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self._body = body
        self._received = False
        self._disconnected = False
        self._wakeup: asyncio.Future[None] | None = None  # the application, in receive
        self._resumed: asyncio.Future[None] | None = None  # the application, in send
        self._step: asyncio.Future[None] | None = None  # the client, reading a stream
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._limit = limit

    # The application's side

    async def receive(self) -> Message:
        if not self._received:
            self._received = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        if not self._disconnected:
            if self._wakeup is None:
                self._wakeup = self.loop.create_future()
            await asyncio.shield(self._wakeup)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._disconnected:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = fold_headers(
                (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
                for name, value in message.get("headers", ())
            )
            self._release(self._step)
            return
        chunk = bytes(message.get("body", b""))
        if chunk:
            self._chunks.append(chunk)
            self._size += len(chunk)
        if not message.get("more_body", False):
            self._finish(None)
            return
        self._release(self._step)
        while self._limit is not None and self._size >= self._limit and not self._disconnected:
            self._resumed = self.loop.create_future()
            await self._resumed

    # The client's side

    def take(self) -> bytes:
        """What has come since the last time."""
        taken = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._release(self._resumed)
        return taken

    async def next_step(self, silence: float | None) -> None:
        """Wait until the answer begins, or more of it has come, or it has ended."""
        if not self.ended.done() and not self._chunks:
            self._step = self.loop.create_future()
            timer = self.loop.call_later(silence, self.expire, silence) if silence is not None else None
            try:
                await self._step
            finally:
                self._step = None
                if timer is not None:
                    timer.cancel()
        if not self.status:
            await self.ended

    async def chunk(self, silence: float | None) -> bytes:
        """What has come of a stream; nothing at its end."""
        while not self._chunks:
            if self.ended.done():
                await self.ended
                return b""
            await self.next_step(silence)
        return self.take()

    # Ends

    def expire(self, seconds: float) -> None:
        self.fail(f"no answer within {seconds:g} s")

    def fail(self, why: str) -> None:
        """The answer will never be whole."""
        self._finish(Unreachable(why))

    def crash(self) -> None:
        """What a server does when its application raises."""
        if self.ended.done():
            return
        if self.status:
            self._finish(Unreachable("the application failed in the middle of its answer"))
        else:
            self.status, self.headers = 500, {"content-type": "text/plain; charset=utf-8"}
            self._chunks.append(b"Internal Server Error")
            self._finish(None)

    def _finish(self, error: Unreachable | None) -> None:
        if self.ended.done():  # cancelled by a client that is about to hang up
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
            self.ended.exception()  # whoever reads will see it; nobody has to
        self._release(self._step)
        self.disconnect()

    def disconnect(self) -> None:
        """Tell the application that nobody listens any more."""
        self._disconnected = True
        self._release(self._wakeup)
        self._release(self._resumed)

    @staticmethod
    def _release(waiting: asyncio.Future[None] | None) -> None:
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
