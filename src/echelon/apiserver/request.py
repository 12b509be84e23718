"""A request, and what its path says: which verb on which resource.

``parse_path`` knows the shape of Kubernetes paths but not which resources exist:

    /api/v1/namespaces/{namespace}/{resource}/{name}/{subresource}      the core group
    /apis/{group}/{version}/…                                          every other group

``/api/v1/namespaces/{name}`` itself is a namespace object; ``status`` and ``finalize`` below it are
its subresources, anything else is a resource in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from echelon.apiserver.errors import bad_request, too_large
from echelon.apiserver.query import Query, parse_query

if TYPE_CHECKING:
    from echelon.apiserver.authentication import User

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_LIMIT = 3 * 1024 * 1024
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


class ResourcePath(msgspec.Struct, frozen=True, gc=False):
    """What a resource path addresses. ``name`` is empty for a collection."""

    group: str
    version: str
    namespace: str
    resource: str
    name: str
    subresource: str


def parse_path(segments: list[str]) -> ResourcePath | None:
    """The resource that a path addresses; None for any other path, discovery included."""
    if segments[0] == "api" and len(segments) > 2:
        group, version, rest = "", segments[1], segments[2:]
    elif segments[0] == "apis" and len(segments) > 3:
        group, version, rest = segments[1], segments[2], segments[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
        elif group == "":
            namespace = ""
    if len(rest) > 3 and rest[2] != "proxy":
        return None
    return ResourcePath(
        group,
        version,
        namespace,
        rest[0],
        rest[1] if len(rest) > 1 else "",
        "/".join(rest[2:]),
    )


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "GET": "get", "HEAD": "get", "DELETE": "delete"}


def verb_of(method: str, path: ResourcePath, query: Query) -> str:
    """The Kubernetes verb of a request on a resource."""
    verb = _VERBS.get(method, "")
    if not path.name:
        if verb == "get":
            return "watch" if query.get("watch", "false").lower() not in ("false", "0") else "list"
        if verb == "delete":
            return "deletecollection"
    return verb


class Request:
    """One HTTP request on its way through the server. ``warnings`` collects what its client should be told."""

    __slots__ = (
        "_receive",
        "headers",
        "impersonator",
        "method",
        "path",
        "query",
        "scope",
        "segments",
        "user",
        "verb",
        "warnings",
    )

    user: User

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        self._receive = receive
        query: bytes = scope.get("query_string") or b""
        self.query: dict[str, str] = parse_query(query) if query else {}
        self.path = _relative_path(scope)
        self.segments = self.path.strip("/").split("/")
        if "%" in self.path:
            self.segments = [unquote(segment) for segment in self.segments]
        self.verb = ""
        self.impersonator: User | None = None
        """Who asks as ``user``, when that is somebody else."""
        self.warnings: list[str] = []

    def header(self, name: bytes) -> str:
        """The value of a header (its name in lower case); empty when absent."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return ""

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            StatusError: 413 above the limit, 400 when the client went away half-way.
        """
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise bad_request("the client went away before the body was complete")
            chunk = message.get("body", b"")
            chunks.append(chunk)
            size += len(chunk)
            if size > BODY_LIMIT:
                raise too_large(BODY_LIMIT)
            more = message.get("more_body", False)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def disconnected(self) -> None:
        """Wait until the client has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _relative_path(scope: Scope) -> str:
    """The path below the mount, still percent-encoded, so that an encoded slash stays in its segment."""
    raw: bytes | None = scope.get("raw_path")
    path: str = raw.decode("latin-1") if raw else scope["path"].replace("%", "%25")
    root: str = scope.get("root_path") or ""
    if root and path.startswith(root):
        path = path[len(root) :]
    return path.partition("?")[0]
