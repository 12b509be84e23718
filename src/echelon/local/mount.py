"""One port for many API servers: ``/clusters/<name>`` leads to the server of that name.

Some clients pass over the path of a server's address: ``kubectl get --raw /version`` asks for just
that. Then the token tells the cluster (see ``tokens.context_token``), which checks it as always.

A raw ASGI application. Clusters may be added and removed while it serves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from echelon.local.tokens import cluster_of_token

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_PREFIX = "/clusters/"
_BEARER = "bearer "
_NOT_FOUND = b"no cluster is here; they are at /clusters/NAME, see the contexts of the kubeconfig\n"
"""Names no cluster: anybody may ask."""


class NameTaken(Exception):
    """Something else is served by a name; the message is one line for the user."""


class Face(Protocol):
    """An application beside the clusters."""

    def serves(self, path: str) -> bool:
        """Whether a path is the application's."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Mounts:
    """The clusters that are served, by name."""

    def __init__(self) -> None:
        self._clusters: dict[str, Application] = {}
        self._face: Face | None = None
        self._pages: Face | None = None

    def put_before(self, face: Face) -> None:
        """Let an application have the paths that it serves; those of clusters are never among them."""
        self._face = face

    def put_behind(self, pages: Face) -> None:
        """Let an application have the paths that it serves, of those that nobody else wants: it is for browsers."""
        self._pages = pages

    def add(self, name: str, application: Application) -> None:
        """Serve a cluster by a name. Raises NameTaken when another one is served by it."""
        if self._clusters.setdefault(name, application) is not application:
            raise NameTaken(f"a cluster is served as {name!r} here already; choose another name")

    def remove(self, name: str) -> None:
        self._clusters.pop(name, None)

    def names(self) -> list[str]:
        return sorted(self._clusters)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        name = path[len(_PREFIX) :].split("/", 1)[0] if path.startswith(_PREFIX) else ""
        cluster = self._clusters.get(name)
        if self._face is not None and self._face.serves(path):
            await self._face(scope, receive, send)
            return
        if cluster is None and not path.startswith(_PREFIX):
            cluster = self._clusters.get(cluster_of_token(_bearer(scope)))
            if cluster is not None:
                await cluster(scope, receive, send)
                return
            if self._pages is not None and self._pages.serves(path):
                await self._pages(scope, receive, send)
                return
        if cluster is None:
            await _not_found(send)
            return
        inner = dict(scope)
        inner["root_path"] = scope.get("root_path", "") + _PREFIX + name
        await cluster(inner, receive, send)


async def _not_found(send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(_NOT_FOUND)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": _NOT_FOUND})


def _bearer(scope: Scope) -> str:
    """The token that a request shows; empty when it shows none."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
    return values[0][len(_BEARER) :].strip() if values and values[0].lower().startswith(_BEARER) else ""
