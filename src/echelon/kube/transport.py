"""How a request gets to an API server: what the client asks of a transport, in bytes.

There are two: ``echelon.kube.http`` over a socket, ``echelon.kube.asgi`` into a server in the same
process. Both give any answer back as it is, failures too; both raise ``Unreachable`` when there is
none, and nothing else. To cancel a call or leave a stream's ``async with`` hangs up, as closing the
connection would: the server is told, and a write that it had begun may still take place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

EMPTY: Mapping[str, str] = {}


class Response(msgspec.Struct, frozen=True, gc=False):
    """A whole answer; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def fold_headers(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Headers by name in lower case; one that comes several times becomes one, its values joined by commas."""
    folded: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        folded[name] = f"{folded[name]}, {value}" if name in folded else value
    return folded


class Stream:
    """An answer whose body is still coming. ``chunk`` gives the next piece of it, nothing at its end."""

    def __init__(self, status: int, headers: Mapping[str, str], chunk: Callable[[], Awaitable[bytes]]) -> None:
        self.status = status
        self.headers = headers
        self.chunk = chunk

    async def read(self) -> bytes:
        """The rest of the body."""
        chunks: list[bytes] = []
        while chunk := await self.chunk():
            chunks.append(chunk)
        return b"".join(chunks)

    def lines(self) -> AsyncIterator[bytes]:
        """The body line by line, without line ends and empty lines; a line may be of any length."""
        return _Lines(self.chunk)


class _Lines:
    def __init__(self, chunk: Callable[[], Awaitable[bytes]]) -> None:
        self._chunk = chunk
        self._whole: deque[bytes] = deque()
        self._pieces: list[bytes] = []  # of a line whose end has not come

    def __aiter__(self) -> _Lines:
        return self

    async def __anext__(self) -> bytes:
        while not self._whole:
            chunk = await self._chunk()
            if not chunk:
                return self._last()
            first, *others = chunk.split(b"\n")
            self._pieces.append(first)
            for other in others:
                if line := b"".join(self._pieces):
                    self._whole.append(line)
                self._pieces = [other]
        return self._whole.popleft()

    def _last(self) -> bytes:
        line = b"".join(self._pieces)
        self._pieces = []
        if not line:
            raise StopAsyncIteration
        return line


class Transport(Protocol):
    """The way to one API server. ``path`` is absolute and already percent-encoded."""

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
        """One request and its whole answer, within ``timeout`` seconds.

        Raises:
            Unreachable: there was no whole answer.
        """

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = EMPTY,
        headers: Mapping[str, str] = EMPTY,
        timeout: float | None = None,
    ) -> AbstractAsyncContextManager[Stream]:
        """One request whose answer is read as it comes; ``timeout`` is the longest silence, in seconds.

        Raises:
            Unreachable: there was no answer, or it broke off (then out of the reading).
        """

    async def close(self) -> None:
        """Hang up on whatever is under way."""
