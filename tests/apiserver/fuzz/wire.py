"""Calls a server with raw requests and tells what is wrong with an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, summarize

TOKEN = "secret"
MAY_FAIL = frozenset({503, 504, 507})
"""Codes from 500 on that are deliberate."""
PLAIN_404 = b"404 page not found\n"


class Wire:
    """A server in memory, called from synchronous code. Watches are ended as soon as they have begun."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self.server: ApiServer = self._runner.run(self._start())

    async def _start(self) -> ApiServer:
        self._database = Database.open(None, summarize=summarize)
        users = StaticTokens({TOKEN: User("admin", (MASTERS,)), "other": User("jane")})
        server = ApiServer(self._database.keyspace("main"), authenticator=users)
        await server.start()
        return server

    def close(self) -> None:
        async def close() -> None:
            await self.server.close()
            await self._database.close()

        self._runner.run(close())
        self._runner.close()

    def run(self, work: Callable[[], Any]) -> Any:
        return self._runner.run(work())

    def send(
        self, method: str, path: bytes, query: bytes = b"", headers: Any = (), body: bytes = b"", chunks: int = 1
    ) -> tuple[int, bytes]:
        """Code and body of the answer."""
        return self._runner.run(self._send(method, path, query, headers, body, chunks))

    async def _send(
        self, method: str, path: bytes, query: bytes, headers: Any, body: bytes, chunks: int
    ) -> tuple[int, bytes]:
        size = max(1, -(-len(body) // chunks))
        pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
        received = [
            {"type": "http.request", "body": piece, "more_body": index < len(pieces) - 1}
            for index, piece in enumerate(pieces)
        ]
        sent: list[Any] = []

        async def receive() -> Any:
            return received.pop(0) if received else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(b"authorization", f"Bearer {TOKEN}".encode()), *headers],
        }
        await asyncio.wait_for(self.server(scope, receive, send), 20)
        start, *rest = sent
        assert start["type"] == "http.response.start"
        for _, value in start["headers"]:
            assert b"\n" not in value
            assert b"\r" not in value
            assert b"\0" not in value
        return start["status"], b"".join(message.get("body", b"") for message in rest)


class Status(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A v1.Status of a failure."""

    kind: str
    api_version: str
    metadata: dict[str, Any]
    status: str
    message: str
    code: int
    reason: str = ""
    details: dict[str, Any] = {}


def fault(method: str, code: int, body: bytes) -> str | None:
    """What is wrong with an answer; None when nothing is."""
    if code >= 500 and code not in MAY_FAIL:
        return f"{code}: {body[:300]!r}"
    if code < 400 or method == "HEAD" or (code == 404 and body == PLAIN_404):
        return None
    try:
        status = msgspec.json.decode(body, type=Status)
        orjson.loads(body)
    except ValueError as error:
        return f"{code} without a Status ({error}): {body[:300]!r}"
    if (status.kind, status.api_version, status.status, status.code) != ("Status", "v1", "Failure", code):
        return f"{code} with another Status: {body[:300]!r}"
    return None if status.message or code == 422 else f"{code} says nothing: {body[:300]!r}"
