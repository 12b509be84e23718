"""A bare HTTP/1.1 client for load: it costs so little that the server, not the client, is measured.

It knows keep-alive connections, answers with a length or in chunks, and nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

_END = b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection: ``ask`` waits for a whole answer; ``follow`` hands on whatever comes."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self._wanted = 0
        self._follower: Callable[[bytes], None] | None = None
        self._lost = asyncio.Event()

    @classmethod
    async def open(cls, port: int, tls: ssl.SSLContext | None = None) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port, ssl=tls)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        if self._follower is not None:
            self._follower(data)
            return
        self._buffer += data
        if not self._wanted:
            head = self._buffer.find(_END)
            if head < 0:
                return
            self._wanted = head + len(_END) + _length(self._buffer[:head])
        if len(self._buffer) >= self._wanted and self._answer is not None and not self._answer.done():
            answer = bytes(self._buffer)
            self._buffer.clear()
            self._wanted = 0
            self._answer.set_result(answer)

    async def ask(self, request: bytes) -> bytes:
        """Send a request; its whole answer, head included. Raises ``RuntimeError`` when it is no success."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answer
        if answer[9:10] != b"2":
            raise RuntimeError(f"the server refused {request[:80]!r}: {answer[:600]!r}")
        return answer

    def follow(self, request: bytes, follower: Callable[[bytes], None]) -> None:
        """Send a request whose answer is a stream, and hand on what comes from now on."""
        assert self._transport is not None
        self._follower = follower
        self._transport.write(request)

    async def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()
        await self._lost.wait()


def _length(head: bytearray) -> int:
    start = head.find(b"content-length: ")
    if start < 0:
        return 0
    return int(head[start + 16 : (head.find(b"\r", start) + 1 or len(head) + 1) - 1])


def request(
    method: str, path: str, body: bytes = b"", content_type: str = "application/json", token: str = ""
) -> bytes:
    """The bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    if token:
        head += f"authorization: Bearer {token}\r\n"
    if body:
        head += f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
